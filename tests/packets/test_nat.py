"""Under which addresses traffic leaves, and where ports and prefixes of the host lead: the section `nat`."""

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.packets.hearing import Ear, nothing
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
  bylink0: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
  wide0: {subnets: [172.18.0.0/24, "fd00:18::/64"]}
  snat0: {subnets: [172.19.0.0/24, "fd00:19::/64"]}
  range0: {subnets: [172.20.0.0/24, "fd00:20::/64"]}
  mapped0: {subnets: [172.21.0.0/24, "fd00:21::/64"]}
  mapopen0: {subnets: [172.22.0.0/24, "fd00:22::/64"], access: open}
  maprouted0: {subnets: [172.23.0.0/24, "fd00:23::/64"], access: routed}
  mapinner0: {subnets: [172.23.128.0/24, "fd00:24::/64"], internal: true}
endpoints:
  bylink: {bridge: bylink0, addresses: [172.17.0.2, "fd00:17::2"]}
  wide: {bridge: wide0, addresses: [172.18.0.2, "fd00:18::2"]}
  snat: {bridge: snat0, addresses: [172.19.0.2, "fd00:19::2"]}
  range: {bridge: range0, addresses: [172.20.0.2, "fd00:20::2"]}
  mapped: {bridge: mapped0, addresses: [172.21.0.2, "fd00:21::2"], publish: ["8000:80"]}
  sib: {bridge: mapped0, addresses: [172.21.0.3, "fd00:21::3"]}
  mapopen: {bridge: mapopen0, addresses: [172.22.0.2, "fd00:22::2"], publish: ["8001:80"]}
  maprouted: {bridge: maprouted0, addresses: [172.23.0.2, "fd00:23::2"], publish: ["8002:80"]}
  mapinner: {bridge: mapinner0, addresses: [172.23.128.2, "fd00:24::2"]}
nat:
  masquerade:
    - {from: bylink0, out: uplink}
    - {from: 172.17.0.0/25, out: uplink}
    - wide0
    - 172.18.0.0/16
    - "fd00:18::/96"
    - {from: wide0, out: uplink2}
    - snat0
  snat:
    - {from: snat0, to: 192.0.2.77, out: uplink}
    - {from: snat0, to: "2001:db8::77", out: uplink}
    - {from: range0, to: 192.0.2.80-192.0.2.82}
    - {from: "fd00:20::/64", to: "2001:db8::80-2001:db8::81"}
  dnat:
    - {port: 7000, to: "198.51.100.9:7777"}
    - {port: 7010-7012, to: "198.51.100.9:7777-7779"}
    - {port: 7777-7779, to: 198.51.100.9}
    - {port: 7001, to: "198.51.100.9:7777", protocol: udp}
    - {port: 7002, to: "198.51.100.9:7777", listen: uplink}
    - {port: 7003, to: "198.51.100.9:7777", listen: 192.0.2.77}
    - {port: 7000, to: "[2001:db8:2::9]:7777"}
    - {port: 7001, to: "[2001:db8:2::9]:7777", protocol: udp}
    - {port: 7002, to: "[2001:db8:2::9]:7777", listen: uplink}
  netmap:
    - {from: 172.21.0.0/24, to: 203.0.113.0/24}
    - {from: 172.22.0.0/15, to: 198.18.0.0/15}
    - {from: "fd00:21::/64", to: "2001:db8:21::/64"}
    - {from: "fd00:22::/64", to: "2001:db8:22::/64"}
    - {from: "fd00:23::/64", to: "2001:db8:23::/64"}
    - {from: "fd00:24::/64", to: "2001:db8:24::/64"}
"""

BY_HAND = """
for number in 0 1 2; do
    ip address add 192.0.2.8$number/24 dev uplink
    ip -6 address add 2001:db8::8$number/64 dev uplink nodad preferred_lft 0
done
# one address of a mapped prefix is the host's own
ip address add 203.0.113.1/32 dev uplink
ip -6 address add 2001:db8:21::1/128 dev uplink nodad preferred_lft 0
ip -n remote route add 203.0.113.0/24 via 192.0.2.1
ip -n remote route add 198.18.0.0/15 via 192.0.2.1
ip -n remote -6 route add 2001:db8:20::/44 via 2001:db8::1
ip -6 address add 2001:db8:2::1/64 dev uplink2 nodad
ip -n intruder -6 address add 2001:db8:2::9/64 dev eth0 nodad
ip -n intruder route add default via 198.51.100.1
ip -n intruder -6 route add default via 2001:db8:2::1
ip -n mapinner route add default via 172.23.128.1
ip -n mapinner -6 route add default via fd00:24::1
"""
"""More addresses of the host, outer prefixes that neighbours send to it, and `intruder` as a target."""

NAT4 = """
# masquerade by one link, by any, and prefixes that cover each other
bylink    -> 192.0.2.9:7777         remote sees 192.0.2.1
bylink    -> 192.0.2.9:7777/udp     remote sees 192.0.2.1
bylink    -> 192.0.2.9/ping         answers
bylink    -> 198.51.100.9:7777      intruder sees 172.17.0.2
wide      -> 192.0.2.9:7777         remote sees 192.0.2.1
wide      -> 198.51.100.9:7777      intruder sees 198.51.100.1
# snat goes before masquerade: one address by one link, a range by any
snat      -> 192.0.2.9:7777         remote sees 192.0.2.77
snat      -> 192.0.2.9:7777/udp     remote sees 192.0.2.77
snat      -> 192.0.2.9/ping         answers
snat      -> 198.51.100.9:7777      intruder sees 198.51.100.1
range     -> 192.0.2.9:7777         remote sees 192.0.2.80 | remote sees 192.0.2.81 | remote sees 192.0.2.82
# own bridges are never translated between each other
bylink    -> 172.22.0.2:80          mapopen sees 172.17.0.2
wide      -> 172.22.0.2:80          mapopen sees 172.18.0.2
snat      -> 172.22.0.2:80/udp      mapopen sees 172.19.0.2
range     -> 172.22.0.2:80          mapopen sees 172.20.0.2
mapped    -> 172.22.0.2:80          mapopen sees 172.21.0.2
wide      -> 192.0.2.1:8000         mapped sees 172.18.0.2
# dnat: a port, a range, another port, by a link, at an address
remote    -> 192.0.2.1:7000         intruder sees 192.0.2.9
remote    -> 192.0.2.1:7010         intruder sees 192.0.2.9
remote    -> 192.0.2.1:7011         refused
remote    -> 192.0.2.1:7012         intruder sees 192.0.2.9
remote    -> 192.0.2.1:7779         intruder sees 192.0.2.9
remote    -> 192.0.2.1:7001/udp     intruder sees 192.0.2.9
remote    -> 192.0.2.77:7002        intruder sees 192.0.2.9
intruder  -> 198.51.100.1:7002      refused
host      -> 192.0.2.1:7002         refused
remote    -> 192.0.2.77:7003        intruder sees 192.0.2.9
remote    -> 192.0.2.1:7003         refused
host      -> 192.0.2.1:7000         intruder sees 192.0.2.1
wide      -> 192.0.2.1:7000         intruder sees 198.51.100.1
bylink    -> 172.17.0.1:7777        intruder sees 172.17.0.2
# … but not on the loopback, from which no answer would come back
host      -> 127.0.0.1:7000         refused
host      -> 127.0.0.1:7010         refused
host      -> 127.0.0.1:7001/udp     refused
host      -> 127.0.0.1:8000         mapped sees 172.21.0.1
# netmap: outward one to one; inward what `access` admits
mapped    -> 192.0.2.9:7777         remote sees 203.0.113.2
sib       -> 192.0.2.9:7777/udp     remote sees 203.0.113.3
mapopen   -> 192.0.2.9:7777         remote sees 198.18.0.2
maprouted -> 192.0.2.9:7777         remote sees 198.19.0.2
mapped    -> 192.0.2.9/ping         answers
remote    -> 203.0.113.2:80         blocked
remote    -> 203.0.113.2:8000       blocked
remote    -> 203.0.113.2/ping       blocked
remote    -> 203.0.113.1:8000       mapped sees 192.0.2.9
remote    -> 203.0.113.1:6000       host sees 192.0.2.9
remote    -> 198.18.0.2:80         mapopen sees 192.0.2.9
remote    -> 198.18.0.2:81         refused
remote    -> 198.18.0.2/ping       answers
remote    -> 198.19.0.2:80         maprouted sees 192.0.2.9
remote    -> 198.19.0.2:81         blocked
remote    -> 198.19.0.2/ping       answers
remote    -> 198.19.128.2:80         blocked
remote    -> 198.19.128.2/ping       blocked
mapinner  -> 192.0.2.9:7777         blocked
# … and not between own endpoints
sib       -> 203.0.113.2:80         blocked
wide      -> 198.18.0.2:80         blocked
sib       -> 172.21.0.2:80          mapped sees 172.21.0.3
"""

NAT6 = """
# masquerade by one link, by any, and prefixes that cover each other
bylink    -> [2001:db8::9]:7777     remote sees 2001:db8::1
bylink    -> [2001:db8:2::9]:7777   intruder sees fd00:17::2
wide      -> [2001:db8::9]:7777     remote sees 2001:db8::1
wide      -> [2001:db8:2::9]:7777   intruder sees 2001:db8:2::1
# snat goes before masquerade: one address by one link, a range by any
snat      -> [2001:db8::9]:7777     remote sees 2001:db8::77
snat      -> [2001:db8:2::9]:7777   intruder sees 2001:db8:2::1
range     -> [2001:db8::9]:7777     remote sees 2001:db8::80 | remote sees 2001:db8::81
# own bridges are never translated between each other
bylink    -> [fd00:22::2]:80        mapopen sees fd00:17::2
wide      -> [fd00:22::2]:80/udp    mapopen sees fd00:18::2
snat      -> [fd00:22::2]:80        mapopen sees fd00:19::2
mapped    -> [fd00:22::2]:80        mapopen sees fd00:21::2
# dnat: another port, by a link
remote    -> [2001:db8::1]:7000     intruder sees 2001:db8::9
remote    -> [2001:db8::1]:7001/udp intruder sees 2001:db8::9
remote    -> [2001:db8::1]:7002     intruder sees 2001:db8::9
intruder  -> [2001:db8:2::1]:7002   refused
host      -> [2001:db8::1]:7000     intruder sees 2001:db8::1
host      -> [::1]:7000             refused
# netmap: outward one to one; inward what `access` admits
mapped    -> [2001:db8::9]:7777     remote sees 2001:db8:21::2
mapopen   -> [2001:db8::9]:7777/udp remote sees 2001:db8:22::2
mapped    -> [2001:db8::9]/ping     answers
remote    -> [2001:db8:21::2]:80    blocked
remote    -> [2001:db8:21::2]/ping  blocked
remote    -> [2001:db8:21::1]:8000  mapped sees 2001:db8::9
remote    -> [2001:db8:22::2]:80    mapopen sees 2001:db8::9
remote    -> [2001:db8:22::2]/ping  answers
remote    -> [2001:db8:23::2]:80    maprouted sees 2001:db8::9
remote    -> [2001:db8:23::2]:81    blocked
remote    -> [2001:db8:24::2]:80    blocked
mapinner  -> [2001:db8::9]:7777     blocked
sib       -> [2001:db8:21::2]:80    blocked
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours on two links, and servers on all."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        lab.command(BY_HAND)
        served = [("intruder", 7777), ("intruder", 7779), ("mapped", 80), ("mapopen", 80), ("maprouted", 80)]
        for name, port in (*served, ("maprouted", 81), ("mapinner", 80), ("", 6000)):
            lab.serve(name, port)
        for address, port in (("2001:db8:2::9", 7777), ("fd00:21::2", 80), ("fd00:22::2", 80), ("fd00:23::2", 80)):
            lab.wait_for(Probe("", address, port))
        for name in ("bylink", "wide", "snat", "range", "sib"):
            lab.wait_for(Probe(name, "fd00:22::2", 80))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("table", [NAT4, NAT6], ids=["ipv4", "ipv6"])
def test_who_leaves_as_whom_and_what_leads_where(lab: Lab, table: str, switch: int) -> None:
    """Each translation happens to what it names, on its way to where it says, and to nothing between own bridges."""
    filter_bridged(lab, switch)
    check(lab, table)


@pytest.mark.parametrize("address", ["203.0.113.2", "2001:db8:21::2"])
def test_what_is_not_let_in_is_not_sent_back(lab: Lab, address: str) -> None:
    """The prefix is routed to the host; without a drop it would go to and fro between the two until it is too old."""
    family = "-6" if ":" in address else "-4"
    router = "2001:db8::9" if ":" in address else "192.0.2.9"
    lab.command(f"ip {family} route add default via {router}")
    ear = Ear(lab, "remote", nothing)
    check(lab, f"remote -> {f'[{address}]' if family == '-6' else address}:80  blocked")
    heard = ear.heard()
    lab.command(f"ip {family} route del default")
    target = ip_address(address).packed
    # The destination stands at bytes 16 to 20 of an IPv4 header, 24 to 40 of an IPv6 one, behind that of Ethernet.
    assert [each for each in heard if each[14:][24:40] == target or each[14:][16:20] == target] == []
