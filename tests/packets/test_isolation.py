"""Endpoints of one bridge that cannot talk to each other, by whatever way they try."""

import os
from collections.abc import Iterator

import pytest

from tests.live.driving import edited
from tests.packets.lab import Lab, Probe
from tests.packets.surroundings import apply_in, check, filter_bridged, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

SPEC = """
netspec: 1
bridges:
  apart0: {subnets: [172.17.0.0/24, "fd00:17::/64"], port_isolation: true}
  inner0: {subnets: [172.20.0.0/24, "fd00:20::/64"], port_isolation: true, internal: true}
  other0: {subnets: [172.18.0.0/24, "fd00:18::/64"]}
endpoints:
  a: {bridge: apart0, addresses: [172.17.0.2, "fd00:17::2"], publish: ["8000:80", "8000:80/udp", "192.0.2.77:8001:80"]}
  b: {bridge: apart0, addresses: [172.17.0.3, "fd00:17::3"]}
  trickster: {bridge: apart0, addresses: [172.17.0.4, "fd00:17::4"]}
  x: {bridge: inner0, addresses: [172.20.0.2, "fd00:20::2"], publish: ["8002:80"]}
  y: {bridge: inner0, addresses: [172.20.0.3, "fd00:20::3"]}
  far: {bridge: other0, addresses: [172.18.0.2, "fd00:18::2"]}
nat:
  masquerade: [apart0]
  netmap: [{from: 172.17.0.0/24, to: 203.0.113.0/24}, {from: "fd00:17::/64", to: "2001:db8:17::/64"}]
"""

BY_HAND = """
# every single neighbour by way of the gateway
ip -n b route add 172.17.0.2/32 via 172.17.0.1
ip -n b -6 route add fd00:17::2/128 via fd00:17::1
ip -n a route add 172.17.0.3/32 via 172.17.0.1
ip -n a -6 route add fd00:17::3/128 via fd00:17::1
ip -n y route add 172.20.0.2/32 via 172.20.0.1
ip -n x route add 172.20.0.3/32 via 172.20.0.1
ip -n y -6 route add fd00:20::2/128 via fd00:20::1
ip -n x -6 route add fd00:20::3/128 via fd00:20::1
# the neighbour's MAC known, and asked for on behalf of others
mac() { ip -n $1 -br link show eth0 | awk '{print $3}'; }
ip -n trickster neighbour add 172.17.0.2 lladdr $(mac a) dev eth0
ip -n trickster neighbour add fd00:17::2 lladdr $(mac a) dev eth0
ip -n a neighbour add 172.17.0.4 lladdr $(mac trickster) dev eth0
ip -n a neighbour add fd00:17::4 lladdr $(mac trickster) dev eth0
ip netns exec trickster sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.proxy_arp=1 \
    net.ipv4.conf.eth0.proxy_arp_pvlan=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.proxy_ndp=1
sysctl -qw net.ipv4.conf.apart0.send_redirects=1 net.ipv4.conf.all.send_redirects=1
"""

APART = """
# nobody reaches a sibling: on the link, by way of the gateway, with a MAC known by heart, through a mapped prefix
b         -> 172.17.0.2:80            blocked
b         -> 172.17.0.2:80/udp        blocked
b         -> 172.17.0.2/ping          blocked
b         -> 172.17.0.4:80            blocked
trickster -> 172.17.0.2:80            blocked
trickster -> 172.17.0.2/ping          blocked
trickster -> 203.0.113.2:80           blocked
b         -> 203.0.113.2/ping         blocked
b         -> [fd00:17::2]:80          blocked
b         -> [fd00:17::2]:80/udp      blocked
b         -> [fd00:17::2]/ping        blocked
trickster -> [fd00:17::2]:80          blocked
trickster -> [fd00:17::2]/ping        blocked
trickster -> [2001:db8:17::2]:80      blocked
# what is published is for siblings as for others
b         -> 192.0.2.1:8000           a sees 172.17.0.1
b         -> 172.17.0.1:8000          a sees 172.17.0.1
b         -> 172.17.0.1:8000/udp      a sees 172.17.0.1
b         -> 192.0.2.77:8001          a sees 172.17.0.1
a         -> 192.0.2.1:8000           a sees 172.17.0.1
remote    -> 192.0.2.1:8000           a sees 192.0.2.9
far       -> 192.0.2.1:8000           a sees 172.18.0.2
b         -> [2001:db8::1]:8000       a sees fd00:17::1
b         -> [fd00:17::1]:8000/udp    a sees fd00:17::1
a         -> [2001:db8::1]:8000       a sees fd00:17::1
# the host and the world are reached as ever
host      -> 172.17.0.2:80            a sees 172.17.0.1
b         -> 172.17.0.1:6000          host sees 172.17.0.3
b         -> 172.17.0.1/ping          answers
host      -> [fd00:17::2]:80          a sees fd00:17::1
b         -> [fd00:17::1]/ping        answers
# on an internal bridge as well
y         -> 172.20.0.2:80            blocked
y         -> 172.20.0.2/ping          blocked
y         -> [fd00:20::2]:80          blocked
y         -> [fd00:20::2]/ping        blocked
y         -> 192.0.2.9:7777           blocked
host      -> 172.20.0.2:80            x sees 172.20.0.1
host      -> [fd00:20::2]:80          x sees fd00:20::1
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Isolated endpoints that know the way, on a host with neighbours."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name, port in (("a", 80), ("trickster", 80), ("x", 80), ("", 6000)):
            lab.serve(name, port)
        for address in ("fd00:17::2", "fd00:20::2"):
            lab.wait_for(Probe("", address, 80))
        lab.command(BY_HAND)
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def test_siblings_reach_what_is_published_and_nothing_else(lab: Lab, switch: int) -> None:
    """Neither frames nor packets pass between them, but what an endpoint opens to all."""
    filter_bridged(lab, switch)
    check(lab, APART)


def test_isolation_goes_and_comes_back_in_place(lab: Lab) -> None:
    """Both ways of being apart, the port's flag and the rule, change with the key."""
    filter_bridged(lab, 0)
    apply_in(lab, edited(SPEC, (", port_isolation: true}\n  inner0", "}\n  inner0")))
    check(lab, "trickster -> 172.17.0.2:80  a sees 172.17.0.4\n b -> 172.17.0.2:80  a sees 172.17.0.3")
    apply_in(lab, SPEC)
    check(lab, "trickster -> 172.17.0.2:80  blocked\n b -> 172.17.0.2:80  blocked")
