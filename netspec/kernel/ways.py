"""The way to an address, asked of the kernel: route, next machine, and the port of a bridge behind which it is."""

import socket

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_routing as routing
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.netlink import Channel, NoAnswer
from netspec.kernel.rtnetlink_rows import attributes, ip_of, number_of
from netspec.kernel.sightings import Way
from netspec.kernel.values import Address

_AF_BRIDGE = 7
_RTN_UNICAST = 1
_NDA_MASTER = 9


def way_to(address: Address, link: str, deadline: float) -> Way | None:
    """How this namespace reaches an address that is not its own, by `link` if that is said; None where it does not."""
    try:
        with Channel(deadline) as channel:
            return _way(channel, address, socket.if_nametoindex(link) if link else 0)
    except (OSError, NoAnswer):
        return None


def _way(channel: Channel, address: Address, by: int) -> Way | None:
    family = rt.AF_INET if address.version == 4 else rt.AF_INET6
    asked = routing.rtmsg.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    asked += rt.attribute(routing.RTA_DST, address.packed)
    asked += rt.attribute(routing.RTA_OIF, rt.u32.pack(by)) if by else b""
    body = _asked(channel, routing.GETROUTE, asked)
    if body is None:
        return None
    _, _, _, _, _, protocol, _, kind, _ = routing.rtmsg.unpack_from(body)
    found = attributes(body, routing.rtmsg.size)
    index = number_of(found, routing.RTA_OIF)
    link = _link(channel, index) if kind == _RTN_UNICAST and index else None
    if link is None:
        return None
    gateway = found.get(routing.RTA_GATEWAY) or found.get(routing.RTA_VIA, b"")[2:]
    via, source = (ip_of(gateway) if gateway else None), found.get(routing.RTA_PREFSRC)
    port = _port(channel, via or address, index) if link.kind == "bridge" else None
    return Way(
        link=link.name,
        via=via,
        source=ip_of(source) if source else None,
        port=port.name if port is not None else "",
        protocol=protocol,
    )


def _link(channel: Channel, index: int) -> rows.RawLink | None:
    body = _asked(channel, rt.GETLINK, rt.ifinfomsg.pack(rt.AF_UNSPEC, 0, index, 0, 0))
    return rows.link("", body) if body is not None else None


def _port(channel: Channel, neighbor: Address, bridge: int) -> rows.RawLink | None:
    """The port of a bridge behind which a neighbour is, as the bridge has learned it; None where it has not."""
    family = rt.AF_INET if neighbor.version == 4 else rt.AF_INET6
    asked = routing.ndmsg.pack(family, bridge, 0, 0, 0) + rt.attribute(routing.NDA_DST, neighbor.packed)
    known = _asked(channel, routing.GETNEIGH, asked)
    mac = attributes(known, routing.ndmsg.size).get(routing.NDA_LLADDR) if known is not None else None
    if not mac:
        return None
    asked = routing.ndmsg.pack(_AF_BRIDGE, 0, 0, 0, 0) + rt.attribute(routing.NDA_LLADDR, mac)
    learned = _asked(channel, routing.GETNEIGH, asked + rt.attribute(_NDA_MASTER, rt.u32.pack(bridge)))
    return _link(channel, int(routing.ndmsg.unpack_from(learned)[1])) if learned is not None else None


def _asked(channel: Channel, kind: int, body: bytes) -> bytes | None:
    """The one message that answers a question; None where the kernel knows no answer."""
    ((answer, bodies),) = channel.ask([rt.Message(kind, 0, body)])
    return bodies[0] if bodies and not answer.number else None
