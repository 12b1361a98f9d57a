"""Make, remove and enter network namespaces under `/run/netns`, as ip-netns(8) does."""

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from netspec.errors import Astray
from netspec.kernel import rtnetlink as rt
from netspec.kernel.netlink import Channel
from netspec.kernel.operations import LinkSet

RUN_NETNS = "/run/netns"

_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH = 2
_AT_FDCWD, _AT_SYMLINK_FOLLOW = -100, 0x400
_MARK_BYTES = 512
_ATTEMPTS = 10
"""The kernel may be short of memory for a moment; to be in another namespace is worse than to be late."""

_libc = ctypes.CDLL(None, use_errno=True)


def _call(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def current() -> int:
    """An open descriptor of the network namespace of this thread."""
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(descriptor: int) -> None:
    """Move this thread into a namespace. Raises OSError: EPERM without CAP_SYS_ADMIN, EINVAL for no namespace."""
    _call(_libc.setns(descriptor, _CLONE_NEWNET), "setns")


def come_back(home: int) -> None:
    """Move this thread back into its own namespace. Raises Astray, which nothing may go on after."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            enter(home)
        except OSError as error:
            # Whoever may not leave is still there.
            if _is_here(home):
                return
            if not left:
                raise Astray(error.strerror or str(error)) from None
        else:
            return


def _is_here(home: int) -> bool:
    with contextlib.suppress(OSError):
        here = current()
        try:
            return os.path.samestat(os.fstat(here), os.fstat(home))
        finally:
            os.close(here)
    return False


@contextlib.contextmanager
def coming_back() -> Iterator[None]:
    """Whatever namespaces are entered inside, this thread is back in its own afterwards."""
    home = current()
    try:
        yield
    finally:
        try:
            come_back(home)
        finally:
            os.close(home)


def names(directory: str = RUN_NETNS) -> list[str]:
    """The entries of `/run/netns`, sorted; none where it does not exist."""
    try:
        return sorted(path.name for path in Path(directory).iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def open_entry(name: str, directory: str = RUN_NETNS) -> int:
    """An open descriptor of an entry, which may turn out to be no namespace."""
    return os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def content(descriptor: int) -> str:
    """What a dead entry's file holds: our mark, where a creation was cut short."""
    try:
        return os.pread(descriptor, _MARK_BYTES, 0).decode(errors="replace")
    except OSError:
        return ""


def prepare(directory: str) -> None:
    """Make `/run/netns` as `ip netns add` does: a shared mount of its own, so that every mount namespace sees names."""
    path = directory.encode()
    if not Path(directory).is_dir():
        Path(directory).mkdir(0o755, parents=True, exist_ok=True)
    if _libc.mount(b"", path, b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    if ctypes.get_errno() != errno.EINVAL:
        # Not allowed, as in a user namespace: names are then seen in this mount namespace only.
        return
    _call(_libc.mount(path, path, b"none", _MS_BIND | _MS_REC, None), f"mount {directory}")
    _libc.mount(b"", path, b"none", _MS_SHARED | _MS_REC, None)


def create(name: str, alias: str, deadline: float, directory: str = RUN_NETNS) -> tuple[int, Channel]:
    """Make a namespace that has its mark before it has its name; a descriptor of it and a socket in it.

    A crash at any moment leaves nothing, a file with our mark, or the namespace with our mark. The directory
    is there (`prepare`). Raises OSError, EEXIST where the name is taken, EINVAL where it cannot be that of a file.
    """
    _check_name(name)
    path = f"{directory}/{name}"
    _claim(path, alias)
    with contextlib.ExitStack() as undo:
        undo.callback(_forget, name, directory)
        with coming_back():
            _call(_libc.unshare(_CLONE_NEWNET), "unshare")
            channel = undo.enter_context(Channel(deadline))
            _mark(channel, alias)
            inside = f"/proc/self/task/{threading.get_native_id()}/ns/net"
            _call(_libc.mount(inside.encode(), path.encode(), b"none", _MS_BIND, None), f"mount {path}")
            descriptor = current()
        undo.pop_all()
    return descriptor, channel


def claim(name: str, alias: str, directory: str = RUN_NETNS) -> None:
    """Put a file with our mark at a free name. The directory is there (`prepare`). Raises OSError, as `create` does."""
    _check_name(name)
    _claim(f"{directory}/{name}", alias)


def cover(name: str, descriptor: int, directory: str = RUN_NETNS) -> None:
    """Bind a namespace to a name that was claimed. Raises OSError."""
    source, path = f"/proc/self/fd/{descriptor}", f"{directory}/{name}"
    _call(_libc.mount(source.encode(), path.encode(), b"none", _MS_BIND, None), f"mount {path}")


def is_bound(name: str, descriptor: int, directory: str = RUN_NETNS) -> bool:
    """Whether a name stands for this namespace."""
    with contextlib.suppress(OSError):
        return os.path.samestat(Path(f"{directory}/{name}").stat(), os.fstat(descriptor))
    return False


def uncover(name: str, directory: str = RUN_NETNS) -> None:
    """Unmount what is bound to a name; nothing where there is nothing. Raises OSError."""
    path = f"{directory}/{name}"
    while _libc.umount2(path.encode(), _MNT_DETACH) == 0:
        pass
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, os.strerror(number), path)


def _check_name(name: str) -> None:
    if name in {"", ".", ".."} or "/" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)


def _forget(name: str, directory: str) -> None:
    with contextlib.suppress(OSError):
        delete(name, directory)


def _mark(channel: Channel, alias: str) -> None:
    """Bring `lo` up, with our mark on it."""
    (answer,) = channel.request([rt.link_set(LinkSet(name="lo", alias=alias, up=True), lambda _netns, _name: 1)])
    if answer.number:
        raise OSError(answer.number, answer.words or os.strerror(answer.number))


def delete(name: str, directory: str = RUN_NETNS) -> None:
    """Unmount and remove a name; nothing where it is not there."""
    uncover(name, directory)
    with contextlib.suppress(FileNotFoundError):
        Path(f"{directory}/{name}").unlink()


def _claim(path: str, alias: str) -> None:
    """Put a file with our mark at a free name, in one move: it is there whole or not at all."""
    try:
        descriptor = os.open(Path(path).parent, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o444)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
            raise
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        with os.fdopen(descriptor, "wb") as file:
            file.write(alias.encode())
        return
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(alias.encode())
        # os.link has no way to say AT_SYMLINK_FOLLOW for a descriptor's name in /proc.
        source = f"/proc/self/fd/{file.fileno()}".encode()
        _call(_libc.linkat(_AT_FDCWD, source, _AT_FDCWD, path.encode(), _AT_SYMLINK_FOLLOW), path)
