"""Tries connections between namespaces: sockets are opened inside, and all are attended to by one thread outside.

Nothing has to be installed in a namespace, and no process enters it. What stands in for a service listens at one
address of one namespace, and goes with the batch of probes that needs it.
"""

import contextlib
import errno
import resource
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from types import TracebackType
from typing import Self

from netspec.errors import NetspecError
from netspec.kernel.attempts import Attempt
from netspec.kernel.conntrack import source_seen
from netspec.kernel.ledger import LEDGER
from netspec.kernel.namespaces import RUN_NETNS
from netspec.kernel.probes import Answer, Probe, Service, Verdict, patient
from netspec.kernel.spaces import Spaces
from netspec.kernel.standins import Guest, StandIn, is_served
from netspec.kernel.values import Address

AT_ONCE = 256
"""Probes on their way at one time, where the limit of descriptors allows."""
_LEFT_TO_OTHERS = 64
_LOOK = 0.05
"""Seconds between two looks at the clock."""
_DEADLINE = 10.0

Tick = Callable[[], None]


class LinuxProber:
    """The Prober of the network namespace that the calling thread is in, and of those below `/run/netns`."""

    def __init__(self, run_netns: str = RUN_NETNS, ledger: str = LEDGER) -> None:
        """As LinuxKernel has them."""
        self._run_netns = run_netns
        self._ledger = ledger

    def __call__(self, probes: Sequence[Probe], services: Sequence[Service], tick: Tick = patient) -> list[Answer]:
        """See Prober. Raises NetspecError where the kernel gives no sockets."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = max(8, min(AT_ONCE, (limit - _LEFT_TO_OTHERS) // 4))
        answers: list[Answer] = []
        try:
            for batch in _batches(probes, room):
                needed = {each.service for each in batch} & set(services)
                with _Run(Spaces(self._run_netns, self._ledger, _DEADLINE)) as run:
                    answers += run.answers(batch, [each for each in needed if each is not None], tick)
        except OSError as error:
            raise NetspecError(f"The checks cannot be asked: {error.strerror}.") from error
        return answers


def _batches(probes: Sequence[Probe], size: int) -> Iterator[list[Probe]]:
    rest = iter(probes)
    while batch := list(islice(rest, size)):
        yield batch


class _Run:
    """One batch of probes: its sockets, and who stands in for it."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._selector = selectors.DefaultSelector()
        self._open = contextlib.ExitStack()
        self._attempts: dict[bytes, Attempt] = {}
        self._guests: set[Guest] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for guest in self._guests:
            guest.close()
        self._open.close()
        self._selector.close()
        self._spaces.close()

    def answers(self, probes: Sequence[Probe], services: Sequence[Service], tick: Tick) -> list[Answer]:
        """An answer to each probe, in order."""
        served = {each: self._stand_in(each) for each in services}
        attempts = [self._begin(each, served) for each in probes]
        while any(each.answer is None for each in attempts if isinstance(each, Attempt)):
            tick()
            # The clock first, then what has come: where we were not let run for a while, the answers are there.
            now = time.monotonic()
            ready = self._selector.select(_LOOK)
            for key, _ in ready:
                self._attend(key.data)
            for each in attempts:
                if isinstance(each, Attempt):
                    each.at(now, silent=not ready)
                    self._settle(each)
        return [each if isinstance(each, Answer) else _seen(_answered(each), each.probe) for each in attempts]

    def _stand_in(self, service: Service) -> bool | Answer:
        """True where one of ours listens now, False where somebody else does; an answer where nobody can."""
        try:
            with self._spaces.inside(service.netns):
                found = StandIn(service, self._heard)
        except OSError as error:
            if is_served(error):
                return False
            if error.errno == errno.EADDRNOTAVAIL:
                where = f"in the namespace {service.netns}" if service.netns else "on this host"
                return Answer(verdict=None, missing=True, words=f"the address {service.address} is not there {where}")
            return _unasked(error, service.netns)
        self._open.callback(found.close)
        self._selector.register(found.socket, selectors.EVENT_READ, found)
        return True

    def _begin(self, probe: Probe, served: dict[Service, bool | Answer]) -> Attempt | Answer:
        there = served.get(probe.service) if probe.service is not None else None
        if isinstance(there, Answer):
            return there
        try:
            with self._spaces.inside(probe.netns):
                attempt = Attempt(probe, stands_in=there is True, served=there is False)
        except OSError as error:
            return _unasked(error, probe.netns)
        self._open.callback(attempt.close)
        self._attempts[attempt.token] = attempt
        if attempt.socket is not None and attempt.answer is None:
            event = selectors.EVENT_WRITE if attempt.writes else selectors.EVENT_READ
            self._selector.register(attempt.socket, event, attempt)
        return attempt

    def _attend(self, found: Attempt | StandIn | Guest) -> None:
        match found:
            case Attempt():
                found.ready()
                self._settle(found)
                if found.answer is None and not found.writes and found.probe.protocol == "tcp":
                    # It is connected, and all that is left is to hear of it from the other end.
                    self._forget(found)
            case StandIn():
                for guest in found.ready():
                    self._receive(guest)
            case Guest() if found.ready():
                self._guests.discard(found)
                self._selector.unregister(found.socket)
                found.close()

    def _receive(self, guest: Guest) -> None:
        """As many as fit beside the probes; others are strangers, and are turned away."""
        if len(self._guests) >= AT_ONCE:
            guest.close()
            return
        self._guests.add(guest)
        self._selector.register(guest.socket, selectors.EVENT_READ, guest)

    def _settle(self, attempt: Attempt) -> None:
        if attempt.answer is not None:
            self._forget(attempt)
            attempt.close()

    def _forget(self, attempt: Attempt) -> None:
        if attempt.socket is not None and attempt.socket.fileno() >= 0:
            with contextlib.suppress(KeyError):
                self._selector.unregister(attempt.socket)

    def _heard(self, token: bytes, seen: Address) -> None:
        attempt = self._attempts.get(token)
        if attempt is not None:
            attempt.heard(seen)
            self._settle(attempt)


def _unasked(error: OSError, netns: str) -> Answer:
    if error.errno in (errno.ENOENT, errno.EINVAL):
        return Answer(verdict=None, missing=True, words=f"the namespace {netns} is not there")
    return Answer(verdict=None, words=f"it cannot be asked: {error.strerror}")


def _seen(answer: Answer, probe: Probe) -> Answer:
    """With the source that the target has seen: conntrack knows it where one of ours did not stand there."""
    if not probe.tells_source or answer.verdict is not Verdict.OPEN or answer.seen or answer.local is None:
        return answer
    try:
        source, target = (answer.local, answer.local_port), (probe.address, probe.port)
        return replace(answer, seen=source_seen(probe.protocol, source, target))
    except OSError:
        return answer


def _answered(attempt: Attempt) -> Answer:
    assert attempt.answer is not None, "all are over"
    return attempt.answer
