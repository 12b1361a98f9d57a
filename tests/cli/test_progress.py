"""How far a long apply has come: one moving line on a terminal, whole lines elsewhere, nothing for short ones."""

import time

import pytest

from netspec.cli.progress import Progress


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In the place of the real one."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def shown(clock: Clock, capsys: pytest.CaptureFixture[str], *, seconds: float, quiet: bool = False) -> str:
    """What an apply of so many seconds prints, ten steps each second."""
    with Progress(quiet=quiet) as progress:
        for step in range(int(seconds * 10) + 1):
            progress(step, int(seconds * 10))
            clock.now += 0.1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_a_short_one_is_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """As nearly all are."""
    assert shown(clock, capsys, seconds=0.8) == ""


def test_without_a_terminal_there_is_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """No cursor moves."""
    lines = shown(clock, capsys, seconds=12).splitlines(keepends=True)

    assert lines[0] in ("netspec: 10 of 120 steps\n", "netspec: 11 of 120 steps\n")
    assert len(lines) == 3
    assert all("\r" not in line and "\x1b" not in line for line in lines)


def test_on_a_terminal_one_line_moves_and_goes(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is erased in the end."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    text = shown(clock, capsys, seconds=3)

    assert text.startswith("\rnetspec: 1")
    assert text.endswith("\r\x1b[K")
    assert "\n" not in text


def test_quiet_is_quiet(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """However long it takes."""
    assert shown(clock, capsys, seconds=60, quiet=True) == ""
