"""What a change does to traffic, as the kernel has it: links that go down, connections that fall silent, objects kept.

The levels that plans print are those of the kinds' fields. Here each of them is changed on the living object, while
connections through it are open.
"""

import dataclasses
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from netspec.core.change import Change, diff
from netspec.core.resource import Disruption, Key, Policy, Resource, compared_fields
from netspec.engine.observation import kind_of, observed_state
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import NextHop
from netspec.kernel.snapshot import Scope
from netspec.kinds import kinds
from netspec.kinds._links import hashed_name
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.altname import Altname
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.bridge import Bridge
from netspec.kinds.file import File
from netspec.kinds.ifb import Ifb
from netspec.kinds.inner_sysctl import InnerSysctl
from netspec.kinds.link_field import LinkField
from netspec.kinds.nat_element import NatElement
from netspec.kinds.neighbor import Neighbor
from netspec.kinds.netns import Netns
from netspec.kinds.other_link import OtherLink
from netspec.kinds.port import Port
from netspec.kinds.qdisc import Qdisc
from netspec.kinds.redirect import Redirect
from netspec.kinds.route import Route
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth
from tests.kinds.examples import OTHER_OPTIONS, OTHER_PORT_OPTIONS
from tests.live.driving import apply, shell
from tests.live.flows import GOES_ON, Talks, Watch, Way
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges:
  br0: {subnets: [172.17.0.0/16], antispoof: false}
  br1: {subnets: [172.18.0.0/16], antispoof: false, ports: [lent0]}
endpoints:
  web:
    publish: ["8080:80"]
    neighbors: [{address: 172.17.0.9, mac: 02:00:00:00:00:09}]
    hosts: {db: 172.17.0.5}
    sysctls: {net.ipv4.conf.eth0.arp_notify: 1}
    interfaces:
      eth0: {bridge: br0, address: 172.17.0.2, host_name: to-web, altnames: [front], limit: {egress: 20mbit}}
      eth1: {bridge: br1, address: 172.18.0.2, host_name: to-web1}
  mate: {bridge: br0, address: 172.17.0.3, host_name: to-mate, isolated: true}
nat:
  masquerade: [br0]
sysctls:
  net.ipv4.ip_local_port_range: 20000 40000
"""
AROUND = """
ip link add lent0 type veth peer name lent1
ip link add ifb9 type ifb
ip link set ifb9 up
ip netns add remote
ip link add uplink type veth peer name eth0 netns remote
ip address add 192.0.2.1/24 dev uplink
ip link set uplink up
ip -n remote link set lo up
ip -n remote address add 192.0.2.9/24 dev eth0
ip -n remote link set eth0 up
"""
"""A machine next to the host, a link to lend, and one to send through."""

SPACES = ("", "web", "mate", "remote")
WAYS = (
    Way("mate", "172.17.0.2", 80, "web"),
    Way("", "172.17.0.2", 80, "web"),
    Way("remote", "192.0.2.1", 8080, "web"),
    Way("web", "192.0.2.1", 8080, "web"),
    Way("web", "192.0.2.9", 80, "remote"),
)
"""Within the bridge, from the host, from outside, to itself by its own publication, and out through NAT."""

PORT_RANGE, FORWARD, NOTIFY = "net.ipv4.ip_local_port_range", "net.ipv4.ip_forward", "net.ipv4.conf.eth0.arp_notify"
SYSCTLS = frozenset({("", PORT_RANGE), ("", FORWARD), ("web", NOTIFY), ("web", "net.ipv4.conf.eth0.forwarding")})

BRIDGE, VETH, PORT = Key("link", "", "br0"), Key("link", "", "to-web"), Key("port", "", "to-web")
NETNS, ADDRESS = Key("netns", "", "web"), Key("address", "web", "eth0/172.17.0.2/16")
ROUTE, ELEMENT = Key("route", "web", "default"), Key("element", "", "publish4 tcp . 8080")
FLOWS, FILE = Key("flows", "", "netspec-default"), Key("file", "web", "hosts")
ALTNAME = Key("altname", "web", "front")
NEIGHBOR = Key("neighbor", "web", "eth0/172.17.0.9")
_IFB = hashed_name("ifb", "default", "web", "eth0")
IFB, QDISC, REDIRECT = Key("link", "", _IFB), Key("qdisc", "", _IFB), Key("redirect", "", "to-web")
HOPS = tuple(
    NextHop(via=ip_address(via), link=link, weight=weight)
    for via, link, weight in (("172.18.0.1", "eth1", 1), ("172.18.0.99", "eth1", 1))
)

MOVES: list[tuple[Key, dict[str, Any]]] = [
    (BRIDGE, {"alias": "netspec:default:bridge/other"}),
    (BRIDGE, {"group": 7}),
    (BRIDGE, {"mac": "02:00:00:00:00:17"}),
    (BRIDGE, {"mtu": 1400}),
    (BRIDGE, {"addr_gen_mode": 0}),
    (BRIDGE, {"route_localnet": False}),
    (BRIDGE, {"ipv6": False}),
    (BRIDGE, {"promote_secondaries": False}),
    (BRIDGE, {"filtered": True}),
    (BRIDGE, {"up": False}),
    *((BRIDGE, {name: value}) for name, value in OTHER_OPTIONS.items()),
    (VETH, {"alias": "netspec:default:endpoint/other"}),
    (VETH, {"group": 7}),
    (VETH, {"mac": "02:00:00:00:00:18"}),
    (VETH, {"peer_mac": "02:00:00:00:00:19"}),
    (VETH, {"mtu": 1400}),
    (VETH, {"peer_mtu": 1400}),
    (VETH, {"addr_gen_mode": 0}),
    (VETH, {"peer_addr_gen_mode": 0}),
    (VETH, {"peer_ipv6": False}),
    (VETH, {"promote_secondaries": False}),
    (VETH, {"peer_txqlen": 500}),
    (ALTNAME, {"link": "eth1"}),
    (VETH, {"peer_promisc": True}),
    (VETH, {"peer_allmulti": True}),
    (VETH, {"up": False}),
    (VETH, {"peer_up": False}),
    (PORT, {"bridge": "br1"}),
    (PORT, {"hairpin": False}),
    *((PORT, {name: value}) for name, value in OTHER_PORT_OPTIONS.items() if name != "hairpin"),
    (NETNS, {"alias": "netspec:default:endpoint/other"}),
    (NETNS, {"lo_up": False}),
    (ADDRESS, {"marked": False, "protocol": 0}),
    (ROUTE, {"via": ip_address("172.17.0.99")}),
    (ROUTE, {"link": "eth1", "via": ip_address("172.18.0.1")}),
    (ROUTE, {"nexthops": HOPS, "via": "", "link": ""}),
    (ROUTE, {"type": 6, "via": "", "link": ""}),
    (ROUTE, {"source": ip_address("172.18.0.2")}),
    (ROUTE, {"scope": 200}),
    (ROUTE, {"mtu": 1400}),
    (ROUTE, {"onlink": True}),
    (ROUTE, {"marked": False, "protocol": 4}),
    (FILE, {"text": "10.0.0.1 other\n"}),
    (FILE, {"mode": 0o600}),
    (NEIGHBOR, {"mac": "02:00:00:00:00:0a"}),
    (NEIGHBOR, {"marked": False, "protocol": 4}),
    (Key("sysctl", "web", NOTIFY), {"value": "0"}),
    (Key("sysctl", "", PORT_RANGE), {"value": "30000\t40000"}),
    (Key("sysctl", "", FORWARD), {"value": "0"}),
    (IFB, {"alias": "netspec:default:endpoint/other"}),
    (IFB, {"group": 7}),
    (IFB, {"up": False}),
    (QDISC, {"rate": 1_250_000, "queue": 70_000}),
    (QDISC, {"burst": 131_072}),
    (REDIRECT, {"to": "ifb9"}),
    (ELEMENT, {"value": "172.18.0.2 . 81"}),
    (Key("element", "", "masquerade4 172.17.0.0/16"), {}),
    *((Key("field", "", f"to-web/port.{name}"), {"value": "off"}) for name in ("hairpin", "learning", "flood")),
    (Key("field", "", "to-web/port.isolated"), {"value": "on"}),
    (Key("field", "", "to-web/up"), {"value": "off"}),
    (Key("field", "", "br0/mtu"), {"value": "1400"}),
    (Key("field", "", "br0/mac"), {"value": "02:00:00:00:00:17"}),
    (Key("field", "", "br0/stp"), {"value": "on"}),
    (Key("field", "", "br0/ageing_time"), {"value": "10"}),
]
"""Objects, and other values with which they could do their work; no values at all: it is deleted."""


def observed() -> dict[Key, Resource]:
    """All that the kernel has now."""
    scope = Scope(stack="default", sysctls=SYSCTLS, named=frozenset({"lent0", "br0", "to-web"}))
    return dict(observed_state(LinuxKernel().snapshot(scope)))


@pytest.fixture(scope="module")
def talks() -> Iterator[Talks]:
    """A host with something of every kind, and connections through all of it."""
    with fresh_host():
        shell(AROUND)
        apply(SPEC)
        shell("ip address add 172.17.0.99/16 dev br0; ip address add 172.18.0.99/16 dev br1")
        found = Talks(WAYS)
        try:
            yield found
        finally:
            found.close()


def name_of(value: Key | dict[str, Any]) -> str:
    """The object, or its fields, as a name for a test."""
    return "+".join(value) or "deleted" if isinstance(value, dict) else str(value).replace("/", " ")


def declared(before: Resource, after: Resource | None) -> Disruption:
    """What the kinds say that a change does."""
    desired = {} if after is None else {before.key(): after}
    found: tuple[Change, ...] = diff(desired, {before.key(): before}, lambda _: True)
    return found[0].disruption


@pytest.mark.parametrize(("key", "fields"), MOVES, ids=name_of)
def test_a_change_does_to_traffic_what_its_level_says(talks: Talks, key: Key, fields: dict[str, Any]) -> None:
    """`flap` where a link goes down, `reset` where a connection falls silent, neither where it is `live` or `none`."""
    before = observed()[key]
    wanted = dataclasses.replace(before, **fields) if fields else None
    if wanted is not None and LinuxKernel().missing_features(tuple(kind_of(before).needs(wanted))):
        pytest.skip("this kernel has no such feature")
    level = declared(before, wanted)
    talks.begin()
    try:
        assert measured(talks, before, wanted, level) == told(level)
        if wanted is not None:
            back = declared(wanted, before)
            watch = Watch(SPACES)
            watch.begin()
            LinuxKernel().execute(list(kind_of(wanted).update(wanted, before)))
            assert bool(watch.lost()) == (back is Disruption.FLAP)
    finally:
        apply(SPEC)


def measured(talks: Talks, before: Resource, after: Resource | None, level: Disruption) -> str:
    """Make a change and look what becomes of links and connections."""
    kind, watch = kind_of(before), Watch(SPACES)
    watch.begin()
    LinuxKernel().execute(list(kind.delete(before) if after is None else kind.update(before, after)))
    silent = talks.silent(GOES_ON if level <= Disruption.LIVE else 1)
    if lost := watch.lost():
        return f"a link goes down: {Disruption.FLAP}" if level is Disruption.FLAP else f"down: {lost}"
    if silent:
        return f"silence: {Disruption.RESET}" if level is Disruption.RESET else f"silent: {silent}"
    return "goes on"


def told(level: Disruption) -> str:
    """What a level promises, in the words of `measured`."""
    if level is Disruption.FLAP:
        return f"a link goes down: {level}"
    return f"silence: {level}" if level is Disruption.RESET else "goes on"


def test_every_field_that_changes_in_place_is_measured() -> None:
    """Of every kind that netspec makes. Who may talk to whom needs connections that are no longer let in."""
    kept_by_others = {(AttachedNetns, name) for name in ("alias", "path", "started")}
    measured_elsewhere = kept_by_others | {(Admission, "rules"), (OtherLink, "alias"), (OtherLink, "group")}
    # A mark is a word about the object: tests/packets/test_ownership.py has a connection go on.
    marks = {(kind, "marked") for kind in (NatElement, File)}
    everything = {key: kind for kind in kinds() for key in [kind.resource]}
    named = {(_kind_at(key), name) for key, fields in MOVES for name in fields}
    declared_in_place = {
        (kind, rule.name) for kind in everything for rule in compared_fields(kind) if rule.policy is Policy.IN_PLACE
    }

    assert {str(each) for each in declared_in_place - named - measured_elsewhere - marks} == set()


def _kind_at(key: Key) -> type[Resource]:
    """The kind of an object in the table above."""
    of_class: dict[str, type[Resource]] = {
        "field": LinkField, "port": Port, "netns": Netns, "address": Address, "route": Route, "file": File,
        "neighbor": Neighbor, "qdisc": Qdisc, "redirect": Redirect, "element": NatElement, "altname": Altname,
    }  # fmt: skip
    if key.kind == "link":
        return {"br0": Bridge, "to-web": Veth}.get(key.name, Ifb)
    if key.kind == "sysctl":
        return InnerSysctl if key.netns else Sysctl
    return of_class[key.kind]
