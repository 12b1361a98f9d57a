"""Processes in network namespaces of their own, as containers are: nothing of netspec's making."""

import contextlib
import ctypes
import os
import re
import signal
from collections.abc import Iterator

from tests.sandboxed import run

_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def stranger(script: str = "ip link set lo up", pid: int = 0) -> Iterator[int]:
    """The id of a process that has run a script in a new namespace, and waits there; perhaps the id it is to have."""
    child = start(script, pid)
    try:
        yield child
    finally:
        end(child)


def start(script: str = "ip link set lo up", pid: int = 0) -> int:
    """Start one; see `stranger`."""
    if pid:
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:  # noqa: PTH123  written in one move
            file.write(str(pid - 1))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _LIBC.unshare(_NEWNET)
        os.write(writer, b".")
        while True:
            signal.pause()
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    inside(child, script)
    return child


def end(pid: int) -> None:
    """End one; nothing where it has ended."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def inside(pid: int, script: str) -> str:
    """What a script prints in the namespace of a process."""
    return run(f"nsenter --net=/proc/{pid}/ns/net sh -ec '{script}'")


def all_of(pid: int) -> str:
    """Links, addresses and routes there, without what a carrier decides."""
    found = inside(pid, "ip -br link; ip -br -4 addr; ip route; ip -6 route show proto static")
    decided = r"@if[0-9]+|(?<= )(UP|DOWN|UNKNOWN|LOWERLAYERDOWN)(?= )|NO-CARRIER,|,LOWER_UP| linkdown"
    return re.sub(" +", " ", re.sub(decided, "", found))
