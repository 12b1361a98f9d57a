"""What a power cut leaves of generations on a real disk: ext4 on a loop device, copied as it lies there."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netspec.engine.generations import Generations
from tests.engine.test_generations import MOVES, again, course, power_cut_at, record

pytestmark = [pytest.mark.faults, pytest.mark.kernel, pytest.mark.slow]


def run(*command: str | Path) -> None:
    """A command that must succeed."""
    subprocess.run([str(each) for each in command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of an empty ext4; skips where such a one cannot be mounted."""
    directory = tmp_path_factory.mktemp("disk")
    image = directory / "empty"
    try:
        with image.open("wb") as file:
            file.truncate(16 * 1024 * 1024)
        run("mkfs.ext4", "-q", image)
        with mounted(image, directory / "trial"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"ext4 on a loop device cannot be mounted here: {error}")
    return image


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """A file system in a file, at a place."""
    place.mkdir()
    run("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        run("umount", place)
        place.rmdir()


def copied(source: Path, target: Path) -> Path:
    """An image as it lies on disk: what its file system has not written yet is lost."""
    run("cp", "--sparse=always", source, target)
    return target


@pytest.mark.parametrize("name", MOVES)
def test_a_power_cut_leaves_the_old_or_the_new_on_disk(name: str, formatted: Path, tmp_path: Path) -> None:
    """At each call that changes files; and what has returned is on disk."""
    for call in range(100):
        disk, place = copied(formatted, tmp_path / "disk"), tmp_path / "now"
        with mounted(disk, place):
            before = course(place).entries()
            run("sync", "-f", place)
            with power_cut_at(call, os.fsync) as done:
                MOVES[name](again(place))
            ended = done[-1:] == ["end"]
            wanted = again(place).entries()
            cut = copied(disk, tmp_path / "cut")
        with mounted(cut, place):
            check(again(place), before, wanted if ended else None, pruning=name == "prune")
        if ended:
            return
    pytest.fail("it never came to its end")


Entries = tuple[object, ...]


def check(found: Generations, before: Entries, wanted: Entries | None, *, pruning: bool) -> None:
    """What is left is whole, is the old or the new, and can be gone on with."""
    entries = found.entries()
    if wanted is not None and not pruning:  # What was pruned may come back, and go again.
        assert entries == wanted
    numbers = {each.number for each in entries}
    assert numbers <= {1, 2, 3, 4}
    assert pruning or len(set(before) - set(entries)) <= 1
    for each in entries:
        assert found.read(each.number).entry == each
    assert found.warnings == []
    assert found.append(record("next")) == max(numbers) + 1


@pytest.mark.parametrize("forgotten", ["file", "folder"])
def test_without_either_sync_something_would_be_lost(
    forgotten: str, formatted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of this test loses what is not synced: else the test before it would show nothing."""
    real: Callable[[int], None] = os.fsync

    def sync(descriptor: int) -> None:
        is_folder = Path(f"/proc/self/fd/{descriptor}").resolve().is_dir()
        if is_folder is (forgotten == "file"):
            real(descriptor)

    disk, place = copied(formatted, tmp_path / "disk"), tmp_path / "now"
    with mounted(disk, place):
        course(place)
        run("sync", "-f", place)
        monkeypatch.setattr(os, "fsync", sync)
        again(place).append(record("new"))
        cut = copied(disk, tmp_path / "cut")
    monkeypatch.setattr(os, "fsync", real)
    with mounted(cut, place):
        found = again(place)
        whole = [each.entry.number for each in found.listed()]

    assert whole == [1, 2, 3]
