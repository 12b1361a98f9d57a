"""The run and state directories: private to their owner, nothing in them followed that is a link."""

import contextlib
import os
import stat
from pathlib import Path
from typing import TextIO

from netspec.errors import NetspecError, Refused

RUN_DIR = "/run/netspec"
STATE_DIR = "/var/lib/netspec"


def private_directory(path: Path) -> Path:
    """Make `path` a directory of mode 0700 that belongs to us, and return it.

    Raises Refused where it is a symbolic link, another's, or open to others, and NetspecError's kin
    for what the file system says no to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise Refused(f"cannot make the directory {path}: {error.strerror}.") from None
    _require_private(path, found)
    return path


def is_private_directory(path: Path) -> bool:
    """Whether there is a directory at `path`. Raises Refused where it is not as `private_directory` makes it."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}.") from None
    if stat.S_ISDIR(found.st_mode) and found.st_uid != os.geteuid():
        raise Refused(f"{path} belongs to user {found.st_uid}, not to {os.geteuid()}: run netspec as that user.")
    _require_private(path, found)
    return True


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise Refused(f"{path} is not a directory: it is a link or a file. Remove it, or name another directory.")
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Refused(
            f"{path} is open to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}). "
            f"Make it yours: chown {os.geteuid()} {path}; chmod 0700 {path}"
        )


def read_private(path: Path) -> str | None:
    """The text of a file, None where there is none. A symbolic link is refused, never followed."""
    file = open_private(path)
    if file is None:
        return None
    with file:
        return file.read()


def open_private(path: Path) -> TextIO | None:
    """A file to read from, None where there is none. A symbolic link is refused, never followed."""
    try:
        # Nobody waits for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"cannot read {path}: it is not a file.")
    return os.fdopen(descriptor, encoding="utf-8", errors="replace")


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path` so that a crash leaves the old or the new: aside, synced, renamed, folder synced."""
    aside = path.with_name(f".{path.name}.new")
    try:
        _write_aside(aside, text)
        aside.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}.") from None


def write_aside(aside: Path, text: str) -> None:
    """The first half of `write_private`: what is on disk whole can later be put in place by `rename_private`."""
    try:
        _write_aside(aside, text)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise Refused(f"cannot write {aside}: {error.strerror}.") from None


def rename_private(path: Path, target: Path) -> None:
    """Give a file another name in its folder, durably."""
    try:
        path.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise Refused(f"cannot rename {path} to {target.name}: {error.strerror}.") from None


def _write_aside(aside: Path, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(aside, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def remove_private(path: Path) -> None:
    """Remove a file durably; nothing where there is none."""
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetspecError(
            f"cannot remove {path}: {error.strerror}. Remove it by hand: it undoes what has just been done."
        ) from None


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable: without it a rename may be lost in a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
