"""What forbids a plan: each is found before anything is changed, and says what it is and where the spec wants it."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netspec.engine.intent import Intent
from netspec.errors import Refused
from netspec.kernel.operations import (
    AddressAdd,
    LinkAdd,
    LinkSet,
    NetnsAdd,
    Operation,
    Peer,
    RouteAdd,
    SysctlWrite,
    TableAdd,
)
from netspec.kernel.snapshot import Listener
from tests.engine.sites import Site, fake
from tests.specs import BASE, DUAL, edited, intent

ENDPOINT = "netspec: 1\nbridges: {br0: {}}\nendpoints: {db: {bridge: br0, host_name: to-db}}\n"
ANY = "0.0.0.0"  # noqa: S104  where the listeners under test listen
TABLE = "inet netspec-default"
OTHERS = "table inet netspec-default {\n\tset s {\n\t\ttype inet_service\n\t}\n}\n"


def found(site: Site, spec: str) -> list[tuple[str, str, str]]:
    """Code, message and address of all that is in the way; the host must not have changed for it."""
    before = site.rows()
    reconciler = site.reconciler()
    proposal = reconciler.propose(intent(spec))
    if proposal.diagnostics:
        with pytest.raises(Refused) as caught:
            reconciler.carry_out(proposal)
        assert caught.value.diagnostics == proposal.diagnostics
    assert (site.rows(), reconciler.journal.read()) == (before, None)
    assert all(each.hint and each.place for each in proposal.diagnostics if not each.address.startswith("nat"))
    return [(each.code, each.message, each.address) for each in proposal.diagnostics]


PLACES: list[tuple[str, list[Operation], tuple[str, str]]] = [
    (
        "a bridge",
        [LinkAdd(name="br0", kind="bridge")],
        ("link/br0 is in the way: bridge, and netspec did not make it", "bridge/br0"),
    ),
    (
        "another sort of link",
        [LinkAdd(name="br0", kind="veth", peer=Peer(netns="", name="x"))],
        ("link/br0 is in the way: veth link, and netspec did not make it", "bridge/br0"),
    ),
    (
        "a host end",
        [LinkAdd(name="to-db", kind="veth", peer=Peer(netns="", name="x"))],
        ("link/to-db is in the way: veth link, and netspec did not make it", "endpoint/db"),
    ),
    (
        "another stack's link",
        [LinkAdd(name="br0", kind="bridge", alias="netspec:shop:bridge/br0")],
        ("link/br0 is in the way: bridge, and it belongs to stack shop", "bridge/br0"),
    ),
    (
        "a namespace",
        [NetnsAdd(name="db", alias="")],
        ("netns/db is in the way: network namespace /run/netns/db, and netspec did not make it", "endpoint/db"),
    ),
    (
        "another stack's namespace",
        [NetnsAdd(name="db", alias="netspec:shop:endpoint/db")],
        ("netns/db is in the way: network namespace /run/netns/db, and it belongs to stack shop", "endpoint/db"),
    ),
    (
        "a table",
        [TableAdd(name="netspec-default", text=OTHERS)],
        (
            f"table/{TABLE} is in the way: nftables table {TABLE}, and netspec did not make it",
            "nat",
        ),
    ),
]


@pytest.mark.parametrize(("taken", "expected"), [each[1:] for each in PLACES], ids=[each[0] for each in PLACES])
def test_a_foreign_object_where_the_spec_wants_one(
    site: Site, taken: list[Operation], expected: tuple[str, str]
) -> None:
    """Refused with what it is and whose; never taken over."""
    site.kernel.execute(taken)

    assert found(site, ENDPOINT) == [("NS0401", *expected)]


def test_a_physical_link_of_that_name(in_memory: Site) -> None:
    """The uplink has the name that a bridge wants."""
    fake(in_memory).plug("br0")

    assert found(in_memory, ENDPOINT) == [
        ("NS0401", "link/br0 is in the way: physical link, and netspec did not make it", "bridge/br0")
    ]


def test_a_foreign_link_in_our_namespace_where_an_interface_shall_be(site: Site) -> None:
    """The far end of a new pair is an object too."""
    site.apply("netspec: 1\nendpoints: {db: {interfaces: {}}}\n")
    site.kernel.execute([LinkAdd(netns="db", name="eth0", kind="bridge")])

    assert found(site, ENDPOINT) == [
        ("NS0401", "link/db/eth0 is in the way: bridge, and netspec did not make it", "endpoint/db")
    ]


def test_our_own_remains_are_taken_over(site: Site) -> None:
    """A link of our group without an alias, as a killed creation leaves it, is ours: put right, not refused."""
    whole = site.rows()
    site.apply(ENDPOINT)
    built = site.rows()
    site.kernel.execute([LinkSet(name="br0", alias="")])
    site.apply(ENDPOINT)
    assert site.rows() == built
    site.destroy()

    assert site.rows() == whole


def test_a_dead_name_of_ours_is_replaced_and_one_of_others_is_not(in_memory: Site) -> None:
    """A file in /run/netns with nothing mounted: ours where its content says so."""
    fake(in_memory).leave_dead_name("db", "netspec:default:endpoint/db\n")
    in_memory.apply(ENDPOINT)
    assert in_memory.steps(ENDPOINT) == []
    in_memory.destroy()
    fake(in_memory).leave_dead_name("db")

    assert [(code, address) for code, _, address in found(in_memory, ENDPOINT)] == [("NS0401", "endpoint/db")]


ROUTES: list[tuple[str, str, str | None]] = [
    ("the same", "10.1.0.0/24", "10.1.0.0/24 via 192.0.2.9 dev up0"),
    ("a part of it", "10.1.0.128/25", "10.1.0.128/25 via 192.0.2.9 dev up0"),
    ("one around it", "10.0.0.0/8", "10.0.0.0/8 via 192.0.2.9 dev up0"),
    ("beside it", "10.1.1.0/24", None),
    ("everything", "0.0.0.0/0", None),
]


@pytest.mark.parametrize(("to", "route"), [each[1:] for each in ROUTES], ids=[each[0] for each in ROUTES])
def test_a_subnet_that_overlaps_a_route(site: Site, to: str, route: str | None) -> None:
    """The message names the route; a default route overlaps nothing."""
    site.kernel.execute(
        [
            LinkAdd(name="up0", kind="bridge"),
            LinkSet(name="up0", up=True),
            AddressAdd(link="up0", address=ip_interface("192.0.2.1/24")),
            RouteAdd(to=ip_network(to), via=ip_address("192.0.2.9"), protocol=4),
        ]
    )
    spec = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n"
    words = f"the subnet 10.1.0.0/24 overlaps a route of this host: {route}"

    assert found(site, spec) == ([("NS0402", words, "bridge/br0")] if route else [])


def test_a_subnet_of_another_link_or_table(site: Site) -> None:
    """A connected route is a route; one in another table than main is nobody's overlap."""
    site.kernel.execute(
        [
            LinkAdd(name="up0", kind="bridge"),
            LinkSet(name="up0", up=True),
            AddressAdd(link="up0", address=ip_interface("10.1.0.77/16")),
            RouteAdd(to=ip_network("10.2.0.0/24"), link="up0", table=100, scope=253, protocol=4),
        ]
    )
    words = "the subnet 10.1.0.0/24 overlaps a route of this host: 10.1.0.0/16 dev up0"

    assert found(site, BASE) == [("NS0402", words, "bridge/br0")]


def test_a_subnet_that_another_stack_has(site: Site) -> None:
    """Two stacks cannot share one either."""
    site.apply(edited(BASE, ("netspec: 1\n", "netspec: 1\nstack: shop\n"), ("br0", "br9")))

    assert ("NS0402", "bridge/br0") in [(code, address) for code, _, address in found(site, BASE)]


def plugged(*addresses: str, up: bool = True, link: str = "up0") -> list[Operation]:
    """A link of somebody's with addresses."""
    made: list[Operation] = [] if link == "lo" else [LinkAdd(name=link, kind="bridge"), LinkSet(name=link, up=up)]
    return made + [AddressAdd(link=link, address=ip_interface(each)) for each in addresses]


MEETINGS: list[tuple[str, list[Operation], str, str | None]] = [
    (
        "an address without a route",
        plugged("10.1.0.77/16", up=False),
        "[10.1.0.0/24]",
        "the subnet 10.1.0.0/24 overlaps an address of this host: 10.1.0.77/16 on up0",
    ),
    (
        "an address of lo",
        plugged("10.1.0.77/32", link="lo"),
        "[10.1.0.0/24]",
        "the subnet 10.1.0.0/24 overlaps an address of this host: 10.1.0.77/32 on lo",
    ),
    ("an address of lo beside it", plugged("10.1.1.77/32", link="lo"), "[10.1.0.0/24]", None),
    (
        "an IPv6 route",
        [*plugged("fd00:9::1/64"), RouteAdd(to=ip_network("fd00:1::/48"), via=ip_address("fd00:9::9"), protocol=4)],
        '["fd00:1:0:5::/64"]',
        "the subnet fd00:1:0:5::/64 overlaps a route of this host: fd00:1::/48 via fd00:9::9 dev up0",
    ),
    (
        "an IPv6 address",
        plugged("fd00:1::77/48", up=False),
        '["fd00:1::/64"]',
        "the subnet fd00:1::/64 overlaps an address of this host: fd00:1::77/48 on up0",
    ),
    ("link-local addresses", plugged("fe80::77/64"), '["fd00:1::/64"]', None),
    (
        "a subnet in which the host has no address",
        plugged("10.1.0.77/16"),
        "[{cidr: 10.1.0.0/24, gateway: none}]",
        "the subnet 10.1.0.0/24 overlaps a route of this host: 10.1.0.0/16 dev up0",
    ),
    (
        "the second of two",
        plugged("fd00:1::77/64"),
        '[10.1.0.0/24, "fd00:1::/64"]',
        "the subnet fd00:1::/64 overlaps a route of this host: fd00:1::/64 dev up0",
    ),
]


@pytest.mark.parametrize("there", [False, True], ids=["new bridge", "added subnet"])
@pytest.mark.parametrize(
    ("taken", "subnets", "message"), [each[1:] for each in MEETINGS], ids=[each[0] for each in MEETINGS]
)
def test_a_subnet_that_meets_what_the_host_has(
    site: Site, taken: list[Operation], subnets: str, message: str | None, there: bool
) -> None:
    """Routes and addresses, both families, whether the bridge is new or gets a subnet more."""
    site.kernel.execute(taken)
    if there:
        site.apply("netspec: 1\nbridges: {br0: {}}\n")

    assert found(site, f"netspec: 1\nbridges: {{br0: {{subnets: {subnets}}}}}\n") == (
        [("NS0402", message, "bridge/br0")] if message else []
    )


def test_a_subnet_of_another_stack_without_an_address_on_the_host(site: Site) -> None:
    """Its endpoints have addresses, and nobody else has."""
    lonely = "netspec: 1\nstack: shop\nbridges: {br9: {subnets: [{cidr: 10.1.0.0/24, gateway: none}]}}\n"
    site.apply(lonely + "endpoints: {till: {bridge: br9}}\n")

    assert found(site, "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/16]}}\n") == [
        ("NS0402", "the subnet 10.1.0.0/16 overlaps endpoint/till of stack shop: 10.1.0.1/24", "bridge/br0")
    ]
    site.destroy("shop")
    assert found(site, "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/16]}}\n") == []


def test_an_address_may_move_within_what_is_ours(site: Site) -> None:
    """The routes of our own links are no obstacle, whatever changes places with whatever."""
    site.apply(BASE)

    assert found(site, edited(BASE, ("10.1.0.0/24", "10.1.0.0/16"))) == []


def _listener(protocol: str, address: str, port: int) -> Listener:
    return Listener(protocol=protocol, address=ip_address(address), port=port, pid=42, command="nginx")


BUSY = [
    ("tcp", ANY, 8080, "8080:80", True),
    ("tcp", "::", 8080, "8080:80", True),
    ("tcp", "192.0.2.1", 8080, "8080:80", True),
    ("tcp", "192.0.2.1", 8080, "192.0.2.1:8080:80", True),
    ("tcp", "192.0.2.1", 8080, "192.0.2.2:8080:80", False),
    ("tcp", ANY, 8080, "192.0.2.2:8080:80", True),
    ("tcp", "::1", 8080, "8080:80", False),
    ("udp", ANY, 8080, "8080:80", False),
    ("udp", ANY, 8080, "8080:80/udp", True),
    ("tcp", ANY, 8081, "8080:80", False),
    ("tcp", ANY, 8085, "8080-8089:8080-8089", True),
    ("tcp", ANY, 8085, "8080-8089:80-89", True),
    ("tcp", ANY, 8090, "8080-8089:8080-8089", False),
]


@pytest.mark.parametrize(("listener", "publish", "busy"), [(each[:3], *each[3:]) for each in BUSY])
def test_a_port_on_which_a_process_listens(
    in_memory: Site, listener: tuple[str, str, int], publish: str, busy: bool
) -> None:
    """Its connections would go elsewhere: refused, with pid and command."""
    protocol, address, port = listener
    fake(in_memory).listening.append(_listener(*listener))
    spec = edited(BASE, ('["8080:80", "53:53/udp"]', f'["{publish}"]'))
    words = f"host port {port}/{protocol} is busy: process 42 (nginx) listens on {address}"

    assert found(in_memory, spec) == ([("NS0403", words, "endpoint/web.publish[0]")] if busy else [])


def test_a_port_that_is_published_already_may_be_listened_on(in_memory: Site) -> None:
    """Who listens behind our back later on does not break the next apply; nor does a retargeted publication."""
    in_memory.apply(BASE)
    fake(in_memory).listening.append(_listener("tcp", ANY, 8080))

    assert found(in_memory, edited(BASE, ("8080:80", "8080:81"))) == []


def test_an_ipv6_listener_meets_an_ipv6_publication(in_memory: Site) -> None:
    """Each family for itself, but for the wildcard of both."""
    fake(in_memory).listening.append(_listener("tcp", "2001:db8::1", 8080))

    assert [code for code, _, _ in found(in_memory, DUAL)] == ["NS0403"]


def test_a_sysctl_that_the_kernel_does_not_have(site: Site) -> None:
    """Named, with the way out; nothing else of the spec is applied."""
    spec = edited(BASE, ("nat:", "sysctls: {net.ipv4.no_such_thing: 1}\nnat:"))

    assert found(site, spec) == [
        ("NS0404", "this kernel has no sysctl net.ipv4.no_such_thing", "sysctl/net.ipv4.no_such_thing")
    ]


def test_a_feature_that_the_kernel_lacks(in_memory: Site) -> None:
    """Named with what needs it and in the kernel's words; not asked for again once there is one of ours."""
    fake(in_memory).host.unsupported = frozenset({"veth", "nft-nat"})
    messages = {message for code, message, _ in found(in_memory, BASE) if code == "NS0405"}

    assert messages == {
        "this kernel lacks nft-nat, which nat needs: Operation not supported",
        "this kernel lacks veth, which endpoint/db needs: Operation not supported",
    }
    fake(in_memory).host.unsupported = frozenset()
    in_memory.apply(BASE)
    fake(in_memory).host.unsupported = frozenset({"veth", "nft-nat", "netns", "bridge"})
    assert found(in_memory, edited(BASE, ("  db:", "  dc: {bridge: br0}\n  db:"))) == []


def test_sctp_and_the_guard_need_features_of_their_own(in_memory: Site) -> None:
    """Named by what needs them, and only where something does."""
    fake(in_memory).host.unsupported = frozenset({"sctp", "nft-bridge"})
    unguarded = edited(BASE, ("br0: {", "br0: {antispoof: false, "), ("br1: {", "br1: {antispoof: false, "))

    assert found(in_memory, edited(unguarded, ("53:53/udp", "53:53/sctp"))) == [
        (
            "NS0405",
            "this kernel lacks sctp, which endpoint/web.publish[1] needs: Operation not supported",
            "endpoint/web.publish[1]",
        )
    ]
    assert [(code, address) for code, _, address in found(in_memory, BASE)] == [("NS0405", "nat")]
    assert found(in_memory, unguarded) == []


def test_a_policy_within_a_bridge_needs_a_feature_of_its_own(in_memory: Site) -> None:
    """On a bridge that is there already as well; one between bridges does not, nor does what is there."""
    fake(in_memory).host.unsupported = frozenset({"br-netfilter"})
    within = f"{BASE}policies: [deny: {{from: web, to: db}}]\n"
    across = f"{BASE}policies: [deny: {{from: web, to: br1}}]\n"
    refused = [
        ("NS0405", "this kernel lacks br-netfilter, which bridge/br0 needs: Operation not supported", "bridge/br0")
    ]

    assert found(in_memory, within) == refused
    assert found(in_memory, across) == []
    in_memory.apply(across)
    assert found(in_memory, within) == refused
    fake(in_memory).host.unsupported = frozenset()
    in_memory.apply(within)
    fake(in_memory).host.unsupported = frozenset({"br-netfilter"})
    assert found(in_memory, within.replace("to: db", "to: [db, br0]")) == []


def test_everything_in_the_way_is_said_at_once(in_memory: Site) -> None:
    """One look, all obstacles, foreign objects first."""
    in_memory.kernel.execute([LinkAdd(name="br0", kind="bridge"), NetnsAdd(name="db", alias="")])
    fake(in_memory).listening.append(_listener("tcp", ANY, 8080))

    assert [code for code, _, _ in found(in_memory, BASE)] == ["NS0401", "NS0401", "NS0403"]


def test_a_destroy_has_no_obstacles(in_memory: Site) -> None:
    """Removing asks for nothing that others could hold."""
    in_memory.apply(BASE)
    in_memory.kernel.execute([SysctlWrite(key="net.ipv4.ip_forward", value="0")])
    fake(in_memory).listening.append(_listener("tcp", ANY, 8080))

    assert in_memory.reconciler().propose(Intent(stack="default")).diagnostics == ()
