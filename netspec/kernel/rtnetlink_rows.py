"""rtnetlink dumps unpacked into rows: functions of bytes, `struct` only.

A host of thousands of namespaces is read in one go, so this looks at no attribute that no row has, and
unpacks what is the same everywhere (devconf, loopback's addresses) once.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network
from typing import NamedTuple

from netspec.kernel import rtnetlink as rt
from netspec.kernel.operations import Address, Interface, Network
from netspec.kernel.snapshot import AddressRow, LinkRow

_TYPE_MASK = 0x3FFF
_LINK_ATTRIBUTES = frozenset(
    number | flag
    for flag in (0, rt.NESTED)
    for number in (
        *(rt.IFLA_ADDRESS, rt.IFLA_IFNAME, rt.IFLA_MTU, rt.IFLA_LINK, rt.IFLA_MASTER, rt.IFLA_TXQLEN),
        *(rt.IFLA_LINKINFO, rt.IFLA_IFALIAS, rt.IFLA_AF_SPEC, rt.IFLA_GROUP, rt.IFLA_LINK_NETNSID),
        rt.IFLA_PROP_LIST,
    )
)
_DISABLE_IPV6 = 26
_REMEMBERED = 1 << 14
"""Values of one sort that are kept unpacked."""

_unpack_attribute = rt.rtattr.unpack_from
_unpack_u32 = rt.u32.unpack_from


class RawLink(NamedTuple):
    """A link of a dump, its attributes still packed and other links by index."""

    netns: str
    ifindex: int
    flags: int
    name: str
    found: Mapping[int, bytes]

    @property
    def link_nsid(self) -> int | None:
        """The id of the namespace of its parent or peer; None: the same namespace."""
        payload = self.found.get(rt.IFLA_LINK_NETNSID)
        return int(rt.s32.unpack(payload)[0]) if payload else None

    @property
    def link(self) -> int:
        """The index of its parent or peer."""
        return number_of(self.found, rt.IFLA_LINK)

    @property
    def kind(self) -> str:
        """IFLA_INFO_KIND."""
        return text_of(attributes(self.found.get(rt.IFLA_LINKINFO, b"")), rt.INFO_KIND)

    @property
    def group(self) -> int:
        """IFLA_GROUP."""
        return number_of(self.found, rt.IFLA_GROUP)

    @property
    def alias(self) -> str:
        """IFLA_IFALIAS."""
        return text_of(self.found, rt.IFLA_IFALIAS)


def attributes(buffer: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes of a payload from `offset` on, by number."""
    found: dict[int, bytes] = {}
    end = len(buffer) - 3
    while offset < end:
        length, number = _unpack_attribute(buffer, offset)
        if length < 4:
            break
        found[number & _TYPE_MASK] = buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def number_of(found: Mapping[int, bytes], number: int, default: int = 0) -> int:
    """A 32-bit attribute."""
    payload = found.get(number)
    return int(_unpack_u32(payload)[0]) if payload else default


def text_of(found: Mapping[int, bytes], number: int) -> str:
    """A string attribute; empty where there is none."""
    payload = found.get(number)
    return payload.rstrip(b"\0").decode(errors="replace") if payload else ""


def link(netns: str, body: bytes) -> RawLink:
    """One RTM_NEWLINK."""
    _, _, index, flags, _ = rt.ifinfomsg.unpack_from(body)
    found: dict[int, bytes] = {}
    offset, end = rt.ifinfomsg.size, len(body) - 3
    while offset < end:
        length, number = _unpack_attribute(body, offset)
        if length < 4:
            break
        if number in _LINK_ATTRIBUTES:
            found[number & _TYPE_MASK] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return RawLink(netns, index, flags, text_of(found, rt.IFLA_IFNAME), found)


def link_row(raw: RawLink, names: Mapping[int, str], peer: tuple[str, str] | None) -> LinkRow:
    """The row of a link; `names` are those of its namespace by index, `peer` that of a veth where it is known."""
    found = raw.found
    info = attributes(found.get(rt.IFLA_LINKINFO, b""))
    families = attributes(found.get(rt.IFLA_AF_SPEC, b""))
    of_ipv6 = attributes(families.get(rt.AF_INET6, b""))
    mode = of_ipv6.get(rt.INET6_ADDR_GEN_MODE)
    kind = text_of(info, rt.INFO_KIND)
    near = names.get(raw.link, "") if raw.link_nsid is None and raw.link != raw.ifindex else ""
    if peer is None and near and kind == "veth":
        peer = (raw.netns, near)
    return LinkRow(
        netns=raw.netns,
        name=raw.name,
        index=raw.ifindex,
        kind=kind,
        mac=found.get(rt.IFLA_ADDRESS, b"").hex(":"),
        mtu=number_of(found, rt.IFLA_MTU),
        up=bool(raw.flags & rt.IFF_UP),
        group=number_of(found, rt.IFLA_GROUP),
        alias=raw.alias,
        txqlen=number_of(found, rt.IFLA_TXQLEN),
        promisc=bool(raw.flags & rt.IFF_PROMISC),
        allmulti=bool(raw.flags & rt.IFF_ALLMULTI),
        altnames=_altnames(found.get(rt.IFLA_PROP_LIST, b"")),
        master=names.get(number_of(found, rt.IFLA_MASTER), ""),
        parent=near if kind != "veth" else "",
        peer=peer,
        addr_gen_mode=mode[0] if mode else None,
        conf4=_conf4(families.get(rt.AF_INET, b"")),
        forwarding6=number_of(of_ipv6, rt.INET6_CONF) if rt.INET6_CONF in of_ipv6 else None,
        disabled6=_disabled6(of_ipv6.get(rt.INET6_CONF, b"")),
        data=attributes(info.get(rt.INFO_DATA, b"")),
        port_kind=text_of(info, rt.INFO_SLAVE_KIND),
        port_data=attributes(info.get(rt.INFO_SLAVE_DATA, b"")),
    )


def _altnames(payload: bytes) -> tuple[str, ...]:
    """Attributes of one number, each a name."""
    names, offset = [], 0
    while offset + 4 <= len(payload):
        length, _ = _unpack_attribute(payload, offset)
        if length < 4:
            break
        names.append(payload[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace"))
        offset += (length + 3) & ~3
    return tuple(sorted(names))


def _disabled6(conf: bytes) -> bool | None:
    """Of the values as a row of numbers, DEVCONF_DISABLE_IPV6 (`linux/ipv6.h`)."""
    value = conf[_DISABLE_IPV6 * 4 : _DISABLE_IPV6 * 4 + 4]
    return any(value) if value else None


@lru_cache(_REMEMBERED)
def _conf4(family: bytes) -> Mapping[int, int]:
    values = attributes(family).get(rt.INET_CONF, b"")
    return dict(enumerate(struct.unpack(f"={len(values) // 4}I", values), start=1))


@lru_cache(_REMEMBERED)
def ip_of(payload: bytes) -> Address:
    """An address of its bytes."""
    return IPv4Address(payload) if len(payload) == 4 else IPv6Address(payload)


@lru_cache(_REMEMBERED)
def _interface(payload: bytes, prefix: int) -> Interface:
    return ip_interface((payload, prefix))


@lru_cache(_REMEMBERED)
def network_of(payload: bytes, prefix: int) -> Network:
    """A network of its bytes and prefix length."""
    return ip_network((payload, prefix), strict=False)


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
        address=_interface(local, prefix),
        broadcast=IPv4Address(broadcast) if broadcast else None,
        protocol=protocol[0] if protocol else 0,
        scope=scope,
    )


def resolved(raw: Iterable[RawLink], peers: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[LinkRow]:
    """Rows with masters, parents and peers by name; `peers` are pairs found over namespaces."""
    links = tuple(raw)
    names: dict[str, dict[int, str]] = {}
    for each in links:
        names.setdefault(each.netns, {})[each.ifindex] = each.name
    for each in links:
        yield link_row(each, names[each.netns], peers.get((each.netns, each.name)))
