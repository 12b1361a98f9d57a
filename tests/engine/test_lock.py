"""One reconciler per host, and directories that nobody else can reach into."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netspec.engine.directories import private_directory, read_private, remove_private, write_private
from netspec.engine.lock import exclusive
from netspec.errors import Refused

HOLDER = """
import sys, time
from pathlib import Path
from netspec.engine.lock import exclusive
with exclusive(Path(sys.argv[1]), 60):
    print("held", flush=True)
    time.sleep(300)
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of a directory."""
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_holder_waits_and_is_told_who_the_first_is(tmp_path: Path) -> None:
    """Its pid and its command; and how long was waited."""
    with holder(tmp_path / "run") as process:
        begun = time.monotonic()
        with pytest.raises(Refused) as caught, exclusive(tmp_path / "run", 0.2):
            pytest.fail("two holders")

    assert time.monotonic() - begun >= 0.2
    assert caught.value.message == (
        f"process {process.pid} (netspec {tmp_path / 'run'}) is applying on this host, "
        "and 0.2 s of waiting were not enough (--lock-timeout)."
    )


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """Killed without a word: the next one gets it, within its waiting."""
    with holder(tmp_path / "run") as process:
        process.kill()
        process.wait()
        with exclusive(tmp_path / "run", 60):
            assert (tmp_path / "run" / "lock").read_text(encoding="ascii").startswith(f"{os.getpid()} ")


def test_the_lock_is_free_after_use_and_after_an_error(tmp_path: Path) -> None:
    """Nobody is named who is gone."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "run", 0):
            _ = 1 // 0
    with exclusive(tmp_path / "run", 0):
        pass

    assert (tmp_path / "run" / "lock").read_text(encoding="ascii") == ""


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0700, whatever the mask."""
    old = os.umask(0)
    try:
        private_directory(tmp_path / "a" / "b")
    finally:
        os.umask(old)

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o770, 0o777, 0o701])
def test_a_directory_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to type."""
    place = tmp_path / "run"
    place.mkdir()
    place.chmod(mode)

    with pytest.raises(Refused, match=f"chmod 0700 {place}"):
        private_directory(place)


def test_a_directory_of_another_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it be closed to all others."""
    private_directory(tmp_path / "run")
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)

    with pytest.raises(Refused, match=f"owner {uid}"):
        private_directory(tmp_path / "run")


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """A link could lead anywhere, also to a private directory of ours."""
    private_directory(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("", encoding="ascii")

    for name in ("link", "dangling", "file", "file/below"):
        with pytest.raises(Refused):
            private_directory(tmp_path / name)
        with pytest.raises(Refused), exclusive(tmp_path / name, 0):
            pytest.fail("held")
    assert list((tmp_path / "real").iterdir()) == []


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Nothing is written through it."""
    target = tmp_path / "target"
    target.write_text("precious", encoding="ascii")
    (private_directory(tmp_path / "run") / "lock").symlink_to(target)

    with pytest.raises(Refused, match="cannot open the lock"), exclusive(tmp_path / "run", 0):
        pytest.fail("held")
    assert target.read_text(encoding="ascii") == "precious"


def test_files_are_written_for_their_owner_and_never_through_links(tmp_path: Path) -> None:
    """Also where somebody has put a link at the name it is written under first."""
    target = tmp_path / "target"
    target.write_text("precious", encoding="ascii")
    for name in ("file", ".file.new"):
        (tmp_path / name).symlink_to(target)
    write_private(tmp_path / "file", "text")

    assert (target.read_text(encoding="ascii"), read_private(tmp_path / "file")) == ("precious", "text")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "target"]


def test_what_is_not_there_is_none_and_removing_it_is_fine(tmp_path: Path) -> None:
    """No file, no directory: nothing to read, nothing to remove."""
    for path in (tmp_path / "file", tmp_path / "no" / "file"):
        assert read_private(path) is None
        remove_private(path)


def test_signals_do_not_break_the_waiting(tmp_path: Path) -> None:
    """A signal handler that returns lets the waiting go on."""
    heard = []
    old = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    try:
        with holder(tmp_path / "run"):
            # Only now, and again and again: while the holder is started nobody waits for the lock.
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            with pytest.raises(Refused), exclusive(tmp_path / "run", 0.5):
                pytest.fail("two holders")
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert heard
