"""The journal and the record: what is on disk, when, and what becomes of it where it is damaged."""

import json
import os
from pathlib import Path

import pytest

from netspec.core.resource import Key
from netspec.engine.applied import AppliedRecord
from netspec.engine.journal import Journal, entry_of
from netspec.errors import Refused
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.operations import SysctlWrite
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import Scope, Snapshot
from tests.engine.sites import Site, fake, faulty
from tests.specs import BASE, MANY, SYSCTLS, edited


def crashed(site: Site, spec: str = BASE) -> Journal:
    """A journal that a killed apply has left."""
    with pytest.raises(Crash):
        site.reconciler(faulty(site, 5, "crash")).carry_out(site.propose(spec))
    return site.reconciler().journal


def test_it_is_written_before_the_first_change(in_memory: Site) -> None:
    """At the first operation it is there, whole, and says for each key what was before."""
    with pytest.raises(Crash):
        in_memory.reconciler(faulty(in_memory, 0, "crash")).carry_out(in_memory.propose(BASE))
    entry = in_memory.reconciler().journal.read()

    assert entry is not None
    assert entry.stack == "default"
    assert entry.before.keys() >= {change.key for change in in_memory.propose(BASE).plan.changes}
    assert {str(key) for key, before in entry.before.items() if before is not None} == {
        "sysctl/net.ipv4.conf.all.accept_redirects",
        "sysctl/net.ipv4.conf.default.forwarding",
        "sysctl/net.ipv4.ip_forward",
    }


def test_it_remembers_every_kind_exactly(in_memory: Site) -> None:
    """What was read back is what was observed: values, marks, packed bytes."""
    in_memory.apply(MANY)
    proposal = in_memory.propose(SYSCTLS)
    journal = in_memory.reconciler().journal
    written = entry_of("default", proposal.plan, proposal.observed)
    journal.open(written)

    assert journal.read() == written
    assert {key.kind for key in written.before} == {
        "address",
        "element",
        "flows",
        "link",
        "netns",
        "port",
        "route",
        "sysctl",
    }


def test_it_is_gone_when_all_is_done_and_when_all_is_undone(in_memory: Site) -> None:
    """An empty directory is an apply that ended."""
    in_memory.apply(BASE)
    assert in_memory.reconciler().journal.read() is None
    crashed(in_memory, MANY)
    in_memory.reconciler().recover()

    assert in_memory.reconciler().journal.read() is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "[" * 100_000,
        '{"format": 2, "stack": "default", "before": []}',
        '{"format": 1, "stack": "default"}',
        '{"format": 1, "stack": "default", "before": [["link", "", "x"]]}',
        '{"format": 1, "stack": "default", "before": [["link", "", "x", {"kind": "Nothing"}]]}',
        '{"format": 1, "stack": "default", "before": [["link", "", "x", {"kind": "Bridge", "mtu": "wide"}]]}',
        "\0\xff",
    ],
)
def test_a_damaged_one_is_refused_and_left_alone(in_memory: Site, text: str) -> None:
    """Torn, corrupt, of another format: nothing is changed, and the message names the file and the way out."""
    journal = crashed(in_memory)
    before = in_memory.rows()
    journal.path.write_text(text, encoding="latin-1")

    with pytest.raises(Refused) as caught:
        in_memory.reconciler().recover()
    assert f"the journal {journal.path} of an interrupted apply cannot be understood" in _said(caught.value)
    assert (in_memory.rows(), journal.path.read_text(encoding="latin-1")) == (before, text)


def _said(error: Refused) -> str:
    return " ".join(each.message for each in error.diagnostics)


def test_one_cut_at_any_place_is_refused(in_memory: Site) -> None:
    """A torn write never looks like a shorter whole one."""
    journal = crashed(in_memory)
    text = journal.path.read_text(encoding="utf-8")

    for length in range(0, len(text), 97):
        journal.path.write_text(text[:length], encoding="utf-8")
        with pytest.raises(Refused):
            journal.read()


def test_a_write_that_dies_leaves_the_one_before(in_memory: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written aside and renamed: before the rename, the old one is whole."""
    journal = crashed(in_memory)
    text = journal.path.read_text(encoding="utf-8")
    proposal = in_memory.propose(MANY)

    def die(*_names: str, **_directories: int) -> None:
        raise Crash

    monkeypatch.setattr(os, "rename", die)
    with pytest.raises(Crash):
        journal.open(entry_of("default", proposal.plan, proposal.observed))

    assert journal.path.read_text(encoding="utf-8") == text


def test_a_symbolic_link_is_not_followed(in_memory: Site, tmp_path: Path) -> None:
    """Neither read nor written through."""
    target = tmp_path / "target"
    journal = crashed(in_memory)
    target.write_text(journal.path.read_text(encoding="utf-8"), encoding="utf-8")
    journal.path.unlink()
    journal.path.symlink_to(target)
    text = target.read_text(encoding="utf-8")

    with pytest.raises(Refused, match="cannot read"):
        journal.read()
    journal.open(entry_of("default", in_memory.propose(MANY).plan, {}))
    assert target.read_text(encoding="utf-8") == text
    assert not journal.path.is_symlink()


def test_a_journal_that_cannot_be_written_forbids_the_apply(in_memory: Site) -> None:
    """Without it nothing is changed."""
    in_memory.directory.joinpath("run0").write_text("a file where the directory shall be", encoding="utf-8")
    before = in_memory.rows()

    with pytest.raises(Refused):
        in_memory.apply(BASE)
    assert in_memory.rows() == before


def test_a_record_that_cannot_be_written_forbids_the_apply_before_it_begins(in_memory: Site) -> None:
    """Never after: what was applied and verified would be undone by the next run."""
    in_memory.directory.joinpath("state").write_text("a file", encoding="utf-8")
    before = in_memory.rows()

    with pytest.raises(Refused):
        in_memory.apply(BASE)
    assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (before, None)


def test_a_full_disk_after_the_apply_undoes_nothing(in_memory: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is closed before the record is written, and the record is only a word."""

    def full(_path: Path, _text: str) -> None:
        raise Refused("No space left on device.")

    monkeypatch.setattr("netspec.engine.applied.write_private", full)
    in_memory.apply(BASE)

    assert (in_memory.reconciler().recover(), in_memory.steps(BASE)) == (None, [])


class Blind(FakeKernel):
    """A fake that cannot be read any more after so many looks, for so many more."""

    sight = 10**6
    blindness = 0

    def snapshot(self, scope: Scope) -> Snapshot:
        """Look, as long as that is possible."""
        self.sight -= 1
        if self.sight < 0 and self.blindness:
            self.blindness -= 1
            raise KernelError(110, None, "no answer came")
        return super().snapshot(scope)


def test_an_apply_that_cannot_be_verified_is_undone(tmp_path: Path) -> None:
    """Everything was done, and then the kernel did not answer: undone, as after any failure."""
    kernel = Blind()
    site = Site(kernel, tmp_path)
    before = site.rows()
    proposal = site.propose(BASE)
    kernel.sight, kernel.blindness = 0, 2

    with pytest.raises(Exception, match="was undone") as caught:
        site.reconciler().carry_out(proposal)
    assert [each.message for each in getattr(caught.value, "diagnostics", ())] == [
        "the kernel could not be read: no answer came — Connection timed out (ETIMEDOUT)"
    ]
    assert (site.rows(), site.reconciler().recover()) == (before, None)


def test_a_kernel_that_stays_blind_is_not_called_restored(tmp_path: Path) -> None:
    """Nobody can say what is left: exit 4, and the journal stays for the next run."""
    kernel = Blind()
    site = Site(kernel, tmp_path)
    before = site.rows()
    proposal = site.propose(BASE)
    kernel.sight, kernel.blindness = 0, 100

    with pytest.raises(Exception, match="What is left cannot be seen") as caught:
        site.reconciler().carry_out(proposal)
    assert getattr(caught.value, "exit_code", 0) == 4
    with pytest.raises(Exception, match="cannot be read"):
        site.propose(BASE)
    kernel.blindness = 0
    assert site.reconciler().recover() is not None
    assert site.rows() == before


def test_drift_is_told_from_a_change_of_the_spec(in_memory: Site) -> None:
    """A key that differs though its wish is the one applied last: the kernel has moved."""
    in_memory.apply(BASE)
    fake(in_memory).execute([SysctlWrite(key="net.ipv4.ip_forward", value="0")])
    proposal = in_memory.propose(edited(BASE, ("10.1.0.0/24]", "10.1.0.0/24], mtu: 1400")))
    moved = {Key("sysctl", "", "net.ipv4.ip_forward")}

    assert proposal.drift == moved
    assert {str(change.key) for change in proposal.plan.changes} > {str(key) for key in moved}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "17",
        '{"a": 1}',
        '{"digests": {"a": 1}, "files": []}',
        '{"digests": {}, "files": [1]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_record_costs_only_the_word(in_memory: Site, text: str) -> None:
    """Without it nothing is called drift; everything works."""
    in_memory.apply(BASE)
    in_memory.directory.joinpath("state", "applied-default.json").write_text(text, encoding="utf-8")
    fake(in_memory).execute([SysctlWrite(key="net.ipv4.ip_forward", value="0")])

    assert in_memory.propose(BASE).drift == frozenset()
    in_memory.apply(BASE)
    fake(in_memory).execute([SysctlWrite(key="net.ipv4.ip_forward", value="0")])
    assert len(in_memory.propose(BASE).drift) == 1


def test_the_record_is_one_for_each_stack_and_holds_no_secrets(tmp_path: Path) -> None:
    """Digests by key and names of files, nothing else."""
    AppliedRecord(tmp_path, "one").write({})
    site = Site(FakeKernel(), tmp_path)
    site.apply(BASE)
    found = json.loads((tmp_path / "state" / "applied-default.json").read_text(encoding="utf-8"))

    assert all(len(value) == 16 for value in found["digests"].values())
    assert found["files"] == []
    assert FaultyKernel(site.kernel).count == 0
