"""Subnets: what may be one, whose the gateway is, and the prefixes that `ula` stands for."""

import re
from ipaddress import IPv6Network

import pytest
import yaml

from netspec.errors import SpecError
from netspec.kinds._intent import Present
from netspec.kinds._prefixes import unique_local
from netspec.kinds.address import Address
from netspec.kinds.route import Route
from netspec.report.diagnostics import render
from netspec.spec.check import check
from netspec.spec.desired import desired
from netspec.spec.document import expand_to_long_form
from netspec.spec.schemas import spec_schema
from tests.spec.test_desired import addresses, network
from tests.specs import intent, loaded

PRIVATE4 = "choose a private one: 172.20.0.0/16"
PRIVATE6 = "choose a private one, or write ula"


def of(subnet: str, **endpoints: str) -> str:
    """A spec of one bridge with one subnet object."""
    return network(f"{{{subnet}}}", **(endpoints or {"a": ""}))


WRONG = [
    ("cidr: 0.0.0.0/0", "NS0132", "0.0.0.0/0 is the whole address space and cannot be a subnet", PRIVATE4),
    ('cidr: "::/0"', "NS0132", "::/0 is the whole address space and cannot be a subnet", PRIVATE6),
    ("cidr: 127.0.0.0/24", "NS0132", "127.0.0.0/24 is loopback and cannot be a subnet", PRIVATE4),
    ("cidr: 126.0.0.0/7", "NS0132", "126.0.0.0/7 holds loopback and cannot be a subnet", PRIVATE4),
    ('cidr: "::1/128"', "NS0132", "::1/128 is loopback and cannot be a subnet", PRIVATE6),
    ("cidr: 224.0.0.0/8", "NS0132", "224.0.0.0/8 is multicast and cannot be a subnet", PRIVATE4),
    ("cidr: 192.0.0.0/2", "NS0132", "192.0.0.0/2 holds multicast and cannot be a subnet", PRIVATE4),
    ('cidr: "ff02::/64"', "NS0132", "ff02::/64 is multicast and cannot be a subnet", PRIVATE6),
    ("cidr: 0.1.0.0/16", "NS0132", "0.1.0.0/16 is unspecified and cannot be a subnet", PRIVATE4),
    ('cidr: "::/64"', "NS0132", "::/64 holds the unspecified address and cannot be a subnet", PRIVATE6),
    (
        "cidr: 255.255.255.0/24",
        "NS0132",
        "255.255.255.0/24 holds the broadcast address and cannot be a subnet",
        PRIVATE4,
    ),
    ('cidr: "fe80::/64"', "NS0132", "fe80::/64 is link-local and cannot be a subnet", PRIVATE6),
    (
        'cidr: "::ffff:10.1.0.0/120"',
        "NS0332",
        '"::ffff:10.1.0.0/120" is IPv4 written as IPv6',
        "write 10.1.0.0/24",
    ),
    (
        "cidr: 10.1.0.0/24, gateway: 10.1.0.0",
        "NS0133",
        "the gateway 10.1.0.0 is the network or broadcast address of 10.1.0.0/24",
        "",
    ),
    (
        "cidr: 10.1.0.0/24, gateway: 10.1.0.255",
        "NS0133",
        "the gateway 10.1.0.255 is the network or broadcast address of 10.1.0.0/24",
        "",
    ),
    (
        'cidr: "fd00:1::/64", gateway: "fd00:1::"',
        "NS0133",
        "the gateway fd00:1:: is the router anycast address of fd00:1::/64",
        "",
    ),
    ("cidr: 10.1.0.0/24, gateway: 10.2.0.1", "NS0133", "the gateway 10.2.0.1 is outside 10.1.0.0/24", ""),
    ('cidr: 10.1.0.0/24, gateway: "fd00::1"', "NS0133", "the gateway fd00::1 is outside 10.1.0.0/24", ""),
    (
        "cidr: 10.1.0.0/24, gateway: 10.1.0.1, host_address: 10.1.0.255",
        "NS0133",
        "the host's address 10.1.0.255 is the network or broadcast address of 10.1.0.0/24",
        "",
    ),
    (
        "cidr: 10.1.0.0/24, host_address: 10.1.0.2",
        "NS0134",
        "`host_address` stands without `gateway`",
        "name the gateway of the endpoints; `gateway: none` for none",
    ),
    ("cidr: 10.1.0.0/24, range: 10.2.0.0/24", "NS0131", "the range reaches 10.2.0.0, which is outside 10.1.0.0/24", ""),
    (
        "cidr: 10.1.0.0/24, range: 10.1.0.9-10.1.1.9",
        "NS0131",
        "the range reaches 10.1.1.9, which is outside 10.1.0.0/24",
        "",
    ),
    (
        "cidr: 10.1.0.0/24, range: 10.1.0.9-10.1.0.8",
        "NS0130",
        '"10.1.0.9-10.1.0.8" is not a range of addresses: it ends before it begins',
        "",
    ),
    (
        'cidr: 10.1.0.0/24, range: "10.1.0.9-fd00::1"',
        "NS0130",
        '"10.1.0.9-fd00::1" is not a range of addresses: it ends before it begins',
        "",
    ),
    (
        "cidr: 10.1.0.0/24, range: 10.1.0.9",
        "NS0130",
        '"10.1.0.9" is not a range of addresses',
        "write a CIDR, or first-last",
    ),
    (
        "cidr: 10.1.0.0/24, reserve: [10.2.0.9]",
        "NS0131",
        "the reserved address 10.2.0.9 is outside 10.1.0.0/24",
        "",
    ),
    (
        "cidr: 10.1.0.9/24",
        "NS0126",
        '"10.1.0.9/24" is an address inside a subnet, not a subnet',
        'write "10.1.0.0/24"',
    ),
    ("cidr: 10.1.0.0/33", "NS0125", '"10.1.0.0/33" is not a subnet: an IPv4 prefix length is 0 to 32', ""),
]


def told(text: str) -> list[tuple[str, str, str]]:
    """Code, message and hint of all that is wrong."""
    with pytest.raises(SpecError) as caught:
        check(loaded(text))
    return [(each.code, each.message, each.hint) for each in caught.value.diagnostics]


@pytest.mark.parametrize(("subnet", "code", "message", "hint"), WRONG, ids=[f"{each[1]} {each[0]}" for each in WRONG])
def test_what_cannot_be_a_subnet(subnet: str, code: str, message: str, hint: str) -> None:
    """Each corner by itself, in a bridge and in `subnets`, in the same words."""
    assert told(of(subnet)) == [(code, message, hint)]
    assert told(f"netspec: 1\nsubnets: {{s: {{{subnet}}}}}\n") == [(code, message, hint)]


BETWEEN = [
    (
        network("10.1.0.0/16", "10.1.9.0/24", a=""),
        ("NS0203", "10.1.9.0/24 overlaps 10.1.0.0/16", "give each segment a subnet of its own"),
    ),
    (
        "netspec: 1\nsubnets: {s: 10.1.0.0/24, t: 10.1.0.0/24}\n",
        ("NS0203", "10.1.0.0/24 overlaps 10.1.0.0/24", "give each segment a subnet of its own"),
    ),
    (
        'netspec: 1\nbridges: {a: {subnets: ["fd00:1::/48"]}, b: {subnets: ["fd00:1:0:5::/64"]}}\n',
        ("NS0203", "fd00:1:0:5::/64 overlaps fd00:1::/48", "give each segment a subnet of its own"),
    ),
    (
        "netspec: 1\nsubnets: {ula: 10.1.0.0/24}\n",
        (
            "NS0135",
            '"ula" cannot name a subnet: it stands for a generated IPv6 prefix',
            "give the subnet another name; for a generated prefix write ula where it is used",
        ),
    ),
    (
        network("10.1.0.0/24", a=", address: 10.9.0.9"),
        ("NS0206", "10.9.0.9 is outside the subnets of bridge/lan", "its subnets: 10.1.0.0/24"),
    ),
    (
        network(a=", address: 10.9.0.8"),
        ("NS0206", "10.9.0.8 is outside the subnets of bridge/lan", "it has no subnets"),
    ),
    (
        network("10.1.0.0/24", a=", address: 10.1.0.1"),
        ("NS0208", "10.1.0.1 is the gateway of 10.1.0.0/24", "choose another address, or name another gateway"),
    ),
    (
        network("{cidr: 10.1.0.0/24, gateway: 10.1.0.1, host_address: 10.1.0.2}", a=", address: 10.1.0.2"),
        (
            "NS0208",
            "10.1.0.2 is the host's own address in 10.1.0.0/24",
            "choose another address, or name another host_address",
        ),
    ),
    (
        network("10.1.0.0/24", a=", address: 10.1.0.9", b=", address: 10.1.0.9"),
        (
            "NS0204",
            "10.1.0.9 is the address of two endpoints",
            "give each its own, or leave the address away for an automatic one",
        ),
    ),
    (
        network("10.1.0.0/24", a=", addresses: [10.1.0.9, 10.1.0.9]"),
        ("NS0204", "10.1.0.9 stands twice", "leave one of them away"),
    ),
    (
        network("10.1.0.0/24") + "  a: {interfaces: {x: {bridge: lan, address: 10.1.0.9}, "
        "y: {bridge: lan, address: 10.1.0.9}}}\n",
        (
            "NS0204",
            "10.1.0.9 is the address of two interfaces",
            "give each its own, or leave the address away for an automatic one",
        ),
    ),
    (
        network("10.1.0.0/24", a=", addresses: [auto, auto]"),
        ("NS0211", "`auto` stands twice", "one gives an address in each subnet that has no fixed one"),
    ),
]


@pytest.mark.parametrize(("text", "expected"), BETWEEN, ids=[each[1][1] for each in BETWEEN])
def test_what_does_not_fit_together(text: str, expected: tuple[str, str, str]) -> None:
    """Two subnets, or a subnet and an address."""
    assert told(text) == [expected]


EXHAUSTED = [
    (
        of("cidr: 10.1.0.0/30", a="", b=""),
        "no free address is left in 10.1.0.0/30 for endpoint/b: there is one",
        "endpoint/a has 10.1.0.2; widen the subnet or its range",
    ),
    (
        of("cidr: 10.1.0.1/32"),
        "no free address is left in 10.1.0.1/32 for endpoint/a: there is none to hand out",
        "widen the subnet or its range",
    ),
    (
        of("cidr: 10.1.0.0/24, range: 10.1.0.1-10.1.0.4, reserve: [10.1.0.3]", a="", b=", address: 10.1.0.4", c=""),
        "no free address is left in the range 10.1.0.1-10.1.0.4 of 10.1.0.0/24 for endpoint/c: there are 2",
        "endpoint/a has 10.1.0.2, endpoint/b has 10.1.0.4; widen the subnet or its range",
    ),
    (
        of('cidr: "fd00:1::/124"', **dict.fromkeys("abcdefghijklmno", "")),
        "no free address is left in fd00:1::/124 for endpoint/o: there are 14",
        ", ".join(f"endpoint/{name} has fd00:1::{number:x}" for number, name in enumerate("abcdefgh", 2))
        + " and 6 more are taken; widen the subnet or its range",
    ),
    (
        of("cidr: 10.1.0.0/24, range: 10.1.0.1-10.1.0.2", a="", b="", c=", address: 10.1.0.77"),
        "no free address is left in the range 10.1.0.1-10.1.0.2 of 10.1.0.0/24 for endpoint/b: there is one",
        "endpoint/a has 10.1.0.2; widen the subnet or its range",
    ),
]


@pytest.mark.parametrize(("text", "message", "hint"), EXHAUSTED, ids=[each[1] for each in EXHAUSTED])
def test_an_exhausted_subnet_says_how_many_there_are_and_who_has_them(text: str, message: str, hint: str) -> None:
    """Those outside the range hold none of its addresses."""
    assert told(text) == [("NS0205", message, hint)]


GIVEN = [
    ("a pair", network("10.1.0.0/31", a=""), ["a/eth0 10.1.0.1/31"]),
    ("an IPv6 pair", network('"fd00:1::/127"', a=""), ["a/eth0 fd00:1::1/127"]),
    (
        "a pair without gateway",
        of("cidr: 10.1.0.0/31, gateway: none", a="", b=""),
        ["a/eth0 10.1.0.0/31", "b/eth0 10.1.0.1/31"],
    ),
    ("one address", of("cidr: 10.1.0.7/32, gateway: none"), ["a/eth0 10.1.0.7/32"]),
    ("one IPv6 address", of('cidr: "fd00:1::7/128", gateway: none'), ["a/eth0 fd00:1::7/128"]),
    ("one in each subnet", network("10.1.0.0/24", "10.2.0.0/24", a=""), ["a/eth0 10.1.0.2/24", "a/eth0 10.2.0.2/24"]),
    (
        "a fixed one, and no other of its family",
        network("10.1.0.0/24", "10.2.0.0/24", '"fd00:1::/64"', a=", address: 10.2.0.9"),
        ["a/eth0 10.2.0.9/24", "a/eth0 fd00:1::2/64"],
    ),
    (
        "a fixed one, and automatic ones in the other subnets",
        network("10.1.0.0/24", "10.2.0.0/24", '"fd00:1::/64"', a=", addresses: [10.2.0.9, auto]"),
        ["a/eth0 10.2.0.9/24", "a/eth0 10.1.0.2/24", "a/eth0 fd00:1::2/64"],
    ),
    (
        "another router is the gateway",
        of("cidr: 10.1.0.0/29, gateway: 10.1.0.1, host_address: 10.1.0.3", a="", b=""),
        ["a/eth0 10.1.0.2/29", "b/eth0 10.1.0.4/29"],
    ),
    (
        "a fixed one outside the range",
        of("cidr: 10.1.0.0/24, range: 10.1.0.128/25", a=", address: 10.1.0.9"),
        ["a/eth0 10.1.0.9/24"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), [each[1:] for each in GIVEN], ids=[each[0] for each in GIVEN])
def test_small_several_and_shared_subnets(text: str, expected: list[str]) -> None:
    """All of a pair can be used, and nothing is handed out that somebody has."""
    assert addresses(text) == expected


GATEWAYS = [
    ("cidr: 10.1.0.0/24", "10.1.0.1/24", "10.1.0.1"),
    ("cidr: 10.1.0.0/24, gateway: 10.1.0.254", "10.1.0.254/24", "10.1.0.254"),
    ("cidr: 10.1.0.0/24, gateway: none", None, None),
    ("cidr: 10.1.0.0/24, gateway: 10.1.0.254, host_address: 10.1.0.1", "10.1.0.1/24", "10.1.0.254"),
    ("cidr: 10.1.0.0/24, gateway: 10.1.0.254, host_address: none", None, "10.1.0.254"),
    ("cidr: 10.1.0.0/24, gateway: none, host_address: 10.1.0.1", "10.1.0.1/24", None),
    ('cidr: "fd00:1::/64", gateway: "fd00:1::fe", host_address: "fd00:1::1"', "fd00:1::1/64", "fd00:1::fe"),
]


@pytest.mark.parametrize(("subnet", "host", "gateway"), GATEWAYS, ids=[each[0] for each in GATEWAYS])
def test_whose_the_gateway_is(subnet: str, host: str | None, gateway: str | None) -> None:
    """The host's address on the bridge, and the default route of its endpoints."""
    state = intent(of(subnet)).desire(Present())

    own = [str(each.address) for each in state.values() if isinstance(each, Address) and not each.netns]
    routes = [str(each.via) for each in state.values() if isinstance(each, Route)]

    assert (own, routes) == ([host] if host else [], [gateway] if gateway else [])


def test_a_generated_prefix_is_the_same_on_each_run_and_host() -> None:
    """A unique local /64 (RFC 4193), by stack and segment; what has once been given out must never change."""
    assert str(unique_local("default", "bridge/docker0")) == "fd9c:439:142c:197::/64"
    known = {unique_local(stack, segment) for stack in ("a", "b") for segment in ("bridge/x", "bridge/y", "subnet/x")}

    assert len(known) == 6
    assert all(each.prefixlen == 64 and each.subnet_of(IPv6Network("fd00::/8")) for each in known)


def test_ula_stands_for_a_prefix_wherever_a_subnet_does() -> None:
    """In a list, in an object, and in `subnets`, named after its segment; the long form shows it."""
    text = """
netspec: 1
stack: shop
subnets: {named: ula, object: {cidr: ula, gateway: none}}
bridges:
  one: {subnets: [10.1.0.0/24, ula]}
  two: {subnets: [{cidr: ula, gateway: none}]}
  three: {subnets: [named]}
"""
    expanded = expand_to_long_form(loaded(text).document)
    shown = {name: each["cidr"] for name, each in expanded["subnets"].items()}
    shown |= {name: each["subnets"][-1] for name, each in expanded["bridges"].items()}

    assert shown["named"] == str(unique_local("shop", "subnet/named"))
    assert shown["object"] == str(unique_local("shop", "subnet/object"))
    assert shown["one"]["cidr"] == str(unique_local("shop", "bridge/one"))
    assert (shown["two"]["cidr"], shown["two"]["gateway"]) == (str(unique_local("shop", "bridge/two")), "none")
    assert shown["three"] == "named"


def test_the_long_form_shows_what_was_decided() -> None:
    """Gateway, host's address and range in words of the language; it is its own long form, and the same spec."""
    text = """
netspec: 1
subnets: {named: 10.3.0.0/24, closed: {cidr: 10.4.0.0/24, gateway: none}}
bridges:
  one: {subnets: [10.1.0.0/24, "fd00:1::/64", named, closed]}
  two: {subnets: [{cidr: 10.2.0.0/24, gateway: 10.2.0.9, host_address: 10.2.0.7, range: 10.2.0.0/25}]}
endpoints:
  web: {bridge: one}
"""
    expanded = expand_to_long_form(loaded(text).document)
    whole = yaml.safe_dump(expanded)
    inline = expanded["bridges"]["one"]["subnets"]

    assert "null" not in whole
    assert [inline[0][key] for key in ("gateway", "host_address", "range")] == [
        "10.1.0.1",
        "10.1.0.1",
        "10.1.0.0-10.1.0.255",
    ]
    assert inline[1]["gateway"] == "fd00:1::1"
    assert expanded["subnets"]["closed"]["gateway"] == expanded["subnets"]["closed"]["host_address"] == "none"
    assert expanded["bridges"]["two"]["subnets"][0]["host_address"] == "10.2.0.7"
    assert expand_to_long_form(loaded(whole).document) == expanded
    assert desired(loaded(whole).document, Present()).state == desired(loaded(text).document, Present()).state


def test_a_generated_prefix_serves_endpoints() -> None:
    """Like one that was written."""
    text = network("ula", a="", b="")
    prefix = unique_local("default", "bridge/lan")

    assert addresses(text) == [f"a/eth0 {prefix[2]}/64", f"b/eth0 {prefix[3]}/64"]


@pytest.mark.parametrize("text", ["bridges: {lan: {subnets: ula}}", "bridges: [ula]", "subnets: [ula]", "stack: [ula]"])
def test_ula_in_the_wrong_place_is_an_error_like_any(text: str) -> None:
    """Not a traceback."""
    with pytest.raises(SpecError) as caught:
        loaded(f"netspec: 1\n{text}\n")
    assert render(caught.value.diagnostics, color=False).startswith("error[NS0")


def test_editors_take_ula_for_a_subnet() -> None:
    """The schema knows it, and nothing else that is no CIDR."""
    definition = spec_schema()["definitions"]["SubnetSpec"]["properties"]["cidr"]
    offered = ["10.1.0.0/24", "fd00:1::/64", "ula", "ulan", "10.1.0.1"]

    assert [each for each in offered if re.search(definition["pattern"], each)] == offered[:3]
