"""A lab: a host of its own with network namespaces around it, servers in them, and questions who reaches whom.

Everything lives in network and mount namespaces that go with the `Lab`; nothing of the machine is touched.
"""

import contextlib
import ctypes
import errno
import os
import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from netspec.kernel import conntrack
from netspec.kernel.values import Address
from tests.packets import raw

Result = TypeVar("Result")

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1


def established(target: Address) -> int:
    """How many flows lead to an address now, as this namespace tracks them."""
    found = conntrack.flows()
    assert found is not None, "conntrack cannot be read"
    return sum(each.answering == target for each in found)


@dataclass(frozen=True, slots=True)
class Probe:
    """A connection to try: from a namespace (`""` is the host), to an address and port, perhaps from a source.

    `protocol` is tcp, udp, sctp, or ping, which has no port.
    """

    netns: str
    host: str
    port: int
    protocol: str = "tcp"
    source: str = ""
    timeout: float = 1.0


class Lab:
    """A host in namespaces of its own, from entering the context to leaving it. Needs root, or a user namespace."""

    def __init__(self) -> None:
        """Nothing exists yet."""
        self._children: list[int] = []
        self._host = 0

    def __enter__(self) -> Self:
        self._host = self._start(_hold, _new_host)
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._children.clear()

    def command(self, script: str, netns: str = "") -> str:
        """Run a shell script, ending at its first failure; returns what it printed."""
        return self.run(lambda: _shell(script), netns)

    def add_netns(self, name: str) -> None:
        """Make `/run/netns/NAME` with `lo` up."""
        self.command(f"ip netns add {name}; ip -n {name} link set lo up")

    def run(self, function: Callable[[], Result], netns: str = "") -> Result:
        """Call a function in a process of its own inside a namespace; its result or its exception comes back."""
        return self.begin(function, netns)()

    def begin(self, function: Callable[[], Result], netns: str = "") -> Callable[[], Result]:
        """The same, but going on meanwhile: what comes back waits for the result when it is called."""
        return partial(_result, *self._ask(function, netns))

    def serve(self, netns: str, port: int, address: str = "::", protocols: Sequence[str] = ("tcp", "udp")) -> None:
        """Servers that answer every client with `NAMESPACE sees ADDRESS`, until the lab ends."""
        name = netns or "host"
        for protocol in protocols:
            server = partial(_serve, name=name, where=(address, port), protocol=protocol)
            if protocol == "sctp":
                server = partial(raw.serve_sctp, name=name, port=port)
            self._start(server, partial(self._enter, netns))

    def connect(self, probe: Probe) -> str:
        """`web sees 192.0.2.9` (who answered, and whom he saw), `answers` (a ping), `refused`, or `blocked`."""
        return self.connect_all([probe])[0]

    def connect_all(self, probes: Sequence[Probe]) -> list[str]:
        """The same for many, at once."""
        return [answer() for answer in [self.begin(partial(_try, probe), probe.netns) for probe in probes]]

    def wait_for(self, probe: Probe) -> None:
        """Until somebody answers, a minute at most: IPv6 on a new link is deaf for its first second or two."""
        end = time.monotonic() + 60
        while " sees " not in self.connect(replace(probe, timeout=0.3)):
            if time.monotonic() > end:
                raise RuntimeError(f"nobody answers {probe}")

    def _enter(self, netns: str) -> None:
        for kind in ("mnt", "net"):
            _set_namespace(Path(f"/proc/{self._host}/ns/{kind}"))
        if netns:
            _set_namespace(Path("/run/netns") / netns)
            # What /sys and /proc/sys show follows the namespace, as `ip netns exec` arranges it.
            _check(_LIBC.unshare(_CLONE_NEWNS))
            _check(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
            _check(_LIBC.mount(b"sysfs", b"/sys", b"sysfs", 0, None))

    def _start(self, function: Callable[[int], None], enter: Callable[[], None]) -> int:
        """A child that enters, writes a byte when it is ready, and lives until the lab ends."""
        reader, writer = os.pipe()
        parent = os.getpid()
        child = os.fork()
        if not child:
            _as_child(parent, enter, partial(function, writer))
        os.close(writer)
        self._children.append(child)
        started = os.read(reader, 1)
        os.close(reader)
        if not started:
            raise RuntimeError("a process of the lab did not start")
        return child

    def _ask(self, function: Callable[[], Result], netns: str) -> tuple[int, int]:
        reader, writer = os.pipe()
        parent = os.getpid()
        child = os.fork()
        if not child:
            _as_child(parent, partial(_answer, writer, partial(self._enter, netns), function))
        os.close(writer)
        return child, reader


def _result(child: int, reader: int) -> Any:  # noqa: ANN401  pickle knows no types
    with open(reader, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    if not said:
        raise RuntimeError("a process of the lab died without an answer")
    good, value = pickle.loads(said)  # noqa: S301  written by our own child
    if not good:
        raise value
    return value


def _as_child(parent: int, *steps: Callable[[], object]) -> None:
    """Run and end, whatever happens: a child must never go on with the tests of its parent."""
    code = 1
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            for step in steps:
                step()
            code = 0
    finally:
        os._exit(code)


def _answer(writer: int, enter: Callable[[], None], function: Callable[[], object]) -> None:
    try:
        enter()
        said = pickle.dumps((True, function()))
    except BaseException as error:  # noqa: BLE001  every failure is handed to the parent
        try:
            said = pickle.dumps((False, error))
            pickle.loads(said)  # noqa: S301  some exceptions cannot be made again
        except Exception:  # noqa: BLE001  as above
            said = pickle.dumps((False, RuntimeError(repr(error))))
    with open(writer, "wb") as pipe:
        pipe.write(said)


def _check(code: int) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _set_namespace(path: Path) -> None:
    with path.open("rb") as namespace:
        _check(_LIBC.setns(namespace.fileno(), 0))


def _new_host() -> None:
    _check(_LIBC.unshare(_CLONE_NEWNS | _CLONE_NEWNET))
    _check(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    _check(_LIBC.mount(b"tmpfs", b"/run", b"tmpfs", 0, None))
    _check(_LIBC.mount(b"sysfs", b"/sys", b"sysfs", 0, None))
    _shell("ip link set lo up")


def _hold(ready: int) -> None:
    os.write(ready, b".")
    signal.pause()


def _shell(script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{done.stderr.strip()}\nin:\n{script}")
    return done.stdout


def _serve(ready: int, name: str, where: tuple[str, int], protocol: str) -> None:
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    sort = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, sort) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(where)
        if protocol == "tcp":
            server.listen(64)
        os.write(ready, b".")
        while True:
            _serve_one(server, name, protocol)


def _serve_one(server: socket.socket, name: str, protocol: str) -> None:
    with contextlib.suppress(OSError):
        if protocol == "udp":
            _, peer = server.recvfrom(64)
            server.sendto(_seen(name, peer), peer)
            return
        client, peer = server.accept()
        with client:
            client.settimeout(2)
            client.sendall(_seen(name, peer))


def _seen(name: str, peer: tuple[str, int]) -> bytes:
    return f"{name} sees {peer[0].removeprefix('::ffff:')}".encode()


def _try(probe: Probe) -> str:
    try:
        if probe.protocol == "ping":
            return raw.ping(probe.host, probe.source, probe.timeout)
        if probe.protocol == "sctp":
            return raw.init(probe.host, probe.port, probe.source, probe.timeout)
        return _connect(probe)
    except OSError as error:
        # Of SCTP says the one who has no use for it that there is no such protocol.
        return "refused" if error.errno in (errno.ECONNREFUSED, errno.ENOPROTOOPT) else "blocked"


def _connect(probe: Probe) -> str:
    family = socket.AF_INET6 if ":" in probe.host else socket.AF_INET
    sort = socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, sort) as client:
        client.settimeout(probe.timeout)
        if probe.source:
            client.bind((probe.source, 0))
        client.connect((probe.host, probe.port))
        if probe.protocol == "udp":
            return ask_until_answered(client, probe.timeout)
        return client.recv(256).decode() or "blocked"


def ask_until_answered(client: socket.socket, timeout: float) -> str:
    """A datagram that is lost, or whose refusal is, is sent again, as TCP does by itself."""
    client.settimeout(min(timeout, 1.0))
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        client.send(b"?")
        with contextlib.suppress(TimeoutError):
            return client.recv(256).decode()
    return "blocked"
