"""rtnetlink dumps unpacked into rows: functions of bytes, `struct` only."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network

from netspec.kernel import rtnetlink as rt
from netspec.kernel.operations import Address
from netspec.kernel.snapshot import AddressRow, LinkRow, RouteRow

_RTM_F_CLONED = 0x200
_LOCAL_TABLE = 255
_AUTOMATIC_TYPES = frozenset({2, 3, 4, 5})
"""RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST: made by the kernel with each address."""
_TYPE_MASK = 0x3FFF


@dataclass(frozen=True, slots=True)
class RawLink:
    """A link of a dump, with other links still by index. `link_nsid` None: `link` is in the same namespace."""

    row: LinkRow
    master: int
    link: int
    link_nsid: int | None


def attributes(buffer: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of a payload from `offset` on, by number."""
    found: dict[int, bytes] = {}
    end = len(buffer)
    while offset + 4 <= end:
        length, number = rt.rtattr.unpack_from(buffer, offset)
        if length < 4:
            break
        found[number & _TYPE_MASK] = buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _number(found: Mapping[int, bytes], number: int, default: int = 0) -> int:
    payload = found.get(number)
    return int(rt.u32.unpack_from(payload)[0]) if payload else default


def _text(found: Mapping[int, bytes], number: int) -> str:
    return found.get(number, b"").rstrip(b"\0").decode(errors="replace")


def link(netns: str, body: bytes) -> RawLink:
    """One RTM_NEWLINK."""
    _, _, index, flags, _ = rt.ifinfomsg.unpack_from(body)
    found = attributes(body, rt.ifinfomsg.size)
    info = attributes(found.get(rt.IFLA_LINKINFO, b""))
    families = attributes(found.get(rt.IFLA_AF_SPEC, b""))
    mode = attributes(families.get(rt.AF_INET6, b"")).get(rt.INET6_ADDR_GEN_MODE)
    nsid = found.get(rt.IFLA_LINK_NETNSID)
    row = LinkRow(
        netns=netns,
        name=_text(found, rt.IFLA_IFNAME),
        index=index,
        kind=_text(info, rt.INFO_KIND),
        mac=found.get(rt.IFLA_ADDRESS, b"").hex(":"),
        mtu=_number(found, rt.IFLA_MTU),
        up=bool(flags & rt.IFF_UP),
        group=_number(found, rt.IFLA_GROUP),
        alias=_text(found, rt.IFLA_IFALIAS),
        txqlen=_number(found, rt.IFLA_TXQLEN),
        addr_gen_mode=mode[0] if mode else None,
        conf4=_conf4(families.get(rt.AF_INET, b"")),
        data=attributes(info.get(rt.INFO_DATA, b"")),
        port_kind=_text(info, rt.INFO_SLAVE_KIND),
        port_data=attributes(info.get(rt.INFO_SLAVE_DATA, b"")),
    )
    link_nsid = int(rt.s32.unpack(nsid)[0]) if nsid else None
    return RawLink(row, _number(found, rt.IFLA_MASTER), _number(found, rt.IFLA_LINK), link_nsid)


def _conf4(family: bytes) -> Mapping[int, int]:
    values = attributes(family).get(rt.INET_CONF, b"")
    return dict(enumerate(struct.unpack(f"={len(values) // 4}I", values), start=1))


def _ip(payload: bytes) -> Address:
    return IPv4Address(payload) if len(payload) == 4 else IPv6Address(payload)


def address(netns: str, names: Mapping[int, str], body: bytes) -> AddressRow | None:
    """One RTM_NEWADDR; None for a link that has gone meanwhile."""
    _, prefix, _, scope, index = rt.ifaddrmsg.unpack_from(body)
    found = attributes(body, rt.ifaddrmsg.size)
    local = found.get(rt.IFA_LOCAL) or found.get(rt.IFA_ADDRESS)
    if local is None or index not in names:
        return None
    broadcast, protocol = found.get(rt.IFA_BROADCAST), found.get(rt.IFA_PROTO)
    return AddressRow(
        netns=netns,
        link=names[index],
        address=ip_interface((local, prefix)),
        broadcast=IPv4Address(broadcast) if broadcast else None,
        protocol=protocol[0] if protocol else 0,
        scope=scope,
    )


def route(netns: str, names: Mapping[int, str], body: bytes) -> RouteRow | None:
    """One RTM_NEWROUTE; None for what the kernel makes with each address, and for cached ones."""
    family, length, _, _, table, protocol, scope, kind, flags = rt.rtmsg.unpack_from(body)
    found = attributes(body, rt.rtmsg.size)
    table = _number(found, rt.RTA_TABLE, table)
    if table == _LOCAL_TABLE or kind in _AUTOMATIC_TYPES or flags & _RTM_F_CLONED:
        return None
    if family not in (rt.AF_INET, rt.AF_INET6):
        return None
    destination = found.get(rt.RTA_DST, b"\0" * (4 if family == rt.AF_INET else 16))
    via = found.get(rt.RTA_GATEWAY) or found.get(rt.RTA_VIA, b"")[2:]
    source = found.get(rt.RTA_PREFSRC)
    return RouteRow(
        netns=netns,
        to=ip_network((destination, length), strict=False),
        via=_ip(via) if via else None,
        link=names.get(_number(found, rt.RTA_OIF), ""),
        table=table,
        metric=_number(found, rt.RTA_PRIORITY),
        protocol=protocol,
        source=_ip(source) if source else None,
        type=kind,
        scope=scope,
    )


def resolved(raw: Iterable[RawLink], peers: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[LinkRow]:
    """Rows with masters, parents and peers by name; `peers` are pairs found over namespaces."""
    from dataclasses import replace

    links = tuple(raw)
    names = {(each.row.netns, each.row.index): each.row.name for each in links}
    for each in links:
        row = each.row
        near = each.link_nsid is None and each.link not in (0, row.index)
        neighbor = names.get((row.netns, each.link), "") if near else ""
        peer = peers.get((row.netns, row.name))
        if peer is None and neighbor and row.kind == "veth":
            peer = (row.netns, neighbor)
        master = names.get((row.netns, each.master), "") if each.master else ""
        parent = neighbor if row.kind != "veth" else ""
        if master or parent or peer:
            row = replace(row, master=master, parent=parent, peer=peer)
        yield row
