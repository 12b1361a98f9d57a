"""What wakes a watcher. A trigger carries no payload: it only says that something may have changed."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

QUIET, LONGEST_BURST = 0.2, 2.0
"""Seconds without a further event after which a burst is over; and after which it is acted upon anyway."""


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


@contextmanager
def files(path: Path, wake: Wake, belongs: Callable[[Path], bool]) -> Iterator[None]:
    """Wake on changes of a spec file or directory, an editor's atomic replacement included.

    Directories are watched, not files: a replaced file is another inode. What is written into files that do not
    belong to the spec does not wake. Raises OSError where the system's limit of watches is reached.
    """
    from watchdog.events import FileSystemEvent, FileSystemEventHandler  # noqa: PLC0415  only a watch needs it
    from watchdog.observers import Observer  # noqa: PLC0415  only a watch needs it

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            # Our own reading must not wake us, nor a log of ours beside the spec: it would never end.
            if event.event_type in ("opened", "closed_no_write"):
                return
            written = event.event_type in ("modified", "closed") and not event.is_directory
            if not written or belongs(Path(os.fsdecode(event.src_path))):
                wake.set()

    observer = Observer()
    for directory in _directories(path):
        observer.schedule(Handler(), str(directory), recursive=False)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()


def _directories(path: Path) -> set[Path]:
    """Where a change of `path` shows: the directory itself, or that of the file and of what it is a link to."""
    places = {path, path.resolve()}
    return {each if each.is_dir() else each.parent for each in places} | {path.absolute().parent}
