"""Lines on the terminals of those who are logged in: to whom, and to nothing else; without waiting."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.kernel.terminals import tell

NOWHERE = "/nowhere"
PATIENCE = 60
MOST_WAITING = 4095
"""Bytes that the kernel keeps for who reads a terminal; the rest stays with who has written it."""


def record(sort: int, line: str, size: int = 384) -> bytes:
    """One of utmp(5)."""
    return struct.pack("=hxxi32s", sort, 4711, line.encode()).ljust(size, b"\0")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal: the end at which somebody sits, and its name, such as `pts/3`."""
    controller, device = pty.openpty()
    tty.setraw(device)
    os.set_blocking(controller, False)
    try:
        yield controller, os.ttyname(device).removeprefix("/dev/")
    finally:
        os.close(device)
        os.close(controller)


def seen(terminal: tuple[int, str]) -> str:
    """What stands on it by now: up to a mark that is written last. The kernel passes it on when it has time."""
    controller, name = terminal
    device = os.open(f"/dev/{name}", os.O_WRONLY | os.O_NOCTTY)
    os.write(device, b"#")
    os.close(device)
    text = ""
    while not text.endswith("#") and select.select([controller], [], [], PATIENCE)[0]:
        text += os.read(controller, 65536).decode()
    return text.removesuffix("#")


def waiting(descriptor: int) -> int:
    """Bytes that can be read."""
    return int(struct.unpack("=i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])


@pytest.mark.parametrize("size", [384, 400])
def test_who_is_logged_in_reads_it(tmp_path: Path, terminal: tuple[int, str], size: int) -> None:
    """By utmp, of either size of record; who has logged out, and the system's own records, do not count."""
    utmp = tmp_path / "utmp"
    utmp.write_bytes(record(2, "~", size) + record(8, "pts/99999", size) + record(7, terminal[1], size))

    assert tell("netspec: hear", utmp=str(utmp), sessions=NOWHERE) == 1
    assert seen(terminal) == "\r\nnetspec: hear\r\n"


def test_logind_knows_them_too(tmp_path: Path, terminal: tuple[int, str]) -> None:
    """Where there is no utmp any more; who is in both records reads it once."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions/1").write_text(f"# written by logind\nUID=0\nTTY={terminal[1]}\n", encoding="utf-8")
    (tmp_path / "sessions/2.ref").write_bytes(b"\xff\0")
    (tmp_path / "utmp").write_bytes(record(7, terminal[1]))

    assert tell("hear", utmp=NOWHERE, sessions=str(tmp_path / "sessions")) == 1
    assert tell("hear", utmp=str(tmp_path / "utmp"), sessions=str(tmp_path / "sessions")) == 1
    assert seen(terminal) == "\r\nhear\r\n\r\nhear\r\n"


def test_one_is_left_out(tmp_path: Path, terminal: tuple[int, str]) -> None:
    """The one that has been told already."""
    (tmp_path / "utmp").write_bytes(record(7, terminal[1]))

    assert tell("hear", f"/dev/{terminal[1]}", utmp=str(tmp_path / "utmp"), sessions=NOWHERE) == 0
    assert seen(terminal) == ""


def test_a_terminal_that_is_full_is_not_waited_for(tmp_path: Path, terminal: tuple[int, str]) -> None:
    """Nobody reads there; the line is lost, and nothing hangs."""
    (tmp_path / "utmp").write_bytes(record(7, terminal[1]))
    device = os.open(f"/dev/{terminal[1]}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    # The kernel hands on what is written when it gets to it, and then there is room again, until nobody has any.
    end, passed_on = time.monotonic() + PATIENCE, False
    while True:
        try:
            os.write(device, b"x" * 4096)
        except BlockingIOError:
            if passed_on:
                break
            assert time.monotonic() < end
            time.sleep(0.02)
        passed_on = waiting(terminal[0]) >= MOST_WAITING
    os.close(device)

    assert tell("hear", utmp=str(tmp_path / "utmp"), sessions=NOWHERE) == 0


def test_nothing_but_terminals_is_written_to(tmp_path: Path) -> None:
    """Names that lead elsewhere, files, devices of other sorts, and a record that is damaged."""
    precious = tmp_path / "precious"
    precious.write_text("as it was", encoding="utf-8")
    names = (f"..{precious}", str(precious), "../etc/passwd", "null", "mem", "pts/ptmx", "ptmx", ":0", "", "pts/99999")
    utmp = tmp_path / "utmp"
    utmp.write_bytes(b"".join(record(7, name) for name in names) + b"\xff" * 100)

    assert tell("hear", utmp=str(utmp), sessions=NOWHERE) == 0
    assert precious.read_text(encoding="utf-8") == "as it was"


def test_without_any_record_nobody_is_told() -> None:
    """And nothing fails."""
    assert tell("hear", utmp=NOWHERE, sessions=NOWHERE) == 0
