"""A rtnetlink socket: batches of requests with an acknowledgement each, dumps, and a deadline for every answer."""

import contextlib
import errno
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from netspec.kernel import rtnetlink as rt
from netspec.kernel.rtnetlink_rows import attributes

BATCH_BYTES = 32 * 1024
BATCH_MESSAGES = 128
"""As many acknowledgements as the default receive buffer of a process without privileges holds."""
RECEIVE_BUFFER = 16 * 1024 * 1024
LONGEST_DATAGRAM = 1 << 18
DUMP_ATTEMPTS = 20
"""An interrupted dump is inconsistent and is asked for again; on a host in uproar it may be several times."""

_ERROR, _DONE = 2, 3
_DUMP_INTR = 0x10
_CAPPED, _ACK_TLVS = 0x100, 0x200
_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK, _STRICT_CHECK = 10, 11, 12
_SO_RCVBUFFORCE = 33
_ERRMSG_TEXT = 1

_unpack_header = rt.header.unpack_from


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: errno (0: done) and the kernel's own words."""

    number: int
    words: str = ""


class NoAnswer(Exception):
    """The kernel did not answer within the deadline; `position` is the first request without an answer."""

    def __init__(self, position: int) -> None:
        """See the class."""
        super().__init__(position)
        self.position = position


class DumpUnsteady(Exception):
    """What is being read changes faster than it can be read."""


class Channel:
    """A socket of the network namespace in which it was opened."""

    def __init__(self, deadline: float) -> None:
        """`deadline` in seconds, for each batch and each dump."""
        self._deadline = deadline
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
            with contextlib.suppress(OSError):  # older kernels do without
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.bind((0, 0))
        self._socket.settimeout(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the namespace: an open socket keeps it alive."""
        self._socket.close()

    def request(self, messages: Sequence[rt.Message]) -> list[Answer]:
        """Send requests in one go and wait for an answer to each, in order. Raises NoAnswer."""
        return [answer for answer, _ in self.ask(messages)]

    def ask(self, messages: Sequence[rt.Message]) -> list[tuple[Answer, list[bytes]]]:
        """The same for requests that are answered with data: each answer with the bodies that came before it."""
        first = self._sequence + 1
        until = time.monotonic() + self._deadline
        self._send(b"".join(map(self._packed, messages)), until)
        answers: list[Answer | None] = [None] * len(messages)
        bodies: list[list[bytes]] = [[] for _ in messages]
        missing = len(messages)
        while missing:
            found = self._receive(until, answers)
            _check_strays(found, first, until, answers)
            for kind, flags, sequence, payload in found:
                position = sequence - first
                if not 0 <= position < len(messages):
                    continue
                if kind != _ERROR:
                    bodies[position].append(payload)
                elif answers[position] is None:
                    answers[position] = _answer(flags, payload)
                    missing -= 1
        return [(answer, found) for answer, found in zip(answers, bodies, strict=True) if answer is not None]

    def _packed(self, message: rt.Message) -> bytes:
        self._sequence += 1
        flags = rt.REQUEST | rt.ACK | message.flags
        return rt.header.pack(16 + len(message.body), message.type, flags, self._sequence, 0) + message.body

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """All messages of one sort. Raises OSError for a refusal, NoAnswer, and DumpUnsteady."""
        for _ in range(DUMP_ATTEMPTS):
            found = self._dump_once(kind, body)
            if found is not None:
                return found
        raise DumpUnsteady

    def _dump_once(self, kind: int, body: bytes) -> list[bytes] | None:
        """None where the kernel's data changed while it was dumped."""
        self._sequence += 1
        until = time.monotonic() + self._deadline
        flags = rt.REQUEST | rt.DUMP
        self._send(rt.header.pack(16 + len(body), kind, flags, self._sequence, 0) + body, until)
        found: list[bytes] = []
        seen = 0
        while True:
            messages = self._receive(until, ())
            _check_strays(messages, self._sequence, until, ())
            for answer, answer_flags, sequence, payload in messages:
                if sequence != self._sequence:
                    continue
                seen |= answer_flags
                if answer in (_DONE, _ERROR):
                    _check_end(payload)
                    return None if seen & _DUMP_INTR else found
                found.append(payload)

    def _send(self, data: bytes, until: float) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            self._wait(select.POLLOUT, until)
            sent = self._socket.send(data)
        if sent != len(data):
            raise OSError(errno.EMSGSIZE, "the kernel took only a part of the request")

    def _wait(self, event: int, until: float) -> None:
        waiting = select.poll()
        waiting.register(self._socket, event)
        if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
            raise TimeoutError

    def _receive(self, until: float, answers: Sequence[Answer | None]) -> list[tuple[int, int, int, bytes]]:
        """The messages of one datagram: type, flags, sequence and payload."""
        try:
            data = self._next(until)
        except OSError as error:
            # ENOBUFS: answers were lost, and what was done can only be told by looking.
            if isinstance(error, TimeoutError) or error.errno == errno.ENOBUFS:
                raise NoAnswer(answers.index(None) if None in answers else 0) from None
            raise
        found = []
        offset, end = 0, len(data)
        while offset < end:
            if end - offset < 16:
                raise _damaged()
            length, kind, flags, sequence, _ = _unpack_header(data, offset)
            if not 16 <= length <= end - offset:
                raise _damaged()
            found.append((kind, flags, sequence, data[offset + 16 : offset + length]))
            offset += (length + 3) & ~3
        return found

    def _next(self, until: float) -> bytes:
        # The kernel has answered before it returns from the sending: there is hardly ever anything to wait for.
        try:
            length = self._socket.recv_into(_inbox.view, 0, socket.MSG_TRUNC)
        except BlockingIOError:
            self._wait(select.POLLIN, until)
            length = self._socket.recv_into(_inbox.view, 0, socket.MSG_TRUNC)
        if length > LONGEST_DATAGRAM:
            raise _damaged()
        return bytes(_inbox.view[:length])


class _Inbox(threading.local):
    """Where datagrams arrive. One for all sockets of a thread: fresh memory for each costs more than the call."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(LONGEST_DATAGRAM))


_inbox = _Inbox()


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """What is unpacked inside came from outside: where it is not what it should be, that is an error of reading."""
    try:
        yield
    except (struct.error, LookupError, ValueError, OverflowError) as error:
        raise _damaged() from error


def _damaged() -> OSError:
    return OSError(errno.EBADMSG, "an answer of the kernel's is cut short or damaged")


def _check_strays(
    found: Sequence[tuple[int, int, int, bytes]], first: int, until: float, answers: Sequence[Answer | None]
) -> None:
    """Raise NoAnswer where somebody else keeps on talking past the deadline: that is no answer."""
    if all(sequence < first for _, _, sequence, _ in found) and time.monotonic() > until:
        raise NoAnswer(answers.index(None) if None in answers else 0)


def _check_end(payload: bytes) -> None:
    number = -struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
    if number > 0:
        raise OSError(number, "dump refused")


def _answer(flags: int, payload: bytes) -> Answer:
    if len(payload) < 20:
        raise _damaged()
    number = -struct.unpack_from("=i", payload)[0]
    if not number:
        return Answer(0)
    words = ""
    if flags & _ACK_TLVS:
        length = rt.header.unpack_from(payload, 4)[0]
        start = 4 + (16 if flags & _CAPPED else (length + 3) & ~3)
        words = attributes(payload, start).get(_ERRMSG_TEXT, b"").rstrip(b"\0").decode(errors="replace")
    return Answer(number, words)
