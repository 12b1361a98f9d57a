"""Policies: who may talk to whom within a bridge, across bridges, in and out, to the host and from it."""

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
subnets:
  dmz: {cidr: 172.21.0.0/24}
  dmz6: {cidr: "fd00:21::/64"}
bridges:
  web0: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
  data0: {subnets: [172.18.0.0/24, "fd00:18::/64"]}
  guest0: {subnets: [172.19.0.0/24, "fd00:19::/64"]}
  inner0: {subnets: [172.20.0.0/24, "fd00:20::/64"], internal: true}
  dmz0: {subnets: [dmz, dmz6]}
  closed0: {subnets: [172.22.0.0/24, "fd00:22::/64"], host_access: closed}
endpoints:
  web: {bridge: web0, addresses: [172.17.0.2, "fd00:17::2"], publish: ["8000:80"]}
  sib: {bridge: web0, addresses: [172.17.0.3, "fd00:17::3"]}
  third: {bridge: web0, addresses: [172.17.0.4, "fd00:17::4"]}
  db: {bridge: data0, addresses: [172.18.0.2, "fd00:18::2"], publish: ["8001:80", "8003:83"]}
  guest: {bridge: guest0, addresses: [172.19.0.2, "fd00:19::2"]}
  inner: {bridge: inner0, addresses: [172.20.0.2, "fd00:20::2"]}
  innersib: {bridge: inner0, addresses: [172.20.0.3, "fd00:20::3"]}
  front: {bridge: dmz0, addresses: [172.21.0.2, "fd00:21::2"], publish: ["8010:80"]}
  closed: {bridge: closed0, addresses: [172.22.0.2, "fd00:22::2"]}
policies:
  # within a bridge
  - deny: {from: sib, to: web, ports: [80/tcp, icmp]}
  - reject: {from: sib, to: web, ports: [81-82/tcp, 80/udp]}
  - allow: {from: third, to: sib, ports: 81/tcp}
  - deny: {from: third, to: sib, ports: 80-82/tcp}
  # across bridges
  - allow: {from: web, to: db, ports: [80/tcp, 81-82/tcp, 80/udp, icmp]}
  - allow: {from: data0, to: web0, ports: 81/tcp}
  - reject: {from: guest, to: endpoint/db}
  # a named subnet, both ways
  - allow: {from: [dmz, dmz6], to: guest, ports: 80/tcp}
  - deny: {from: [172.17.0.0/24, "fd00:17::/64"], to: [subnet/dmz, subnet/dmz6]}
  # a publication is closed, and an endpoint opened to the outside
  - deny: {from: any, to: db, ports: 83/tcp}
  - allow: {from: [192.0.2.0/24, "2001:db8::/64"], to: db, ports: 81/tcp}
  # outward
  - deny: {from: guest, to: [192.0.2.9, "2001:db8::9"], ports: 7777/tcp}
  - reject: {from: front, to: any, ports: 7777/tcp}
  # internal
  - allow: {from: inner, to: [192.0.2.9, "2001:db8::9"], ports: [7777/tcp, 7777/udp]}
  - allow: {from: [web, 192.0.2.9, "2001:db8::9"], to: inner, ports: [80/tcp]}
  # the host
  - deny: {from: guest, to: host, ports: 6000/tcp}
  - allow: {from: closed0, to: host, ports: 6000/tcp}
  - reject: {from: host, to: guest, ports: 80/tcp}
"""

BY_HAND = """
for name in inner innersib; do
    ip -n $name route add default via 172.20.0.1
    ip -n $name -6 route add default via fd00:20::1
done
"""
"""Default routes that internal endpoints give themselves."""

IPV4 = """
# within a bridge: sib may not; what is refused is answered; the other way and third are not meant
sib    -> 172.17.0.2:80            blocked
sib    -> 172.17.0.2/ping          blocked
sib    -> 172.17.0.2:81            refused
sib    -> 172.17.0.2:82            refused
sib    -> 172.17.0.2:83            web sees 172.17.0.3
sib    -> 172.17.0.2:80/udp        refused
sib    -> 172.17.0.2:81/udp        web sees 172.17.0.3
web    -> 172.17.0.3:80            sib sees 172.17.0.2
web    -> 172.17.0.3/ping          answers
third  -> 172.17.0.2:80            web sees 172.17.0.4
# the first match wins
third  -> 172.17.0.3:81            sib sees 172.17.0.4
third  -> 172.17.0.3:80            blocked
third  -> 172.17.0.3:82            blocked
third  -> 172.17.0.3:83            sib sees 172.17.0.4
# a publication does not get round it
sib    -> 172.17.0.1:8000          blocked
third  -> 172.17.0.1:8000          web sees 172.17.0.1 | web sees 172.17.0.4
remote -> 192.0.2.1:8000           web sees 192.0.2.9
# across bridges: what is allowed, one way, at the endpoint's own address
web    -> 172.18.0.2:80            db sees 172.17.0.2
web    -> 172.18.0.2:82            db sees 172.17.0.2
web    -> 172.18.0.2:80/udp        db sees 172.17.0.2
web    -> 172.18.0.2/ping          answers
web    -> 172.18.0.2:84            blocked
web    -> 172.18.0.2:81/udp        blocked
sib    -> 172.18.0.2:80            blocked
sib    -> 172.18.0.2/ping          blocked
db     -> 172.17.0.2:80            blocked
db     -> 172.17.0.2:81            web sees 172.18.0.2
db     -> 172.17.0.3:81            sib sees 172.18.0.2
db     -> 172.17.0.2/ping          blocked
guest  -> 172.18.0.2:80            refused
guest  -> 172.18.0.2:80/udp        refused
guest  -> 172.18.0.1:8001          refused
# a named subnet, and a CIDR
front  -> 172.19.0.2:80            guest sees 172.21.0.2
front  -> 172.19.0.2:81            blocked
front  -> 172.17.0.2:80            blocked
web    -> 172.21.0.1:8010          blocked
sib    -> 172.21.0.2:80            blocked
guest  -> 172.21.0.1:8010          front sees 172.19.0.2
remote -> 192.0.2.1:8010           front sees 192.0.2.9
# closed: a publication, for everybody
remote -> 192.0.2.1:8001           db sees 192.0.2.9
remote -> 192.0.2.1:8003           blocked
host   -> 192.0.2.1:8003           blocked
host   -> 127.0.0.1:8003           blocked
host   -> 172.18.0.2:83            blocked
web    -> 172.18.0.1:8003          blocked
db     -> 172.18.0.1:8003          blocked
# opened from outside: no translation
remote -> 172.18.0.2:81            db sees 192.0.2.9
remote -> 172.18.0.2:80            blocked
remote -> 172.18.0.2/ping          blocked
intruder -> 198.51.100.1:8001      db sees 198.51.100.9
# outward
guest  -> 192.0.2.9:7777           blocked
guest  -> 192.0.2.9:7777/udp       remote sees 172.19.0.2
guest  -> 192.0.2.9/ping           answers
front  -> 192.0.2.9:7777           refused
front  -> 192.0.2.9:7777/udp       remote sees 172.21.0.2
web    -> 192.0.2.9:7777           remote sees 172.17.0.2
# into an internal bridge and out of it
inner  -> 192.0.2.9:7777           remote sees 172.20.0.2
inner  -> 192.0.2.9:7777/udp       remote sees 172.20.0.2
inner  -> 192.0.2.9/ping           blocked
innersib -> 192.0.2.9:7777         blocked
web    -> 172.20.0.2:80            inner sees 172.17.0.2
web    -> 172.20.0.2:81            blocked
remote -> 172.20.0.2:80            inner sees 192.0.2.9
remote -> 172.20.0.3:80            blocked
inner  -> 172.17.0.2:80            blocked
innersib -> 172.20.0.2:81          inner sees 172.20.0.3
# to the host and from it
guest  -> 172.19.0.1:6000          blocked
guest  -> 192.0.2.1:6000           blocked
guest  -> 172.19.0.1:6000/udp      host sees 172.19.0.2
guest  -> 172.19.0.1/ping          answers
closed -> 172.22.0.1:6000          host sees 172.22.0.2
closed -> 172.22.0.1:6000/udp      blocked
host   -> 172.19.0.2:80            refused
host   -> 172.19.0.2:81            guest sees 172.19.0.1
host   -> 172.17.0.2:80            web sees 172.17.0.1
remote -> 192.0.2.1:6000           host sees 192.0.2.9
"""

TRANSLATED = (("192.0.2.", "2001:db8::"), *((f"172.{n}.0.", f"fd00:{n}::") for n in range(17, 23)))
"""The addresses of IPv4, and how those of IPv6 begin; the last number is the same."""


def in_ipv6(table: str) -> str:
    """The same table for IPv6; what is about 127.0.0.0/8 or `intruder` is not of it."""
    lines = []
    for line in table.splitlines():
        if "127.0.0.1" in line or line.startswith("intruder"):
            continue
        asked, arrow, rest = line.partition(" -> ")
        words = f"{asked}{arrow}{_bracketed(rest)}" if arrow else line
        for four, six in TRANSLATED:
            words = words.replace(four, six)
        lines.append(words)
    return "\n".join(lines)


def _bracketed(rest: str) -> str:
    where, _, answers = rest.partition(" ")
    address, colon, port = where.partition(":")
    return f"[{address}]:{port} {answers}" if colon else f"{where} {answers}"


SERVED = {
    **dict.fromkeys(("web", "sib", "db"), (80, 81, 82, 83, 84)),
    **dict.fromkeys(("guest", "inner", "innersib", "front"), (80, 81)),
    "": (6000,),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours, and servers on all."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        lab.command(BY_HAND)
        for name, ports in SERVED.items():
            for port in ports:
                lab.serve(name, port)
        for number, port in ((17, 81), (18, 80), (19, 81), (20, 80), (21, 80)):
            lab.wait_for(Probe("", f"fd00:{number}::2", port))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("table", [IPV4, in_ipv6(IPV4)], ids=["ipv4", "ipv6"])
def test_who_may_talk_to_whom(lab: Lab, table: str, switch: int) -> None:
    """Policies in order, the first that matches decides; what none matches is decided by the defaults."""
    filter_bridged(lab, switch)
    check(lab, table)


WALLED = """
netspec: 1
bridges:
  lan: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
endpoints:
  web: {bridge: lan, addresses: [172.17.0.2, "fd00:17::2"], publish: ["8000:80"]}
  sib: {bridge: lan, addresses: [172.17.0.3, "fd00:17::3"]}
policies:
  - allow: {from: [sib, 192.0.2.9, "2001:db8::9"], to: web, ports: 80/tcp}
  - allow: {from: host, to: web, ports: 81/tcp}
  - allow: {from: web, to: host, ports: 6000/tcp}
  - deny: {}
"""
WALLED4 = """
sib    -> 172.17.0.2:80            web sees 172.17.0.3
sib    -> 172.17.0.2:81            blocked
sib    -> 172.17.0.2/ping          blocked
web    -> 172.17.0.3:80            blocked
host   -> 172.17.0.2:81            web sees 172.17.0.1
host   -> 172.17.0.2:80            blocked
host   -> 172.17.0.2/ping          blocked
host   -> 192.0.2.9:7777           remote sees 192.0.2.1
web    -> 172.17.0.1:6000          host sees 172.17.0.2
web    -> 172.17.0.1/ping          blocked
sib    -> 172.17.0.1:6000          blocked
web    -> 192.0.2.9:7777           blocked
remote -> 192.0.2.1:8000           web sees 192.0.2.9
remote -> 172.17.0.2:80            web sees 192.0.2.9
remote -> 172.17.0.2:81            blocked
"""


def test_everything_may_be_denied_that_is_not_allowed() -> None:
    """With a last policy that denies all, what is allowed works, over IPv6 too: its neighbours find each other."""
    with host_with_neighbours() as lab:
        apply_in(lab, WALLED)
        for name, port in (("web", 80), ("web", 81), ("sib", 80), ("", 6000)):
            lab.serve(name, port)
        lab.wait_for(Probe("", "fd00:17::2", 81))
        for switch in (0, 1):
            filter_bridged(lab, switch)
            lab.command(
                "ip -6 neigh flush dev lan; ip -n sib -6 neigh flush dev eth0; ip -n web -6 neigh flush dev eth0"
            )
            check(lab, WALLED4 + in_ipv6(WALLED4))
