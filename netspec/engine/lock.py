"""One reconciler per host: an advisory lock that dies with its holder."""

import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netspec.engine.directories import private_directory
from netspec.errors import Refused

POLL = 0.05
"""Seconds between two tries: flock has no timeout of its own."""


@contextmanager
def exclusive(run_dir: Path, timeout: float) -> Iterator[None]:
    """Hold the host's lock. Waits `timeout` seconds for another holder, then raises Refused that names it."""
    path = private_directory(run_dir) / "lock"
    descriptor = _open(path)
    try:
        _acquire(descriptor, timeout)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {_command()}\n".encode(errors="replace"), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(f"cannot open the lock {path}: {error.strerror}.") from None


def _command() -> str:
    return " ".join(("netspec", *sys.argv[1:]))[:200]


def _acquire(descriptor: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() >= deadline:
            raise Refused(_held_by(descriptor, timeout))
        time.sleep(POLL)


def _held_by(descriptor: int, timeout: float) -> str:
    pid, _, command = os.pread(descriptor, 512, 0).decode(errors="replace").strip().partition(" ")
    who = f"process {pid} ({command})" if pid else "another process"
    return f"{who} is applying on this host, and {timeout:g} s of waiting were not enough (--lock-timeout)."
