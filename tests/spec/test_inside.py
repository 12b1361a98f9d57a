"""What is found wrong with routes, rules, neighbours and names once all addresses are known."""

import pytest

from netspec.errors import SpecError
from netspec.spec.check import check
from tests.specs import loaded

HEAD = """\
netspec: 1
bridges:
  lan: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  wan: {subnets: [10.2.0.0/24]}
  shut: {internal: true, subnets: [10.3.0.0/24]}
endpoints:
"""
TWO = "  web:\n    interfaces: {eth0: {bridge: lan, address: 10.1.0.10}, eth1: {bridge: wan}}\n"


def told(endpoints: str) -> list[str]:
    """Code and message of each finding."""
    try:
        check(loaded(HEAD + endpoints))
    except SpecError as error:
        return [f"{each.code} {each.message}" for each in error.diagnostics]
    return []


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("routes: [{to: 10.9.0.0/16, dev: eth2}]", 'NS0270 the endpoint has no interface "eth2"'),
        ("routes: [{to: 10.9.0.0/16, via: 10.1.0.7, dev: eth2}]", 'NS0270 the endpoint has no interface "eth2"'),
        (
            "routes: [{to: 10.9.0.0/16, nexthops: [{via: 10.1.0.7}, {dev: eth2}]}]",
            'NS0270 the endpoint has no interface "eth2"',
        ),
        (
            "neighbors: [{address: 10.1.0.7, mac: 02:00:00:00:00:01, dev: tun0}]",
            'NS0270 the endpoint has no interface "tun0"',
        ),
        ("routes: [{to: 10.9.0.0/16, via: 10.9.0.1}]", "NS0271 10.9.0.1 is on no subnet of the endpoint"),
        ("routes: [{to: 10.9.0.0/16, via: 10.1.0.7, dev: eth1}]", "NS0271 10.1.0.7 is on no subnet of interface eth1"),
        ("routes: [{to: '::/0', via: 'fe80::1'}]", "NS0271 fe80::1 is link-local, and no interface is named"),
        ("neighbors: [{address: 10.9.0.7, mac: 02:00:00:00:00:01}]", "NS0271 10.9.0.7 is on no subnet of the endpoint"),
        (
            "routes: [{to: 10.9.0.0/16, dev: eth0}, {to: 10.9.0.0/16, via: 10.1.0.7}]",
            "NS0272 a route to 10.9.0.0/16 with this table and metric is wanted twice",
        ),
        ("rules: [{table: 100}, {table: 101, priority: 1000}]", "NS0272 an IPv4 rule of priority 1000 is wanted twice"),
        (
            "neighbors: [{address: 10.1.0.7, mac: 02:00:00:00:00:01}, {address: 10.1.0.7, mac: 02:00:00:00:00:02}]",
            "NS0272 10.1.0.7 is wanted twice",
        ),
        ("sysctls: {net.ipv4.conf.eth7.arp_notify: 1}", 'NS0270 the endpoint has no interface "eth7"'),
        (
            "sysctls: {net.ipv4.conf.eth0.promote_secondaries: 0}",
            "NS0277 net.ipv4.conf.eth0.promote_secondaries is not set by hand",
        ),
        (
            "sysctls: {net.ipv4.conf.all.forwarding: 1}",
            "NS0277 net.ipv4.conf.all.forwarding is another name of net.ipv4.ip_forward",
        ),
        (
            "sysctls: {net.bridge.bridge-nf-call-iptables: 1}",
            "NS0277 net.bridge.bridge-nf-call-iptables is never written by netspec",
        ),
        ("routes: [{to: 10.9.0.0/16, dev: eth0, source: 10.2.0.9}]", "NS0273 10.2.0.9 is no address of the endpoint"),
    ],
)
def test_what_does_not_fit_the_interfaces(inside: str, message: str) -> None:
    """Each is found, with its code."""
    assert told(f"{TWO}    {inside}\n")[0] == message


@pytest.mark.parametrize(
    "inside",
    [
        "routes: [{to: 10.9.0.0/16, dev: eth0}, {to: 10.10.0.0/16, via: 10.9.0.1}]",
        "routes: [{to: 10.9.0.0/16, via: 192.0.2.1, dev: eth0, onlink: true}]",
        "routes: [{to: '::/0', via: 'fe80::1', dev: eth0}]",
        "routes: [{to: 10.9.0.0/16, dev: eth0}, {to: 10.9.0.0/16, dev: eth1, metric: 5}]",
        "rules: [{from: 10.0.0.0/8, table: 100, priority: 5}, {from: 'fd00::/8', table: 100, priority: 5}]",
        "neighbors: [{address: 192.0.2.7, mac: 02:00:00:00:00:01, dev: eth0}]",
    ],
)
def test_what_fits(inside: str) -> None:
    """Nothing is found."""
    assert told(f"{TWO}    {inside}\n") == []


@pytest.mark.parametrize(
    ("interfaces", "message"),
    [
        (
            "eth0: {bridge: lan, altnames: [a]}, eth1: {bridge: wan, altnames: [a]}",
            'NS0274 the name "a" is taken in this namespace',
        ),
        (
            "eth0: {bridge: lan, altnames: [eth1]}, eth1: {bridge: wan}",
            'NS0274 the name "eth1" is taken in this namespace',
        ),
        (
            "eth0: {bridge: lan, default_route: true}, eth1: {bridge: wan, default_route: true}",
            "NS0275 eth1 and eth0 both claim the default route",
        ),
        (
            "eth0: {bridge: lan}, eth1: {bridge: shut, default_route: true}",
            "NS0276 eth1 cannot have the default route: bridge/shut is internal",
        ),
    ],
)
def test_what_interfaces_cannot_have_at_once(interfaces: str, message: str) -> None:
    """Each is found, with its code."""
    assert told(f"  web: {{interfaces: {{{interfaces}}}}}\n") == [message]


def test_endpoints_that_share_a_namespace_share_its_rules() -> None:
    """Two endpoints cannot want one priority there."""
    both = "  a: {bridge: lan, netns: web, rules: [{table: 1}]}\n"
    both += "  b: {interfaces: {eth1: {bridge: wan}}, netns: web, rules: [{table: 2}]}\n"

    assert told(both)[0] == "NS0272 an IPv4 rule of priority 1000 is wanted twice"
