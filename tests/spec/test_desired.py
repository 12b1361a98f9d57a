"""From a document to what is wanted of a host: who gets which address, and what is found wrong on the way."""

from collections.abc import Mapping
from ipaddress import ip_interface

import pytest

from netspec.core.resource import Key
from netspec.diagnostics import Diagnostic
from netspec.errors import SpecError
from netspec.kernel.operations import Interface
from netspec.kinds._intent import Held, Present
from netspec.kinds.address import Address
from netspec.kinds.bridge import Bridge
from netspec.kinds.nat_element import NatElement
from netspec.kinds.route import Route
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth
from netspec.spec.check import check
from netspec.spec.desired import desired
from tests.specs import BASE, intent, loaded


def wanted(text: str, held: Mapping[tuple[str, str], str] | None = None) -> Mapping[Key, object]:
    """The desired state, on a host where these interfaces hold these addresses."""
    return intent(text).desire(Present(held=_held(held or {})))


def _held(held: Mapping[tuple[str, str], str]) -> Held:
    return {interface: tuple(map(_interface, text.split())) for interface, text in held.items()}


def _interface(text: str) -> Interface:
    return ip_interface(text)


def addresses(text: str, held: Mapping[tuple[str, str], str] | None = None) -> list[str]:
    """`NETNS/LINK ADDRESS` of all endpoints, in the order of the document."""
    found = (each for each in wanted(text, held).values() if isinstance(each, Address) and each.netns)
    return [f"{each.netns}/{each.link} {each.address}" for each in found]


def network(*subnets: str, **endpoints: str) -> str:
    """A spec of one bridge with these subnets, and these endpoints on it."""
    lines = ["netspec: 1", f"bridges: {{lan: {{subnets: [{', '.join(subnets)}]}}}}", "endpoints:"]
    return "\n".join([*lines, *(f"  {name}: {{bridge: lan{body}}}" for name, body in endpoints.items())]) + "\n"


def found(text: str) -> list[tuple[str, int, int, str]]:
    """Code, line, column and message of everything wrong with a spec."""
    with pytest.raises(SpecError) as caught:
        check(loaded(text))
    return [_told(each) for each in caught.value.diagnostics]


def _told(each: Diagnostic) -> tuple[str, int, int, str]:
    place = each.place
    assert place is not None, each
    return each.code, place.line, place.column, each.message


ASSIGNMENTS = [
    ("the lowest free ones", network("10.1.0.0/24", a="", b=""), {}, ["a/eth0 10.1.0.2/24", "b/eth0 10.1.0.3/24"]),
    (
        "statics first",
        network("10.1.0.0/24", a="", b=", address: 10.1.0.2"),
        {},
        ["a/eth0 10.1.0.3/24", "b/eth0 10.1.0.2/24"],
    ),
    (
        "what is held stays",
        network("10.1.0.0/24", a="", b=""),
        {("b", "eth0"): "10.1.0.2/24"},
        ["a/eth0 10.1.0.3/24", "b/eth0 10.1.0.2/24"],
    ),
    (
        "a static one takes a held one",
        network("10.1.0.0/24", a=", address: 10.1.0.2", b=""),
        {("b", "eth0"): "10.1.0.2/24"},
        ["a/eth0 10.1.0.2/24", "b/eth0 10.1.0.3/24"],
    ),
    (
        "held outside the subnet is not held",
        network("10.1.0.0/24", a=""),
        {("a", "eth0"): "10.2.0.9/24"},
        ["a/eth0 10.1.0.2/24"],
    ),
    (
        "held outside the range is not held",
        network("{cidr: 10.1.0.0/24, range: 10.1.0.100-10.1.0.110}", a=""),
        {("a", "eth0"): "10.1.0.9/24"},
        ["a/eth0 10.1.0.100/24"],
    ),
    (
        "held and reserved is not held",
        network("{cidr: 10.1.0.0/24, reserve: [10.1.0.9]}", a=""),
        {("a", "eth0"): "10.1.0.9/24"},
        ["a/eth0 10.1.0.2/24"],
    ),
    (
        "held and the gateway is not held",
        network("{cidr: 10.1.0.0/24, gateway: 10.1.0.9}", a=""),
        {("a", "eth0"): "10.1.0.9/24"},
        ["a/eth0 10.1.0.1/24"],
    ),
    (
        "two hold one",
        network("10.1.0.0/24", a="", b=""),
        {("a", "eth0"): "10.1.0.7/24", ("b", "eth0"): "10.1.0.7/24"},
        ["a/eth0 10.1.0.7/24", "b/eth0 10.1.0.2/24"],
    ),
    (
        "with another prefix length",
        network("10.1.0.0/16", a=""),
        {("a", "eth0"): "10.1.0.9/24"},
        ["a/eth0 10.1.0.9/16"],
    ),
    (
        "the reserved are left out",
        network("{cidr: 10.1.0.0/29, reserve: [10.1.0.2]}", a=""),
        {},
        ["a/eth0 10.1.0.3/29"],
    ),
    (
        "a gateway in the middle",
        network("{cidr: 10.1.0.0/29, gateway: 10.1.0.2}", a="", b=""),
        {},
        [
            "a/eth0 10.1.0.1/29",
            "b/eth0 10.1.0.3/29",
        ],
    ),
    ("without a gateway", network("{cidr: 10.1.0.0/29, gateway: none}", a=""), {}, ["a/eth0 10.1.0.1/29"]),
    ("a pair", network("10.1.0.0/31", a=""), {}, ["a/eth0 10.1.0.1/31"]),
    ("a range as CIDR", network("{cidr: 10.1.0.0/16, range: 10.1.9.0/24}", a=""), {}, ["a/eth0 10.1.9.0/16"]),
    ("both families", network("10.1.0.0/24", '"fd00:1::/64"', a=""), {}, ["a/eth0 10.1.0.2/24", "a/eth0 fd00:1::2/64"]),
    (
        "static in one family",
        network("10.1.0.0/24", '"fd00:1::/64"', a=', address: "fd00:1::9"'),
        {},
        ["a/eth0 fd00:1::9/64", "a/eth0 10.1.0.2/24"],
    ),
    ("with the subnet's prefix", network("10.1.0.0/24", a=", address: 10.1.0.9/24"), {}, ["a/eth0 10.1.0.9/24"]),
    ("auto is auto", network("10.1.0.0/24", a=", address: auto"), {}, ["a/eth0 10.1.0.2/24"]),
    ("no subnet", network(a=""), {}, []),
]


@pytest.mark.parametrize(
    ("text", "held", "expected"), [each[1:] for each in ASSIGNMENTS], ids=[each[0] for each in ASSIGNMENTS]
)
def test_addresses(text: str, held: Mapping[tuple[str, str], str], expected: list[str]) -> None:
    """Statics, then what is held, then the lowest free one; never an edge, a gateway or a reserved one."""
    assert addresses(text, held) == expected


def test_a_pool_is_handed_out_to_the_last_address_and_then_says_who_has_them() -> None:
    """The message names the pool, who got none, and who holds them."""
    assert len(addresses(network("10.1.0.0/29", **dict.fromkeys("abcde", "")))) == 5
    text = network("10.1.0.0/29", **dict.fromkeys("abcdefg", ""))

    assert found(text) == [
        ("NS0205", 9, 6, "no free address is left in 10.1.0.0/29 for endpoint/f: there are 5"),
        ("NS0205", 10, 6, "no free address is left in 10.1.0.0/29 for endpoint/g: there are 5"),
    ]
    with pytest.raises(SpecError) as caught:
        check(loaded(text))
    holders = ", ".join(f"endpoint/{name} has 10.1.0.{number}" for number, name in enumerate("abcde", 2))
    hint = f"{holders}; widen the subnet or its range"
    assert {each.hint for each in caught.value.diagnostics} == {hint}


def _below(spec: str) -> str:
    return "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24]}, wan: {subnets: [10.2.0.0/24]}}\n" + spec


FINDINGS = [
    ("NS0201", "netspec: 1\nbridges: {lan: {subnets: [no]}}\n", 'there is no subnet "no"'),
    (
        "NS0202",
        "netspec: 1\nsubnets: {s: 10.1.0.0/24}\nbridges:\n  a: {subnets: [s]}\n  b: {subnets: [s]}\n",
        "subnet/s already serves another bridge",
    ),
    (
        "NS0203",
        "netspec: 1\nbridges:\n  a: {subnets: [10.1.0.0/16]}\n  b: {subnets: [10.1.9.0/24]}\n",
        "10.1.9.0/24 overlaps 10.1.0.0/16",
    ),
    (
        "NS0204",
        network("10.1.0.0/24", a=", address: 10.1.0.9", b=", address: 10.1.0.9"),
        "10.1.0.9 is the address of two endpoints",
    ),
    ("NS0206", network("10.1.0.0/24", a=", address: 10.2.0.9"), "10.2.0.9 is outside the subnets of bridge/lan"),
    ("NS0206", network("10.1.0.0/24", a=', address: "fd00::9"'), "fd00::9 is outside the subnets of bridge/lan"),
    ("NS0206", network(a=", address: 10.1.0.9"), "10.1.0.9 is outside the subnets of bridge/lan"),
    (
        "NS0207",
        network("10.1.0.0/24", a=", address: 10.1.0.9/16"),
        "10.1.0.9/16 does not have the prefix length of its subnet 10.1.0.0/24",
    ),
    ("NS0208", network("10.1.0.0/24", a=", address: 10.1.0.1"), "10.1.0.1 is the gateway of 10.1.0.0/24"),
    (
        "NS0209",
        network("10.1.0.0/24", a=", address: 10.1.0.0"),
        "10.1.0.0 is the network or broadcast address of 10.1.0.0/24",
    ),
    (
        "NS0209",
        network("10.1.0.0/24", a=", address: 10.1.0.255"),
        "10.1.0.255 is the network or broadcast address of 10.1.0.0/24",
    ),
    (
        "NS0209",
        network('"fd00:1::/64"', a=', address: "fd00:1::"'),
        "fd00:1:: is the router anycast address of fd00:1::/64",
    ),
    (
        "NS0210",
        "netspec: 1\nsysctls: {net.bridge.bridge-nf-call-iptables: 0}\n",
        "net.bridge.bridge-nf-call-iptables is never written by netspec",
    ),
    ("NS0220", _below("endpoints: {a: {interfaces: {eth0: {}}}}\n"), "the interface joins nothing"),
    (
        "NS0221",
        _below("endpoints: {a: {bridge: lab}}\n"),
        'endpoint "a" names bridge "lab", which is not declared',
    ),
    (
        "NS0223",
        _below("endpoints:\n  a: {bridge: lan}\n  b: {bridge: lan, netns: a}\n"),
        'two endpoints want the interface eth0 in the namespace "a"',
    ),
    (
        "NS0224",
        _below("endpoints: {a: {bridge: lan, host_name: wan}}\n"),
        'the link name "wan" is taken twice',
    ),
    (
        "NS0225",
        'netspec: 1\nbridges: {lan: {subnets: ["fd00:1::/64"], mtu: 1279}}\n',
        "IPv6 needs an MTU of at least 1280 bytes; here it is 1279",
    ),
    (
        "NS0225",
        network('"fd00:1::/64"', a=", mtu: 1279"),
        "IPv6 needs an MTU of at least 1280 bytes; here it is 1279",
    ),
    (
        "NS0227",
        network("10.0.0.0/24", a=", mtu: 1501"),
        "an MTU of 1501 on bridge/lan, whose own is 1500: others there would not get what is longer",
    ),
    (
        "NS0226",
        "netspec: 1\nbridges: {a: {ports: [eth1]}, b: {ports: {eth1: {hairpin: true}}}}\n",
        '"eth1" is a port of two bridges',
    ),
    (
        "NS0226",
        "netspec: 1\nbridges: {a: {ports: [b]}, b: {}}\n",
        '"b" is a bridge of this spec, and no bridge can be a port',
    ),
    (
        "NS0224",
        _below("endpoints: {a: {bridge: lan, host_name: eth1}}\n").replace("lan: {", "lan: {ports: [eth1], "),
        'the link name "eth1" is taken twice',
    ),
    ("NS0230", _below("nat: {masquerade: [lam]}\n"), 'there is no bridge or subnet "lam" to masquerade'),
    ("NS0240", _below("sysctls: {net.ipv4.ip_forward: 0}\n"), None),
    (
        "NS0301",
        _below('endpoints:\n  a: {bridge: lan, publish: ["80:80"]}\n  b: {bridge: wan, publish: ["80:81"]}\n'),
        None,
    ),
    (
        "NS0302",
        'netspec: 1\nbridges: {lan: {}}\nendpoints: {a: {bridge: lan, publish: ["80:80"]}}\n',
        "an endpoint without an address cannot publish",
    ),
    (
        "NS0304",
        """netspec: 1
bridges: {lan: {subnets: [10.1.0.0/24], access: routed}}
endpoints: {a: {bridge: lan, publish: ["127.0.0.1:80:80"]}, b: {bridge: lan, publish: ["80:80"]}}
""",
        "`listen: 127.0.0.1` does not go with `access: routed`, where nothing is translated",
    ),
    (
        "NS0303",
        _below('endpoints: {a: {bridge: lan, publish: ["[::1]:80:80"]}}\n'),
        "::1 is IPv6; the endpoint has none",
    ),
]


@pytest.mark.parametrize(
    ("code", "text", "message"), FINDINGS, ids=[f"{each[0]} {n}" for n, each in enumerate(FINDINGS)]
)
def test_what_is_wrong_is_said_where_it_stands(code: str, text: str, message: str | None) -> None:
    """One finding with its code, its words and a place in the text."""
    diagnostics = found(text)

    assert [each[0] for each in diagnostics] == [code]
    assert message in (None, diagnostics[0][3])


def test_a_bridge_holds_so_many_ports_and_no_more() -> None:
    """The kernel refuses the 1024th."""
    text = network("10.0.0.0/16", **{f"e{number}": "" for number in range(1023)})
    check(loaded(text))

    assert [each[0] for each in found(text + "  one-more: {bridge: lan}\n")] == ["NS0222"]


def test_links_of_the_host_count_as_ports() -> None:
    """With and without endpoints beside them."""
    links = ", ".join(f"p{number}" for number in range(1000))
    text = network("10.0.0.0/16", **{f"e{number}": "" for number in range(23)})
    text = text.replace("lan: {", f"lan: {{ports: [{links}], ")
    check(loaded(text))
    lonely = f"netspec: 1\nbridges: {{lan: {{ports: [{', '.join(f'p{number}' for number in range(1024))}]}}}}\n"

    assert [each[0] for each in found(text + "  one-more: {bridge: lan}\n")] == ["NS0222"]
    assert [each[0] for each in found(lonely)] == ["NS0222"]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Not only the first."""
    text = _below(
        "endpoints:\n  a: {bridge: lan, address: 10.1.0.1}\n  b: {bridge: lan, address: 10.9.0.1}\n"
        "  c: {bridge: lan, address: 10.1.0.9}\n  d: {bridge: lan, address: 10.1.0.9}\n"
    )

    assert [each[:2] for each in found(text)] == [("NS0208", 4), ("NS0206", 5), ("NS0204", 7)]


def test_ports_on_different_addresses_or_protocols_do_not_collide() -> None:
    """A specific address beats the wildcard, which is no collision either."""
    publish = '"80:80", "80:81/udp", "127.0.0.1:80:82", "127.0.0.2:80:83", "81-90:81-90", "127.0.0.1:85:1"'
    check(loaded(network("10.1.0.0/24", a=f", publish: [{publish}]")))


def test_an_endpoint_gets_its_default_route_from_its_first_interface_that_has_a_gateway() -> None:
    """One for each family, whichever interface has it."""
    text = """
netspec: 1
bridges:
  none: {subnets: [{cidr: 10.9.0.0/24, gateway: none}]}
  six: {subnets: ["fd00:1::/64"]}
  lan: {subnets: [10.1.0.0/24, "fd00:2::/64"]}
  wan: {subnets: [10.2.0.0/24]}
endpoints:
  a:
    interfaces: {eth0: {bridge: none}, eth1: {bridge: six}, eth2: {bridge: lan}, eth3: {bridge: wan}}
"""
    routes = [each for each in wanted(text).values() if isinstance(each, Route)]

    assert [(str(each.to), str(each.via), each.link) for each in routes] == [
        ("::/0", "fd00:1::1", "eth1"),
        ("0.0.0.0/0", "10.1.0.1", "eth2"),
    ]


def test_automatic_mtu_is_that_of_the_uplink() -> None:
    """And 1500 without one; an endpoint has its bridge's unless it says otherwise."""
    text = "netspec: 1\nbridges: {lan: {mtu: auto}}\nendpoints: {a: {bridge: lan}, b: {bridge: lan, mtu: 1300}}\n"
    for uplink in (1500, 9000):
        state = intent(text).desire(Present(uplink_mtu=uplink))
        bridges = [each.mtu for each in state.values() if isinstance(each, Bridge)]
        pairs = [(each.mtu, each.peer_mtu) for each in state.values() if isinstance(each, Veth)]
        assert (bridges, pairs) == ([uplink], [(uplink, uplink), (1300, 1300)])


def test_ipv6_is_off_where_there_is_no_ipv6_subnet() -> None:
    """No link-local address either: mode none on the bridge and inside; never on the host ends."""
    text = 'netspec: 1\nbridges: {a: {subnets: [10.1.0.0/24]}, b: {subnets: ["fd00:1::/64"]}}\nendpoints:\n'
    state = wanted(text + "  x: {bridge: a}\n  y: {bridge: b}\n")
    modes = {str(each.key()): each.addr_gen_mode for each in state.values() if isinstance(each, Bridge)}
    inside = {each.peer_netns: each.peer_addr_gen_mode for each in state.values() if isinstance(each, Veth)}
    outside = {each.addr_gen_mode for each in state.values() if isinstance(each, Veth)}

    assert (modes, inside, outside) == ({"link/a": 1, "link/b": 0}, {"x": 1, "y": 0}, {1})


def test_publications_reach_the_first_address_of_each_family() -> None:
    """A range that keeps its numbers is one element, a shifted one is one for each port."""
    publish = '"80:8080", "[fd00::9]:81:81", "90-92:90-92", "93-94:193-194/udp"'
    text = network("10.1.0.0/24", '"fd00:1::/64"', a=f", publish: [{publish}]")
    elements = [each for each in wanted(text).values() if isinstance(each, NatElement)]

    assert [f"{each.set} {each.element} : {each.value}" for each in elements if each.set.startswith("publish")] == [
        "publish4 tcp . 80 : 10.1.0.2 . 8080",
        "publish6 tcp . 80 : fd00:1::2 . 8080",
        "publish6_at fd00::9 . tcp . 81 : fd00:1::2 . 81",
        "publish4_range tcp . 90-92 : 10.1.0.2",
        "publish6_range tcp . 90-92 : fd00:1::2",
        *[f"publish4 udp . {port} : 10.1.0.2 . {port + 100}" for port in (93, 94)],
        *[f"publish6 udp . {port} : fd00:1::2 . {port + 100}" for port in (93, 94)],
    ]


OWED = [
    ("changed", {}, {"net.core.somaxconn": "4096"}, {"net.core.somaxconn": "4096"}),
    ("as it is", {}, {"net.core.somaxconn": "128"}, {}),
    ("recorded", {"net.core.somaxconn": "1"}, {"net.core.somaxconn": "128"}, {"net.core.somaxconn": "1"}),
    ("not there", {}, {}, {}),
]


@pytest.mark.parametrize(("former", "now", "expected"), [each[1:] for each in OWED], ids=[each[0] for each in OWED])
def test_former_values_are_recorded_once(
    former: Mapping[str, str], now: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    """The value before the first change, and only where there was one."""
    text = "netspec: 1\nsysctls: {net.core.somaxconn: 128}\n"
    state = intent(text).desire(Present(sysctls=now, former=former))
    records = [each.comment for each in state.values() if isinstance(each, NatElement) and each.set == "former"]

    assert records == [f"{name}={value}" for name, value in expected.items()]


def test_nothing_is_wanted_for_nothing() -> None:
    """An empty spec wants no table either."""
    assert dict(wanted("netspec: 1\n")) == {}


def test_the_same_document_wants_the_same() -> None:
    """Names and MACs depend on stack and names alone; another stack has its own."""
    document = loaded(BASE).document
    first, again = (desired(document, Present()).state for _ in range(2))
    other = wanted(BASE.replace("netspec: 1", "netspec: 1\nstack: other"))

    def macs(state: Mapping[Key, object]) -> set[str | None]:
        return {each.mac for each in state.values() if isinstance(each, (Bridge, Veth))}

    assert first == again
    assert not macs(first) & macs(other)
    assert {each.name for each in first.values() if isinstance(each, Sysctl)} == {"net.ipv4.ip_forward"}
