"""Questions to a network and its answers, as plain values: who connects whereto, and what became of that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from netspec.kernel.values import Address

PING = "ping"
"""The protocol of a probe that has no port: an ICMP echo."""


class Verdict(StrEnum):
    """What a client meets: an answer, a refusal, or silence."""

    OPEN = "open"
    REFUSED = "refused"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An address and port in a namespace at which somebody is to listen; `protocol` is `tcp` or `udp`."""

    netns: str
    address: Address
    port: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A connection to try: from a namespace (`""` is the host's), perhaps from a `source`, `within` seconds.

    `service` is where it should arrive; `tells_source` where the answer is to say which source has arrived there.
    `protocol` is `tcp`, `udp` or `ping`, which has no port.
    """

    netns: str
    address: Address
    protocol: str
    port: int = 0
    source: Address | None = None
    service: Service | None = None
    within: float = 3.0
    tells_source: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a probe. No verdict where it could not be told: `words` say why; else what more is known.

    `missing` where one of the two sides is not there at all. `local` is the address that the client has used, with its
    port or the identifier of its ping; `seen` the one that the target has seen, if that could be told.
    """

    verdict: Verdict | None
    words: str = ""
    missing: bool = False
    local: Address | None = None
    local_port: int = 0
    seen: Address | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStep:
    """What one rule of nftables did with a packet; `rule` is its text where the table is ours, empty for a policy.

    `answers` where it was the packet of the one who was asked.
    """

    family: str
    table: str
    chain: str
    rule: str
    verdict: str
    iif: str = ""
    oif: str = ""
    answers: bool = False


def patient() -> None:
    """The tick of those who do not stop halfway."""


class Prober(Protocol):
    """Tries connections, many at once, and leaves nothing behind."""

    def __call__(
        self, probes: Sequence[Probe], services: Sequence[Service], tick: Callable[[], None] = patient
    ) -> Sequence[Answer]:
        """An answer to each probe, in order.

        Where nobody listens at one of `services`, somebody stands in meanwhile. `tick` is called now and then, and may
        raise to stop.
        """
        ...


class Tracer(Protocol):
    """Follows packets through the rules of the host."""

    def __call__(
        self, probes: Sequence[Probe], again: Callable[[], Sequence[Answer]]
    ) -> Sequence[tuple[TraceStep, ...]]:
        """What the rules did with the packets of each probe while `again` tried them once more."""
        ...

    def has_route(self, netns: str, address: Address) -> bool:
        """Whether a namespace has a route to an address."""
        ...
