"""A throw-away host: network, mounts and processes of its own, for a command that then cannot harm the real one.

An ordinary user gets a user namespace around it, in which it is root over the network only. Nothing is left
behind: when the command ends, or whoever called `run` is killed, the kernel takes it all down.

Three processes stand between the caller and the command. *Outer* leaves the caller's namespaces (a fork has one
thread, as the kernel demands for a user namespace). *First* is process 1 of the new PID namespace: it mounts,
reaps, and takes everything with it when it ends. The third is the command. Signals travel down, the exit code up.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from netspec.errors import PrivilegeMissing
from netspec.kernel.privileges import lacking
from netspec.kernel.sandbox_refusal import reason

RUN_DIR = "/run/netspec"
STATE_DIR = "/run/netspec-state"
"""Where netspec keeps its files inside; both on the sandbox's own tmpfs."""

Command = Callable[[], int] | list[str]
"""A function whose result is the exit code, or an argument list."""

_NEWNS, _NEWUSER, _NEWPID, _NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_REMOUNT = 1, 32
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_HANDED_ON = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
_AWAITED = {*_HANDED_ON, signal.SIGCHLD}

_libc = ctypes.CDLL(None, use_errno=True)


def run(command: Command) -> int:
    """Run `command` in a new sandbox and wait for it; its exit code, or 128 + n where signal n ended it.

    A function runs in a forked child: what it changes in memory is not seen here. Signals that reach the caller
    meanwhile are handed on to the command. `NETSPEC_RUN_DIR` and `NETSPEC_STATE_DIR` point inside the sandbox.
    Raises PrivilegeMissing where the system forbids it, with the setting that does and how to allow it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    caller = os.pidfd_open(os.getpid())
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        outer = _fork(lambda: _outer(command, caller, writer, mask))
        os.close(writer)
        writer = -1
        return _attend(outer, reader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for descriptor in {reader, writer, caller} - {-1}:
            os.close(descriptor)


def _attend(outer: int, reader: int) -> int:
    """Hear whether the sandbox stands, then follow it to its end; leave no process behind."""
    ended = False
    try:
        report = _read_all(reader)
        code = _follow(outer, among=outer)
        ended = True
    finally:
        if not ended:
            os.kill(outer, signal.SIGKILL)
            os.waitpid(outer, 0)
    if report:
        number, step = report.split(" ", 1)
        raise PrivilegeMissing(reason(int(number), step))
    return code


def _read_all(descriptor: int) -> str:
    """What the other end writes before it closes."""
    pieces = []
    while piece := os.read(descriptor, 4096):
        pieces.append(piece)
    return b"".join(pieces).decode()


def _fork(body: Callable[[], int]) -> int:
    """A child that runs `body` and ends with its result, never returning into the caller's code; its pid."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = body()
    except BaseException:  # noqa: BLE001  no frame above this one may run in the child
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # its reader has gone, or it is closed
                stream.flush()
        os._exit(code & 0xFF)


def _follow(child: int, *, among: int) -> int:
    """Hand signals on to `child` and reap `among` (a pid, or -1 for all) until it ends; its exit code, or 128 + n."""
    while True:
        ended, status = os.waitpid(among, os.WNOHANG)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if ended:
            continue
        # The time-out is for callers with more threads: one of those may have taken the SIGCHLD.
        came = signal.sigtimedwait(_AWAITED, 0.5)
        # A positive code is the kernel's own: what a terminal's keys send has reached the command already.
        typed = came and came.si_code > 0 and came.si_signo in (signal.SIGINT, signal.SIGQUIT)
        if came and came.si_signo in _HANDED_ON and not typed:
            os.kill(child, came.si_signo)


def _outer(command: Command, caller: int, report: int, mask: set[signal.Signals | int]) -> int:
    """Leave the caller's namespaces, fork process 1 of the new ones, and follow it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        _leave_namespaces()
        _end_with(caller)
        this = os.pidfd_open(os.getpid())
        first = _fork(lambda: _first(command, this, report, mask))
    except OSError as error:
        return _tell(report, error)
    os.close(report)
    return _follow(first, among=first)


def _first(command: Command, outer: int, report: int, mask: set[signal.Signals | int]) -> int:
    """Process 1: build the inside, start the command, reap."""
    try:
        _end_with(outer)
        _build()
        os.close(report)
        started = _fork(lambda: _start(command, mask))
    except OSError as error:
        return _tell(report, error)
    return _follow(started, among=-1)


def _start(command: Command, mask: set[signal.Signals | int]) -> int:
    """The command itself."""
    os.environ.update(NETSPEC_RUN_DIR=RUN_DIR, NETSPEC_STATE_DIR=STATE_DIR)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return command() if callable(command) else become(command)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")  # as Python does at its end
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def become(command: list[str]) -> int:
    """Turn this process into `command`; only where that fails there is an exit code, 126 or 127 as in a shell.

    A function in a sandbox ends with it to hand over to a program that then has the terminal to itself.
    """
    # Python ignores these two, and what is ignored stays so across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606  the command is the caller's, as an argument list
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127 if error.errno == errno.ENOENT else 126


def _tell(report: int, error: OSError) -> int:
    """Send what failed up to the caller."""
    os.write(report, f"{error.errno} {error.strerror}".encode())
    return 1


def _leave_namespaces() -> None:
    """New mount, network and PID namespaces; first a user namespace for those who may not make them otherwise."""
    uid, gid = os.geteuid(), os.getegid()  # asked before: an unmapped user is 65534
    # With these, namespaces can be made, and the network in them changed, without a user namespace.
    if lacking("CAP_NET_ADMIN", "CAP_SYS_ADMIN"):
        _call("unshare(CLONE_NEWUSER)", _libc.unshare(_NEWUSER))
        _write("/proc/self/setgroups", "deny")  # else gid_map is refused
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    _call("unshare(CLONE_NEWNS|CLONE_NEWNET|CLONE_NEWPID)", _libc.unshare(_NEWNS | _NEWNET | _NEWPID))


def _end_with(parent: int) -> None:
    """Be killed when the process behind the pidfd `parent` ends, also if it already has.

    To be called after a user namespace was made: that clears the setting.
    """
    _call("prctl(PR_SET_PDEATHSIG)", _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    if select.select([parent], [], [], 0)[0]:
        os.kill(os.getpid(), signal.SIGKILL)
        os._exit(128 + signal.SIGKILL)  # process 1 cannot kill itself
    os.close(parent)


def _build() -> None:
    """Mounts of its own, directories for namespaces and netspec's files, and a loopback that is up."""
    plain = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", plain)
    _mount("sysfs", "/sys", "sysfs", plain)  # the old one shows the caller's interfaces
    _mount("tmpfs", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=0755")
    for directory, mode in (("/run/netns", 0o755), (RUN_DIR, 0o700), (STATE_DIR, 0o700)):
        os.mkdir(directory, mode)  # noqa: PTH102  its OSError names the step as the others do
    _own_etc()
    # `ip netns add` makes this mount shared, which it may only where it is a mount of ours.
    _mount("/run/netns", "/run/netns", None, _MS_BIND | _MS_REC)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _own_etc() -> None:
    """Files below `/etc/netns` are written to a copy; where there can be none, `/etc` cannot be written to at all."""
    for directory in ("/run/etc", "/run/etc/upper", "/run/etc/work"):
        os.mkdir(directory, 0o700)  # noqa: PTH102  as above
    try:
        options = b"lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work"
        _mount("overlay", "/etc", "overlay", _MS_NOSUID | _MS_NODEV, options)
    except OSError:
        _mount("/etc", "/etc", None, _MS_BIND | _MS_REC)
        with contextlib.suppress(OSError):  # locked by an outer user namespace: then /etc is not ours to write anyway
            _mount("none", "/etc", None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def _mount(source: str, target: str, kind: str | None, flags: int, options: bytes | None = None) -> None:
    """mount(2); see `_call`."""
    kind_bytes = kind.encode() if kind else None
    result = _libc.mount(source.encode(), target.encode(), kind_bytes, ctypes.c_ulong(flags), options)
    _call(f"mount({source}, {target})", result)


def _write(path: str, text: str) -> None:
    """One write, which is all the kernel takes for these files; the OSError names the path as its step."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, f"writing {path}") from error


def _call(step: str, result: int) -> None:
    """Raise for a failed libc call: an OSError whose text is the step, not the errno's words."""
    if result < 0:
        raise OSError(ctypes.get_errno(), step)
