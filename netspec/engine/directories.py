"""The run and state directories: private to their owner, nothing in them or on the way to them followed blindly.

A directory is reached step by step from `/`, and what is done in it is done through its descriptor: whoever can
rename things below a name we were given cannot lead us elsewhere between two looks.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TextIO

from netspec.errors import NetspecError, Refused

RUN_DIR = "/run/netspec"
STATE_DIR = "/var/lib/netspec"
LARGEST = 128 * 1024 * 1024
"""Bytes of a file of ours: more is neither read nor written."""

_LINKS = 40
"""Symbolic links on one way, as the kernel counts them."""
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WHOLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def private_directory(path: Path) -> Path:
    """Make `path` a directory of mode 0700 that belongs to us, and return it.

    Raises Refused where it is a symbolic link, another's, or open to others, where somebody else could put
    another in its place, and for what the file system says no to.
    """
    try:
        with _private(path, make=True):
            return path
    except OSError as error:
        raise Refused(f"cannot make the directory {path}: {error.strerror}.") from None


@contextlib.contextmanager
def opened_private(path: Path) -> Iterator[int]:
    """A descriptor of a private directory that is there. Raises OSError; Refused as `private_directory` does."""
    with _private(path, make=False) as descriptor:
        yield descriptor


def is_private_directory(path: Path) -> bool:
    """Whether there is a directory at `path`. Raises Refused where it is not as `private_directory` makes it."""
    try:
        with opened_private(path):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        raise Refused(f"{path} may not be read by user {os.geteuid()}: run netspec as whoever owns it.") from None
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}.") from None


def read_private(path: Path) -> str | None:
    """The text of a file, None where there is none. Raises Refused for a link, a pipe, another's, or too much."""
    descriptor = _opened(path)
    if descriptor is None:
        return None
    try:
        with os.fdopen(descriptor, "rb") as file:
            # Not more than is there, for memory is taken for all that is asked for.
            content = file.read(min(LARGEST, os.fstat(descriptor).st_size) + 1)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}.") from None
    if len(content) > LARGEST:
        raise Refused(f"cannot read {path}: it is larger than {LARGEST >> 20} MiB.")
    return content.decode(errors="replace")


def open_private(path: Path) -> TextIO | None:
    """A file to read from, None where there is none. Raises Refused for a link, a pipe, or another's."""
    descriptor = _opened(path)
    return None if descriptor is None else os.fdopen(descriptor, encoding="utf-8", errors="replace")


def _opened(path: Path) -> int | None:
    # Nobody waits for the other end of a pipe.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        with opened_private(path.parent) as directory, contextlib.ExitStack() as opened:
            descriptor = os.open(path.name, flags, dir_fd=directory)
            opened.callback(os.close, descriptor)
            check_file(path, descriptor)
            opened.pop_all()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}.") from None
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Put `text` at `path` so that a crash leaves the old or the new: aside, synced, renamed, folder synced."""
    aside = f".{path.name}.new"
    content = _small_enough(path, text)
    try:
        with opened_private(path.parent) as directory:
            _write_aside(aside, content, directory)
            os.rename(aside, path.name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}.") from None


def write_aside(aside: Path, text: str) -> None:
    """The first half of `write_private`: what is on disk whole can later be put in place by `rename_private`."""
    content = _small_enough(aside, text)
    try:
        with opened_private(aside.parent) as directory:
            _write_aside(aside.name, content, directory)
    except OSError as error:
        with contextlib.suppress(NetspecError):
            remove_private(aside)
        raise Refused(f"cannot write {aside}: {error.strerror}.") from None


def rename_private(path: Path, target: Path) -> None:
    """Give a file another name in its folder, durably."""
    try:
        with opened_private(path.parent) as directory:
            os.rename(path.name, target.name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
    except OSError as error:
        raise Refused(f"cannot rename {path} to {target.name}: {error.strerror}.") from None


def _small_enough(path: Path, text: str) -> bytes:
    content = text.encode()
    if len(content) > LARGEST:
        raise Refused(f"cannot write {path}: it would be larger than {LARGEST >> 20} MiB.")
    return content


def _write_aside(name: str, content: bytes, directory: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_private(path: Path) -> None:
    """Remove a file durably; nothing where there is none."""
    try:
        with opened_private(path.parent) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=directory)
            os.fsync(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NetspecError(f"cannot remove {path}: {error.strerror}. Remove it by hand.") from None


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable: without it a rename may be lost in a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(path: Path, descriptor: int) -> None:
    """Raise Refused where an open file is none, or another's, or one that others write."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"cannot use {path}: it is not a file.")
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Refused(
            f"cannot use {path}: others may have written it (owner {found.st_uid}, "
            f"mode {stat.S_IMODE(found.st_mode):04o}). Look at it, and remove it."
        )


@contextlib.contextmanager
def _private(path: Path, *, make: bool) -> Iterator[int]:
    whole = Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links
    parent = _walk(whole.parent, make=make)
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(whole.name, 0o700, dir_fd=parent)
        descriptor = _enter(path, whole.name, parent)
    finally:
        os.close(parent)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise Refused(
                f"{path} is open to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}). "
                f"Make it yours: chown {os.geteuid()} {path}; chmod 0700 {path}"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _enter(path: Path, name: str, parent: int) -> int:
    try:
        return os.open(name, _WHOLE, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise Refused(
            f"{path} is not a directory: it is a link or a file. Remove it, or name another directory."
        ) from None


def _walk(path: Path, *, make: bool) -> int:
    """A descriptor of a directory that nobody but root and us can put another in the place of."""
    names = list(reversed(path.parts[1:]))
    way = ["/"]
    here = os.open("/", _STEP)
    links = 0
    try:
        while names:
            _check_step(way, os.fstat(here))
            name = names.pop()
            target = _link_target(name, here, way)
            if target is None:
                here = _next(name, here, make=make)
                # Up goes only the text of a link: a path that was given has been made absolute.
                way = [*way, name] if name != ".." else way[:1] + way[1:-1]
                continue
            links += 1
            _check_links(links)
            names.extend(reversed([part for part in target.split("/") if part not in ("", ".")]))
            if target.startswith("/"):
                here, way = _next("/", here, make=False), ["/"]
        _check_step(way, os.fstat(here))
    except BaseException:
        os.close(here)
        raise
    return here


def _check_links(count: int) -> None:
    if count > _LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _next(name: str, here: int, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=here)
    found = os.open(name, _STEP, dir_fd=here)
    os.close(here)
    return found


def _link_target(name: str, here: int, way: list[str]) -> str | None:
    """Where a symbolic link of root's or of ours leads; None for what is none. Raises Refused for another's."""
    try:
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    if found.st_uid not in _trusted():
        raise Refused(f"{Path(*way, name)} is a link of user {found.st_uid}: it is not followed.")
    return os.readlink(name, dir_fd=here)


def _check_step(way: list[str], found: os.stat_result) -> None:
    """Raise Refused where others could rename what is in a directory."""
    writable = found.st_mode & 0o002 or (found.st_mode & 0o020 and found.st_gid not in (0, os.getegid()))
    if found.st_uid in _trusted() and (not writable or found.st_mode & stat.S_ISVTX):
        return
    raise Refused(
        f"{Path(*way)} belongs to others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}): they could "
        "put another directory in the place of one below it. Name a directory that only root or you can move."
    )


def _trusted() -> frozenset[int]:
    return frozenset({0, os.geteuid()}) | _unmapped()


@cache
def _unmapped() -> frozenset[int]:
    """Who everybody else is where this user namespace knows not all users: root of the machine among them."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
        if lines != ["0", "0", "4294967295"]:
            return frozenset({int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))})
    return frozenset()
