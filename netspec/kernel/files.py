"""`/etc/netns/NAME/hosts` and `resolv.conf`: what ip-netns(8) shows in the place of those below `/etc`.

Nothing is reached over a symbolic link but `/etc` itself. A file has its mark in its first line; a directory that
was made here, in an extended attribute.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from netspec.kernel.file_operations import FileDelete, FileWrite
from netspec.kernel.snapshot import FileRow

NAMES = ("hosts", "resolv.conf")
MARK = "# netspec:"
"""How the first line of a file begins."""
ATTRIBUTES = ("user.netspec", "trusted.netspec")
"""The first that the file system takes; before Linux 6.6 tmpfs takes the second only, and of root alone."""
LARGEST = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ETC, _TOP = "/etc", "netns"


def read_files() -> list[FileRow]:
    """All of them, of whatever namespaces; those that cannot be read are left out."""
    found: list[FileRow] = []
    with contextlib.ExitStack() as opened:
        try:
            top = _opened(_top(opened), _TOP, opened)
            entries = os.listdir(top)  # noqa: PTH208  of a descriptor, not of a path
        except OSError:
            return found
        for netns in sorted(each for each in entries if not each.startswith(".")):
            with contextlib.ExitStack() as inner:
                try:
                    directory = _opened(top, netns, inner)
                except PermissionError:
                    continue
                except OSError:
                    found += [FileRow(netns=netns, name=name, sort="symlink") for name in NAMES]
                    continue
                found += [row for name in NAMES for row in _read(directory, netns, name)]
    return found


def _read(directory: int, netns: str, name: str) -> Iterator[FileRow]:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode):
        yield FileRow(netns=netns, name=name, sort="symlink" if stat.S_ISLNK(found.st_mode) else "other")
        return
    mode = stat.S_IMODE(found.st_mode)
    head, _, text = _content(directory, name).partition("\n")
    if head.startswith(MARK):
        yield FileRow(netns=netns, name=name, mark=head.removeprefix("# "), text=text, mode=mode)
    else:
        yield FileRow(netns=netns, name=name, mode=mode)


def _content(directory: int, name: str) -> str:
    """What a regular file holds; empty where it cannot be read or is too large to be ours."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST).decode(errors="replace")


def write_file(operation: FileWrite) -> None:
    """Put a file in its place in one move. Raises OSError."""
    netns, name = _checked(operation.netns), _checked(operation.name)
    with contextlib.ExitStack() as opened:
        etc = _top(opened)
        top = _made(etc, _TOP, opened)
        directory = _made(top, netns, opened)
        _refuse_foreign(directory, name)
        waiting = f".{netns}.{name}.netspec"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(waiting, dir_fd=top)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(waiting, flags, 0o600, dir_fd=top)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"# {operation.mark}\n{operation.text}".encode())
            os.fchmod(file.fileno(), operation.mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(waiting, name, src_dir_fd=top, dst_dir_fd=directory)


def delete_file(operation: FileDelete) -> None:
    """Remove a file of ours, and what directories were made for it. Raises OSError."""
    netns, name = _checked(operation.netns), _checked(operation.name)
    with contextlib.ExitStack() as opened:
        try:
            etc = _top(opened)
            top = _opened(etc, _TOP, opened)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f".{netns}.{name}.netspec", dir_fd=top)
            directory = _opened(top, netns, opened)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                return
            raise
        for row in _read(directory, netns, name):
            if row.mark:
                os.unlink(name, dir_fd=directory)
        if _removed(top, netns, directory):
            _removed(etc, _TOP, top)


def _checked(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    return name


def _top(opened: contextlib.ExitStack) -> int:
    descriptor = os.open(_ETC, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    opened.callback(os.close, descriptor)
    return descriptor


def _opened(parent: int, name: str, opened: contextlib.ExitStack) -> int:
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor


def _made(parent: int, name: str, opened: contextlib.ExitStack) -> int:
    """A directory, made where it is missing: it has its mark before it has its name."""
    with contextlib.suppress(FileNotFoundError):
        return _opened(parent, name, opened)
    waiting = f".{name}.netspec"
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(waiting, dir_fd=parent)
    os.mkdir(waiting, 0o755, dir_fd=parent)
    descriptor = _opened(parent, waiting, opened)
    os.fchmod(descriptor, 0o755)
    # Where a file system has no such attributes, the directory stays when the files go.
    for each in ATTRIBUTES:
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, each, b"1")
            break
    os.rename(waiting, name, src_dir_fd=parent, dst_dir_fd=parent)
    return descriptor


def _refuse_foreign(directory: int, name: str) -> None:
    for row in _read(directory, "", name):
        if not row.mark:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _removed(parent: int, name: str, directory: int) -> bool:
    """Remove a directory that was made here, if it is empty."""
    try:
        if not set(ATTRIBUTES) & set(os.listxattr(directory)):
            return False
        os.rmdir(name, dir_fd=parent)
    except OSError:
        return False
    return True
