"""An example of every kind, what it stands on, and how each of its fields may differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from netspec.core.resource import Key, Mark, Resource
from netspec.kernel.operations import AddressAdd, LinkAdd, LinkSet, NetnsAdd, NextHop, Operation, Peer, TableAdd
from netspec.kinds._bridge_options import OPTIONS
from netspec.kinds._links import stack_group
from netspec.kinds._port_options import PORT_OPTIONS
from netspec.kinds._skeleton import skeleton
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.altname import Altname
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.bridge import Bridge
from netspec.kinds.file import File
from netspec.kinds.ifb import Ifb
from netspec.kinds.inner_sysctl import InnerSysctl
from netspec.kinds.link_field import LinkField
from netspec.kinds.nat_element import NatElement, element
from netspec.kinds.nat_table import NatTable, table_of
from netspec.kinds.neighbor import Neighbor
from netspec.kinds.netns import Netns
from netspec.kinds.other_link import OtherLink
from netspec.kinds.port import Port
from netspec.kinds.qdisc import Qdisc, bucket
from netspec.kinds.redirect import Redirect
from netspec.kinds.route import MAIN, Route
from netspec.kinds.rule import Rule
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth

STACK = "default"
LINK = Mark(STACK, "bridge/br0")
ENDPOINT = Mark(STACK, "endpoint/web")
GROUP = stack_group(STACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A resource, the operations that prepare its ground, and another value for each of its compared fields.

    `variants` map a field to a value that differs from the example's, `along` to fields that are
    carried and belong to it; `made` is false for what netspec never makes, `stands` for what stands on no operation of
    ours: that has tests of its own.
    """

    resource: Resource
    ground: tuple[Operation, ...] = ()
    variants: Mapping[str, object] = field(default_factory=dict)
    along: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    made: bool = True
    stands: bool = True

    def varied(self, name: str) -> Resource:
        """The example with another value for one field."""
        values: dict[str, Any] = {name: self.variants[name], **self.along.get(name, {})}
        return replace(self.resource, **values)


def _bridge(name: str) -> tuple[Operation, ...]:
    return LinkAdd(name=name, kind="bridge", mac="02:00:00:00:00:01"), LinkSet(name=name, up=True)


OTHER_PORT_OPTIONS: Mapping[str, Any] = {
    "hairpin": True,
    "isolated": True,
    "learning": False,
    "flood": False,
    "mcast_flood": False,
    "bpdu_guard": True,
    "root_block": True,
    "fast_leave": True,
    "neigh_suppress": True,
    "proxy_arp": True,
    "cost": 65535,
    "priority": 63,
}
"""A port's options, each another one than by itself."""
USUAL_PORT_OPTIONS: Mapping[str, Any] = {
    **{name: option.default for name, option in PORT_OPTIONS.items()},
    "hairpin": True,
    "cost": 7,
}
USUAL_OPTIONS: Mapping[str, Any] = {name: option.default for name, option in OPTIONS.items()}
OTHER_OPTIONS: Mapping[str, Any] = {
    "stp": True,
    "priority": 4096,
    "forward_delay": 2.5,
    "hello_time": 1,
    "max_age": 6.1,
    "ageing_time": 0,
    "group_fwd_mask": 0x4000,
    "multicast_snooping": False,
    "multicast_querier": True,
    "vlan_filtering": True,
    "vlan_default_pvid": 7,
}
"""A bridge's options, each another one than by itself."""


def _ifb(name: str) -> tuple[Operation, ...]:
    return LinkAdd(name=name, kind="ifb", alias=str(ENDPOINT), group=GROUP), LinkSet(name=name, up=True)


SPACE = NetnsAdd(name="web", alias=str(ENDPOINT))
PAIR: tuple[Operation, ...] = (
    SPACE,
    LinkAdd(name="v0", kind="veth", alias=str(ENDPOINT), group=GROUP, peer=Peer(netns="web", name="eth0")),
    LinkSet(name="v0", up=True),
    LinkSet(netns="web", name="eth0", up=True),
)
OTHER_PAIR: tuple[Operation, ...] = (
    LinkAdd(name="v1", kind="veth", alias=str(ENDPOINT), group=GROUP, peer=Peer(netns="web", name="eth1")),
)

EXAMPLES = (
    Example(
        resource=Netns(mark=ENDPOINT, name="web", alias=str(ENDPOINT)),
        variants={"alias": "netspec:default:endpoint/other", "lo_up": False, "alive": False},
    ),
    Example(
        resource=AttachedNetns(
            mark=ENDPOINT,
            name="web",
            alias=str(ENDPOINT),
            inode=4026532000,
            path="/proc/4711/ns/net",
            started=12345,
        ),
        variants={"inode": 4026532001, "alias": "", "path": "/proc/4712/ns/net", "started": 12346},
        stands=False,
    ),
    Example(
        resource=Bridge(
            mark=LINK,
            netns="",
            name="br0",
            alias=str(LINK),
            group=GROUP,
            mac="02:00:00:00:00:01",
            mtu=1500,
            addr_gen_mode=1,
            ipv6=True,
            route_localnet=True,
            promote_secondaries=True,
            filtered=False,
            up=True,
            **USUAL_OPTIONS,
        ),
        variants={
            **OTHER_OPTIONS,
            "alias": "netspec:default:bridge/other",
            "group": 7,
            "mac": "02:00:00:00:00:02",
            "mtu": 1400,
            "addr_gen_mode": 0,
            "ipv6": False,
            "route_localnet": False,
            "promote_secondaries": False,
            "filtered": True,
            "up": False,
        },
    ),
    Example(
        resource=Veth(
            mark=ENDPOINT,
            netns="",
            name="v0",
            alias=str(ENDPOINT),
            group=GROUP,
            peer_netns="web",
            peer_name="eth0",
            mac="02:00:00:00:00:01",
            peer_mac="02:00:00:00:00:02",
            mtu=1400,
            peer_mtu=1300,
            up=True,
            peer_up=True,
            addr_gen_mode=1,
            peer_addr_gen_mode=1,
            peer_ipv6=True,
            promote_secondaries=True,
            peer_txqlen=500,
            peer_promisc=True,
            peer_allmulti=True,
        ),
        ground=(SPACE, NetnsAdd(name="db", alias=str(ENDPOINT))),
        variants={
            "alias": "netspec:default:endpoint/other",
            "group": 7,
            "peer_netns": "db",
            "peer_name": "eth1",
            "mac": "02:00:00:00:00:03",
            "peer_mac": "02:00:00:00:00:04",
            "mtu": 1500,
            "peer_mtu": 1500,
            "up": False,
            "peer_up": False,
            "addr_gen_mode": 0,
            "peer_addr_gen_mode": 0,
            "peer_ipv6": False,
            "promote_secondaries": False,
            "peer_txqlen": 1000,
            "peer_promisc": False,
            "peer_allmulti": False,
        },
    ),
    Example(
        resource=Altname(mark=ENDPOINT, netns="web", name="the-way-out-of-the-namespace", link="eth0"),
        ground=(*PAIR, *OTHER_PAIR),
        variants={"link": "eth1"},
    ),
    Example(
        resource=Port(mark=ENDPOINT, netns="", link="v0", bridge="br0", **USUAL_PORT_OPTIONS),
        ground=(*_bridge("br0"), *_bridge("br1"), *PAIR),
        variants={"bridge": "br1", **OTHER_PORT_OPTIONS, "hairpin": False},
    ),
    Example(
        resource=LinkField(link="v0", name="up", value="on"),
        ground=PAIR,
        variants={"value": "off"},
    ),
    Example(
        resource=Address(
            mark=ENDPOINT,
            netns="web",
            link="eth0",
            address=ip_interface("10.1.0.10/24"),
            broadcast=ip_address("10.1.0.255"),  # type: ignore[arg-type]  # an IPv4 address, as its text shows
        ),
        ground=PAIR,
        variants={"marked": False},
        along={"marked": {"protocol": 4}},
    ),
    Example(
        resource=Route(
            mark=ENDPOINT,
            netns="web",
            to=ip_network("0.0.0.0/0"),
            table=MAIN,
            metric=0,
            via=ip_address("10.1.0.1"),
            link="eth0",
        ),
        ground=(
            *PAIR,
            AddressAdd(netns="web", link="eth0", address=ip_interface("10.1.0.10/24")),
            LinkAdd(netns="web", name="eth1", kind="bridge", mac="02:00:00:00:00:09"),
            LinkSet(netns="web", name="eth1", up=True),
            AddressAdd(netns="web", link="eth1", address=ip_interface("10.1.0.11/24")),
        ),
        variants={
            "via": ip_address("10.1.0.2"),
            "link": "eth1",
            "nexthops": (
                NextHop(via=ip_address("10.1.0.1"), link="eth0", weight=1),
                NextHop(via=ip_address("10.1.0.2"), link="eth1", weight=7),
            ),
            "type": 6,
            "source": ip_address("10.1.0.10"),
            "scope": 200,
            "mtu": 1400,
            "onlink": True,
            "marked": False,
        },
        along={
            "nexthops": {"via": "", "link": ""},
            "type": {"via": "", "link": ""},
            "marked": {"protocol": 4},
        },
    ),
    Example(
        resource=Rule(
            mark=ENDPOINT, netns="web", version=4, priority=1000, source=ip_network("10.1.0.0/24"), table=100
        ),
        ground=(SPACE,),
    ),
    Example(
        resource=Neighbor(
            mark=ENDPOINT, netns="web", link="eth0", address=ip_address("10.1.0.9"), mac="02:00:00:00:00:09", pair="v0"
        ),
        ground=PAIR,
        variants={"mac": "02:00:00:00:00:0a", "marked": False},
        along={"marked": {"protocol": 4}},
    ),
    Example(
        resource=Sysctl(netns="", name="net.ipv4.ip_forward", value="1"),
        variants={"value": "0"},
    ),
    Example(
        resource=InnerSysctl(netns="web", name="net.ipv4.conf.eth0.arp_notify", value="1", link="eth0"),
        ground=PAIR,
        variants={"value": "0"},
    ),
    Example(
        resource=File(mark=ENDPOINT, netns="web", name="hosts", text="10.0.0.5 db\n"),
        variants={"text": "10.0.0.6 db\n", "mode": 0o600, "sort": "symlink", "marked": False},
    ),
    Example(
        resource=table_of(STACK),
        variants={"rules": "another digest"},
    ),
    Example(
        resource=element(Mark(STACK, "endpoint/web.publish[0]"), "publish4", "tcp . 8080", "10.1.0.10 . 80"),
        ground=(TableAdd(name="netspec-default", text=skeleton("netspec-default")),),
        variants={"value": "10.1.0.11 . 80", "marked": False},
    ),
    Example(
        resource=Ifb(
            mark=ENDPOINT,
            netns="",
            name="ifb7",
            alias=str(ENDPOINT),
            group=GROUP,
            mac="02:00:00:00:00:01",
            up=True,
        ),
        variants={"alias": "netspec:default:endpoint/other", "group": 7, "up": False},
    ),
    Example(
        resource=bucket(ENDPOINT, "v0", 2_500_000, 65536),
        ground=PAIR,
        variants={"discipline": "another", "rate": 1_250_000, "burst": 131072},
    ),
    Example(
        resource=Redirect(mark=ENDPOINT, netns="", link="v0", to="ifb7"),
        ground=(*PAIR, *_ifb("ifb7"), *_ifb("ifb8")),
        variants={"to": "ifb8"},
    ),
    Example(
        resource=Admission(mark=Mark(STACK, "nat"), netns="", table="netspec-default", rules="0123456789abcdef"),
        ground=(TableAdd(name="netspec-default", text=skeleton("netspec-default")),),
        variants={"rules": "fedcba9876543210"},
    ),
    Example(
        resource=OtherLink(netns="", name="x0", link_kind="ifb"),
        ground=(LinkAdd(name="x0", kind="ifb"),),
        variants={"alias": "another", "group": 7},
        made=False,
    ),
)

BY_KIND = {type(example.resource): example for example in EXAMPLES}

KEYS = {
    Ifb: Key("link", "", "ifb7"),
    Qdisc: Key("qdisc", "", "v0"),
    Redirect: Key("redirect", "", "v0"),
    AttachedNetns: Key("netns", "", "web"),
    Netns: Key("netns", "", "web"),
    Bridge: Key("link", "", "br0"),
    Veth: Key("link", "", "v0"),
    Altname: Key("altname", "web", "the-way-out-of-the-namespace"),
    Port: Key("port", "", "v0"),
    LinkField: Key("field", "", "v0/up"),
    Address: Key("address", "web", "eth0/10.1.0.10/24"),
    Route: Key("route", "web", "default"),
    Rule: Key("rule", "web", "ipv4 1000 from 10.1.0.0/24 lookup 100"),
    Neighbor: Key("neighbor", "web", "eth0/10.1.0.9"),
    File: Key("file", "web", "hosts"),
    InnerSysctl: Key("sysctl", "web", "net.ipv4.conf.eth0.arp_notify"),
    Sysctl: Key("sysctl", "", "net.ipv4.ip_forward"),
    NatTable: Key("table", "", "inet netspec-default"),
    NatElement: Key("element", "", "publish4 tcp . 8080"),
    Admission: Key("flows", "", "netspec-default"),
    OtherLink: Key("link", "", "x0"),
}

TITLES = {
    Ifb: "link that shapes what is sent",
    Qdisc: "limit 20mbit",
    Redirect: "through ifb7",
    AttachedNetns: "/run/netns/web for /proc/4711/ns/net",
    Netns: "network namespace /run/netns/web",
    Bridge: "bridge",
    Veth: "veth pair to eth0 in web",
    Altname: "altname the-way-out-of-the-namespace of eth0",
    Port: "port of br0",
    LinkField: "up of v0 on",
    Address: "",
    Route: "via 10.1.0.1",
    Rule: "from 10.1.0.0/24 lookup 100",
    Neighbor: "at 02:00:00:00:00:09",
    File: "/etc/netns/web/hosts",
    InnerSysctl: "net.ipv4.conf.eth0.arp_notify = 1",
    Sysctl: "= 1",
    NatTable: "nftables table inet netspec-default",
    NatElement: "publish 8080/tcp -> 10.1.0.10 port 80",
    Admission: "who may talk to whom",
    OtherLink: "ifb link",
}
