"""Dumps of routes, rules and neighbours unpacked into rows: functions of bytes, `struct` only."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_routing as routing
from netspec.kernel.operations import NextHop
from netspec.kernel.rtnetlink_rows import attributes, ip_of, network_of, number_of, text_of
from netspec.kernel.snapshot import NeighborRow, RouteRow, RuleRow

_RTM_F_CLONED = 0x200
_LOCAL_TABLE = 255
_AUTOMATIC_TYPES = frozenset({2, 3, 4, 5})
"""RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST: made by the kernel with each address."""
_NOWHERE_TYPES = frozenset({6, 7, 8, 9})
"""RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT, _THROW: those of IPv6 say that they lead over `lo`."""
_FAMILIES = frozenset({rt.AF_INET, rt.AF_INET6})
_OF_KERNEL = 2
"""RTPROT_KERNEL."""
_MAC_BYTES = 6


def route(netns: str, names: Mapping[int, str], body: bytes) -> RouteRow | None:
    """One RTM_NEWROUTE; None for what the kernel makes with each address, and for cached ones."""
    family, length, _, _, table, protocol, scope, kind, flags = routing.rtmsg.unpack_from(body)
    if table == _LOCAL_TABLE or kind in _AUTOMATIC_TYPES or flags & _RTM_F_CLONED or family not in _FAMILIES:
        return None
    found = attributes(body, routing.rtmsg.size)
    destination = found.get(routing.RTA_DST, b"\0" * (4 if family == rt.AF_INET else 16))
    via = _gateway(found)
    source = found.get(routing.RTA_PREFSRC)
    metrics = found.get(routing.RTA_METRICS)
    hops = found.get(routing.RTA_MULTIPATH)
    nexthops = tuple(_hops(hops, names)) if hops else ()
    onlink = _first_hop_flags(hops) if hops else flags
    return RouteRow(
        netns=netns,
        to=network_of(destination, length),
        via=ip_of(via) if via else None,
        link="" if kind in _NOWHERE_TYPES else names.get(number_of(found, routing.RTA_OIF), ""),
        table=number_of(found, routing.RTA_TABLE, table),
        metric=number_of(found, routing.RTA_PRIORITY),
        protocol=protocol,
        source=ip_of(source) if source else None,
        type=kind,
        scope=scope,
        mtu=number_of(attributes(metrics), routing.RTAX_MTU) if metrics else 0,
        onlink=bool(onlink & routing.RTNH_F_ONLINK),
        nexthops=nexthops,
    )


def _gateway(found: Mapping[int, bytes]) -> bytes:
    return found.get(routing.RTA_GATEWAY) or found.get(routing.RTA_VIA, b"")[2:]


def _hops(payload: bytes, names: Mapping[int, str]) -> Iterator[NextHop]:
    offset = 0
    while offset + routing.rtnexthop.size <= len(payload):
        length, _, weight, index = routing.rtnexthop.unpack_from(payload, offset)
        if length < routing.rtnexthop.size:
            break
        via = _gateway(attributes(payload[offset : offset + length], routing.rtnexthop.size))
        yield NextHop(via=ip_of(via) if via else None, link=names.get(index, ""), weight=weight + 1)
        offset += (length + 3) & ~3


def _first_hop_flags(payload: bytes) -> int:
    return int(routing.rtnexthop.unpack_from(payload)[1]) if len(payload) >= routing.rtnexthop.size else 0


def rule(netns: str, body: bytes) -> RuleRow | None:
    """One RTM_NEWRULE; None for the kernel's own, of which every namespace has the same."""
    found = _rule(body)
    return None if found is None else replace(found, netns=netns)


@lru_cache(256)
def _rule(body: bytes) -> RuleRow | None:
    family, to_length, source_length, _, table, _, _, action, _ = routing.rtmsg.unpack_from(body)
    found = attributes(body, routing.rtmsg.size)
    protocol = found.get(routing.FRA_PROTOCOL, b"\0")[0]
    if family not in _FAMILIES or protocol == _OF_KERNEL:
        return None
    to, source = found.get(routing.FRA_DST), found.get(routing.FRA_SRC)
    marked = routing.FRA_FWMARK in found
    return RuleRow(
        netns="",
        version=4 if family == rt.AF_INET else 6,
        priority=number_of(found, routing.FRA_PRIORITY),
        source=network_of(source, source_length) if source else None,
        to=network_of(to, to_length) if to else None,
        iif=text_of(found, routing.FRA_IIFNAME),
        oif=text_of(found, routing.FRA_OIFNAME),
        fwmark=number_of(found, routing.FRA_FWMARK) if marked else None,
        mask=number_of(found, routing.FRA_FWMASK, 0xFFFFFFFF),
        table=number_of(found, routing.FRA_TABLE, table),
        action=action,
        protocol=protocol,
    )


def neighbor(netns: str, names: Mapping[int, str], body: bytes) -> NeighborRow | None:
    """One RTM_NEWNEIGH; None for all that was not set to stay."""
    family, index, state, _, _ = routing.ndmsg.unpack_from(body)
    if not state & routing.NUD_PERMANENT or family not in _FAMILIES or index not in names:
        return None
    found = attributes(body, routing.ndmsg.size)
    mac, protocol = found.get(routing.NDA_LLADDR, b""), found.get(routing.NDA_PROTOCOL)
    if len(mac) != _MAC_BYTES:
        return None
    address = ip_address(found[routing.NDA_DST])
    return NeighborRow(
        netns=netns, link=names[index], address=address, mac=mac.hex(":"), protocol=protocol[0] if protocol else 0
    )
