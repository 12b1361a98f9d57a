"""Namespaces that others have made, found by process, path or container."""

import errno
import fcntl
import os
from pathlib import Path

from netspec.kernel import containers, namespaces
from netspec.kernel.containers import NoContainer
from netspec.kernel.snapshot import Reference, ReferenceRow

_NS_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000
_START_TIME = 19
"""Field of `/proc/PID/stat` behind the command's closing bracket: starttime, in clock ticks since boot."""


class Unattachable(Exception):
    """Why a reference leads to no namespace; its text is a clause for people."""


def resolve(name: str, reference: Reference, directory: str = namespaces.RUN_NETNS) -> ReferenceRow:
    """Where a reference leads now; in `problem`, why it leads nowhere."""
    try:
        path, started = _place(reference)
        inode = _foreign_inode(path)
    except Unattachable as error:
        return ReferenceRow(name=name, reference=reference, problem=str(error))
    known = tuple(each for each in namespaces.names(directory) if _inode(f"{directory}/{each}") == inode)
    return ReferenceRow(name=name, reference=reference, path=path, inode=inode, started=started, known_as=known)


def opened(path: str, inode: int) -> int:
    """A descriptor of the namespace at `path`. Raises OSError: ESRCH where it is not the one with that inode."""
    try:
        descriptor = _opened(path)
    except Unattachable as error:
        raise OSError(errno.ESRCH, str(error), path) from None
    if os.fstat(descriptor).st_ino != inode:
        os.close(descriptor)
        raise OSError(errno.ESRCH, "it leads to another namespace than it did a moment ago", path)
    return descriptor


def start_of(pid: int) -> int:
    """When a process began, in clock ticks since boot; a number that is used again has another one. 0 for none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[_START_TIME])


def _place(reference: Reference) -> tuple[str, int]:
    """The path of a namespace, and when the process behind it began."""
    match reference.sort:
        case "path":
            return reference.value, 0
        case "container":
            try:
                pid = containers.find(reference.value, containers.sockets()).pid
            except NoContainer as error:
                raise Unattachable(str(error)) from None
            words = f"its process {pid} cannot be seen from here"
        case _:
            pid = int(reference.value)
            words = "there is no such process"
    started = start_of(pid)
    if not started:
        raise Unattachable(words)
    return f"/proc/{pid}/ns/net", started


def _foreign_inode(path: str) -> int:
    """The inode of a namespace. Raises Unattachable for that of this thread."""
    descriptor, here = _opened(path), namespaces.current()
    try:
        if os.path.samestat(os.fstat(descriptor), os.fstat(here)):
            raise Unattachable("that is the namespace of this host itself")
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
        os.close(here)


def _opened(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # A process that has ended but was not waited for has a directory without namespaces.
        gone = error.errno == errno.ENOENT and path.startswith("/proc/")
        raise Unattachable("its process has ended" if gone else f"{path}: {error.strerror}") from None
    try:
        if fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    raise Unattachable(f"{path} is no network namespace")


def _inode(path: str) -> int:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return 0
