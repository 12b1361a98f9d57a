"""Who is let in, as values: a table of flows and what becomes of them."""

from ipaddress import ip_address, ip_network

import pytest

from netspec.core.judge import FORWARD, INPUT, OUTPUT, Flow, Judge, Reach, Ruling, Ward

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}
LOCAL = frozenset(map(ip_address, ("192.0.2.1", "10.1.0.1", "fd00:1::1")))


def reach(source: str, target: str, *ports: tuple[int, int, int]) -> Reach:
    """Some traffic between two prefixes."""
    return Reach((ip_network(source),), (ip_network(target),), ports)


def ward(prefix: str, access: str, *, isolated: bool = False, host_closed: bool = False) -> Ward:
    """A segment of one prefix, and of the same in IPv6."""
    number = prefix.split(".")[1]
    return Ward((ip_network(prefix), ip_network(f"fd00:{number}::/64")), access, isolated, host_closed)


WARDS = (
    ward("10.1.0.0/24", "published"),
    ward("10.2.0.0/24", "routed"),
    ward("10.3.0.0/24", "open", host_closed=True),
    ward("10.4.0.0/24", "internal"),
    ward("10.5.0.0/24", "published", isolated=True),
)
JUDGE = Judge(
    (
        Ruling(FORWARD, allow=True, reach=reach("10.1.0.2/32", "10.1.0.3/32", (6, 80, 80))),
        Ruling(FORWARD, allow=False, reach=reach("10.1.0.2/32", "10.1.0.3/32", (6, 79, 90))),
        Ruling(FORWARD, allow=False, reach=reach("0.0.0.0/0", "10.1.0.9/32")),
        Ruling(FORWARD, allow=True, reach=reach("10.4.0.2/32", "192.0.2.9/32")),
        Ruling(FORWARD, allow=False, reach=reach("10.3.0.2/32", "192.0.2.9/32", (17, 53, 53))),
        Ruling(INPUT, allow=False, reach=reach("10.1.0.2/32", "0.0.0.0/0", (6, 22, 22))),
        Ruling(INPUT, allow=True, reach=reach("10.3.0.2/32", "0.0.0.0/0", (6, 22, 22))),
        Ruling(OUTPUT, allow=False, reach=reach("0.0.0.0/0", "10.1.0.2/32", (6, 80, 80))),
    ),
    WARDS,
    (reach("0.0.0.0/0", "10.2.0.2/32", (6, 80, 80)),),
)

TABLE = """
# a policy, the first that matches, before the defaults
10.1.0.2  -> 10.1.0.3:80/tcp               passes
10.1.0.2  -> 10.1.0.3:81/tcp               cut
10.1.0.2  -> 10.1.0.3:81/udp               passes
10.1.0.2  -> 10.1.0.3:91/tcp               passes
10.1.0.4  -> 10.1.0.3:81/tcp               passes
# of a publication as well: addresses are those after translation
192.0.2.9 -> 10.1.0.9:80/tcp translated    cut
10.1.0.2  -> 10.1.0.9:0/icmp               cut
# by default: within, and from elsewhere
10.1.0.2  -> 10.1.0.4:5000/udp             passes
10.5.0.2  -> 10.5.0.3:80/tcp               cut
10.5.0.2  -> 10.5.0.3:80/tcp translated    passes
192.0.2.9 -> 10.1.0.2:80/tcp               cut
192.0.2.9 -> 10.1.0.2:0/icmp               cut
192.0.2.9 -> 10.1.0.2:80/tcp translated    passes
192.0.2.9 -> 10.2.0.2:80/tcp               passes
192.0.2.9 -> 10.2.0.2:81/tcp               cut
192.0.2.9 -> 10.2.0.2:80/udp               cut
192.0.2.9 -> 10.2.0.3:0/icmp               passes
192.0.2.9 -> 10.3.0.2:81/udp               passes
192.0.2.9 -> 10.4.0.2:80/tcp translated    cut
10.1.0.2  -> 10.3.0.2:80/tcp               passes
10.1.0.2  -> 10.2.0.2:81/tcp               cut
# outward
10.1.0.2  -> 192.0.2.9:53/udp              passes
10.3.0.2  -> 192.0.2.9:53/udp              cut
10.3.0.2  -> 192.0.2.9:54/udp              passes
10.4.0.2  -> 192.0.2.9:80/tcp              passes
10.4.0.3  -> 192.0.2.9:80/tcp              cut
10.4.0.3  -> 10.3.0.2:80/tcp               cut
10.4.0.3  -> 10.4.0.2:80/tcp               passes
# to the host, and from it
10.1.0.2  -> 192.0.2.1:22/tcp              cut
10.1.0.2  -> 10.1.0.1:80/tcp               passes
10.3.0.2  -> 192.0.2.1:22/tcp              passes
10.3.0.3  -> 192.0.2.1:22/tcp              cut
10.3.0.3  -> 192.0.2.1:0/icmp              passes
192.0.2.1 -> 10.1.0.2:80/tcp               cut
127.0.0.1 -> 10.1.0.2:80/tcp translated    cut
192.0.2.1 -> 10.1.0.2:81/tcp               passes
192.0.2.1 -> 10.4.0.2:80/tcp               passes
# of no concern to us
192.0.2.9 -> 198.51.100.9:80/tcp           passes
192.0.2.9 -> 192.0.2.1:22/tcp              passes
192.0.2.1 -> 192.0.2.9:80/tcp              passes
# IPv6
fd00:1::2 -> fd00:1::3:80/tcp              passes
2001:db8::9 -> fd00:1::2:80/tcp            cut
2001:db8::9 -> fd00:2::2:0/icmp6           passes
fd00:3::2 -> fd00:1::1:80/tcp              cut
fd00:3::2 -> fd00:1::1:0/icmp6             passes
"""


@pytest.mark.parametrize("line", [each for each in TABLE.splitlines() if each and not each.startswith("#")])
def test_what_a_flow_meets(line: str) -> None:
    """Policies in order, then what holds for the segments at its ends."""
    source, _, where, *rest = line.split()
    target, _, protocol = where.partition("/")
    address, _, port = target.rpartition(":")
    flow = Flow(NUMBERS[protocol], ip_address(source), ip_address(address), int(port), "translated" in rest)

    assert ("passes" if JUDGE.admits(flow, LOCAL) else "cut") == rest[-1]
