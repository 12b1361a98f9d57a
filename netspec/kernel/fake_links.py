"""Links of the fake kernel: bridges and their ports, veth pairs, and what goes when a link goes."""

import errno
import re
from dataclasses import replace

from netspec.kernel.fake_addresses import (
    IPV6_MINIMUM_MTU,
    came_up,
    flush_routes,
    forget_neighbors,
    lose_ipv6,
    went_down,
)
from netspec.kernel.fake_bridges import BRIDGE_DATA, check_port, set_options
from netspec.kernel.fake_host import NOWHERE, FakeLink, Host
from netspec.kernel.fake_sysctls import inherited
from netspec.kernel.operations import LinkAdd, LinkDelete, LinkSet, Peer

KINDS = frozenset({"bridge", "veth", "vxlan", "macvlan", "macvtap", "ifb", "dummy", "tun"})
"""What the fake kernel can make."""
LONGEST_NAME, LONGEST_ALIAS = 15, 255
LEAST_MTU, GREATEST_MTU = 68, 65535
USUAL_MTU = 1500
NO_MAC = "00:00:00:00:00:00"

PORT_DATA = {
    1: b"\0",
    2: (32).to_bytes(2, "little"),
    3: (2).to_bytes(4, "little"),
    31: b"\0\0",
    **dict.fromkeys((4, 5, 6, 7, 10, 12, 28, 29, 32, 33), b"\0"),
    **dict.fromkeys((8, 9, 25, 27, 30), b"\1"),
}
"""IFLA_BRPORT_* of a new port that can be set."""


def add_link(host: Host, operation: LinkAdd) -> None:
    """RTM_NEWLINK with NLM_F_CREATE|NLM_F_EXCL. A refused one leaves nothing."""
    host.space(operation.netns)
    check_name(host, operation.netns, operation.name)
    if operation.kind not in KINDS:
        raise OSError(errno.EOPNOTSUPP, "Unknown device type")
    _check_mac(operation.mac)
    _check_mtu(operation.mtu)
    _check_alias(operation.alias)
    data = dict(operation.data)
    data = set_options(BRIDGE_DATA, data) if operation.kind == "bridge" else data
    master = _bridge(host, operation.netns, operation.master, operation.kind) if operation.master else NOWHERE
    parent = host.link(operation.netns, operation.parent).index if operation.parent else NOWHERE
    peer = _peer(host, operation) if operation.kind == "veth" else None
    conf4, conf6 = inherited(host, operation.netns)
    index = host.next_index()
    link = FakeLink(
        index=index,
        netns=operation.netns,
        name=operation.name,
        kind=operation.kind,
        mac=operation.mac or made_up_mac(index),
        mac_set=operation.mac is not None,
        mtu=operation.mtu or USUAL_MTU,
        group=operation.group or 0,
        alias=operation.alias or "",
        txqlen=1000 if operation.txqlen is None else operation.txqlen,
        parent=parent,
        peer=peer.index if peer else NOWHERE,
        conf4=conf4,
        conf6=conf6,
        data=data,
    )
    host.put(link)
    if peer:
        host.put(replace(peer, peer=index))
    if master:
        _enslave(host, link, master)
    if operation.up:
        _set_up(host, index, up=True)


def set_link(host: Host, operation: LinkSet) -> None:
    """RTM_NEWLINK on a living link. Like Linux, it does one thing after the other, and does not undo."""
    index = host.link(operation.netns, operation.name).index
    _set_data(host, index, operation)
    if operation.mac is not None:
        _check_mac(operation.mac)
        host.put(replace(host.links[index], mac=operation.mac, mac_set=True))
        for version in (4, 6):
            forget_neighbors(host, host.links[index], version)
        _follow_ports(host, host.links[index].master)
    if operation.mtu is not None:
        _set_mtu(host, index, operation.mtu)
    if operation.rename is not None and operation.rename != operation.name:
        check_name(host, operation.netns, operation.rename)
        host.put(replace(host.links[index], name=operation.rename))
    _set_labels(host, index, operation)
    if operation.master is not None:
        _set_master(host, index, operation.master)
    if operation.up is not None:
        _set_up(host, index, up=operation.up)


def delete_link(host: Host, operation: LinkDelete) -> None:
    """RTM_DELLINK; nothing if it is not there."""
    link = host.find(operation.netns, operation.name)
    if link is None:
        return
    if not link.kind:
        raise OSError(errno.EOPNOTSUPP, "")
    remove(host, link)


def remove(host: Host, link: FakeLink) -> None:
    """Take a link out, with all that stands on it."""
    for each in [each for each in host.links.values() if each.parent == link.index]:
        remove(host, each)
    lose_ipv6(host, link, gone=True)
    flush_routes(host, link, 4, gone=True)
    for port in [each for each in host.links.values() if each.master == link.index]:
        host.put(replace(port, master=NOWHERE, port_data={}))
    host.forget(link)
    _follow_ports(host, link.master)
    peer = host.links.get(link.peer)
    if peer is not None:
        remove(host, replace(peer, peer=NOWHERE))


def check_name(host: Host, netns: str, name: str) -> None:
    """Whether a link may be called so: a good name, and not taken."""
    if len(name.encode()) > LONGEST_NAME:
        raise OSError(errno.ERANGE, "Attribute failed policy validation")
    if name in (".", "..", "") or re.search(r"[/:\s]", name):
        raise OSError(errno.EINVAL, "")
    if host.is_named(netns, name):
        raise OSError(errno.EEXIST, "")


def made_up_mac(number: int) -> str:
    """A locally administered address for a link that was given none."""
    return ":".join(f"{byte:02x}" for byte in (0x06, *number.to_bytes(5)))


def _peer(host: Host, operation: LinkAdd) -> FakeLink:
    """The far end, made before the near one."""
    wanted = operation.peer or Peer(netns=operation.netns, name=_free_name(host, operation))
    host.space(wanted.netns)
    if (wanted.netns, wanted.name) == (operation.netns, operation.name):
        raise OSError(errno.EEXIST, "")
    check_name(host, wanted.netns, wanted.name)
    _check_mac(wanted.mac)
    _check_mtu(wanted.mtu)
    conf4, conf6 = inherited(host, wanted.netns)
    index = host.next_index()
    link = FakeLink(
        index=index,
        netns=wanted.netns,
        name=wanted.name,
        kind="veth",
        mac=wanted.mac or made_up_mac(index),
        mtu=wanted.mtu or USUAL_MTU,
        group=wanted.group or 0,
        conf4=conf4,
        conf6=conf6,
    )
    host.put(link)
    return link


def _free_name(host: Host, operation: LinkAdd) -> str:
    names = (f"veth{number}" for number in range(len(host.links) + 2))
    return next(name for name in names if name != operation.name and not host.find(operation.netns, name))


def _check_mac(mac: str | None) -> None:
    if mac is not None and (mac == NO_MAC or int(mac[:2], 16) & 1):
        raise OSError(errno.EADDRNOTAVAIL, "")


def _check_mtu(mtu: int | None) -> None:
    if mtu is not None and mtu < LEAST_MTU:
        raise OSError(errno.EINVAL, "mtu less than device minimum")
    if mtu is not None and mtu > GREATEST_MTU:
        raise OSError(errno.EINVAL, "mtu greater than device maximum")


def _check_alias(alias: str | None) -> None:
    if alias is not None and len(alias.encode()) > LONGEST_ALIAS:
        raise OSError(errno.ERANGE, "Attribute failed policy validation")


def _set_data(host: Host, index: int, operation: LinkSet) -> None:
    link = host.links[index]
    if operation.data and operation.kind == link.kind:
        data = dict(operation.data)
        data = set_options(link.data, data) if link.kind == "bridge" else {**link.data, **data}
        host.put(replace(link, data=data))
    if operation.port_data:
        if not link.master:
            raise OSError(errno.EOPNOTSUPP, "")
        check_port(dict(operation.port_data))
        host.put(replace(host.links[index], port_data={**link.port_data, **dict(operation.port_data)}))


def _set_labels(host: Host, index: int, operation: LinkSet) -> None:
    link = host.links[index]
    _check_alias(operation.alias)
    host.put(
        replace(
            link,
            alias=link.alias if operation.alias is None else operation.alias,
            group=link.group if operation.group is None else operation.group,
            txqlen=link.txqlen if operation.txqlen is None else operation.txqlen,
            promisc=link.promisc if operation.promisc is None else operation.promisc,
            allmulti=link.allmulti if operation.allmulti is None else operation.allmulti,
            addr_gen_mode=link.addr_gen_mode if operation.addr_gen_mode is None else operation.addr_gen_mode,
            conf4={**link.conf4, **dict(operation.conf4)},
        )
    )


def _set_mtu(host: Host, index: int, mtu: int) -> None:
    link = host.links[index]
    _check_mtu(mtu)
    if mtu == link.mtu:
        return  # Linux stops here: an MTU set to what it is already is not taken for set
    host.put(replace(link, mtu=mtu, mtu_set=True))
    if mtu < IPV6_MINIMUM_MTU:
        lose_ipv6(host, link, gone=True)
    _follow_ports(host, link.master)


def _set_master(host: Host, index: int, name: str) -> None:
    link = host.links[index]
    master = _bridge(host, link.netns, name, link.kind) if name else NOWHERE
    if master and master == link.master:
        return
    if master and link.name == "lo":
        raise OSError(errno.EINVAL, "")
    left = link.master
    host.put(replace(link, master=NOWHERE, port_data={}))
    _follow_ports(host, left)
    if master:
        _enslave(host, host.links[index], master)


def _bridge(host: Host, netns: str, name: str, kind: str) -> int:
    """The index of the bridge that a link of `kind` may become a port of."""
    master = host.link(netns, name)
    if master.kind != "bridge":
        raise OSError(errno.EOPNOTSUPP, "")
    if kind == "bridge":
        raise OSError(errno.ELOOP, "Can not enslave a bridge to a bridge")
    return master.index


def _enslave(host: Host, link: FakeLink, master: int) -> None:
    host.put(replace(link, master=master, port_data=dict(PORT_DATA)))
    _follow_ports(host, master)


def _follow_ports(host: Host, master: int) -> None:
    """A bridge takes the smallest MTU and the lowest MAC of its ports, unless it was given its own."""
    bridge = host.links.get(master)
    if bridge is None or (bridge.mtu_set and bridge.mac_set):
        return
    ports = [each for each in host.links.values() if each.master == master]
    mtu = min((port.mtu for port in ports), default=USUAL_MTU)
    mac = min((port.mac for port in ports), default=NO_MAC)
    host.put(replace(bridge, mtu=bridge.mtu if bridge.mtu_set else mtu, mac=bridge.mac if bridge.mac_set else mac))
    if mtu < IPV6_MINIMUM_MTU and not bridge.mtu_set:
        lose_ipv6(host, bridge, gone=True)


def _set_up(host: Host, index: int, *, up: bool) -> None:
    link = host.links[index]
    if link.up == up:
        return
    host.put(replace(link, up=up))
    if up:
        came_up(host, host.links[index])
    else:
        went_down(host, link)
