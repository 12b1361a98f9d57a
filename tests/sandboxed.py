"""The whole test session in namespaces of its own, so that no test can touch the machine it runs on.

`enter` is called once, before any thread exists. A test that wants a host of its own gets a fresh network
namespace by `fresh_host`; `run` asks `ip` and `nft` there, and `host_state` says all there is, as text.
"""

import contextlib
import ctypes
import fcntl
import os
import shlex
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

RUN_DIR = "/run/netspec"
STATE_DIR = "/run/netspec-state"
NETNS_DIR = Path("/run/netns")

_NEWNS, _NEWUSER, _NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_COMMAND_DEADLINE = 30

_libc = ctypes.CDLL(None, use_errno=True)


machine: dict[str, str] = {}
"""The namespaces that `enter` has left, by sort."""


def enter() -> str:
    """Move this process into mount and network namespaces of its own; empty, or why that cannot be.

    Where it cannot be, nothing has changed: a child has tried it first.
    """
    child = os.fork()
    if not child:
        number = 1
        try:
            _leave_the_machine()
            number = 0
        except OSError as error:
            number = error.errno or 1
        finally:
            os._exit(number)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number:
        return (
            f"namespaces cannot be made here ({os.strerror(number)}): run the tests as root, or allow user namespaces"
        )
    machine.update((name, str(Path(f"/proc/self/ns/{name}").readlink())) for name in ("net", "mnt"))
    _leave_the_machine()
    os.environ.update(NETSPEC_RUN_DIR=RUN_DIR, NETSPEC_STATE_DIR=STATE_DIR)
    return ""


@contextlib.contextmanager
def fresh_host() -> Iterator[None]:
    """This thread in a brand-new network namespace with `lo` up and nothing else; on leaving all of it goes."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_NEWNET))
        _mount("sysfs", "/sys", "sysfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        try:
            _lo_up()
            yield
        finally:
            _check(_libc.umount2(b"/sys", _MNT_DETACH))
    finally:
        _remove_namespaces()
        for directory in (RUN_DIR, STATE_DIR, "/etc/netns"):
            shutil.rmtree(directory, ignore_errors=True)
        _check(_libc.setns(home, _NEWNET))
        os.close(home)


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """This thread in a named network namespace; `""` is where it is."""
    if not netns:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(NETNS_DIR / netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(there, _NEWNET))
        yield
    finally:
        _check(_libc.setns(home, _NEWNET))
        os.close(there)
        os.close(home)


def run(command: str) -> str:
    """What one command prints; not a shell. AssertionError with its own words where it fails."""
    done = subprocess.run(shlex.split(command), check=False, capture_output=True, text=True, timeout=_COMMAND_DEADLINE)
    assert done.returncode == 0, f"`{command}` ended with {done.returncode}: {done.stderr.strip()}"
    return done.stdout


def _leave_the_machine() -> None:
    uid, gid = os.geteuid(), os.getegid()  # asked before: an unmapped user is 65534
    try:
        _check(_libc.unshare(_NEWNS | _NEWNET))
    except PermissionError:
        _check(_libc.unshare(_NEWUSER | _NEWNS | _NEWNET))
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("sysfs", "/sys", "sysfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    private = ["/run", *(["/var/lib/netspec"] if Path("/var/lib/netspec").is_dir() else [])]
    for directory in private:
        _mount("tmpfs", directory, "tmpfs", _MS_NOSUID | _MS_NODEV)
    # Over /etc lies a copy that is ours: `ip netns exec` looks for files below /etc/netns.
    for name in ("etc-upper", "etc-work"):
        (Path("/run") / name).mkdir()
    _mount("overlay", "/etc", "overlay", 0, b"lowerdir=/etc,upperdir=/run/etc-upper,workdir=/run/etc-work")
    NETNS_DIR.mkdir()
    # `ip netns add` makes this mount shared, which it may only where it is a mount of ours.
    _mount(str(NETNS_DIR), str(NETNS_DIR), None, _MS_BIND | _MS_REC)
    _lo_up()


def _remove_namespaces() -> None:
    for path in sorted(NETNS_DIR.iterdir()) if NETNS_DIR.is_dir() else ():
        # Mounted not at all, or more than once.
        while not _libc.umount2(os.fsencode(path), _MNT_DETACH):
            pass
        path.unlink()


def _lo_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _mount(source: str, target: str, kind: str | None, flags: int, options: bytes | None = None) -> None:
    kind_bytes = kind.encode() if kind else None
    _check(_libc.mount(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), options))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
