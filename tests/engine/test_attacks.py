"""Links, pipes, other owners and races in the run and state directories: nothing is followed, nothing hangs."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.engine import directories
from netspec.engine.applied import NOTHING_APPLIED, AppliedRecord
from netspec.engine.directories import private_directory, read_private, remove_private, write_private
from netspec.engine.journal import Journal
from netspec.engine.leases import LeaseRecord
from netspec.engine.lock import exclusive
from netspec.errors import NetspecError, Refused
from netspec.kernel.ledger import Ledger
from netspec.kernel.snapshot import AttachedRow

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give things to others")
PRECIOUS = '{"precious": true}'


def a_link(path: Path, target: Path) -> None:
    """A symbolic link to something of worth."""
    path.symlink_to(target)


def a_dangling_link(path: Path, _target: Path) -> None:
    """A symbolic link to what is not there: whoever writes through it makes it."""
    path.symlink_to(path.parent / "nowhere")


def a_pipe(path: Path, _target: Path) -> None:
    """A pipe without another end: whoever opens it waits for ever."""
    os.mkfifo(path, 0o600)


def a_directory(path: Path, _target: Path) -> None:
    """A directory in the place of a file."""
    path.mkdir()


def open_to_all(path: Path, _target: Path) -> None:
    """A file that anybody may write."""
    path.write_text("{}", encoding="ascii")
    path.chmod(0o666)


TRAPS = [a_link, a_dangling_link, a_pipe, a_directory, open_to_all]
Trap = Callable[[Path, Path], None]


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What must stay as it is."""
    path = tmp_path / "precious"
    path.write_text(PRECIOUS, encoding="ascii")
    return path


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
@pytest.mark.parametrize("name", ["journal.json", "lock"])
def test_a_trap_in_the_run_directory(tmp_path: Path, precious: Path, trap: Trap, name: str) -> None:
    """The journal and the lock are refused, with what is wrong; nothing beyond them is written or made."""
    run = private_directory(tmp_path / "run")
    trap(run / name, precious)
    with pytest.raises(Refused) as caught:
        exclusive(run, 0).__enter__() if name == "lock" else Journal(run).read()

    assert str(run / name) in caught.value.message
    assert precious.read_text(encoding="ascii") == PRECIOUS
    assert not (run / "nowhere").exists()


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_trap_in_the_state_directory(tmp_path: Path, precious: Path, trap: Trap) -> None:
    """Records are not worth a failure: they are ignored, and what was planted is not written through."""
    state = private_directory(tmp_path / "state")
    for name in ("applied-default.json", "leases-default.json"):
        trap(state / name, precious)

    assert AppliedRecord(state, "default").read() == NOTHING_APPLIED
    assert [each.code for each in LeaseRecord(state, "default").read().warnings] == ["NS0451"]
    AppliedRecord(state, "default").write({})
    assert precious.read_text(encoding="ascii") == PRECIOUS
    assert not (state / "nowhere").exists()


@pytest.mark.parametrize("trap", TRAPS[:3], ids=lambda trap: trap.__name__)
def test_a_trap_among_the_records_of_names(tmp_path: Path, precious: Path, trap: Trap) -> None:
    """They are no records; and what is written goes beside them, not through them."""
    directory = private_directory(tmp_path / "attached")
    ledger = Ledger(str(directory))
    row = AttachedRow("netspec:default:endpoint/web", "/proc/1/ns/net", 7, 8)
    for name in ("web", ".db"):
        trap(directory / name, precious)
    ledger.write("db", row)

    assert ledger.read() == {"db": row}
    assert (directory / "db").stat().st_mode & 0o777 == 0o600
    assert precious.read_text(encoding="ascii") == PRECIOUS


def test_a_ledger_that_is_a_link_or_a_file_is_none(tmp_path: Path) -> None:
    """Nothing is read through it, and writing to it is an error."""
    real = private_directory(tmp_path / "real")
    Ledger(str(real)).write("web", AttachedRow("a", "b", 1, 2))
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "file").write_text("", encoding="ascii")
    for name in ("link", "file"):
        assert Ledger(str(tmp_path / name)).read() == {}
        with pytest.raises(OSError, match=r"irectory|links|exists"):
            Ledger(str(tmp_path / name)).write("db", AttachedRow("a", "b", 1, 2))


@root
@pytest.mark.parametrize("owner", [1000, 65534])
def test_what_belongs_to_others_is_not_believed(tmp_path: Path, owner: int) -> None:
    """A journal that somebody else has written would be carried out with our rights."""
    run = private_directory(tmp_path / "run")
    write_private(run / "journal.json", "{}")
    os.chown(run / "journal.json", owner, 0)

    with pytest.raises(Refused, match=f"others may have written it .owner {owner}"):
        Journal(run).read()


def test_a_lock_with_another_name_is_not_overwritten(tmp_path: Path, precious: Path) -> None:
    """A hard link is the same file: to say who holds the lock would be to overwrite it."""
    run = private_directory(tmp_path / "run")
    (run / "lock").hardlink_to(precious)
    with pytest.raises(Refused, match="the file has other names"), exclusive(run, 0):
        pytest.fail("held")

    assert precious.read_text(encoding="ascii") == PRECIOUS


def test_a_lock_that_is_removed_under_its_holder_is_not_held_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited for the one that is gone takes the one that is there."""
    run = private_directory(tmp_path / "run")
    refused, sleep = threading.Event(), time.sleep

    def sleeping(seconds: float) -> None:
        refused.set()
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleeping)
    with exclusive(run, 0):
        waiting = threading.Thread(target=_take, args=(run,))
        waiting.start()
        assert refused.wait(30), "nobody waits for the file that goes"
        (run / "lock").unlink()
        # A third one makes a new file: it holds the lock that counts now.
        with exclusive(run, 0):
            pass
    waiting.join(timeout=30)

    assert not waiting.is_alive()
    assert (run / "lock").exists()


def _take(run: Path) -> None:
    with exclusive(run, 30):
        assert os.path.samestat((run / "lock").stat(), (run / "lock").lstat())


@root
@pytest.mark.parametrize(("owner", "mode"), [(1000, 0o755), (0, 0o777), (0, 0o775)])
def test_a_directory_below_one_that_others_own_is_refused(tmp_path: Path, owner: int, mode: int) -> None:
    """They could put another in its place between two looks."""
    (tmp_path / "theirs").mkdir()
    private_directory(tmp_path / "theirs" / "run")
    os.chown(tmp_path / "theirs", owner, 1000)
    (tmp_path / "theirs").chmod(mode)
    for path in (tmp_path / "theirs" / "run", tmp_path / "theirs" / "run" / "deeper"):
        with pytest.raises(Refused, match=f"{tmp_path}/theirs belongs to others"):
            private_directory(path)
        with pytest.raises(Refused, match="belongs to others"):
            read_private(path / "journal.json")


@root
def test_where_everybody_may_make_things_a_sticky_directory_is_fine(tmp_path: Path) -> None:
    """As /tmp is: what is ours there is moved by nobody else."""
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    private_directory(tmp_path / "sticky" / "run")
    write_private(tmp_path / "sticky" / "run" / "file", "text")

    assert read_private(tmp_path / "sticky" / "run" / "file") == "text"


@root
def test_links_of_root_are_followed_and_those_of_others_are_not(tmp_path: Path) -> None:
    """As /var/run is one; a link in a sticky directory could be anybody's."""
    (tmp_path / "real").mkdir()
    for name, owner in (("ours", 0), ("theirs", 1000)):
        (tmp_path / name).symlink_to("./real/../real")
        os.chown(tmp_path / name, owner, 0, follow_symlinks=False)
    private_directory(tmp_path / "ours" / "run")

    assert (tmp_path / "real" / "run").is_dir()
    with pytest.raises(Refused, match=f"{tmp_path}/theirs is a link of user 1000: it is not followed"):
        private_directory(tmp_path / "theirs" / "run")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    assert read_private(tmp_path / "absolute" / "run" / "none") is None
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(Refused, match="Too many levels of symbolic links"):
        private_directory(tmp_path / "circle" / "run")


def test_a_directory_that_changes_all_the_time_is_never_somebody_elses(tmp_path: Path) -> None:
    """A race: it is a link in one moment and ours in the next. What is written is never behind the link."""
    elsewhere = private_directory(tmp_path / "elsewhere")
    place, spare = private_directory(tmp_path / "run"), tmp_path / "spare"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.rename(spare)
            place.symlink_to(elsewhere)
            place.unlink()
            spare.rename(place)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(300):
            with contextlib.suppress(Refused):
                write_private(place / "file", str(number))
    finally:
        stop.set()
        swapper.join(timeout=30)

    assert list(elsewhere.iterdir()) == []
    write_private(place / "file", "text")
    assert (place / "file").read_text(encoding="ascii") == "text"


def test_no_more_is_read_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grew beyond all bounds is refused, and none such is written."""
    run = private_directory(tmp_path / "run")
    monkeypatch.setattr(directories, "LARGEST", 1 << 20)
    with (run / "journal.json").open("wb") as file:
        file.truncate((1 << 20) + 1)

    with pytest.raises(Refused, match="it is larger than 1 MiB"):
        Journal(run).read()
    with pytest.raises(Refused, match="it would be larger than 1 MiB"):
        write_private(run / "other", "x" * ((1 << 20) + 1))
    assert [path.name for path in run.iterdir()] == ["journal.json"]


def test_what_cannot_be_removed_is_said(tmp_path: Path) -> None:
    """With its name, and what to do."""
    run = private_directory(tmp_path / "run")
    (run / "journal.json").mkdir()

    with pytest.raises(NetspecError, match=f"cannot remove {run}/journal.json: Is a directory. Remove it by hand."):
        remove_private(run / "journal.json")
