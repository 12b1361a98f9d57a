"""Announcements: who has an address now, told to the neighbours by ARP and neighbour advertisements nobody asked for.

The kernel itself tells nobody when an address is added (`arp_notify` and `ndisc_notify` are about MAC addresses that
change), and a neighbour who knew the address under another MAC would send into the void for a while.
"""

import errno
import fcntl
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.operations import Address, Announce, LinkAdd, LinkSet, Operation
from netspec.kernel.spaces import Spaces

_ARP, _IPV6 = 0x0806, 0x86DD
_SIOCGIFHWADDR = 0x8927
_BROADCAST = b"\xff" * 6
_ALL_NODES, _ALL_NODES_MAC = IPv6Address("ff02::1").packed, bytes.fromhex("333300000001")
_ICMPV6, _ADVERTISEMENT, _OVERRIDE, _TARGET_MAC = 58, 136, 0x20000000, 2
_UNHEARD = frozenset({errno.ENETDOWN, errno.ENXIO, errno.ENODEV})
"""Of a link that is down, or gone, nobody hears."""


def announce(link: str, addresses: Iterable[Address]) -> None:
    """Tell all neighbours on a link of this thread's namespace. Raises OSError."""
    # Bound to nothing: a socket that could receive waits for a grace period of the kernel when it is closed.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packets:
        try:
            mac = fcntl.ioctl(packets, _SIOCGIFHWADDR, struct.pack("40s", link.encode()))[18:24]
            for each in addresses:
                frame = arp(mac, each.packed) if each.version == 4 else advertisement(mac, each.packed)
                packets.sendto(frame, (link, 0))
        except OSError as error:
            if error.errno not in _UNHEARD:
                raise


def arp(mac: bytes, address: bytes) -> bytes:
    """A gratuitous ARP request: it asks for its own address (RFC 5227, 3)."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + address
    return _BROADCAST + mac + struct.pack("!H", _ARP) + body


def advertisement(mac: bytes, address: bytes) -> bytes:
    """An unsolicited neighbour advertisement that overrides what neighbours know (RFC 4861, 7.2.6)."""
    rest = struct.pack("!I", _OVERRIDE) + address + bytes((_TARGET_MAC, 1)) + mac
    pseudo = address + _ALL_NODES + struct.pack("!II", len(rest) + 4, _ICMPV6)
    sum_ = _checksum(pseudo + struct.pack("!BBH", _ADVERTISEMENT, 0, 0) + rest)
    message = struct.pack("!BBH", _ADVERTISEMENT, 0, sum_) + rest
    head = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255) + address + _ALL_NODES
    return _ALL_NODES_MAC + mac + struct.pack("!H", _IPV6) + head + message


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Announcements:
    """Those of one run, and who was there before it: on a bridge that the run itself makes, nobody was."""

    def __init__(self, spaces: Spaces) -> None:
        """`spaces` are the namespaces of the run."""
        self._spaces = spaces
        self._pending: dict[Announce, None] = {}
        self._made: set[str] = set()
        self._masters: dict[str, str] = {}
        self._near: dict[tuple[str, str], str] = {}
        self._grown: set[str] = set()

    def note(self, operation: Operation) -> None:
        """Watch the host's links being made and joined."""
        if isinstance(operation, LinkAdd) and not operation.netns:
            self._made.add(operation.name)
            if operation.peer is not None:
                self._near[operation.peer.netns, operation.peer.name] = operation.name
        elif isinstance(operation, LinkSet) and operation.master and not operation.netns:
            self._masters[operation.name] = operation.master
            if operation.name not in self._made:
                self._grown.add(operation.master)

    def gather(self, operation: Announce) -> None:
        """Keep one for the end of the run."""
        self._pending[operation] = None

    def due(self) -> list[Announce]:
        """Those that somebody may have to hear: who is on a new bridge, with new links alone, knows of nobody yet."""
        return [each for each in self._pending if self._heard(each)]

    def _heard(self, operation: Announce) -> bool:
        bridge = self._masters.get(self._near.get((operation.netns, operation.link), ""), "")
        return bridge not in self._made or bridge in self._grown

    def tell(self, operation: Announce) -> bool:
        """Send one. Raises OSError."""
        address = operation.address
        found = [address] if address is not None else self._addresses(operation.netns, operation.link)
        with self._spaces.inside(operation.netns):
            announce(operation.link, found)
        return True

    def _addresses(self, netns: str, link: str) -> Iterator[Address]:
        with self._spaces.inside(netns):
            names = {index: name for index, name in socket.if_nameindex() if name == link}
        everything = rt.ifaddrmsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0)
        for body in self._spaces.channel(netns).dump(rt.GETADDR, everything):
            row = rows.address(netns, names, body)
            if row is not None:
                yield row.address.ip
