"""One probe on its way: its socket, what it sends, and what the answers mean."""

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import ip_address

from netspec.kernel.probes import PING, Answer, Probe, Verdict
from netspec.kernel.values import Address

TOKEN_BYTES = 16
AGAIN = 0.4
"""Seconds after which a datagram that is not answered is sent again; TCP does so by itself."""
_LATE = 16
"""Looks after the deadline in which something has come, of whoever: then it is given up all the same."""
_LONGEST = 2048
_TURNS = 64
_DNS = bytes.fromhex("0100000100000000000000020001")
"""The rest of a question for the servers of the root: a server of names answers nothing else."""

_ECHO = {4: (8, 0), 6: (128, 129)}
"""Type of a request and of its answer, by IP version."""
_UNREACHABLE = {4: 3, 6: 1}
_REFUSALS = {4: (2, 3, 9, 10, 13), 6: (1, 4, 5)}
"""Codes by which somebody refuses: port or protocol unreachable, or prohibited."""
_IPV6_HEADER = 40

_VERDICTS = {
    errno.ECONNREFUSED: (Verdict.REFUSED, ""),
    errno.EACCES: (Verdict.REFUSED, "it is prohibited"),
    errno.ENETUNREACH: (Verdict.BLOCKED, "there is no route"),
    errno.EHOSTUNREACH: (Verdict.BLOCKED, "the address cannot be reached"),
    errno.EPERM: (Verdict.BLOCKED, "a filter of its own drops it"),
    errno.EINVAL: (Verdict.BLOCKED, "there is no route"),  # a blackhole
    errno.ETIMEDOUT: (Verdict.BLOCKED, ""),
}


class Attempt:
    """A probe whose socket was opened in the client's namespace. `answer` is there once it is over."""

    def __init__(self, probe: Probe, *, stands_in: bool, served: bool) -> None:
        """To be made in the namespace of the client.

        `stands_in` where one of ours listens at the other end, `served` where somebody else does.
        """
        self.probe = probe
        self.token = os.urandom(TOKEN_BYTES)
        self.answer: Answer | None = None
        self.seen: Address | None = None
        """The client's address as the one who stands in has seen it."""
        self._stands_in = stands_in
        self._served = served
        self._begun = time.monotonic()
        self._again = self._begun
        self._family = socket.AF_INET if probe.address.version == 4 else socket.AF_INET6
        self._asked = False
        self._late = 0
        self._connected = False
        self._words = ""
        self._source = probe.source
        self.socket: socket.socket | None = None
        self._guarded(self._open)

    @property
    def deadline(self) -> float:
        """When silence counts as such."""
        return self._begun + self.probe.within

    @property
    def writes(self) -> bool:
        """Whether it waits to be connected."""
        return self.probe.protocol == "tcp" and not self._connected

    def close(self) -> None:
        """Let go of the namespace."""
        if self.socket is not None:
            self.socket.close()

    def ready(self) -> None:
        """Something can be read or written."""
        self._guarded({"tcp": self._tcp_ready, "udp": self._udp_ready}.get(self.probe.protocol, self._ping_ready))

    def at(self, now: float, *, silent: bool) -> None:
        """What is due by the clock, looked at before the last look at sockets: to send again, or to give up.

        `silent` where nothing came of that look. Where something did, what follows from it may be an answer, if late.
        """
        if self.answer is not None:
            return
        if now >= self.deadline and self._asked:
            self._late += 1
            if silent or self._late > _LATE:
                self._give_up()
        elif now >= self._again:
            self._again = now + AGAIN
            self._asked = True
            self._guarded(self._send)

    def heard(self, seen: Address) -> None:
        """The one who stands in has our token, and has seen this address."""
        self.seen = seen
        if self.answer is None and self._connected:
            self._end(Verdict.OPEN)

    def _give_up(self) -> None:
        if self._connected:
            self._end(Verdict.OPEN, "somebody else than expected answered" if self._stands_in else "")
        elif self.probe.protocol == "udp" and self._served:
            words = "a server listens there that does not answer strangers: whether it was asked cannot be told"
            self.answer = Answer(verdict=None, words=words)
        else:
            self._end(Verdict.BLOCKED, self._words)

    def _end(self, verdict: Verdict, words: str = "") -> None:
        local, port = self._local()
        self.answer = Answer(
            verdict=verdict,
            words=words,
            local=local,
            local_port=port,
            seen=self.seen,
            seconds=time.monotonic() - self._begun,
        )

    def _local(self) -> tuple[Address | None, int]:
        if self.socket is None or self.probe.protocol == PING:
            return self._source, int.from_bytes(self.token[:2], "big")
        with contextlib.suppress(OSError):
            name = self.socket.getsockname()
            found = ip_address(name[0].partition("%")[0])
            return (None if found.is_unspecified else found), name[1]
        return self._source, 0

    def _guarded(self, step: Callable[[], None]) -> None:
        """What an error of the kernel says about the network is an answer; another one tells nothing."""
        try:
            step()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            found = _VERDICTS.get(error.errno or 0)
            if found is None:
                self.answer = Answer(verdict=None, words=f"it cannot be asked: {error.strerror}")
            else:
                self._end(*found)

    def _open(self) -> None:
        """Raises OSError for what the kernel says at once."""
        if self.probe.protocol == PING:
            self.socket = self._ping_socket()
            self._source = self.probe.source or self._chosen_source()
        else:
            sort = socket.SOCK_STREAM if self.probe.protocol == "tcp" else socket.SOCK_DGRAM
            self.socket = socket.socket(self._family, sort | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if self.probe.source is not None:
            self.socket.bind((str(self.probe.source), 0))
        if self.probe.protocol == "tcp":
            # Nothing of it lingers: neither at the client nor at a server that was only knocked at.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        if self.probe.protocol != PING:
            with contextlib.suppress(BlockingIOError):
                self.socket.connect((str(self.probe.address), self.probe.port))

    def _chosen_source(self) -> Address:
        """The address that the kernel takes on the way to the target; nothing is sent for that."""
        with socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
            asking.connect((str(self.probe.address), 9))
            return ip_address(asking.getsockname()[0].partition("%")[0])

    def _send(self) -> None:
        assert self.socket is not None, "it was opened"
        if self.probe.protocol == "udp":
            asks_names = self.probe.port == 53 and not self._stands_in
            self.socket.send(self.token[:2] + _DNS if asks_names else self.token)
        elif self.probe.protocol == PING:
            self.socket.sendto(self._echo(), (str(self.probe.address), 0))

    def _tcp_ready(self) -> None:
        assert self.socket is not None, "it was opened"
        number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        self._connected = True
        if not self._stands_in:
            self._end(Verdict.OPEN)
        elif self.seen is None:
            self.socket.send(self.token)

    def _udp_ready(self) -> None:
        assert self.socket is not None, "it was opened"
        self.socket.recv(_LONGEST)
        self._end(Verdict.OPEN)

    def _ping_socket(self) -> socket.socket:
        """A raw socket, which hears refusals as well; else what ordinary users may have, where they may."""
        protocol = socket.IPPROTO_ICMP if self._family == socket.AF_INET else socket.IPPROTO_ICMPV6
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            return socket.socket(self._family, socket.SOCK_RAW | flags, protocol)
        except PermissionError:
            return socket.socket(self._family, socket.SOCK_DGRAM | flags, protocol)

    def _echo(self) -> bytes:
        """The kernel writes the sum of ICMPv6."""
        version = self.probe.address.version
        head = struct.pack("!BBHHH", _ECHO[version][0], 0, 0, int.from_bytes(self.token[:2], "big"), 1)
        if version == 4:
            head = head[:2] + struct.pack("!H", checksum(head + self.token)) + head[4:]
        return head + self.token

    def _ping_ready(self) -> None:
        assert self.socket is not None, "it was opened"
        version = self.probe.address.version
        # It hears all ICMP of its namespace; others get their turn, too.
        for _ in range(_TURNS):
            data = self.socket.recv(_LONGEST)
            if version == 4 and self.socket.type == socket.SOCK_RAW:
                data = data[(data[0] & 15) * 4 :]
            if len(data) < 8:
                continue
            if data[0] == _ECHO[version][1] and self.token in data:
                self._end(Verdict.OPEN)
                return
            if data[0] == _UNREACHABLE[version] and self._is_ours(data[8:]):
                if data[1] in _REFUSALS[version]:
                    self._end(Verdict.REFUSED)
                    return
                self._words = "the address cannot be reached"

    def _is_ours(self, quoted: bytes) -> bool:
        """Whether an ICMP error is about our request, of which it quotes the beginning."""
        if not quoted:
            return False
        start = (quoted[0] & 15) * 4 if self.probe.address.version == 4 else _IPV6_HEADER
        kind = _ECHO[self.probe.address.version][0]
        return quoted[start : start + 1] == bytes([kind]) and quoted[start + 4 : start + 6] == self.token[:2]


def checksum(data: bytes) -> int:
    """That of the Internet protocols (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
