"""A line on the terminals of those who are logged in, as wall(1) writes it; nobody is waited for."""

import contextlib
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

UTMP = "/run/utmp"
SESSIONS = "/run/systemd/sessions"
MOST = 64
"""Terminals that are written to."""

_USER_PROCESS = 7
_LINE = struct.Struct("=hxxi32s")
_SIZES = (384, 400)
"""Of a record: with times of 32 bits, as most machines have them, and of 64."""
_MOST_BYTES = 1 << 20
_NOBODYS = 5
"""Major number of /dev/tty, /dev/console and /dev/ptmx, at which nobody sits."""


def tell(text: str, but: str = "", *, utmp: str = UTMP, sessions: str = SESSIONS) -> int:
    """Write a line to every terminal with somebody at it, except one; how many have taken it."""
    lines = f"\r\n{text}\r\n".encode()
    wanted = sorted({*_by_utmp(utmp), *_by_sessions(sessions)} - {but})
    return sum(_write(terminal, lines) for terminal in wanted[:MOST])


def terminal_here() -> str:
    """The terminal that this process writes to, empty for none."""
    for descriptor in (2, 1, 0):
        with contextlib.suppress(OSError):
            return os.ttyname(descriptor)
    return ""


def _by_utmp(path: str) -> Iterator[str]:
    """Where the system keeps a record of logins (utmp(5))."""
    try:
        records = _beginning(path)
    except OSError:
        return
    size = next((each for each in _SIZES if not len(records) % each), _SIZES[0])
    for offset in range(0, len(records) - size + 1, size):
        sort, _pid, line = _LINE.unpack_from(records, offset)
        if sort == _USER_PROCESS:
            yield from _device(line.partition(b"\0")[0].decode("ascii", "replace"))


def _by_sessions(path: str) -> Iterator[str]:
    """Where logind keeps one, now that utmp goes out of use."""
    try:
        names = sorted(os.listdir(path))[:1024]  # noqa: PTH208  names are wanted, not paths
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            text = _beginning(f"{path}/{name}").decode("utf-8", "replace")
            for found in (line.removeprefix("TTY=") for line in text.splitlines() if line.startswith("TTY=")):
                yield from _device(found)


def _beginning(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_MOST_BYTES)


def _device(line: str) -> Iterator[str]:
    """The device of a line such as `pts/3`; nothing that leads elsewhere."""
    if line and not line.startswith(("/", ":")) and ".." not in line.split("/"):
        yield f"/dev/{line}"


def _write(terminal: str, lines: bytes) -> bool:
    """Once, without waiting: a terminal that is full or has gone away misses the line."""
    try:
        descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISCHR(found.st_mode) or os.major(found.st_rdev) == _NOBODYS or not os.isatty(descriptor):
            return False
        return os.write(descriptor, lines) == len(lines)
    except OSError:
        return False
    finally:
        os.close(descriptor)
