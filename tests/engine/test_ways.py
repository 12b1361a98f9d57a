"""What lies on the way to a peer, and which changes of it touch that: links of all sorts, routes, rules, neighbours."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from netspec.core.change import diff
from netspec.core.plan import make_plan
from netspec.core.resource import Resource
from netspec.core.state import merge
from netspec.engine.lockout import lockouts
from netspec.engine.observation import observed_state
from netspec.engine.obstacles import Ground
from netspec.engine.paths import paths
from netspec.engine.peers import session_peers
from netspec.kernel.fake import FakeKernel
from netspec.kernel.operations import Address
from netspec.kernel.sightings import Way
from netspec.kernel.snapshot import AddressRow, LinkRow, NeighborRow, RouteRow, Snapshot
from netspec.kinds.address import Address as AddressResource
from netspec.kinds.neighbor import Neighbor
from netspec.kinds.qdisc import Qdisc
from netspec.kinds.route import MAIN, Route
from netspec.kinds.rule import Rule

CLIENT, GATEWAY = ip_address("198.51.100.7"), ip_address("192.0.2.254")
PEERS = session_peers("198.51.100.7 50000 192.0.2.1 22")


class Reached(FakeKernel):
    """A host that says by which link and port everything is reached."""

    def __init__(self, link: str, port: str = "") -> None:
        """See the class."""
        super().__init__()
        self._way = Way(link=link, via=GATEWAY, source=ip_address("192.0.2.1"), port=port)

    def way_to(self, address: Address, link: str = "") -> Way | None:  # noqa: ARG002  all are reached alike
        """Always the same."""
        return self._way


def links(*rows: tuple[str, str, str, str]) -> tuple[LinkRow, ...]:
    """Links as name, kind, master and parent; those called `our…` are ours."""
    return tuple(
        LinkRow(
            netns="",
            name=name,
            index=number,
            kind=kind,
            master=master,
            parent=parent,
            alias="netspec:default:endpoint/x" if name.startswith("our") else "",
        )
        for number, (name, kind, master, parent) in enumerate(rows, 1)
    )


@pytest.mark.parametrize(
    ("way", "rows", "on_the_way"),
    [
        (("eth0", ""), [("eth0", "", "", ""), ("eth1", "", "", "")], "eth0"),
        (("vlan7", ""), [("vlan7", "vlan", "", "eth0"), ("eth0", "", "", ""), ("eth1", "", "", "")], "eth0 vlan7"),
        (("bond0", ""), [("bond0", "bond", "", ""), ("a", "", "bond0", ""), ("b", "", "bond0", "")], "a b bond0"),
        (("eth0", ""), [("eth0", "", "vrf7", ""), ("vrf7", "vrf", "", "")], "eth0 vrf7"),
        (
            ("br0", "eth0"),
            [("br0", "bridge", "", ""), ("eth0", "", "br0", ""), ("eth1", "", "br0", ""), ("our1", "veth", "br0", "")],
            "br0 eth0",
        ),
        (
            ("br0", ""),
            [("br0", "bridge", "", ""), ("eth0", "", "br0", ""), ("eth1", "", "br0", ""), ("our1", "veth", "br0", "")],
            "br0 eth0 eth1",
        ),
        (("br0", "our1"), [("br0", "bridge", "", ""), ("our1", "veth", "br0", "")], "br0 our1"),
        (
            ("br0", "vlan7"),
            [
                ("br0", "bridge", "", ""),
                ("vlan7", "vlan", "br0", "bond0"),
                ("bond0", "bond", "", ""),
                ("a", "", "bond0", ""),
            ],
            "a bond0 br0 vlan7",
        ),
        (("a", ""), [("a", "macvlan", "", "b"), ("b", "", "", "a")], "a b"),
    ],
    ids=["link", "VLAN", "bond", "VRF", "port", "unlearned", "endpoint", "all of it", "circle"],
)
def test_the_way_leads_over_all_that_carries_it(
    way: tuple[str, str], rows: list[tuple[str, str, str, str]], on_the_way: str
) -> None:
    """Parents, members, masters and the port behind which the next machine is; not other ports, if that is known."""
    snapshot = Snapshot(stack="default", links=links(*rows))
    (path,) = paths(Reached(*way), snapshot, PEERS)
    assert " ".join(sorted(path.links)) == on_the_way


def route(to: str, via: str = "192.0.2.254", link: str = "eth0", table: int = MAIN) -> Route:
    """A route of the host, as it was or shall be."""
    return Route(netns="", to=ip_network(to), table=table, metric=0, via=ip_address(via), link=link)


def rule(**fields: Any) -> Rule:  # noqa: ANN401  fields of a rule
    """A rule of the host."""
    plain = Rule(netns="", version=4, priority=100, table=7)
    return replace(plain, **fields)


def address(text: str, link: str) -> AddressResource:
    """An address of the host."""
    return AddressResource(netns="", link=link, address=ip_interface(text))


def neighbor(text: str, link: str, mac: str = "02:00:00:00:00:01") -> Neighbor:
    """A neighbour of the host."""
    return Neighbor(netns="", link=link, address=ip_address(text), mac=mac)


def reasons(before: Iterable[Resource], after: Iterable[Resource]) -> list[str]:
    """Why a plan between two states is a risk, on a host with a default route over eth0."""
    snapshot = Snapshot(
        stack="default",
        links=links(("eth0", "", "", ""), ("eth1", "", "", "")),
        addresses=(AddressRow(netns="", link="eth0", address=ip_interface("192.0.2.1/24")),),
        routes=(
            RouteRow(netns="", to=ip_network("0.0.0.0/0"), via=GATEWAY, link="eth0"),
            RouteRow(netns="", to=ip_network("192.0.2.0/24"), link="eth0"),
        ),
        neighbors=(NeighborRow(netns="", link="eth0", address=GATEWAY, mac="02:00:00:00:00:01"),),
    )
    desired, _ = merge(after)
    there, _ = merge(before)
    kernel = Reached("eth0")
    ground = Ground(
        kernel=kernel,
        stack="default",
        plan=make_plan(diff(desired, {**there}, lambda _: True)),
        desired=desired,
        observed={**observed_state(snapshot), **there},
        snapshot=snapshot,
        place_of=lambda _: None,
    )
    return [why.removesuffix(": 198.51.100.7 (the SSH client)") for why in lockouts(ground, PEERS).values()]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([route("0.0.0.0/0")], [], "the way takes the route default"),
        ([route("0.0.0.0/0")], [route("0.0.0.0/0", via="192.0.2.253")], "the way takes the route default"),
        ([], [route("198.51.100.0/24", link="eth1")], "the route 198.51.100.0/24 would be taken"),
        ([], [route("192.0.2.254/32", link="eth1")], "the route 192.0.2.254/32 would be taken"),
        ([], [route("198.51.100.0/24", table=7)], "the route 198.51.100.0/24 table 7 would be taken"),
        ([], [route("203.0.113.0/24")], ""),
        ([route("203.0.113.0/24")], [], ""),
        ([], [rule()], "a rule decides its route"),
        ([rule(to=ip_network("198.51.100.0/24"))], [], "a rule decides its route"),
        ([], [rule(to=ip_network("203.0.113.0/24"))], ""),
        ([], [rule(source=ip_network("192.0.2.0/24"))], "a rule decides its route"),
        ([], [rule(source=ip_network("10.0.0.0/8"))], ""),
        ([], [rule(iif="eth1")], ""),
        ([address("192.0.2.1/24", "eth0")], [], "192.0.2.1 is the address of this host on the way"),
        ([address("192.0.2.2/24", "eth0")], [], "the way leads through 192.0.2.0/24 on eth0"),
        ([address("10.0.0.1/24", "eth0")], [], ""),
        ([], [address("198.51.100.1/24", "eth1")], "198.51.100.0/24 would lead over eth1"),
        ([], [address("192.0.2.3/24", "eth0")], ""),
        ([], [address("10.0.0.1/24", "eth1")], ""),
        ([neighbor("192.0.2.254", "eth0")], [], "192.0.2.254 is the next machine on the way"),
        ([neighbor("192.0.2.254", "eth0")], [neighbor("192.0.2.254", "eth0", "02:00:00:00:00:02")], "192.0.2.254 is"),
        ([neighbor("192.0.2.253", "eth0")], [], ""),
        ([neighbor("192.0.2.254", "eth1")], [], ""),
        ([], [Qdisc(netns="", link="eth0", rate=1000, burst=1000)], "the way leads over eth0"),
        ([], [Qdisc(netns="", link="eth1", rate=1000, burst=1000)], ""),
    ],
)
def test_changes_of_routing_touch_the_way_where_it_would_be_another(
    before: list[Resource], after: list[Resource], why: str
) -> None:
    """By the prefix that the kernel takes, for the peer and for the gateway to it."""
    found = reasons(before, after)
    assert len(found) == bool(why)
    assert all(each.startswith(why) for each in found)
