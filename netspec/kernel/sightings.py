"""What is asked of the kernel beside a snapshot: flows on their way, and the way to an address. Plain values."""

from dataclasses import dataclass

from netspec.kernel.values import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """A flow that has been answered: its original direction, and who answers it.

    `protocol` is IPPROTO_*; ports are 0 where it has none.
    """

    protocol: int
    source: Address
    destination: Address
    port: int
    answering: Address
    answering_port: int
    translated: bool = False
    """Whether its destination was translated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to an address: by `link`, over the gateway `via` if any, from `source`.

    Where the link is a bridge, `port` is the one behind which the next machine is; empty where that is not known.
    `protocol` is RTPROT_* of the route that was taken; 0 for IPv4, of which the kernel does not say it.
    """

    link: str
    via: Address | None = None
    source: Address | None = None
    port: str = ""
    protocol: int = 0
