"""A process that flaps links and flushes tables all the time: netspec neither hangs, nor lies, nor touches others'."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netspec.errors import ApplyFailed, NetspecError, NotRestored
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.nftables import Nftables
from netspec.kernel.operations import AddressDelete, LinkDelete, LinkSet, NetnsDelete, Operation, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import Scope
from tests import tally
from tests.engine.sites import Site
from tests.engine.test_foreign import FOREIGN, seen
from tests.specs import BASE, DUAL, edited, intent

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

SPECS = (
    BASE,
    edited(BASE, ("10.1.0.", "10.7.0."), ("8080", "8081")),
    DUAL,
    edited(BASE, ("br1: {subnets: [10.2", "br2: {subnets: [10.2")),
)
LONGEST = 300.0
"""Seconds for one apply on a busy machine: a hang takes longer than any deadline of ours."""
MINE = "netspec:default:"


def hostilities(kernel: LinuxKernel, chance: random.Random) -> list[Operation]:
    """One thing that somebody does to what is ours."""
    snapshot = kernel.snapshot(Scope(stack="default"))
    links = [row for row in snapshot.links if not row.netns and row.alias.startswith(MINE)]
    spaces = [row for row in snapshot.netns if (row.alias or "").startswith(MINE)]
    held = [row for row in snapshot.addresses if row.link in {each.name for each in links} and not row.netns]
    found: list[list[Operation]] = [
        [LinkSet(name=each.name, up=False), LinkSet(name=each.name, up=True)] for each in links
    ]
    found += [[LinkSet(name=each.name, up=False)] for each in links]
    found += [[LinkDelete(name=each.name)] for each in links[:1]]
    found += [[NetnsDelete(name=each.name)] for each in spaces[:1]]
    found += [[AddressDelete(link=each.link, address=each.address)] for each in held[:2]]
    found += [[TableDelete(family=row.family, name=row.name)] for row in snapshot.tables]
    return chance.choice(found) if found else []


@contextmanager
def hostile(seed: int) -> Iterator[None]:
    """Somebody is at it for as long as this lasts."""
    child = os.fork()
    if not child:
        chance, kernel = random.Random(seed), LinuxKernel()
        while True:
            try:
                kernel.execute(hostilities(kernel, chance))
            except (KernelError, NetspecError):
                continue
            time.sleep(chance.random())
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def tried(site: Site, spec: str) -> str:
    """One apply while somebody meddles; how it ended, by what it says."""
    begun = time.monotonic()
    try:
        reconciler = site.reconciler()
        recovery = reconciler.recover()
        if recovery is not None and not recovery.restoration.final:
            return "left, then recovered (4)"
        proposal = reconciler.propose(intent(spec))
        if proposal.diagnostics:
            return "nothing begun"
        if proposal.plan:
            reconciler.carry_out(proposal)
    except ApplyFailed:
        return "undone (3)"
    except NotRestored as error:
        _told(error.message)
        return "left, then recovered (4)"
    except NetspecError:
        return "nothing begun"
    finally:
        assert time.monotonic() - begun < LONGEST
    return "applied"


def _told(message: str) -> None:
    """Something is left: it is named, or it is said that nobody knows."""
    assert any(words in message for words in ("Left to do: ", "Cannot come back", "cannot be seen"))


def settled(site: Site) -> bool:
    """Whether every pair of ours has its far end: with a namespace it goes in the background, a while later."""
    links = site.kernel.snapshot(Scope(stack="default")).links
    return all(row.peer for row in links if row.kind == "veth" and not row.netns and row.alias.startswith(MINE))


def wait_until_settled(site: Site) -> None:
    """Nothing goes any more of what somebody has removed. Half a minute at most."""
    end = time.monotonic() + 30
    while not settled(site) and time.monotonic() < end:
        time.sleep(0.05)


def remembered(site: Site) -> str:
    """The host, but for forwarding: what that was before us is in our table (ADR 10), and goes when it is flushed.

    Redirects follow forwarding. Whether an address has an anycast route depends on when its link got its carrier.
    """
    text = re.sub(r"(forward(?:ing)?|redirects) ?= ?[01]", r"\1", str(site.rows()))
    return "\n".join(line for line in text.splitlines() if '"type": "anycast"' not in line)


def lived_through(site: Site, applies: int) -> None:
    """So many applies in hostile company; what is others' stays, and in peace everything comes right at once."""
    site.kernel.execute(FOREIGN)
    whole, theirs = remembered(site), seen(site)
    endings = set()
    with hostile(applies):
        for number in range(applies):
            ending = tried(site, SPECS[number % len(SPECS)])
            endings.add(ending)
            tally.count("hostile process", "Linux", ending)
            assert theirs <= seen(site), number
    wait_until_settled(site)
    recovery = site.reconciler().recover()
    assert recovery is None or recovery.restoration.final
    site.apply(BASE)
    assert site.steps(BASE) == []
    site.destroy()
    assert remembered(site) == whole
    assert endings


@pytest.mark.parametrize("applies", [10, pytest.param(200, marks=pytest.mark.faults)])
def test_hostile_company(tmp_path: Path, applies: int) -> None:
    """Links go down, disappear, lose their addresses; namespaces and tables vanish; and ours go on being applied."""
    with Nftables():
        pass
    lived_through(Site(LinuxKernel(), tmp_path), applies)
