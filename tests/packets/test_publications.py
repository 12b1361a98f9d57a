"""Every form of a publication, over IPv4 and IPv6, TCP and UDP, seen from everywhere."""

import os
from collections.abc import Iterator

import pytest

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
  docker0: {subnets: [172.17.0.0/16, "fd00:17::/64"]}
  apps0: {subnets: [172.18.0.0/16, "fd00:18::/64"]}
endpoints:
  web:
    bridge: docker0
    addresses: [172.17.0.2, "fd00:17::2"]
    publish:
      - "80:8080"
      - "53:5353/udp"
      - "8000-8003:8000-8003"
      - "8000-8003:8000-8003/udp"
      - "9000-9003:8000-8003"
      - "127.0.0.1:7000:8080"
      - "127.0.0.1:8100-8103:8000-8003"
      - "192.0.2.77:7001:8080"
      - "192.0.2.77:8010-8013:8010-8013"
      - "[2001:db8::77]:7002:8080"
  api:
    bridge: docker0
    addresses: [172.17.0.3, "fd00:17::3"]
    publish: ["192.0.2.77:80:8080", "[2001:db8::77]:80:8080"]
  guest: {bridge: docker0, addresses: [172.17.0.9, "fd00:17::9"]}
  far:
    bridge: apps0
    addresses: [172.18.0.2, "fd00:18::2"]
    publish: ["81:8080"]
nat:
  masquerade: [docker0]
"""

SERVED = (("web", 8080), ("web", 5353), ("web", 8002), ("web", 8012), ("api", 8080), ("far", 8080), ("guest", 8080))
"""Of each range one port is served: that it answers, and its neighbours refuse, shows which port leads where."""

BY_HAND = """
ip address del 127.0.0.1/8 dev lo
ip route add 127.0.0.0/8 via 172.17.0.1 dev eth0
sysctl -qw net.ipv4.conf.all.route_localnet=1
"""
"""What an endpoint does that wants to reach the loopback of the host."""

IPV4 = """
# published everywhere, to another port; UDP beside TCP
remote -> 192.0.2.1:80            web sees 192.0.2.9
host   -> 192.0.2.1:80            web sees 192.0.2.1
host   -> 127.0.0.1:80            web sees 172.17.0.1
guest  -> 192.0.2.1:80            web sees 172.17.0.1 | web sees 172.17.0.9
web    -> 192.0.2.1:80            web sees 172.17.0.1
far    -> 192.0.2.1:80            web sees 172.18.0.2
remote -> 192.0.2.1:8080          refused
remote -> 192.0.2.1:53/udp        web sees 192.0.2.9
host   -> 192.0.2.1:53/udp        web sees 192.0.2.1
host   -> 127.0.0.1:53/udp        web sees 172.17.0.1
guest  -> 172.17.0.1:53/udp       web sees 172.17.0.1 | web sees 172.17.0.9
web    -> 192.0.2.1:53/udp        web sees 172.17.0.1
far    -> 192.0.2.1:53/udp        web sees 172.18.0.2
remote -> 192.0.2.1:53            refused
# one address beats all
remote -> 192.0.2.77:80           api sees 192.0.2.9
host   -> 192.0.2.77:80           api sees 192.0.2.1
api    -> 192.0.2.77:80           api sees 172.17.0.1
# a range of the same numbers, and one that is shifted; the server is on 8002 alone
remote -> 192.0.2.1:8002          web sees 192.0.2.9
remote -> 192.0.2.1:8002/udp      web sees 192.0.2.9
remote -> 192.0.2.1:8000          refused
remote -> 192.0.2.1:8003          refused
remote -> 192.0.2.1:8004          refused
remote -> 192.0.2.1:9002          web sees 192.0.2.9
remote -> 192.0.2.1:9001          refused
remote -> 192.0.2.1:9003          refused
host   -> 127.0.0.1:9002          web sees 172.17.0.1
web    -> 172.17.0.1:8002         web sees 172.17.0.1
# on the loopback only
host   -> 127.0.0.1:7000          web sees 172.17.0.1
host   -> 127.0.0.1:8102          web sees 172.17.0.1
host   -> 127.0.0.1:8101          refused
host   -> 127.0.0.2:7000          refused
host   -> 192.0.2.1:7000          refused
remote -> 192.0.2.1:7000          refused
guest  -> 172.17.0.1:7000         refused
web    -> 172.17.0.1:8102         refused
intruder -> 198.51.100.1:80       web sees 198.51.100.9
intruder from 198.51.100.9 -> 127.0.0.1:7000      blocked
intruder from 198.51.100.9 -> 127.0.0.1:8102      blocked
intruder from 198.51.100.9 -> 127.0.0.1:80        blocked
guest from 172.17.0.9 -> 127.0.0.1:7000           blocked
guest from 172.17.0.9 -> 127.0.0.1:80             blocked
# on one address of the host only
remote -> 192.0.2.77:7001         web sees 192.0.2.9
remote -> 192.0.2.77:8012         web sees 192.0.2.9
host   -> 192.0.2.77:7001         web sees 192.0.2.1
guest  -> 192.0.2.77:7001         web sees 172.17.0.1 | web sees 172.17.0.9
far    -> 192.0.2.77:7001         web sees 172.18.0.2
remote -> 192.0.2.1:7001          refused
remote -> 192.0.2.1:8012          refused
host   -> 127.0.0.1:7001          refused
# from a bridge that is not masqueraded
remote -> 192.0.2.1:81            far sees 192.0.2.9
web    -> 192.0.2.1:81            far sees 172.17.0.2
far    -> 192.0.2.1:81            far sees 172.18.0.1
host   -> 127.0.0.1:81            far sees 172.18.0.1
# the endpoints' own addresses
remote -> 172.17.0.2:8080         blocked
remote -> 172.17.0.2:5353/udp     blocked
remote -> 172.18.0.2:8080         blocked
far    -> 172.17.0.2:8080         blocked
web    -> 172.18.0.2:8080         blocked
guest  -> 172.17.0.2:8080         web sees 172.17.0.9
host   -> 172.18.0.2:8080         far sees 172.18.0.1
# outward
web    -> 192.0.2.9:7777          remote sees 192.0.2.1
web    -> 192.0.2.9:7777/udp      remote sees 192.0.2.1
far    -> 192.0.2.9:7777          remote sees 172.18.0.2
far    -> 192.0.2.9:7777/udp      remote sees 172.18.0.2
"""

IPV6 = """
# published everywhere, to another port; UDP beside TCP
remote -> [2001:db8::1]:80        web sees 2001:db8::9
host   -> [2001:db8::1]:80        web sees 2001:db8::1
guest  -> [2001:db8::1]:80        web sees fd00:17::1 | web sees fd00:17::9
web    -> [2001:db8::1]:80        web sees fd00:17::1
far    -> [2001:db8::1]:80        web sees fd00:18::2
remote -> [2001:db8::1]:8080      refused
remote -> [2001:db8::1]:53/udp    web sees 2001:db8::9
guest  -> [fd00:17::1]:53/udp     web sees fd00:17::1 | web sees fd00:17::9
web    -> [2001:db8::1]:53/udp    web sees fd00:17::1
remote -> [2001:db8::1]:53        refused
# the loopback of IPv6 cannot be translated: it refuses, and does not hang
host   -> [::1]:80                refused
host   -> [::1]:53/udp            refused
# one address beats all
remote -> [2001:db8::77]:80       api sees 2001:db8::9
api    -> [2001:db8::77]:80       api sees fd00:17::1
# a range of the same numbers, and one that is shifted; the server is on 8002 alone
remote -> [2001:db8::1]:8002      web sees 2001:db8::9
remote -> [2001:db8::1]:8002/udp  web sees 2001:db8::9
remote -> [2001:db8::1]:8000      refused
remote -> [2001:db8::1]:9002      web sees 2001:db8::9
remote -> [2001:db8::1]:9001      refused
# on one address of the host only
remote -> [2001:db8::77]:7002     web sees 2001:db8::9
host   -> [2001:db8::77]:7002     web sees 2001:db8::1 | web sees 2001:db8::77
far    -> [2001:db8::77]:7002     web sees fd00:18::2
remote -> [2001:db8::1]:7002      refused
# what is published on addresses of IPv4 is not on IPv6
remote -> [2001:db8::1]:7000      refused
remote -> [2001:db8::1]:7001      refused
# from a bridge that is not masqueraded
remote -> [2001:db8::1]:81        far sees 2001:db8::9
web    -> [2001:db8::1]:81        far sees fd00:17::2
far    -> [2001:db8::1]:81        far sees fd00:18::1
# the endpoints' own addresses
remote -> [fd00:17::2]:8080       blocked
remote -> [fd00:17::2]:5353/udp   blocked
remote -> [fd00:18::2]:8080       blocked
far    -> [fd00:17::2]:8080       blocked
web    -> [fd00:18::2]:8080       blocked
guest  -> [fd00:17::2]:8080       web sees fd00:17::9
host   -> [fd00:18::2]:8080       far sees fd00:18::1
# outward
web    -> [2001:db8::9]:7777      remote sees 2001:db8::1
web    -> [2001:db8::9]:7777/udp  remote sees 2001:db8::1
far    -> [2001:db8::9]:7777      remote sees fd00:18::2
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours, its servers running."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        lab.command(BY_HAND, "guest")
        for name, port in SERVED:
            lab.serve(name, port)
        for address in ("fd00:17::2", "fd00:17::3", "fd00:17::9", "fd00:18::2"):
            lab.wait_for(Probe("", address, 8080))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("table", [IPV4, IPV6], ids=["ipv4", "ipv6"])
def test_who_reaches_what_and_as_whom(lab: Lab, table: str, switch: int) -> None:
    """A publication is open where it says, leads to the port it says, and shows the server who asks."""
    filter_bridged(lab, switch)
    check(lab, table)
