"""What we know of names under `/run/netns` that we gave to namespaces of others: a small file for each.

Such a namespace carries no mark of ours, and the file that its name covers cannot be read.
"""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from netspec.kernel.snapshot import AttachedRow

LEDGER = "/run/netspec/attached"
_LARGEST = 1 << 16


class Ledger:
    """A directory with a file for each name."""

    def __init__(self, directory: str) -> None:
        """It is made when something is written."""
        self._directory = Path(directory)

    def read(self) -> Mapping[str, AttachedRow]:
        """All that is on record, by name; what cannot be understood is not."""
        try:
            with self._opened() as directory:
                names = sorted(os.listdir(directory))  # noqa: PTH208  of a descriptor, not of a path
                rows = {name: _parsed(name, directory) for name in names if not name.startswith(".")}
        except OSError:
            return {}
        return {name: row for name, row in rows.items() if row is not None}

    def has(self, name: str) -> bool:
        """Whether a name is on record."""
        try:
            with self._opened() as directory:
                os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        return True

    def write(self, name: str, row: AttachedRow) -> None:
        """Put a name on record, whole or not at all. Raises OSError."""
        self._directory.mkdir(0o700, parents=True, exist_ok=True)
        draft = f".{name}"
        text = {"alias": row.alias, "path": row.path, "inode": row.inode, "started": row.started}
        with self._opened() as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(json.dumps(text).encode())
                file.flush()
                os.fsync(file.fileno())
            os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)

    def forget(self, name: str) -> None:
        """Take a name off, and the directory with the last. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            with self._opened() as directory:
                os.unlink(name, dir_fd=directory)
            with contextlib.suppress(OSError):
                self._directory.rmdir()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The directory; not over a link, and not another's. Raises OSError."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self._directory))
            yield descriptor
        finally:
            os.close(descriptor)


def _parsed(name: str, directory: int) -> AttachedRow | None:
    """A record; None for a link, a pipe, and all that is none of ours."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return None
            text = json.loads(file.read(_LARGEST).decode())
        return AttachedRow(str(text["alias"]), str(text["path"]), int(text["inode"]), int(text["started"]))
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
