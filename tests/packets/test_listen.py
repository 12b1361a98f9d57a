"""For whom a publication is open, and where: `from`, `listen`, which beats which, SCTP, and who is seen."""

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
  docker0: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
  apps0: {subnets: [172.18.0.0/24, "fd00:18::/64"]}
  inner0: {subnets: [172.20.0.0/24, "fd00:20::/64"], internal: true}
  behind0:
    subnets:
      - {cidr: 172.21.0.0/24, gateway: 172.21.0.254, host_address: 172.21.0.1}
      - {cidr: "fd00:21::/64", gateway: "fd00:21::fe", host_address: "fd00:21::1"}
  lone0: {subnets: [{cidr: 172.22.0.0/24, gateway: none, host_address: 172.22.0.1}]}
endpoints:
  web:
    bridge: docker0
    addresses: [172.17.0.2, "fd00:17::2"]
    publish:
      - {port: 80, to: 80, from: [192.0.2.9/32, "2001:db8::9/128"]}
      - {port: 53, to: 80, protocol: udp, from: [192.0.2.9/32, "2001:db8::9/128"]}
      - {port: 8000-8003, to: 8000-8003, from: [192.0.2.8/31, 198.51.100.0/24, "2001:db8::8/126"]}
      - {port: 9000-9003, to: 8000-8003, from: [192.0.2.9/32, 192.0.2.8/30, "2001:db8::9/128"]}
      - {port: 81, to: 80, listen: 192.0.2.77, from: [192.0.2.9/32]}
      - {port: 81, to: 80, listen: "2001:db8::77", from: ["2001:db8::9/128"]}
      - {port: 82, to: 80, listen: uplink, from: [192.0.2.9/32, "2001:db8::9/128"]}
      - {port: 83, to: 80, from: [192.0.2.9/32]}
      - {port: 84, to: 80, listen: uplink}
      - {port: 8100-8103, to: 8000-8003, listen: uplink}
      - {port: 85, to: 80, listen: docker0}
      - "90:80"
      - "91:80"
      - "92:80"
      - "0.0.0.0:93:80"
      - {port: 94, to: 80, listen: loopback}
      - {port: 8200-8203, to: 8200-8203, listen: loopback}
      - "95:80/sctp"
      - "9500-9503:9500-9503/sctp"
      - {port: 96, to: 80, protocol: sctp, from: [192.0.2.9/32, "2001:db8::9/128"]}
  api:
    bridge: docker0
    addresses: [172.17.0.3, "fd00:17::3"]
    publish:
      - {port: 90, to: 80, listen: uplink}
      - {port: 91, to: 80, listen: uplink, from: [192.0.2.9/32, "2001:db8::9/128"]}
      - "[::]:93:80"
      - "127.0.0.1:94:80"
  guest: {bridge: docker0, addresses: [172.17.0.9, "fd00:17::9"]}
  far:
    bridge: apps0
    addresses: [172.18.0.2, "fd00:18::2"]
    publish:
      - "192.0.2.77:90:80"
      - "[2001:db8::77]:90:80"
      - {port: 92, to: 80, listen: 192.0.2.77, from: [192.0.2.9/32]}
      - {port: 92, to: 80, listen: "2001:db8::77", from: ["2001:db8::9/128"]}
      - "94:80"
  both:
    publish: ["70:80"]
    interfaces:
      eth0: {bridge: inner0, addresses: [172.20.0.5, "fd00:20::5"]}
      eth1: {bridge: apps0, addresses: [172.18.0.5, "fd00:18::5"]}
      eth2: {bridge: docker0, addresses: [172.17.0.5, "fd00:17::5"]}
  behind: {bridge: behind0, addresses: [172.21.0.2, "fd00:21::2"], publish: ["71:80"]}
  lone: {bridge: lone0, address: 172.22.0.2, publish: ["72:80", "72:80/udp"]}
nat:
  masquerade: [docker0]
"""

BY_HAND = """
ip -n remote address add 192.0.2.10/24 dev eth0
ip -n remote -6 address add 2001:db8::10/64 dev eth0 nodad preferred_lft 0
"""
"""A second address of the remote machine, which it uses where it says so."""

FROM4 = """
# from: those who may come, those who may not, and the host, which always may
remote                 -> 192.0.2.1:80         web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:80         blocked
intruder               -> 198.51.100.1:80      blocked
guest                  -> 192.0.2.1:80         blocked
far                    -> 172.18.0.1:80        blocked
web                    -> 192.0.2.1:80         blocked
host                   -> 192.0.2.1:80         web sees 192.0.2.1
host                   -> 127.0.0.1:80         web sees 172.17.0.1
remote                 -> 192.0.2.1:53/udp     web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:53/udp     blocked
remote from 192.0.2.10 -> 192.0.2.1:53         refused
# … for ranges, kept and shifted, and lists that overlap
remote                 -> 192.0.2.1:8002       web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:8002       blocked
intruder               -> 198.51.100.1:8002    web sees 198.51.100.9
remote from 192.0.2.10 -> 192.0.2.1:8004       refused
remote                 -> 192.0.2.1:9002       web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:9002       web sees 192.0.2.10
intruder               -> 198.51.100.1:9002    blocked
# … at an address, and on a link
remote                 -> 192.0.2.77:81        web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.77:81        blocked
remote                 -> 192.0.2.1:81         refused
host                   -> 192.0.2.77:81        web sees 192.0.2.1
remote                 -> 192.0.2.1:82         web sees 192.0.2.9
remote                 -> 192.0.2.77:82        web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:82         blocked
intruder               -> 198.51.100.1:82      refused
remote                 -> 192.0.2.1:83         web sees 192.0.2.9
# listen at a link: by that link, at whatever address
remote                 -> 192.0.2.1:84         web sees 192.0.2.9
remote                 -> 192.0.2.77:84        web sees 192.0.2.9
remote                 -> 172.17.0.1:84        web sees 192.0.2.9
remote                 -> 192.0.2.1:8102       web sees 192.0.2.9
remote                 -> 192.0.2.1:8101       refused
intruder               -> 198.51.100.1:84      refused
host                   -> 192.0.2.1:84         refused
host                   -> 127.0.0.1:84         refused
guest                  -> 172.17.0.1:84        refused
guest                  -> 172.17.0.1:85        web sees 172.17.0.1 | web sees 172.17.0.9
web                    -> 172.17.0.1:85        web sees 172.17.0.1
remote                 -> 172.17.0.1:85        refused
far                    -> 172.17.0.1:85        refused
# an address beats a link, which beats any; who is not let in there gets in nowhere
remote                 -> 192.0.2.77:90        far sees 192.0.2.9
remote                 -> 192.0.2.1:90         api sees 192.0.2.9
intruder               -> 198.51.100.1:90      web sees 198.51.100.9
host                   -> 192.0.2.77:90        far sees 192.0.2.1
host                   -> 192.0.2.1:90         web sees 192.0.2.1
guest                  -> 192.0.2.77:90        far sees 172.17.0.9
remote                 -> 192.0.2.1:91         api sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:91         blocked
intruder               -> 198.51.100.1:91      web sees 198.51.100.9
remote                 -> 192.0.2.77:92        far sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.77:92        blocked
guest                  -> 192.0.2.77:92        blocked
remote from 192.0.2.10 -> 192.0.2.1:92         web sees 192.0.2.10
# 0.0.0.0 is every address of IPv4; loopback is 127.0.0.0/8, and 127.0.0.1 beats it
remote                 -> 192.0.2.1:93         web sees 192.0.2.9
host                   -> 127.0.0.1:93         web sees 172.17.0.1
host                   -> 127.0.0.1:94         api sees 172.17.0.1
host                   -> 127.0.0.2:94         web sees 172.17.0.1
host                   -> 127.255.0.9:94       web sees 172.17.0.1
host                   -> 192.0.2.1:94         far sees 192.0.2.1
remote                 -> 192.0.2.1:94         far sees 192.0.2.9
guest                  -> 172.17.0.1:94        far sees 172.17.0.9
host                   -> 127.0.0.1:8202       web sees 172.17.0.1
host                   -> 192.0.2.1:8202       refused
remote                 -> 192.0.2.1:8202       refused
intruder from 198.51.100.9 -> 127.0.0.2:8202   blocked
intruder from 198.51.100.9 -> 127.0.0.2:94     blocked
intruder from 198.51.100.9 -> 127.0.0.1:93     blocked
# SCTP, its checksum right
remote                 -> 192.0.2.1:95/sctp    web sees 192.0.2.9
remote                 -> 192.0.2.1:9501/sctp  web sees 192.0.2.9
host                   -> 192.0.2.1:95/sctp    web sees 192.0.2.1
host                   -> 127.0.0.1:95/sctp    web sees 172.17.0.1
guest                  -> 192.0.2.1:95/sctp    web sees 172.17.0.1 | web sees 172.17.0.9
far                    -> 192.0.2.1:95/sctp    web sees 172.18.0.2
remote                 -> 192.0.2.77:97/sctp   refused
remote                 -> 172.17.0.2:80/sctp   blocked
remote                 -> 192.0.2.1:96/sctp    web sees 192.0.2.9
remote from 192.0.2.10 -> 192.0.2.1:96/sctp    blocked
# several interfaces: by the one with the default route; where the answers would go elsewhere, through the host
remote                 -> 192.0.2.1:70         both sees 192.0.2.9
host                   -> 192.0.2.1:70         both sees 192.0.2.1
guest                  -> 192.0.2.1:70         both sees 172.18.0.1
host                   -> 172.17.0.1:70        both sees 172.18.0.1
host                   -> 172.20.0.1:70        both sees 172.18.0.1
both                   -> 192.0.2.1:70         both sees 172.18.0.1
remote                 -> 172.20.0.5:80        blocked
remote                 -> 192.0.2.1:71         behind sees 172.21.0.1
far                    -> 192.0.2.1:71         behind sees 172.21.0.1
host                   -> 192.0.2.1:71         behind sees 172.21.0.1
remote                 -> 192.0.2.1:72         lone sees 172.22.0.1
remote                 -> 192.0.2.1:72/udp     lone sees 172.22.0.1
host                   -> 127.0.0.1:72         lone sees 172.22.0.1
"""

FROM6 = """
# from: those who may come, those who may not, and the host, which always may
remote                   -> [2001:db8::1]:80         web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:80         blocked
guest                    -> [2001:db8::1]:80         blocked
far                      -> [fd00:18::1]:80          blocked
host                     -> [2001:db8::1]:80         web sees 2001:db8::1
remote                   -> [2001:db8::1]:53/udp     web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:53/udp     blocked
remote                   -> [2001:db8::1]:8002       web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:8002       blocked
remote                   -> [2001:db8::1]:9002       web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:9002       blocked
remote                   -> [2001:db8::77]:81        web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::77]:81        blocked
remote                   -> [2001:db8::1]:82         web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:82         blocked
# from names IPv4 alone: nobody comes by IPv6 but the host
remote                   -> [2001:db8::1]:83         blocked
host                     -> [2001:db8::1]:83         web sees 2001:db8::1
# listen at a link: by that link, at whatever address
remote                   -> [2001:db8::1]:84         web sees 2001:db8::9
remote                   -> [fd00:17::1]:84          web sees 2001:db8::9
remote                   -> [2001:db8::1]:8102       web sees 2001:db8::9
host                     -> [2001:db8::1]:84         refused
guest                    -> [fd00:17::1]:84          refused
guest                    -> [fd00:17::1]:85          web sees fd00:17::1 | web sees fd00:17::9
# an address beats a link, which beats any; who is not let in there gets in nowhere
remote                   -> [2001:db8::77]:90        far sees 2001:db8::9
remote                   -> [2001:db8::1]:90         api sees 2001:db8::9
host                     -> [2001:db8::1]:90         web sees 2001:db8::1
guest                    -> [2001:db8::77]:90        far sees fd00:17::9
remote                   -> [2001:db8::1]:91         api sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:91         blocked
remote                   -> [2001:db8::77]:92        far sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::77]:92        blocked
remote from 2001:db8::10 -> [2001:db8::1]:92         web sees 2001:db8::10
# [::] is every address of IPv6; the loopback of IPv6 refuses, and does not hang
remote                   -> [2001:db8::1]:93         api sees 2001:db8::9
host                     -> [::1]:93                 refused
host                     -> [::1]:94                 refused
host                     -> [::1]:8202               refused
host                     -> [::1]:90                 refused
remote                   -> [2001:db8::1]:94         far sees 2001:db8::9
remote                   -> [2001:db8::1]:8202       refused
# SCTP, its checksum right
remote                   -> [2001:db8::1]:95/sctp    web sees 2001:db8::9
remote                   -> [2001:db8::1]:9501/sctp  web sees 2001:db8::9
guest                    -> [2001:db8::1]:95/sctp    web sees fd00:17::1 | web sees fd00:17::9
remote                   -> [fd00:17::2]:80/sctp     blocked
remote                   -> [2001:db8::1]:96/sctp    web sees 2001:db8::9
remote from 2001:db8::10 -> [2001:db8::1]:96/sctp    blocked
# several interfaces: by the one with the default route; where the answers would go elsewhere, through the host
remote                   -> [2001:db8::1]:70         both sees 2001:db8::9
guest                    -> [2001:db8::1]:70         both sees fd00:18::1
both                     -> [2001:db8::1]:70         both sees fd00:18::1
remote                   -> [2001:db8::1]:71         behind sees fd00:21::1
"""

SERVED = {
    "web": (80, 8002, 8202),
    "api": (80,),
    "far": (80,),
    "both": (80,),
    "behind": (80,),
    "lone": (80,),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours, its servers running."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name, ports in SERVED.items():
            for port in ports:
                lab.serve(name, port)
        for port in (80, 9501):
            lab.serve("web", port, protocols=["sctp"])
        for address in ("fd00:17::2", "fd00:17::3", "fd00:18::2", "fd00:18::5", "fd00:21::2"):
            lab.wait_for(Probe("", address, 80))
        lab.command(BY_HAND)
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("table", [FROM4, FROM6], ids=["ipv4", "ipv6"])
def test_for_whom_it_is_open_and_where(lab: Lab, table: str, switch: int) -> None:
    """A publication answers at the place it names those whom it names, and leaves their addresses as they are."""
    filter_bridged(lab, switch)
    check(lab, table)
