"""Subnets of every sort carry traffic: pairs, several on one bridge, generated ones, other routers, and none."""

import os
from collections.abc import Iterator

import pytest

from netspec.kinds._prefixes import unique_local
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
  pair0: {subnets: [10.2.0.0/31, "fd00:2::/127"]}
  several0: {subnets: [10.3.0.0/24, 10.4.0.0/24, ula]}
  routed0:
    subnets:
      - {cidr: 10.5.0.0/24, gateway: 10.5.0.1, host_address: 10.5.0.2}
      - {cidr: "fd00:5::/64", gateway: "fd00:5::1", host_address: none}
  local0: {subnets: [{cidr: "fd00:7::/64", gateway: "fe80::1", host_address: "fd00:7::2"}]}
  quiet0: {subnets: [{cidr: 10.6.0.0/24, gateway: none}, {cidr: "fd00:6::/64", gateway: none}]}
endpoints:
  pair: {bridge: pair0}
  x: {bridge: several0}
  y: {bridge: several0}
  routed: {bridge: routed0}
  local: {bridge: local0}
  q1: {bridge: quiet0}
  q2: {bridge: quiet0}
"""

ANOTHER_ROUTER = """
ip netns add router
ip -n router link set lo up
ip link add to-router type veth peer name eth0 netns router
ip link set to-router master routed0 up
ip -n router address add 10.5.0.1/24 dev eth0
ip -n router -6 address add fd00:5::1/64 dev eth0 nodad
ip -n router address add 203.0.113.1/32 dev lo
ip -n router -6 address add 2001:db8:203::1/128 dev lo nodad
ip -n router link set eth0 up
ip link add to-router2 type veth peer name eth1 netns router
ip link set to-router2 master local0 up
ip -n router -6 address add fe80::1/64 dev eth1 nodad
ip -n router link set eth1 up
ip -n router -6 route add fd00:7::/64 dev eth1
"""
"""A router on the bridge that netspec knows nothing of; behind it lies what 203.0.113.1 stands for."""

ULA = unique_local("default", "bridge/several0")

REACH = f"""
# a pair of addresses: the host has one, the endpoint the other
host   -> 10.2.0.1:80               pair sees 10.2.0.0
host   -> [fd00:2::1]:80            pair sees fd00:2::
pair   -> 192.0.2.9:7777            remote sees 10.2.0.1
pair   -> [2001:db8::9]:7777        remote sees fd00:2::1
# several subnets on one bridge: an address in each
x      -> 10.3.0.3:80               y sees 10.3.0.2
x      -> 10.4.0.3:80               y sees 10.4.0.2
x      -> [{ULA[3]}]:80             y sees {ULA[2]}
host   -> 10.4.0.3:80               y sees 10.4.0.1
host   -> [{ULA[3]}]:80             y sees {ULA[1]}
x      -> 192.0.2.9:7777            remote sees 10.3.0.2
x      -> [2001:db8::9]:7777        remote sees {ULA[2]}
# another router is the gateway, and the host an ordinary neighbour
routed -> 203.0.113.1:80            router sees 10.5.0.3
routed -> [2001:db8:203::1]:80      router sees fd00:5::2
host   -> 10.5.0.3:80               routed sees 10.5.0.2
routed -> 192.0.2.9:7777            blocked
# … which may be a link-local address, as IPv6 routers have them
local  -> [2001:db8:203::1]:80      router sees fd00:7::1
host   -> [fd00:7::1]:80            local sees fd00:7::2
# no gateway: neighbours, and nobody else
q1     -> 10.6.0.2:80               q2 sees 10.6.0.1
q1     -> [fd00:6::2]:80            q2 sees fd00:6::1
q1     -> 192.0.2.9:7777            blocked
q1     -> [2001:db8::9]:7777        blocked
host   -> 10.6.0.2:80               blocked
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours; `remote` knows the way back."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        lab.command(ANOTHER_ROUTER)
        lab.command("ip -n remote route add 10.0.0.0/8 via 192.0.2.1")
        for name in ("pair", "x", "y", "routed", "local", "q1", "q2", "router"):
            lab.serve(name, 80)
        for name in ("routed", "local"):
            lab.wait_for(Probe(name, "2001:db8:203::1", 80))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def test_who_reaches_whom_in_which_subnet(lab: Lab, switch: int) -> None:
    """By automatic addresses alone, in both families."""
    filter_bridged(lab, switch)
    check(lab, REACH)
