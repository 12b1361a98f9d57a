"""What a user writes of routes, rules and neighbours, of a host or inside an endpoint."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.kernel.operations import Address, Network
from netspec.kinds import _types
from netspec.kinds._contract import SpecModel
from netspec.kinds._patterns import CIDR, IP, MAC, whole
from netspec.kinds._types import IpAddress, LinkName, Switch, text, wrong
from netspec.kinds.rule import ALL_BITS

MAIN, LOCAL = 254, 255
TABLES = {"default": 253, "main": MAIN, "local": LOCAL}
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254}
"""RT_SCOPE_*, as `ip route` calls them."""
TYPES = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}
"""RTN_*."""
ACTIONS = {"lookup": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}
"""FR_ACT_*."""
_NUMBER = re.compile(r"[0-9]{1,10}|0x[0-9a-fA-F]{1,8}")
_MOST = 2**32 - 1
_LAST_RULE = 32765
"""The kernel's own rules for the tables main and default come behind it."""


def _destination(value: Any) -> Network | str:  # noqa: ANN401  whatever YAML held
    """`default`, a CIDR, or an address alone."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    raw = text(value)
    if raw == "default":
        return raw
    return _types.ip_network(raw) if "/" in raw else ip_network(_types.ip_address(raw))


def _prefix(value: Any) -> Network:  # noqa: ANN401
    found = _destination(value)
    if isinstance(found, str):
        raise wrong("NS0125", '"default" is not a subnet', "leave the key away: it stands for everything")
    return found


def _table(value: Any) -> int:  # noqa: ANN401
    """A number, or one of the names that every host knows."""
    raw = text(value)
    number = TABLES.get(raw) or (int(raw, 0) if _NUMBER.fullmatch(raw) and not raw.startswith("00") else 0)
    if not 0 < number <= _MOST:
        raise wrong("NS0180", f'"{raw}" is not a routing table', f"write 1 to {_MOST}, main or default")
    return number


def _fwmark(value: Any) -> tuple[int, int]:  # noqa: ANN401
    """A mark, or `MARK/MASK`."""
    if isinstance(value, tuple):
        return value
    raw = text(value)
    mark, slash, mask = raw.partition("/")
    parts = [mark, mask] if slash else [mark, hex(ALL_BITS)]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise wrong("NS0181", f'"{raw}" is not a packet mark', "write it like 16, 0x10 or 0x10/0xff")
    numbers = [int(part, 16 if part.startswith("0x") else 10) for part in parts]
    if max(numbers) > _MOST or numbers[0] & ~numbers[1]:
        raise wrong("NS0181", f'"{raw}" is not a packet mark: it has bits outside of its mask, or more than 32')
    return numbers[0], numbers[1]


def _neighbor_mac(value: Any) -> str:  # noqa: ANN401
    found = _types.mac_address(value)
    if found == "auto":
        raise wrong("NS0127", '"auto" is not a MAC address', "write that of the neighbour")
    return found


def _said(mark: tuple[int, int]) -> str:
    return hex(mark[0]) if mark[1] == ALL_BITS else f"{mark[0]:#x}/{mark[1]:#x}"


_TABLE_FORM = {"type": ["integer", "string"], "minimum": 1, "maximum": _MOST, "examples": [100, "main"]}
Destination = Annotated[
    Any,
    BeforeValidator(_destination),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": whole("default", CIDR, IP), "examples": ["10.0.0.0/8", "default"]}),
]
Prefix = Annotated[
    Network,
    BeforeValidator(_prefix),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": whole(CIDR, IP), "examples": ["10.0.0.0/8"]}),
]
Table = Annotated[int, BeforeValidator(_table), WithJsonSchema(_TABLE_FORM)]
FwMark = Annotated[
    tuple[int, int],
    BeforeValidator(_fwmark),
    PlainSerializer(_said, when_used="json"),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "examples": [16, "0x10/0xff"]}),
]
NeighborMac = Annotated[
    str,
    BeforeValidator(_neighbor_mac),
    WithJsonSchema({"type": "string", "pattern": whole(MAC), "examples": ["02:42:ac:11:00:02"]}),
]


class NextHopSpec(SpecModel):
    """One of several ways of a route."""

    via: IpAddress | None = None
    """Its gateway."""
    dev: LinkName | None = None
    """Its link; that on which the gateway is unless said."""
    weight: Annotated[int, Field(strict=True, ge=1, le=256)] = 1
    """Its share of the flows."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "NextHopSpec":
        if self.via is None and self.dev is None:
            raise wrong("NS0182", "the next hop leads nowhere", "write `via`, `dev` or both")
        return self


class RouteSpec(SpecModel):
    """A route."""

    to: Destination
    """Where it leads: a CIDR, an address, or `default`."""
    via: IpAddress | None = None
    """The gateway."""
    dev: LinkName | None = None
    """The link; that on which the gateway is unless said."""
    table: Table = MAIN
    """The routing table: a number, `main` or `default`."""
    metric: Annotated[int, Field(strict=True, ge=0, le=_MOST)] | None = None
    """Of routes to one destination, the one with the lowest metric is taken."""
    source: IpAddress | None = None
    """The source address that it prefers, one of its endpoint's own."""
    scope: Literal["global", "site", "link", "host"] | None = None
    """How far the destination is, IPv4 only: `link` without a gateway, else `global`, unless said."""
    type: Literal["unicast", "blackhole", "unreachable", "prohibit"] = "unicast"
    """What becomes of packets: sent on, dropped, or refused with one of two messages."""
    mtu: Annotated[int, Field(strict=True, ge=68, le=65535)] | None = None
    """MTU of the way in bytes, where it is less than the link's."""
    onlink: Switch = False
    """The gateway is on the link, whatever the addresses there are."""
    nexthops: tuple[NextHopSpec, ...] = ()
    """Several ways that share the flows."""

    @model_validator(mode="after")
    def _hangs_together(self) -> "RouteSpec":
        for problem, hint in self._problems():
            raise wrong("NS0183", f"the route to {self.to} {problem}", hint)
        return self

    def _problems(self) -> "list[tuple[str, str]]":
        ways = [self.via, self.dev, self.nexthops or None]
        found = []
        if self.type != "unicast" and any((*ways, self.onlink, self.source, self.mtu, self.scope)):
            found.append((f"is {self.type} and yet says where it leads", "leave all but to, table and metric away"))
        if self.type == "unicast" and not any(ways):
            found.append(("leads nowhere", "write via, dev or nexthops; or a type, like blackhole"))
        if self.nexthops and (self.via or self.dev):
            found.append(("has one way and several", "move via and dev into nexthops"))
        if self.onlink and any(hop.via is None or hop.dev is None for hop in self.hops):
            found.append(("is onlink without a gateway or a link", "onlink goes with via and dev"))
        if self.table == LOCAL:
            found.append(("is in the table local, which is the kernel's", "choose another table"))
        return found or self._of_version(self.version)

    def _of_version(self, version: int) -> "list[tuple[str, str]]":
        if not version:
            return [("says nothing of the IP version", "write 0.0.0.0/0 or ::/0")]
        found = []
        others = [each for each in (*(hop.via for hop in self.hops), self.source) if each and each.version != version]
        # IPv4 over an IPv6 gateway is a thing of its own (RFC 5549), and not of this language.
        if others:
            found.append((f"is of IPv{version}, and {others[0]} is not", f"write IPv{version} addresses"))
        if version == 6 and self.scope:
            found.append(("has a scope, which only IPv4 knows", "leave scope away"))
        if version == 6 and self.mtu and self.mtu < 1280:
            found.append(("has an MTU below 1280 bytes, too small for IPv6", "widen it"))
        return found

    @property
    def hops(self) -> tuple[NextHopSpec, ...]:
        """All its ways; none where it leads nowhere."""
        alone = (NextHopSpec(via=self.via, dev=self.dev),) if self.via or self.dev else ()
        return self.nexthops or alone

    @property
    def version(self) -> int:
        """4 or 6; of a default route that of its gateway or source, 0 where nothing tells."""
        if not isinstance(self.to, str):
            return int(self.to.version)
        known: list[Address | None] = [*(hop.via for hop in self.hops), self.source]
        return next((each.version for each in known if each is not None), 0)

    @property
    def network(self) -> Network:
        """The destination."""
        if not isinstance(self.to, str):
            return self.to  # type: ignore[no-any-return]  # a network, as the type of the field says
        return ip_network("0.0.0.0/0" if self.version == 4 else "::/0")


class RuleSpec(SpecModel):
    """A policy routing rule: which table packets look up."""

    priority: Annotated[int, Field(strict=True, ge=1, le=_LAST_RULE)] | None = None
    """Rules are looked at by priority, lowest first; 1000, 1001 and so on in order unless said."""
    from_: Annotated[Prefix | None, Field(alias="from")] = None
    """Source of the packets: a CIDR or an address."""
    to: Prefix | None = None
    """Destination of the packets."""
    iif: _types.Text | None = None
    """The link they came in by; `lo` for those that begin here."""
    oif: _types.Text | None = None
    """The link that their socket is bound to."""
    fwmark: FwMark | None = None
    """The mark on the packet, with or without a mask."""
    table: Table | None = None
    """The table to look up."""
    action: Literal["lookup", "blackhole", "unreachable", "prohibit"] = "lookup"
    """What to do: look up a table, drop, or refuse with one of two messages."""

    @model_validator(mode="after")
    def _hangs_together(self) -> "RuleSpec":
        if (self.action == "lookup") != (self.table is not None):
            problem = "looks up no table" if self.table is None else f"looks up a table, and is {self.action}"
            raise wrong("NS0184", f"the rule {problem}", "write either table or another action than lookup")
        if self.from_ is not None and self.to is not None and self.from_.version != self.to.version:
            raise wrong("NS0184", f"the rule is from IPv{self.from_.version} to IPv{self.to.version}", "write two")
        for name in (self.iif, self.oif):
            if name is not None and name != "lo":
                _types.link_name(name)
        return self

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions it is about: both where nothing tells."""
        given = next((each for each in (self.from_, self.to) if each is not None), None)
        return (4, 6) if given is None else (given.version,)


class NeighborSpec(SpecModel):
    """A neighbour whose MAC is never asked for."""

    address: IpAddress
    """Its IP address."""
    mac: NeighborMac
    """Its MAC address."""
    dev: LinkName | None = None
    """The link it is on; that with its subnet unless said."""
