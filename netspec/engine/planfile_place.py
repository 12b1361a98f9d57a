"""Where a plan file lies, or is to lie: what is read from there, and what may be written over."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from netspec.engine.directories import sync_directory
from netspec.errors import Refused, UsageError
from netspec.kinds._encoding import is_saved_plan

LARGEST = 256 * 1024 * 1024
"""Bytes of a file that are read; the plan that makes 10,000 endpoints is a quarter of that."""


def check_target(path: Path) -> None:
    """Find out before anything is done whether a plan may be put there: only a saved plan is written over.

    Raises UsageError.
    """
    try:
        found = path.lstat() if path.name not in ("", "..") else None
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UsageError(f"cannot write {path}: there is no directory {path.parent}.") from None
        return
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}.") from None
    regular = found is not None and stat.S_ISREG(found.st_mode)
    if found is None or not (regular or stat.S_ISLNK(found.st_mode)):
        raise UsageError(f"cannot write {path}: it is there, and not a file.")
    content = content_of(path) if regular else b""
    if content and not is_saved_plan(content.decode("utf-8-sig", errors="replace")):
        raise UsageError(f"cannot write {path}: it is there, and no saved plan. Name another file, or remove it.")


def content_of(path: Path) -> bytes:
    """What is in a file; nothing of what is none. Whoever looks for a spec there says what is wrong with it."""
    try:
        # Nobody waits for the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST + 1)


def put(path: Path, text: str) -> None:
    """Put a text at `path`, for its owner alone: aside, synced, renamed. A link there is replaced. Raises Refused."""
    aside = None
    try:
        # By a name that nobody foresees: the directory may be one that others write to.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
        aside = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}.") from None
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                aside.unlink()
