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


def typed_burst(rate: int, burst: int) -> int:
    """The bytes that `tc` must be told for what the kernel keeps of a burst.

    `tc` sends bytes too, and the kernel then makes the time of them itself: rounded down, with a factor of 32 bits.
    """
    factor, shift = _factor(rate)
    return -(-(ticks(rate, burst) * _TICK << shift) // factor)


def kept_of_typed(rate: int, typed: int) -> int:
    """What the kernel keeps of a burst of so many bytes that `tc` has sent (`psched_l2t_ns`)."""
    factor, shift = _factor(rate)
    return (typed * factor >> shift) // _TICK


def _factor(rate: int) -> tuple[int, int]:
    """Nanoseconds of a byte, times a power of two (`psched_ratecfg_precompute` in `net/sched/sch_generic.c`)."""
    shift = 0
    while not (factor := (_SECOND << shift) // rate) >> 31 and not (_SECOND << shift) >> 63:
        shift += 1
    return factor, shift
