"""What a kind says that the kernel changes on the living object, the kernel really changes, and on the same object."""

import dataclasses
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from netspec.core.resource import Key, Policy, Resource
from netspec.engine.observation import kind_of, observed_state
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import NextHop
from netspec.kernel.snapshot import Scope
from netspec.kinds import kinds
from netspec.kinds._links import hashed_name
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.other_link import OtherLink
from tests.kinds.examples import OTHER_OPTIONS, OTHER_PORT_OPTIONS
from tests.live.driving import apply
from tests.sandboxed import NETNS_DIR, fresh_host, inside, run

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges:
  br0: {subnets: [172.17.0.0/16]}
  br1: {subnets: [172.18.0.0/16], ports: [lent0]}
endpoints:
  web:
    publish: ["8080:80"]
    neighbors: [{address: 172.17.0.9, mac: 02:00:00:00:00:09}]
    hosts: {db: 172.17.0.5}
    sysctls: {net.ipv4.conf.eth0.arp_notify: 1}
    interfaces:
      eth0: {bridge: br0, address: 172.17.0.2, host_name: to-web, altnames: [front], limit: {egress: 20mbit}}
      eth1: {bridge: br1, address: 172.18.0.2, host_name: to-web1}
sysctls:
  net.ipv4.ip_local_port_range: 20000 40000
"""
FLOWS = Key("flows", "", "netspec-default")
SYSCTLS = frozenset({("", "net.ipv4.ip_local_port_range"), ("web", "net.ipv4.conf.eth0.arp_notify")})
SYSCTL = "net.ipv4.ip_local_port_range"

BRIDGE, VETH, PORT = Key("link", "", "br0"), Key("link", "", "to-web"), Key("port", "", "to-web")
LENT = Key("field", "", "lent0/up")
NETNS, ADDRESS = Key("netns", "", "web"), Key("address", "web", "eth0/172.17.0.2/16")
ROUTE, ELEMENT = Key("route", "web", "default"), Key("element", "", "publish4 tcp . 8080")
ALTNAME = Key("altname", "web", "front")
FILE = Key("file", "web", "hosts")
INNER = Key("sysctl", "web", "net.ipv4.conf.eth0.arp_notify")
NEIGHBOR = Key("neighbor", "web", "eth0/172.17.0.9")
HOPS = tuple(
    NextHop(via=ip_address(via), link=link, weight=weight)
    for via, link, weight in (("172.17.0.1", "eth0", 1), ("172.18.0.1", "eth1", 5))
)

_IFB = hashed_name("ifb", "default", "web", "eth0")
IFB, QDISC, REDIRECT = Key("link", "", _IFB), Key("qdisc", "", _IFB), Key("redirect", "", "to-web")

MOVES: list[tuple[Key, dict[str, Any]]] = [
    (BRIDGE, {"alias": "netspec:default:bridge/other"}),
    (BRIDGE, {"group": 7}),
    (BRIDGE, {"mac": "02:00:00:00:00:17"}),
    (BRIDGE, {"mtu": 1400}),
    (BRIDGE, {"mtu": 9000}),
    (BRIDGE, {"addr_gen_mode": 0}),
    (BRIDGE, {"ipv6": False}),
    (BRIDGE, {"route_localnet": False}),
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
    (VETH, {"mtu": 9000, "peer_mtu": 9000}),
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
    (FLOWS, {"rules": "another digest"}),
    *((PORT, {name: value}) for name, value in OTHER_PORT_OPTIONS.items() if name != "hairpin"),
    (LENT, {"value": "off"}),
    (NETNS, {"alias": "netspec:default:endpoint/other"}),
    (NETNS, {"lo_up": False}),
    (ADDRESS, {"marked": False, "protocol": 0}),
    (ROUTE, {"via": ip_address("172.17.0.99")}),
    (ROUTE, {"link": "eth1", "via": ip_address("172.18.0.99")}),
    (ROUTE, {"nexthops": HOPS, "via": "", "link": ""}),
    (ROUTE, {"type": 6, "via": "", "link": ""}),
    (ROUTE, {"source": ip_address("172.18.0.2")}),
    (ROUTE, {"scope": 200}),
    (ROUTE, {"mtu": 1400}),
    (ROUTE, {"onlink": True}),
    (ROUTE, {"marked": False, "protocol": 4}),
    (FILE, {"text": "10.0.0.1 other\n"}),
    (FILE, {"mode": 0o600}),
    (INNER, {"value": "0"}),
    (NEIGHBOR, {"mac": "02:00:00:00:00:0a"}),
    (NEIGHBOR, {"marked": False, "protocol": 4}),
    (NEIGHBOR, {"marked": False, "protocol": 0}),
    (Key("sysctl", "", SYSCTL), {"value": "30000\t40000"}),
    (IFB, {"alias": "netspec:default:endpoint/other"}),
    (IFB, {"group": 7}),
    (IFB, {"up": False}),
    (QDISC, {"rate": 1_250_000, "queue": 70_000}),
    (QDISC, {"burst": 131_072}),
    (REDIRECT, {"to": "br1"}),
    (ELEMENT, {"value": "172.18.0.2 . 81"}),
]


def observed() -> dict[Key, Resource]:
    """All that the kernel has now."""
    scope = Scope(stack="default", sysctls=SYSCTLS, named=frozenset({"lent0"}))
    return dict(observed_state(LinuxKernel().snapshot(scope)))


def identities() -> dict[str, int]:
    """What only a new object would change: the ifindex of every link, the inode of every namespace."""
    found = {f"netns {path.name}": path.stat().st_ino for path in NETNS_DIR.iterdir()}
    for name in ("", "web"):
        with inside(name):
            for line in run("ip -o link").splitlines():
                index, link, *_ = line.split(": ")
                found[f"{name} {link.partition('@')[0]}"] = int(index)
    return found


@pytest.fixture(scope="module")
def site() -> Iterator[None]:
    """A host with something of every kind."""
    with fresh_host():
        run("ip link add lent0 type veth peer name lent1")
        apply(SPEC)
        yield


def name_of(value: Key | dict[str, Any]) -> str:
    """The object, or its fields, as a name for a test."""
    return "+".join(value) if isinstance(value, dict) else str(value).replace("/", " ")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(("key", "fields"), MOVES, ids=name_of)
def test_the_kernel_changes_it_on_the_living_object(key: Key, fields: dict[str, Any]) -> None:
    """The field is new, the rest of the object is not, and no link or namespace was made again; then back."""
    before, alive = observed()[key], identities()
    if missing := missing_features(key, before, fields):
        pytest.skip(missing)
    wanted = dataclasses.replace(before, **fields)
    update = kind_of(before).update

    LinuxKernel().execute(list(update(before, wanted)))
    after = observed().get(key)
    assert (unmarked(after), identities()) == (unmarked(wanted), alive)

    LinuxKernel().execute(list(update(wanted, before)))
    apply(SPEC)
    assert (compared(observed()[key]), identities()) == (compared(before), alive)


def missing_features(key: Key, before: Resource, fields: dict[str, Any]) -> str:
    """What this kernel lacks for it, in its words."""
    needed = kind_of(before).needs(dataclasses.replace(before, **fields))
    return "".join(f"{key}: {words}" for words in LinuxKernel().missing_features(needed).values())


def unmarked(resource: Resource | None) -> Resource | None:
    """Without its mark, which follows the alias, and what the kernel keeps beside the point."""
    if resource is None:
        return None
    beside = {"settings": (), "stands_on": (), "over": (), "former": None}
    carried = {name: value for name, value in beside.items() if hasattr(resource, name)}
    return dataclasses.replace(resource, mark=None, **carried)


def compared(resource: Resource) -> dict[str, object]:
    """The fields that a plan looks at."""
    fields = [each.name for each in _fields(resource) if _policy(each) is not Policy.CARRIED]
    return {name: getattr(resource, name) for name in fields}


@pytest.mark.usefixtures("site")
def test_every_field_that_changes_in_place_is_moved_here() -> None:
    """Of every kind that netspec makes; a new kind or field brings a line into the table above.

    A name for a namespace of others needs such a one: test_attach.py. Marks change hands: tests/cli/test_ownership.py.
    """
    everything = observed()
    moved = {(type(everything[key]), name) for key, fields in MOVES for name in fields}
    declared = {
        (kind.resource, each.name)
        for kind in kinds()
        if kind.resource not in (OtherLink, AttachedNetns)
        for each in _fields(kind.resource)
        if _policy(each) is Policy.IN_PLACE and each.name != "marked"
    }

    assert {str(each) for each in declared - moved} == set()


def _fields(of: Any) -> tuple[Any, ...]:  # noqa: ANN401  an instance or a type
    return dataclasses.fields(of)


def _policy(field: "dataclasses.Field[Any]") -> Policy:
    found: Policy = field.metadata.get("policy", Policy.CARRIED)
    return found
