"""Killed at every point that can matter: the next run undoes what was begun, on the real kernel."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from netspec.kernel import namespaces, netlink, nftables
from tests import tally
from tests.host_state import host_state
from tests.live.driving import apply, destroy, edited, reconciler
from tests.live.specs import DOCKER0
from tests.live.typed import netspec
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

CHANGED = edited(DOCKER0, ("172.17.0.", "172.18.0."), ("6379:6379", "6380:6379"), ("client:", "other:"))
EFFECTS = (os.write, os.fsync, os.rename, os.replace, os.unlink, os.mkdir)
"""What changes something outside of the process; it is killed before each, and before each request by netlink."""
DUMP = 0x300
"""NLM_F_DUMP: a request that only asks."""
AFTER_MOUNTS = namespaces._call.__code__
"""What checks the results of mount(2) and others."""
SENDING = netlink.Channel._send.__code__
"""Where all of rtnetlink is sent."""
TRANSACTION = nftables.Nftables.transact.__code__


def is_point(frame: FrameType, event: str, what: Any) -> bool:  # noqa: ANN401  as sys.setprofile calls it
    """Whether something outside has just been changed, or is about to be."""
    if event == "c_call":
        return what in EFFECTS or (frame.f_code is SENDING and what.__name__ == "send" and not asks(frame))
    if event == "call":
        return frame.f_code in (AFTER_MOUNTS, TRANSACTION)
    return event == "return" and frame.f_code is TRANSACTION


def asks(frame: FrameType) -> bool:
    """Whether what is sent is a dump."""
    return int.from_bytes(frame.f_locals["data"][6:8], sys.byteorder) & DUMP == DUMP


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do it in a process that is killed at its point `number`; False where it had ended before."""
    child = os.fork()
    if not child:
        code = 1
        try:
            left = number

            def watch(frame: FrameType, event: str, what: object) -> None:
                nonlocal left
                if is_point(frame, event, what):
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.setprofile(watch)
            work()
            code = 0
        finally:
            os._exit(code)
    ending = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ending in (0, -signal.SIGKILL)
    return ending != 0


def nothing() -> None:
    """The host as it is."""


def away() -> None:
    """The stack gone."""
    destroy()


def example() -> None:
    """The example."""
    apply(DOCKER0)


def changed() -> None:
    """The example with another network, port and endpoint."""
    apply(CHANGED)


@pytest.mark.parametrize(
    ("start", "work"), [(nothing, example), (example, changed), (example, away)], ids=["create", "change", "destroy"]
)
def test_killed_anywhere_the_next_run_restores_the_host(start: Callable[[], None], work: Callable[[], None]) -> None:
    """Before and after every request, transaction, mount and write to the disk, until there are no more of them."""
    run("sysctl -qw net.ipv4.conf.lo.forwarding=1 net.ipv4.conf.all.accept_redirects=0")
    start()
    before = host_state()
    work()
    after = host_state()
    away()
    start()
    number = recovered = 0
    assert host_state() == before
    while killed_at(number, work):
        recovery = reconciler().recover()
        found = host_state()
        if recovery is None:
            # Before the journal was there nothing had begun; once it was gone all was done, and verified.
            assert found in (before, after), f"point {number}"
        else:
            recovered += 1
            assert (recovery.restoration.complete, found == before) == (True, True), f"point {number}"
        if found != before:
            away()
            start()
        number += 1
    assert recovered > 10


CALLS = ("sendto", "sendmsg", "mount", "umount2", "unshare", "setns", "rename", "unlink", "fsync")


@pytest.mark.faults
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", ["create", "change", "destroy"])
def test_the_command_killed_at_every_system_call(tmp_path: Path, way: str, call: str) -> None:
    """From outside, by strace, at each of them; the next command says that it undoes, and the host is as before."""
    spec, empty = tmp_path / "spec.yaml", tmp_path / "empty.yaml"
    spec.write_text(CHANGED if way == "change" else DOCKER0, encoding="utf-8")
    empty.write_text("netspec: 1\nstack: nobody\n", encoding="utf-8")
    start = nothing if way == "create" else example
    words = ("destroy", "--yes") if way == "destroy" else ("apply", "--yes", str(spec))
    start()
    before = host_state()
    number = 1
    while True:
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        ending = netspec(*words, prefix=strace).code
        begun = reconciler().journal.path.exists()
        next_run = netspec("apply", "--yes", str(empty))
        assert (next_run.code, "had been interrupted" in next_run.errors) == (0, begun)
        if not begun:
            away()
            start()
        assert host_state() == before, f"{call} {number}"
        if ending == 0:
            break
        assert ending == -signal.SIGKILL
        tally.count("SIGKILL at a system call", "Linux", "killed, then recovered" if begun else "nothing begun")
        number += 1
