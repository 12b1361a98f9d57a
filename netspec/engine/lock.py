"""One reconciler per host: an advisory lock that dies with its holder."""

import contextlib
import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netspec.engine.directories import check_file, opened_private, private_directory, read_private
from netspec.errors import Refused

POLL = 0.05
"""Seconds between two tries: flock has no timeout of its own."""


@contextmanager
def exclusive(run_dir: Path, timeout: float) -> Iterator[None]:
    """Hold the host's lock. Waits `timeout` seconds for another holder, then raises Refused that names it."""
    path = place(private_directory(run_dir))
    deadline = time.monotonic() + timeout
    while True:
        descriptor = _open(path)
        try:
            _acquire(descriptor, deadline, timeout)
            if not _is_at(path, descriptor):
                # Whoever removed the file let others make a new one: two locks are none.
                continue
            _tell(descriptor, f"{os.getpid()} {_command()}\n")
            yield
            _tell(descriptor, "")
            return
        finally:
            os.close(descriptor)


def place(run_dir: Path) -> Path:
    """The file whose lock it is."""
    return run_dir / "lock"


def holder(run_dir: Path) -> int:
    """The process that has said that it holds the lock, which may be gone since; 0 for none."""
    said = (read_private(place(run_dir)) or "").split()
    return int(said[0]) if said and said[0].isdecimal() else 0


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with opened_private(path.parent) as directory:
            descriptor = os.open(path.name, flags, 0o600, dir_fd=directory)
    except OSError as error:
        raise Refused(f"cannot open the lock {path}: {error.strerror}.") from None
    try:
        _check_alone(path, descriptor)
    except Refused:
        os.close(descriptor)
        raise
    return descriptor


def _check_alone(path: Path, descriptor: int) -> None:
    """What is written here must be written nowhere else."""
    check_file(path, descriptor)
    if os.fstat(descriptor).st_nlink > 1:
        raise Refused(f"cannot use {path}: the file has other names, and would be overwritten. Remove this one.")


def _is_at(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _tell(descriptor: int, text: str) -> None:
    """Say who holds the lock; on a full disk it is held all the same."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(errors="replace"), 0)


def _command() -> str:
    return " ".join(("netspec", *sys.argv[1:]))[:200]


def _acquire(descriptor: int, deadline: float, timeout: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise Refused(f"the lock cannot be taken: {error.strerror}.") from None
        else:
            return
        if time.monotonic() >= deadline:
            raise Refused(_held_by(descriptor, timeout))
        time.sleep(POLL)


def _held_by(descriptor: int, timeout: float) -> str:
    said = os.pread(descriptor, 512, 0).decode(errors="replace").partition("\n")[0]
    pid, _, command = "".join(each if each.isprintable() else "?" for each in said).partition(" ")
    who = f"process {pid} ({command})" if pid else "another process"
    return f"{who} is applying on this host, and {timeout:g} s of waiting were not enough (--lock-timeout)."
