"""What wakes a watcher. A trigger carries no payload: it only says that something may have changed."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import ObservedWatch

QUIET, LONGEST_BURST = 0.2, 2.0
"""Seconds without a further event after which a burst is over; and after which it is acted upon anyway."""

Place = tuple[Path, bool, int, int]
"""A directory, whether it is only on the way to the spec, its device and its inode."""


class Wake:
    """Wakes one waiting thread, from any thread or from a signal handler."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._event = threading.Event()
        self.stopping = False

    def set(self) -> None:
        """Something may have changed."""
        self._event.set()

    def stop(self) -> None:
        """Come to an end."""
        self.stopping = True
        self._event.set()

    def wait(self, timeout: float) -> bool:
        """Wait for an event or for `timeout` seconds; True for an event. A burst of events is one."""
        if not self._event.wait(timeout):
            return False
        deadline = time.monotonic() + LONGEST_BURST
        while not self.stopping and time.monotonic() < deadline:
            self._event.clear()
            if not self._event.wait(QUIET):
                break
        return True


class FileTrigger:
    """Wakes on changes of a spec file or directory, an editor's atomic replacement included.

    Directories are watched, not files: a replaced file is another inode. Those that lead to the spec are watched for
    another in its place. What is written into files that do not belong to the spec does not wake. Use it as a context
    manager, and `follow` before each reading.
    """

    def __init__(self, path: Path, wake: Wake, belongs: Callable[[Path], bool]) -> None:
        """Nothing is watched yet."""
        from watchdog.observers import Observer  # noqa: PLC0415  only a watch needs it

        self._path = path
        self._wake = wake
        self._belongs = belongs
        self._observer = Observer()
        self._watches: dict[Place, ObservedWatch] = {}
        self._homes: frozenset[Path] = frozenset()
        self._gone: set[Path] = set()

    def __enter__(self) -> Self:
        """Begin."""
        self._observer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """End."""
        self._observer.stop()
        self._observer.join()

    def follow(self) -> None:
        """Watch the directories that there are now: others may be where those watched were, or where a link leads.

        Raises OSError where the system's limit of watches is reached.
        """
        gone = {self._gone.pop() for _ in range(len(self._gone))}
        self._homes = _homes(self._path)
        ways = {parent for home in self._homes for parent in home.parents} - self._homes
        places = {*_places(self._homes, are_ways=False), *_places(ways, are_ways=True)}
        for known in [*self._watches]:
            # One made again may have the number of the one that is gone.
            if known not in places or known[0] in gone:
                self._observer.unschedule(self._watches.pop(known))
        for new in sorted(places - self._watches.keys()):
            directory, is_way, *_ = new
            with contextlib.suppress(FileNotFoundError, *((PermissionError,) if is_way else ())):
                self._watches[new] = self._schedule(directory, is_way=is_way)

    def _schedule(self, directory: Path, *, is_way: bool) -> "ObservedWatch":
        from watchdog import events  # noqa: PLC0415  only a watch needs it

        entries = [events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent]
        entries += [events.FileCreatedEvent, events.FileDeletedEvent, events.FileMovedEvent]
        hear = self._on_way if is_way else self._at_home

        class Handler(events.FileSystemEventHandler):
            def on_any_event(self, event: events.FileSystemEvent) -> None:
                hear(event)

        return self._observer.schedule(Handler(), str(directory), event_filter=entries if is_way else None)

    def _at_home(self, event: "FileSystemEvent") -> None:
        # Our own reading must not wake us, nor a log of ours beside the spec: it would never end.
        if event.event_type in ("opened", "closed_no_write"):
            return
        where = Path(os.fsdecode(event.src_path))
        if event.event_type == "deleted":
            self._gone.add(where)
        written = event.event_type in ("modified", "closed") and not event.is_directory
        if not written or self._belongs(where):
            self._wake.set()

    def _on_way(self, event: "FileSystemEvent") -> None:
        for each in (event.src_path, event.dest_path):
            where = Path(os.fsdecode(each))
            if any(home.is_relative_to(where) for home in self._homes):
                self._gone.add(where)
                self._wake.set()


def _homes(path: Path) -> frozenset[Path]:
    """The directory itself, or that of the file and of what it is a link to."""
    ends = (path.absolute(), Path(os.path.realpath(path)))
    return frozenset(each if each.is_dir() else each.parent for each in ends)


def _places(directories: Iterable[Path], *, are_ways: bool) -> Iterator[Place]:
    for each in directories:
        with contextlib.suppress(FileNotFoundError):
            status = each.stat()
            yield each, are_ways, status.st_dev, status.st_ino
