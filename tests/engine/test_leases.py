"""The record of leases: what interfaces had stays theirs when the kernel has forgotten it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.engine.leases import LeaseRecord
from netspec.errors import ApplyFailed
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.snapshot import Scope
from netspec.kinds.address import Address
from tests.engine.sites import Site
from tests.specs import intent

SPEC = """\
netspec: 1
bridges: {{lan: {{subnets: [10.1.0.0/24, "fd00:1::/64"]}}}}
endpoints: {{{}}}
"""


def spec(names: str) -> str:
    """Endpoints on one bridge, by their names."""
    return SPEC.format(", ".join(f"{name}: {{bridge: lan}}" for name in names.split()))


def record(site: Site) -> Path:
    """Where the record of the stack is."""
    return site.directory / "state/leases-default.json"


def offered(site: Site, text: str) -> dict[str, str]:
    """The addresses that endpoints would have."""
    state = intent(text).desire(site.reconciler().present(intent(text)))
    found: dict[str, str] = {}
    for each in state.values():
        if isinstance(each, Address) and each.netns:
            found[each.netns] = f"{found.get(each.netns, '')} {each.address.ip}".strip()
    return found


def after_a_reboot(site: Site) -> Site:
    """The same state directory, an empty kernel, and no run directory."""
    return Site(FakeKernel(), site.directory, 1)


def test_an_apply_writes_who_has_what(in_memory: Site) -> None:
    """Readable, and for its owner alone."""
    in_memory.apply(spec("a b"))

    assert record(in_memory).read_text("utf-8") == (
        '{\n "format_version": 1,\n "leases": {\n'
        '  "a/eth0": [\n   "10.1.0.2/24",\n   "fd00:1::2/64"\n  ],\n'
        '  "b/eth0": [\n   "10.1.0.3/24",\n   "fd00:1::3/64"\n  ]\n }\n}\n'
    )
    assert record(in_memory).stat().st_mode & 0o777 == 0o600
    assert record(in_memory).parent.stat().st_mode & 0o777 == 0o700


def test_a_reboot_moves_nobody(in_memory: Site) -> None:
    """Whoever was added or removed before it, and in whatever order they stand."""
    in_memory.apply(spec("a b c"))
    in_memory.apply(spec("c b"))
    before = offered(in_memory, spec("c b"))
    rebooted = after_a_reboot(in_memory)

    assert before == {"b": "10.1.0.3 fd00:1::3", "c": "10.1.0.4 fd00:1::4"}
    assert offered(rebooted, spec("new b c")) == before | {"new": "10.1.0.2 fd00:1::2"}
    rebooted.apply(spec("c b"))
    assert offered(rebooted, spec("c b")) == before


APPLIES = st.tuples(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1), st.booleans())


@settings(max_examples=15, deadline=None)
@given(st.lists(APPLIES, min_size=2, max_size=5))
def test_nobody_moves_whatever_happens(course: list[tuple[list[str], bool]]) -> None:
    """Applies of any endpoints in any order, with reboots between them: what the kernel has in the end is compared."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _descriptor: None)
        site, before = Site(FakeKernel(), Path(directory)), dict[str, set[str]]()
        for number, (names, reboot) in enumerate(course, 1):
            site = Site(FakeKernel(), site.directory, number) if reboot else site
            site.apply(spec(" ".join(names)))
            after = held(site)
            stayed = before.keys() & after.keys()
            assert {name: after[name] for name in stayed} == {name: before[name] for name in stayed}
            assert len(set.union(*after.values())) == 2 * len(names)
            before = after


def held(site: Site) -> dict[str, set[str]]:
    """The addresses inside each namespace of the kernel."""
    found: dict[str, set[str]] = {}
    for row in site.kernel.snapshot(Scope(stack="default")).addresses:
        if row.netns and row.link == "eth0" and not row.address.is_link_local:
            found.setdefault(row.netns, set()).add(str(row.address))
    return found


def test_leases_of_those_who_left_go(in_memory: Site) -> None:
    """What is free is given to others; with the stack goes its record."""
    in_memory.apply(spec("a b"))
    in_memory.apply(spec("b"))
    assert '"a/eth0"' not in record(in_memory).read_text("utf-8")
    in_memory.destroy()

    assert not record(in_memory).exists()


def test_nothing_is_written_by_a_plan_or_by_an_apply_that_failed(in_memory: Site) -> None:
    """The record is of what was verified."""
    in_memory.apply(spec("a"))
    before = record(in_memory).read_bytes()
    in_memory.propose(spec("b a c"))
    broken = in_memory.reconciler(FaultyKernel(in_memory.kernel, fail_at=5))
    with pytest.raises(ApplyFailed):
        broken.carry_out(broken.propose(intent(spec("b a c"))))

    assert record(in_memory).read_bytes() == before


DAMAGED = {
    "nothing": "",
    "no JSON": "{",
    "another shape": "[]",
    "no leases": '{"format_version": 1}',
    "no format": '{"leases": {}}',
    "a format of words": '{"format_version": "1", "leases": {}}',
    "no list": '{"format_version": 1, "leases": {"a/eth0": "10.1.0.2/24"}}',
    "no address": '{"format_version": 1, "leases": {"a/eth0": ["x"]}}',
    "a number": '{"format_version": 1, "leases": {"a/eth0": [true, null]}}',
    "deep": "[" * 100_000,
    "zeros": "\0" * 100,
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_a_warning_and_is_written_again(in_memory: Site, text: str) -> None:
    """Also where there is nothing else to do; what the kernel has stays."""
    in_memory.apply(spec("x a"))
    in_memory.apply(spec("a"))
    whole = record(in_memory).read_bytes()
    record(in_memory).write_text(text, "utf-8")
    reconciler = in_memory.reconciler()
    proposal = reconciler.propose(intent(spec("a")))

    assert [(each.code, each.message, str(each.severity)) for each in proposal.warnings] == [
        ("NS0451", f"the record of leases is ignored: {record(in_memory)} is damaged", "warning")
    ]
    assert (proposal.diagnostics, bool(proposal.plan)) == ((), False)
    assert reconciler.settle(proposal) == ()
    assert record(in_memory).read_bytes() == whole
    assert reconciler.propose(intent(spec("a"))).warnings == ()


def test_a_record_of_a_newer_netspec_is_said_to_be_so(in_memory: Site) -> None:
    """It is not damaged."""
    in_memory.apply(spec("a"))
    record(in_memory).write_text('{"format_version": 2, "leases": []}', "utf-8")

    assert [each.message for each in in_memory.propose(spec("a")).warnings] == [
        f"the record of leases is ignored: {record(in_memory)} was written by a newer netspec"
    ]


def test_a_record_that_is_a_link_is_not_followed_and_is_replaced(in_memory: Site, tmp_path: Path) -> None:
    """Whoever may write the directory shall not make us read or write elsewhere."""
    in_memory.apply(spec("a"))
    other = tmp_path / "other"
    other.write_text('{"format_version": 1, "leases": {"a/eth0": ["10.1.0.99/24"]}}', "utf-8")
    before = other.read_bytes()
    record(in_memory).unlink()
    record(in_memory).symlink_to(other)
    rebooted = after_a_reboot(in_memory)

    assert [each.code for each in rebooted.propose(spec("a")).warnings] == ["NS0451"]
    assert offered(rebooted, spec("a")) == {"a": "10.1.0.2 fd00:1::2"}
    rebooted.apply(spec("a"))
    assert (record(in_memory).is_symlink(), other.read_bytes()) == (False, before)


def test_a_record_that_cannot_be_written_is_a_warning(in_memory: Site) -> None:
    """The network is as it shall be all the same."""
    in_memory.apply(spec("a"))
    record(in_memory).unlink()
    record(in_memory).mkdir()
    reconciler = in_memory.reconciler()
    warnings = reconciler.carry_out(reconciler.propose(intent(spec("a b"))))

    assert [(each.code, str(each.severity)) for each in warnings] == [("NS0452", "warning")]
    assert (
        warnings[0].message
        == f"automatic addresses are not on record: cannot write {record(in_memory)}: Is a directory"
    )
    assert in_memory.steps(spec("a b")) == []


def test_a_crash_leaves_the_old_record_or_the_new(in_memory: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written aside is renamed once it is on disk."""
    in_memory.apply(spec("a"))
    before = record(in_memory).read_bytes()
    state = dict(in_memory.propose(spec("a b")).desired)

    def power_cut(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(KeyboardInterrupt):
        LeaseRecord(record(in_memory).parent, "default").write(state)
    assert record(in_memory).read_bytes() == before
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    LeaseRecord(record(in_memory).parent, "default").write(state)

    assert '"b/eth0"' in record(in_memory).read_text("utf-8")


def test_every_stack_has_a_record_of_its_own(in_memory: Site) -> None:
    """And a stack without automatic or fixed addresses has none."""
    in_memory.apply(spec("a"))
    in_memory.apply("netspec: 1\nstack: bare\nbridges: {sw0: {}}\nendpoints: {s: {bridge: sw0}}\n")

    assert sorted(path.name for path in record(in_memory).parent.iterdir()) == [
        "applied-bare.json",
        "applied-default.json",
        "leases-default.json",
    ]


def test_a_lost_state_directory_is_made_again(in_memory: Site) -> None:
    """By an apply that has nothing else to do; one that others may enter is not written to."""
    in_memory.apply(spec("a"))
    shutil.rmtree(record(in_memory).parent)
    reconciler = in_memory.reconciler()
    assert reconciler.settle(reconciler.propose(intent(spec("a")))) == ()
    assert record(in_memory).parent.stat().st_mode & 0o777 == 0o700
    assert record(in_memory).exists()
    record(in_memory).unlink()
    record(in_memory).parent.chmod(0o755)

    assert [each.code for each in reconciler.settle(reconciler.propose(intent(spec("a"))))] == ["NS0452"]
    assert not record(in_memory).exists()
