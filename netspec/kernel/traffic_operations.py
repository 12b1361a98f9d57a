"""Requests about traffic control, as plain values; part of `netspec.kernel.operations`."""

from dataclasses import dataclass

HANDLE = 0x6E65
"""Our mark on a qdisc, as its major number, and on a filter, as its priority."""
_TICK = 64
"""Nanoseconds of a psched tick (`include/net/pkt_sched.h`)."""
_SECOND = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class QdiscAdd:
    """A token bucket at the root of a link, ours by its handle; a change of the one that is there.

    `rate` in bytes per second, `burst` and `queue` in bytes.
    """

    netns: str = ""
    link: str
    rate: int
    burst: int
    queue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QdiscDelete:
    """Remove the token bucket at the root of a link; nothing if it is not there."""

    netns: str = ""
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectAdd:
    """Send all that `link` receives through the link `to` first, by an ingress qdisc with one filter."""

    netns: str = ""
    link: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectDelete:
    """Remove the ingress qdisc of a link; nothing if it is not there."""

    netns: str = ""
    link: str


def ticks(rate: int, burst: int) -> int:
    """How long a burst of so many bytes takes at a rate in bytes per second: what the kernel keeps of it."""
    return -(-burst * _SECOND // (rate * _TICK))


def burst_of(rate: int, kept: int) -> int:
    """The bytes of a burst, from what the kernel keeps of it. Packing these gives the same again."""
    return kept * rate * _TICK // _SECOND
