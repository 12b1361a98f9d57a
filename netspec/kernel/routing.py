"""Requests about where packets go: routes, rules and neighbours. Part of `operations`, which has them all."""

from dataclasses import dataclass

from netspec.kernel.values import Address, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """One of several ways of a route; `weight` is its share, 1 to 256."""

    via: Address | None = None
    link: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAdd:
    """RTM_NEWROUTE with NLM_F_CREATE|NLM_F_REPLACE. `type` and `scope` are RTN_* and RT_SCOPE_* numbers.

    `mtu` 0 is that of the link. `onlink`: the gateway is a neighbour, whatever addresses say. With `nexthops`
    there are neither `via` nor `link`.
    """

    netns: str = ""
    to: Network
    via: Address | None = None
    link: str | None = None
    table: int = 254
    metric: int = 0
    protocol: int = 0
    source: Address | None = None
    type: int = 1
    scope: int = 0
    mtu: int = 0
    onlink: bool = False
    nexthops: tuple[NextHop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDelete:
    """RTM_DELROUTE of exactly this destination, table, metric, protocol and link; nothing if it is not there."""

    netns: str = ""
    to: Network
    link: str | None = None
    table: int = 254
    metric: int = 0
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFields:
    """What a policy routing rule is known by: everything.

    `version` is 4 or 6; `mask` counts only with a `fwmark`; `action` is FR_ACT_* (1: look up `table`, which is 0
    for all others).
    """

    netns: str = ""
    version: int
    priority: int
    source: Network | None = None
    to: Network | None = None
    iif: str = ""
    oif: str = ""
    fwmark: int | None = None
    mask: int = 0xFFFFFFFF
    table: int = 0
    action: int = 1
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAdd(RuleFields):
    """RTM_NEWRULE with NLM_F_CREATE|NLM_F_EXCL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDelete(RuleFields):
    """RTM_DELRULE; nothing if it is not there.

    The kernel takes what is not said for any: of rules with one priority, say the most of the one that is meant.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborAdd:
    """RTM_NEWNEIGH with NLM_F_CREATE|NLM_F_REPLACE, permanent. `protocol` is NDA_PROTOCOL; 0 leaves what is there."""

    netns: str = ""
    link: str
    address: Address
    mac: str
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborDelete:
    """RTM_DELNEIGH; nothing if it is not there."""

    netns: str = ""
    link: str
    address: Address
