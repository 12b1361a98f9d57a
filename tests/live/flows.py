"""Connections held open while something changes, and links watched for going down: what a change does to traffic."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from netspec.kernel.netlink import Channel
from netspec.kernel.reading import LINKS
from netspec.kernel.rtnetlink import GETLINK
from netspec.kernel.rtnetlink_rows import link
from tests.sandboxed import inside

PATIENCE = 60
"""Seconds for an answer: neighbours that are asked anew, and what is sent again, take their time."""
GOES_ON = 30
"""Seconds within which a conversation that was not cut goes on."""
_RTMGRP_LINK = 1
_UP, _LOWER_UP = 0x1, 0x10000
_HEADER = struct.Struct("=IHHII")
_NEWLINK = 16


@dataclass(frozen=True, slots=True)
class Way:
    """Who connects from which namespace to what, and in which namespace that is served, at port 80."""

    client: str
    host: str
    port: int
    server: str


@dataclass(slots=True)
class Conversation:
    """An established connection, both of its ends ours."""

    way: Way
    near: socket.socket
    far: socket.socket

    def ask(self) -> None:
        """Say something at the near end."""
        with contextlib.suppress(OSError):
            self.near.send(b"?")

    def answered(self, until: float) -> bool:
        """Whether it reaches the far end, and the answer comes back."""
        try:
            for hears, says in ((self.far, self.near), (self.near, None)):
                hears.settimeout(max(0.01, until - time.monotonic()))
                if not hears.recv(64):
                    return False
                if says is not None:
                    hears.send(b"!")
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Without a farewell, which might not arrive."""
        for each in (self.near, self.far):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()


@dataclass(slots=True)
class Talks:
    """Several conversations at once."""

    ways: tuple[Way, ...]
    _listening: dict[str, socket.socket] = field(default_factory=dict)
    _open: list[Conversation] = field(default_factory=list)

    def begin(self) -> None:
        """Connect those that are not. Raises OSError where somebody cannot be reached within PATIENCE seconds."""
        talking = {each.way for each in self._open}
        for way in self.ways:
            if way not in talking:
                self._open.append(self._connect(way))

    def silent(self, patience: float) -> list[Way]:
        """Those that do not go on, with `patience` in seconds; they are closed."""
        for each in self._open:
            each.ask()
        until = time.monotonic() + patience
        dead = [each for each in self._open if not each.answered(until)]
        for each in dead:
            each.close()
            self._open.remove(each)
        return [each.way for each in dead]

    def close(self) -> None:
        """End all of them."""
        for each in self._open:
            each.close()
        for server in self._listening.values():
            server.close()
        self._open.clear()
        self._listening.clear()

    def _connect(self, way: Way) -> Conversation:
        server = self._listening.get(way.server)
        if server is None:
            with inside(way.server):
                server = self._listening[way.server] = socket.create_server(("", 80))
        with inside(way.client):
            near = socket.socket()
        near.settimeout(PATIENCE)
        near.connect((way.host, way.port))
        server.settimeout(PATIENCE)
        while True:
            far, peer = server.accept()
            # Addresses may be translated; ports are not, as nothing else has them.
            if peer[1] == near.getsockname()[1]:
                return Conversation(way, near, far)
            far.close()


@dataclass(slots=True)
class Watch:
    """Links of some namespaces, and whether any of those that could send has lost that."""

    spaces: tuple[str, ...]
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _able: set[tuple[str, str]] = field(default_factory=set)

    def begin(self) -> None:
        """From now on."""
        for name in self.spaces:
            with inside(name):
                hearing = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            hearing.bind((0, _RTMGRP_LINK))
            hearing.setblocking(False)
            self._sockets[name] = hearing
        self._able = set(self._now())

    def lost(self) -> list[str]:
        """The links that could send when it began, and have been down or without a carrier, if only for a moment."""
        now = set(self._now())
        gone = self._able - now
        for name, hearing in self._sockets.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    gone.update(each for each in _incapable(name, hearing.recv(1 << 16)) if each in self._able)
        for hearing in self._sockets.values():
            hearing.close()
        self._sockets.clear()
        return sorted(f"{netns}/{name}" for netns, name in gone)

    def _now(self) -> Iterator[tuple[str, str]]:
        for name in self.spaces:
            with inside(name), Channel(10) as channel:
                rows = [link(name, body) for body in channel.dump(GETLINK, LINKS)]
            yield from ((name, each.name) for each in rows if each.flags & _UP and each.flags & _LOWER_UP)


def _incapable(netns: str, data: bytes) -> Iterator[tuple[str, str]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if kind == _NEWLINK:
            row = link(netns, data[offset + _HEADER.size : offset + length])
            if not (row.flags & _UP and row.flags & _LOWER_UP):
                yield netns, row.name
        offset += (length + 3) & ~3
