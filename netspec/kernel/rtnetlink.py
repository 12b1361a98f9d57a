"""Operations packed as rtnetlink messages: functions of values, `struct` only.

Layouts are those of `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h` and `linux/veth.h`.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    AltnameAdd,
    AltnameDelete,
    Attributes,
    LinkAdd,
    LinkDelete,
    LinkSet,
    Peer,
)

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWNSID, GETNSID = 88, 90
NEWLINKPROP, DELLINKPROP = 108, 109

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400

AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 1, 0x100, 0x200
IFA_F_NODAD = 0x02
IFA_F_PERMANENT = 0x80

NESTED = 0x8000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_TXQLEN = 1, 3, 4, 5, 10, 13
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP, IFLA_NET_NS_FD, IFLA_EXT_MASK = 18, 20, 26, 27, 28, 29
IFLA_LINK_NETNSID, IFLA_PROP_LIST, IFLA_ALT_IFNAME = 37, 52, 53
INFO_KIND, INFO_DATA, INFO_SLAVE_KIND, INFO_SLAVE_DATA = 1, 2, 4, 5
VETH_INFO_PEER = 1
INET_CONF, INET6_CONF, INET6_ADDR_GEN_MODE = 1, 2, 8
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS, IFA_PROTO = 1, 2, 4, 8, 11
NETNSA_NSID, NETNSA_FD = 1, 3
SKIP_STATS = 1 << 3

header = struct.Struct("=IHHII")
ifinfomsg = struct.Struct("=BxHiII")
ifaddrmsg = struct.Struct("=BBBBI")
rtattr = struct.Struct("=HH")
u8, u32, s32 = struct.Struct("=B"), struct.Struct("=I"), struct.Struct("=i")

IndexOf = Callable[[str, str], int]
"""The ifindex of a link by namespace and name."""


class Message(NamedTuple):
    """A request without its header: type, flags beside REQUEST and ACK, and body."""

    type: int
    flags: int
    body: bytes


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return rtattr.pack(len(payload) + 4, number) + payload + b"\0" * (-len(payload) % 4)


def nested(number: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(number | NESTED, b"".join(attributes))


def text(number: int, value: str) -> bytes:
    """A string attribute with its closing zero."""
    return attribute(number, value.encode() + b"\0")


def mac(number: int, value: str) -> bytes:
    """A hardware address attribute."""
    return attribute(number, bytes.fromhex(value.replace(":", "")))


def link_add(operation: LinkAdd, index_of: IndexOf, peer_space: int | None) -> Iterator[Message]:
    """The creation, and the alias, which the kernel only takes in a second message.

    `peer_space` is an open descriptor of the namespace in which a veth's far end is born.
    """
    parts = [ifinfomsg.pack(AF_UNSPEC, 0, 0, IFF_UP if operation.up else 0, IFF_UP if operation.up else 0)]
    parts.append(text(IFLA_IFNAME, operation.name))
    parts.extend(_common(operation.mac, operation.mtu, operation.group))
    if operation.txqlen is not None:
        parts.append(attribute(IFLA_TXQLEN, u32.pack(operation.txqlen)))
    if operation.master:
        parts.append(attribute(IFLA_MASTER, u32.pack(index_of(operation.netns, operation.master))))
    if operation.parent:
        parts.append(attribute(IFLA_LINK, u32.pack(index_of(operation.netns, operation.parent))))
    data = [attribute(number, payload) for number, payload in operation.data]
    if operation.peer is not None and peer_space is not None:
        data.append(_peer_info(operation.peer, peer_space))
    parts.append(nested(IFLA_LINKINFO, text(INFO_KIND, operation.kind), *([nested(INFO_DATA, *data)] if data else [])))
    yield Message(NEWLINK, CREATE | EXCL, b"".join(parts))
    if operation.alias is not None:
        yield link_set(LinkSet(netns=operation.netns, name=operation.name, alias=operation.alias), index_of)


def _peer_info(peer: Peer, space: int) -> bytes:
    return attribute(
        VETH_INFO_PEER | NESTED,
        b"".join(
            [
                ifinfomsg.pack(AF_UNSPEC, 0, 0, 0, 0),
                text(IFLA_IFNAME, peer.name),
                *_common(peer.mac, peer.mtu, peer.group),
                attribute(IFLA_NET_NS_FD, u32.pack(space)),
            ]
        ),
    )


def _common(address: str | None, mtu: int | None, group: int | None) -> Iterator[bytes]:
    if address is not None:
        yield mac(IFLA_ADDRESS, address)
    if mtu is not None:
        yield attribute(IFLA_MTU, u32.pack(mtu))
    if group is not None:
        yield attribute(IFLA_GROUP, u32.pack(group))


def link_set(operation: LinkSet, index_of: IndexOf) -> Message:
    """A change of a living link, found by name; by index where the name itself changes."""
    wanted = ((IFF_UP, operation.up), (IFF_PROMISC, operation.promisc), (IFF_ALLMULTI, operation.allmulti))
    flags = sum(flag for flag, value in wanted if value)
    change = sum(flag for flag, value in wanted if value is not None)
    index = index_of(operation.netns, operation.name) if operation.rename is not None else 0
    name = operation.rename if operation.rename is not None else operation.name
    parts = [ifinfomsg.pack(AF_UNSPEC, 0, index, flags, change), text(IFLA_IFNAME, name)]
    parts.extend(_common(operation.mac, operation.mtu, operation.group))
    if operation.alias is not None:
        # An empty alias is removed by an attribute without a payload.
        parts.append(text(IFLA_IFALIAS, operation.alias) if operation.alias else attribute(IFLA_IFALIAS, b""))
    if operation.txqlen is not None:
        parts.append(attribute(IFLA_TXQLEN, u32.pack(operation.txqlen)))
    if operation.master is not None:
        master = index_of(operation.netns, operation.master) if operation.master else 0
        parts.append(attribute(IFLA_MASTER, u32.pack(master)))
    parts.extend(_af_spec(operation))
    parts.extend(_link_info(operation))
    return Message(NEWLINK, 0, b"".join(parts))


def _af_spec(operation: LinkSet) -> Iterator[bytes]:
    families = []
    if operation.conf4:
        values = [attribute(number, u32.pack(value)) for number, value in operation.conf4]
        families.append(nested(AF_INET, nested(INET_CONF, *values)))
    if operation.addr_gen_mode is not None:
        families.append(nested(AF_INET6, attribute(INET6_ADDR_GEN_MODE, u8.pack(operation.addr_gen_mode))))
    if families:
        yield nested(IFLA_AF_SPEC, *families)


def _link_info(operation: LinkSet) -> Iterator[bytes]:
    parts = [*_kind_info(INFO_KIND, INFO_DATA, operation.kind, operation.data)]
    parts += _kind_info(INFO_SLAVE_KIND, INFO_SLAVE_DATA, operation.port_kind, operation.port_data)
    if parts:
        yield nested(IFLA_LINKINFO, *parts)


def _kind_info(kind_number: int, data_number: int, kind: str | None, data: Attributes) -> Iterator[bytes]:
    if kind is not None:
        yield text(kind_number, kind)
        yield nested(data_number, *(attribute(number, payload) for number, payload in data))


def altname_add(operation: AltnameAdd, index_of: IndexOf) -> Message:
    """One more name."""
    return Message(NEWLINKPROP, CREATE | EXCL, _altname(operation, index_of))


def altname_delete(operation: AltnameDelete, index_of: IndexOf) -> Message:
    """One name less."""
    return Message(DELLINKPROP, 0, _altname(operation, index_of))


def _altname(operation: AltnameAdd | AltnameDelete, index_of: IndexOf) -> bytes:
    head = ifinfomsg.pack(AF_UNSPEC, 0, index_of(operation.netns, operation.link), 0, 0)
    return head + nested(IFLA_PROP_LIST, text(IFLA_ALT_IFNAME, operation.name))


def link_delete(operation: LinkDelete) -> Message:
    """A deletion by name."""
    return Message(DELLINK, 0, ifinfomsg.pack(AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, operation.name))


def group_set(index: int, group: int) -> Message:
    """Put a link into a group, by index: nothing that took its name meanwhile is meant."""
    return Message(NEWLINK, 0, ifinfomsg.pack(AF_UNSPEC, 0, index, 0, 0) + attribute(IFLA_GROUP, u32.pack(group)))


def group_delete(group: int) -> Message:
    """Delete all links of a group at once."""
    return Message(DELLINK, 0, ifinfomsg.pack(AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_GROUP, u32.pack(group)))


def link_get(name: str) -> Message:
    """Ask for one link by name."""
    mask = attribute(IFLA_EXT_MASK, u32.pack(SKIP_STATS))
    return Message(GETLINK, 0, ifinfomsg.pack(AF_UNSPEC, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + mask)


def address_add(operation: AddressAdd, index_of: IndexOf) -> Message:
    """An address, without duplicate address detection."""
    parts = [_address(operation, index_of)]
    if operation.broadcast is not None:
        parts.append(attribute(IFA_BROADCAST, operation.broadcast.packed))
    if operation.address.version == 6:
        parts.append(attribute(IFA_FLAGS, u32.pack(IFA_F_NODAD | IFA_F_PERMANENT)))
    if operation.protocol:
        parts.append(attribute(IFA_PROTO, u8.pack(operation.protocol)))
    return Message(NEWADDR, CREATE | REPLACE, b"".join(parts))


def address_delete(operation: AddressDelete, index_of: IndexOf) -> Message:
    """The removal of an address."""
    return Message(DELADDR, 0, _address(operation, index_of))


def _address(operation: AddressAdd | AddressDelete, index_of: IndexOf) -> bytes:
    family = AF_INET if operation.address.version == 4 else AF_INET6
    packed = operation.address.ip.packed
    index = index_of(operation.netns, operation.link)
    head = ifaddrmsg.pack(family, operation.address.network.prefixlen, 0, 0, index)
    return head + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)


def nsid_new(descriptor: int) -> Message:
    """Give a namespace an id in this one."""
    body = b"\0\0\0\0" + attribute(NETNSA_NSID, s32.pack(-1)) + attribute(NETNSA_FD, u32.pack(descriptor))
    return Message(NEWNSID, 0, body)


def nsid_get(descriptor: int) -> Message:
    """Ask for the id that a namespace has in this one."""
    return Message(GETNSID, 0, b"\0\0\0\0" + attribute(NETNSA_FD, u32.pack(descriptor)))
