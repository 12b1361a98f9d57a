"""The same faults on the real kernel: every kind, every field, every operation; some of them in the default run."""

import errno
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from netspec.core.state import owned_by
from netspec.engine.observation import observed_state
from netspec.engine.reconciler import Proposal
from netspec.errors import ApplyFailed, NotRestored
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.port import KernelError
from tests import tally
from tests.engine.sites import Site, operations
from tests.engine.situations import HOSTED, KINDS, Situation
from tests.engine.test_every_fault import KILLED, LOST, MEDDLERS, NUMBERS, STAYS, Stuck, finished, given_up
from tests.host_state import host_state
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel
LIVE = [*KINDS, *HOSTED]


def faults(site: Site, at: int) -> list[tuple[str, FaultyKernel]]:
    """What can go wrong at one operation, and leaves the host as it was."""
    number = NUMBERS[at % len(NUMBERS)]
    return [
        (errno.errorcode[number], FaultyKernel(site.kernel, fail_at=at, number=number)),
        (LOST, FaultyKernel(site.kernel, fail_at=at, lost=True)),
        (KILLED, FaultyKernel(site.kernel, fail_at=at, crash=True)),
        (STAYS, Stuck(site.kernel, fail_at=at, number=number)),
    ]


def ours(site: Site, proposal: Proposal) -> dict[str, str]:
    """All that the stack owns, in words."""
    observed = observed_state(site.kernel.snapshot(proposal.scope))
    return {
        str(key): repr(each)
        for key, each in observed.items()
        if each.lasting() and owned_by(proposal.intent.stack)(each)
    }


def carried_out(site: Site, proposal: Proposal, broken: FaultyKernel) -> str:
    """Carry out a proposal on a kernel that goes wrong; how it ended, once the next run has finished it."""
    healthy = site.reconciler()
    try:
        site.reconciler(broken).carry_out(proposal)
    except Crash:
        finished(healthy)
        return "killed, then recovered"
    except ApplyFailed:
        assert healthy.recover() is None
        return "undone (3)"
    except NotRestored as error:
        (given_up if "Cannot come back" in error.message else finished)(healthy)
        return "left, then recovered (4)"
    return "applied"


def prepared(site: Site, situation: Situation) -> Proposal:
    """What is about to be carried out; without it where the kernel has not what that needs."""
    try:
        proposal = situation.prepare(site)
    except KernelError as error:
        pytest.skip(error.reason)
    if proposal.diagnostics:
        assert {each.code for each in proposal.diagnostics} == {"NS0405"}
        pytest.skip(proposal.diagnostics[0].message)
    return proposal


def whole() -> list[str]:
    """The host, but for names of namespaces that a crash had left: they are not put back."""
    return [line for line in host_state().splitlines() if " is dead: " not in line]


def swept(situation: Situation, directory: Path, stride: int) -> None:
    """Every operation, or every `stride`th of them, of one situation."""
    with fresh_host():
        site = Site(LinuxKernel(), directory)
        proposal = prepared(site, situation)
        before = whole()
        for at in range(0, len(operations(proposal)), stride):
            for name, broken in faults(site, at):
                ending = carried_out(site, proposal, broken)
                assert whole() == before, (name, at, operations(proposal)[at])
                assert ending != "applied"
                tally.count(name, "Linux", ending)


def meddled_with(situation: Situation, directory: Path, names: Sequence[str]) -> None:
    """Somebody meddles in the middle of the run: what was ours is as before, or all is as it shall be."""
    for name in names:
        with fresh_host():
            site = Site(LinuxKernel(), directory / name.replace(" ", "-"))
            proposal = prepared(site, situation)
            before = ours(site, proposal)
            at = len(operations(proposal)) // 2
            broken = FaultyKernel(site.kernel, fail_at=at, meddle=partial(MEDDLERS[name], proposal))
            ending = carried_out(site, proposal, broken)
            if ending == "undone (3)":
                assert ours(site, proposal) == before, name
            tally.count(name, "Linux", ending)


SOME = [situation for number, situation in enumerate(LIVE) if number % 16 == 3]


@pytest.mark.parametrize("situation", SOME, ids=lambda each: each.name)
def test_some_faults_on_linux(tmp_path: Path, situation: Situation) -> None:
    """One situation in sixteen, one operation in four, and one meddler."""
    swept(situation, tmp_path, 4)
    meddled_with(situation, tmp_path, [sorted(MEDDLERS)[SOME.index(situation) % len(MEDDLERS)]])


@pytest.mark.faults
@pytest.mark.parametrize("situation", LIVE, ids=lambda each: each.name)
def test_every_fault_at_every_operation_on_linux(tmp_path: Path, situation: Situation) -> None:
    """All of them."""
    swept(situation, tmp_path, 1)
    meddled_with(situation, tmp_path, list(MEDDLERS))
