"""Routes, rules and neighbours packed as rtnetlink messages: functions of values, `struct` only.

Layouts are those of `linux/rtnetlink.h`, `linux/fib_rules.h` and `linux/neighbour.h`.
"""

import struct
from collections.abc import Iterator

from netspec.kernel import rtnetlink as rt
from netspec.kernel.operations import (
    Address,
    NeighborAdd,
    NeighborDelete,
    Network,
    NextHop,
    RouteAdd,
    RouteDelete,
    RuleAdd,
    RuleDelete,
)
from netspec.kernel.rtnetlink import IndexOf, Message, attribute, nested, u32

NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NEWRULE, DELRULE, GETRULE = 32, 33, 34

NOWHERE = 255
"""RT_SCOPE_NOWHERE: a route deletion that does not care."""
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH = 1, 4, 5, 6, 7, 8, 9
RTA_TABLE, RTA_VIA = 15, 18
RTAX_MTU = 2
RTNH_F_ONLINK = 4
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_TABLE = 1, 2, 3, 6, 10, 15
FRA_FWMASK, FRA_OIFNAME, FRA_PROTOCOL = 16, 17, 21
NDA_DST, NDA_LLADDR, NDA_PROTOCOL = 1, 2, 12
NUD_PERMANENT = 0x80

rtmsg = struct.Struct("=BBBBBBBBI")
"""Of a rule as well: its fields lie alike."""
rtnexthop = struct.Struct("=HBBi")
ndmsg = struct.Struct("=BxxxiHBB")


def route_add(operation: RouteAdd, index_of: IndexOf) -> Message:
    """A route in the place of the one with its destination, table and metric."""
    flags = RTNH_F_ONLINK if operation.onlink and not operation.nexthops else 0
    head = _route_head(operation, operation.scope, operation.type, flags)
    parts = [head, *_route(operation, index_of)]
    if operation.via is not None:
        parts.append(_gateway(operation.via, operation.to))
    if operation.source is not None:
        parts.append(attribute(RTA_PREFSRC, operation.source.packed))
    if operation.mtu:
        parts.append(nested(RTA_METRICS, attribute(RTAX_MTU, u32.pack(operation.mtu))))
    if operation.nexthops:
        parts.append(nested(RTA_MULTIPATH, *(_hop(each, operation, index_of) for each in operation.nexthops)))
    return Message(NEWROUTE, rt.CREATE | rt.REPLACE, b"".join(parts))


def route_delete(operation: RouteDelete, index_of: IndexOf) -> Message:
    """The removal of exactly this route."""
    return Message(DELROUTE, 0, b"".join([_route_head(operation, NOWHERE, 0, 0), *_route(operation, index_of)]))


def _family(version: int) -> int:
    return rt.AF_INET if version == 4 else rt.AF_INET6


def _route_head(operation: RouteAdd | RouteDelete, scope: int, kind: int, flags: int) -> bytes:
    to, table = operation.to, operation.table if operation.table < 256 else 0
    return rtmsg.pack(_family(to.version), to.prefixlen, 0, 0, table, operation.protocol, scope, kind, flags)


def _route(operation: RouteAdd | RouteDelete, index_of: IndexOf) -> Iterator[bytes]:
    if operation.to.prefixlen:
        yield attribute(RTA_DST, operation.to.network_address.packed)
    yield attribute(RTA_TABLE, u32.pack(operation.table))
    if operation.metric:
        yield attribute(RTA_PRIORITY, u32.pack(operation.metric))
    if operation.link:
        yield attribute(RTA_OIF, u32.pack(index_of(operation.netns, operation.link)))


def _gateway(via: Address, to: Network) -> bytes:
    if via.version == to.version:
        return attribute(RTA_GATEWAY, via.packed)
    return attribute(RTA_VIA, struct.pack("=H", _family(via.version)) + via.packed)


def _hop(hop: NextHop, route: RouteAdd, index_of: IndexOf) -> bytes:
    gateway = _gateway(hop.via, route.to) if hop.via is not None else b""
    index = index_of(route.netns, hop.link) if hop.link else 0
    flags = RTNH_F_ONLINK if route.onlink else 0
    return rtnexthop.pack(rtnexthop.size + len(gateway), flags, hop.weight - 1, index) + gateway


def rule_add(operation: RuleAdd, _index_of: IndexOf) -> Message:
    """A rule, by all that it is known by."""
    return Message(NEWRULE, rt.CREATE | rt.EXCL, b"".join(_rule(operation)))


def rule_delete(operation: RuleDelete, _index_of: IndexOf) -> Message:
    """The removal of a rule."""
    return Message(DELRULE, 0, b"".join(_rule(operation)))


def _rule(operation: RuleAdd | RuleDelete) -> Iterator[bytes]:
    to, source = operation.to, operation.source
    lengths = (to.prefixlen if to else 0, source.prefixlen if source else 0)
    table = operation.table if operation.table < 256 else 0
    yield rtmsg.pack(_family(operation.version), *lengths, 0, table, 0, 0, operation.action, 0)
    for number, network in ((FRA_DST, to), (FRA_SRC, source)):
        if network is not None and network.prefixlen:
            yield attribute(number, network.network_address.packed)
    for number, name in ((FRA_IIFNAME, operation.iif), (FRA_OIFNAME, operation.oif)):
        if name:
            yield rt.text(number, name)
    yield attribute(FRA_PRIORITY, u32.pack(operation.priority))
    if operation.fwmark is not None:
        yield attribute(FRA_FWMARK, u32.pack(operation.fwmark))
        yield attribute(FRA_FWMASK, u32.pack(operation.mask))
    if operation.table:
        yield attribute(FRA_TABLE, u32.pack(operation.table))
    if operation.protocol:
        yield attribute(FRA_PROTOCOL, rt.u8.pack(operation.protocol))


def neighbor_add(operation: NeighborAdd, index_of: IndexOf) -> Message:
    """A permanent neighbour."""
    parts = [_neighbor(operation, index_of), rt.mac(NDA_LLADDR, operation.mac)]
    if operation.protocol:
        parts.append(attribute(NDA_PROTOCOL, rt.u8.pack(operation.protocol)))
    return Message(NEWNEIGH, rt.CREATE | rt.REPLACE, b"".join(parts))


def neighbor_delete(operation: NeighborDelete, index_of: IndexOf) -> Message:
    """The removal of a neighbour."""
    return Message(DELNEIGH, 0, _neighbor(operation, index_of))


def _neighbor(operation: NeighborAdd | NeighborDelete, index_of: IndexOf) -> bytes:
    index = index_of(operation.netns, operation.link)
    head = ndmsg.pack(_family(operation.address.version), index, NUD_PERMANENT, 0, 0)
    return head + attribute(NDA_DST, operation.address.packed)
