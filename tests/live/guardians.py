"""Guardians of the host that a test is on: who they are, and that none of them outlives it."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.sandboxed import RUN_DIR

PATIENCE = 60
"""Seconds for what happens in the background of a busy machine."""


def guardian(stack: str = "default") -> int:
    """The process that guards a stack, 0 where there is none."""
    try:
        pid = int(Path(RUN_DIR, f"guardian-{stack}").read_text(encoding="ascii").split()[1])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, IndexError, ValueError):
        return 0
    return pid if b"--guard" in words else 0


def kill_guardian(stack: str = "default") -> None:
    """Without a word, and wait until it is gone."""
    pid = guardian(stack)
    assert pid, "there is no guardian"
    os.kill(pid, signal.SIGKILL)
    until(lambda: _gone(pid))


def _gone(pid: int) -> bool:
    """Whether a process has let go of all that it held, its lock too: it is no more, or nobody has heard of its end."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "XZ"


def until(true: Callable[[], object]) -> None:
    """Wait for something. AssertionError where it does not come."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@contextlib.contextmanager
def none_left() -> Iterator[None]:
    """Guardians that are still at their place afterwards would see the next test's host as theirs."""
    try:
        yield
    finally:
        for each in Path(RUN_DIR).glob("guardian-*") if Path(RUN_DIR).is_dir() else ():
            with contextlib.suppress(AssertionError, ProcessLookupError):
                kill_guardian(each.name.removeprefix("guardian-"))
