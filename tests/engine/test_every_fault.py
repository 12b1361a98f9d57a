"""Every fault at every operation of every situation: as before, or it is said what is left, and the next run finishes.

The default run tries one errno in turn at each operation of what covers every kind and field; `make faults` all of
them, on the edits of whole specs too, and on the real kernel.
"""

import errno
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from netspec.core.resource import compared_fields
from netspec.engine.reconciler import Proposal, Reconciler, spaces_of
from netspec.errors import ApplyFailed, NotRestored
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.operations import LinkDelete, LinkSet, NetnsDelete, Operation, TableDelete
from netspec.kernel.port import Kernel, KernelError, Progress, no_progress
from netspec.kernel.snapshot import LinkRow, NetnsRow, Scope, Snapshot
from netspec.kinds import kinds
from tests import tally
from tests.engine.sites import Site, fake, operations
from tests.engine.situations import HOSTED, KINDS, OF_PROCESSES, SPECS, UNSEEN, Situation, covered

NAMES = "EPERM EBUSY ENOBUFS ENOMEM EEXIST ENODEV ENOENT EINVAL ENOSPC EAGAIN EIO EOPNOTSUPP EINTR"
NUMBERS = tuple(getattr(errno, name) for name in NAMES.split())
LOST = "lost acknowledgement"
KILLED = "SIGKILL"
STAYS = "error that stays while restoring"
BLIND = "error, then the host cannot be read"


@dataclass(slots=True)
class Blind(FaultyKernel):
    """A kernel that cannot be read once it has gone wrong."""

    def snapshot(self, scope: Scope) -> Snapshot:
        """What the inner kernel tells, as long as nothing went wrong."""
        if self.faults:
            raise KernelError(errno.ETIMEDOUT, None, "no answer came")
        return FaultyKernel.snapshot(self, scope)


@dataclass(slots=True)
class Stuck(FaultyKernel):
    """A kernel that goes on refusing whatever it is asked once it has gone wrong."""

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """What the inner kernel does, up to the fault."""
        if self.faults and operations:
            raise KernelError(self.number, operations[0])
        FaultyKernel.execute(self, operations, progress)


def delete_a_link(proposal: Proposal, kernel: Kernel) -> None:
    """Somebody deletes the first link of ours that is there."""
    mine = [row for row in kernel.snapshot(proposal.scope).links if row.alias.startswith("netspec:") and not row.netns]
    kernel.execute([LinkDelete(name=row.name) for row in mine][:1])


def remove_a_namespace(proposal: Proposal, kernel: Kernel) -> None:
    """Somebody removes the first namespace of ours that is there."""
    mine = [row for row in kernel.snapshot(proposal.scope).netns if (row.alias or "").startswith("netspec:")]
    kernel.execute([NetnsDelete(name=row.name) for row in mine][:1])


def flush_tables(proposal: Proposal, kernel: Kernel) -> None:
    """Somebody deletes all our tables."""
    found = kernel.snapshot(proposal.scope).tables
    kernel.execute([TableDelete(netns=row.netns, family=row.family, name=row.name) for row in found])


def set_links_down(proposal: Proposal, kernel: Kernel) -> None:
    """Somebody sets all our links down."""
    mine = [row for row in kernel.snapshot(proposal.scope).links if row.alias.startswith("netspec:") and not row.netns]
    kernel.execute([LinkSet(name=row.name, up=False) for row in mine])


MEDDLERS = {
    "interface deleted by somebody else": delete_a_link,
    "namespace removed by somebody else": remove_a_namespace,
    "tables flushed by somebody else": flush_tables,
    "links set down by somebody else": set_links_down,
}


def faults(proposal: Proposal, kernel: Kernel, at: int, numbers: Sequence[int]) -> Iterator[tuple[str, FaultyKernel]]:
    """All faults at one operation: its name and a kernel that goes wrong there."""
    for number in numbers:
        yield errno.errorcode[number], FaultyKernel(kernel, fail_at=at, number=number)
    yield LOST, FaultyKernel(kernel, fail_at=at, lost=True)
    yield KILLED, FaultyKernel(kernel, fail_at=at, crash=True)
    yield STAYS, Stuck(kernel, fail_at=at, number=numbers[0])
    yield BLIND, Blind(kernel, fail_at=at, number=numbers[0])
    for name, meddler in MEDDLERS.items():
        yield name, FaultyKernel(kernel, fail_at=at, meddle=partial(meddler, proposal))


def carried_out(site: Site, proposal: Proposal, broken: FaultyKernel, before: object) -> str:
    """Carry out a proposal on a kernel that goes wrong; how it ended. What it says is compared with what is there."""
    healthy = site.reconciler()
    try:
        site.reconciler(broken).carry_out(proposal)
    except Crash:
        finished(healthy)
        assert comparable(site) == before
        return "killed, then recovered"
    except ApplyFailed:
        assert healthy.recover() is None
        assert comparable(site) == before
        return "undone (3)"
    except NotRestored as error:
        if "Cannot come back, as what it stood on has gone: " in error.message:
            given_up(healthy)
            return "left, then recovered (4)"
        words = "What is left cannot be seen." if isinstance(broken, Blind) else "Left to do: "
        assert words in error.message, words  # noqa: PT017  what is told must be what is there
        finished(healthy)
        assert comparable(site) == before
        return "left, then recovered (4)"
    assert not verified_again(site, proposal)
    return "applied"


def verified_again(site: Site, proposal: Proposal) -> list[str]:
    """What is still to do on the host and in the namespaces that the plan was about: those it has verified."""
    sides = (each for change in proposal.plan.changes for each in (change.before, change.after))
    touched = {"", *(space for each in sides if each is not None for space in spaces_of(each))}
    rest = site.reconciler().propose(proposal.intent).plan.changes
    return [str(change.key) for change in rest if touched.issuperset(spaces_of(change.resource))]


def comparable(site: Site) -> object:
    """All rows, but for the group of far ends, which a pair that is made anew has from the near one, and dead names.

    What a crash had left in the place of a namespace is not put back.
    """
    if not isinstance(site.kernel, FakeKernel):
        return site.rows()
    rows = dict(site.kernel.rows())
    rows["links"] = tuple(
        replace(row, group=0) if isinstance(row, LinkRow) and row.netns else row for row in rows["links"]
    )
    rows["netns"] = tuple(row for row in rows["netns"] if not isinstance(row, NetnsRow) or row.alive)
    return rows


def finished(reconciler: Reconciler) -> None:
    """The next run finds what was left, and puts it right; the one after it finds nothing."""
    recovery = reconciler.recover()
    assert recovery is not None
    assert recovery.restoration.complete
    assert reconciler.recover() is None


def given_up(reconciler: Reconciler) -> None:
    """The next run says what cannot come back, puts back the rest, and keeps nobody waiting."""
    recovery = reconciler.recover()
    assert recovery is not None
    assert recovery.restoration.final
    assert reconciler.recover() is None


def swept(site: Site, situation: Situation, numbers: Sequence[int], *, whole: bool) -> None:
    """Every operation of a situation on the fake; without `whole` one number in turn."""
    proposal = situation.prepare(site)
    assert proposal.diagnostics == ()
    start, before = fake(site).copy(), comparable(site)
    for at in range(len(operations(proposal))):
        some = numbers if whole else (numbers[at % len(numbers)],)
        for name, broken in faults(proposal, start, at, some):
            site.kernel = broken.inner = start.copy()
            ending = carried_out(site, proposal, broken, before)
            assert broken.faults >= 1, (name, at)
            tally.count(name, "fake", ending)


@pytest.mark.parametrize("situation", [*KINDS, *HOSTED, *OF_PROCESSES], ids=lambda each: each.name)
def test_every_fault_at_every_operation_on_every_kind(in_memory: Site, situation: Situation) -> None:
    """Every resource made, changed in every field, and deleted."""
    swept(in_memory, situation, NUMBERS, whole=False)


@pytest.mark.faults
@pytest.mark.parametrize("situation", [*KINDS, *HOSTED, *OF_PROCESSES], ids=lambda each: each.name)
def test_every_errno_at_every_operation_on_every_kind(in_memory: Site, situation: Situation) -> None:
    """Not one in turn, but all of them."""
    swept(in_memory, situation, NUMBERS, whole=True)


@pytest.mark.faults
@pytest.mark.parametrize("situation", SPECS, ids=lambda each: each.name)
def test_every_fault_at_every_operation_between_specs(in_memory: Site, situation: Situation) -> None:
    """Whole specs after each other, and away: what waits for what is tried here."""
    swept(in_memory, situation, NUMBERS, whole=False)


ALWAYS_THERE = ("Sysctl", "InnerSysctl", "LinkField")
"""Their objects come and go with others: they are only changed, and changed back."""
FOREIGN = "OtherLink"
"""A link of a kind that netspec does not make: it is never ours to change."""


def test_the_situations_cover_every_kind_and_every_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a kind or a field has it tried with every fault, or says here why it cannot be."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    seen: set[tuple[str, str]] = set()
    some = [each for each in SPECS if each.name.split()[0] in ("policies", "policy", "nat", "from")]
    for number, situation in enumerate((*KINDS, *HOSTED, *OF_PROCESSES, *some)):
        seen |= covered(situation.prepare(Site(FakeKernel(), tmp_path / str(number))))
    wanted = set()
    for kind in kinds():
        name = kind.resource.__name__
        if name != FOREIGN:
            wanted |= {(name, action) for action in ("create", "delete") if name not in ALWAYS_THERE}
            wanted |= {(name, rule.name) for rule in compared_fields(kind.resource)}
    refused = {("File", "sort"), ("Qdisc", "discipline")}

    assert refused <= UNSEEN.keys()
    assert wanted - seen == refused


def test_the_page_has_the_table_that_the_sweep_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head, a row for each sort of fault on each kernel, and sums that are sums; every case ended as it may."""
    page = tally.PAGE.read_text(encoding="utf-8")
    kept = page.partition(tally.BEGIN)[2].partition(tally.END)[0].strip().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in kept if line.startswith("|")]
    numbers = [[int(cell.replace(",", "") or 0) for cell in row[2:]] for row in rows[2:]]

    assert tuple(rows[0]) == tally.HEAD
    assert all(row[0] == sum(row[1:]) for row in numbers)
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]
    on_fake = {row[0] for row in rows if row[1] == "fake"}
    assert on_fake == {*map(errno.errorcode.__getitem__, NUMBERS), LOST, KILLED, STAYS, BLIND, *MEDDLERS}
    assert on_fake - {row[0] for row in rows if row[1] == "Linux"} == {BLIND}
    monkeypatch.setattr(tally, "_cases", Counter({("EPERM", "fake", "undone (3)"): 1234}))
    assert tally.table().splitlines()[2:] == [
        "| EPERM | fake | 1,234 |  | 1,234 |  |  |  |",
        "| all |  | 1,234 |  | 1,234 |  |  |  |",
    ]
    written = tally.rewritten(page)
    assert written.startswith(page.partition(tally.BEGIN)[0])
    assert written.endswith(page.partition(tally.END)[2])
