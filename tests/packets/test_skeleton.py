"""What the rules of our table do to real packets, with bridge-nf-call-iptables 0 and 1."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from functools import partial

import pytest

from netspec.core.elements import concat, ifname
from netspec.kernel.nftables import Nftables
from netspec.kernel.operations import ElementAdd, TableAdd
from netspec.kinds._skeleton import skeleton
from tests.packets.hearing import Ear, at_least, times
from tests.packets.lab import Lab, Probe
from tests.packets.raw import checksum
from tests.packets.surroundings import PATIENCE, SILENCE, patient

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

TABLE = "netspec-lab"

TOPOLOGY = """
ip link add br1 type bridge; ip link add br2 type bridge
ip address add 172.17.0.1/16 dev br1; ip address add fd00:1::1/64 dev br1 nodad
ip address add 172.18.0.1/16 dev br2; ip address add fd00:2::1/64 dev br2 nodad
ip link set br1 up; ip link set br2 up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv4.conf.br1.route_localnet=1 net.ipv4.conf.br2.route_localnet=1
attach() {  # name bridge ipv4 ipv6 gateway4 gateway6
    ip link add v-$1 type veth peer name eth0 netns $1
    ip link set v-$1 master $2 up
    ip link set v-$1 type bridge_slave hairpin on
    ip -n $1 address add $3 dev eth0
    ip -n $1 address add $4 dev eth0 nodad
    ip -n $1 link set eth0 up
    ip -n $1 route add default via $5
    ip -n $1 route add default via $6
}
attach web br1 172.17.0.2/16 fd00:1::2/64 172.17.0.1 fd00:1::1
attach sib br1 172.17.0.3/16 fd00:1::3/64 172.17.0.1 fd00:1::1
attach guest br1 172.17.0.9/16 fd00:1::9/64 172.17.0.1 fd00:1::1
attach far br2 172.18.0.2/16 fd00:2::2/64 172.18.0.1 fd00:2::1
ip -n web address add 10.5.0.2/24 dev eth0; ip -n sib address add 10.5.0.3/24 dev eth0
ip link add eth0 type veth peer name eth0 netns outside
ip address add 192.0.2.1/24 dev eth0; ip address add 192.0.2.77/24 dev eth0
ip address add 2001:db8::77/64 dev eth0 nodad; ip address add 2001:db8::1/64 dev eth0 nodad
ip link set eth0 up
ip -n outside address add 192.0.2.9/24 dev eth0; ip -n outside address add 2001:db8::9/64 dev eth0 nodad
ip -n outside link set eth0 up
ip -n outside route add 172.16.0.0/12 via 192.0.2.1
ip -n outside route add fd00::/8 via 2001:db8::1
ip -n outside route add 10.0.0.0/8 via 192.0.2.1
ip link add eth1 type veth peer name eth0 netns neighbour
ip address add 198.51.100.1/24 dev eth1; ip link set eth1 up
ip -n neighbour address add 198.51.100.9/24 dev eth0; ip -n neighbour link set eth0 up
"""

ADDRESS6 = {"web": "fd00:1::2", "sib": "fd00:1::3", "far": "fd00:2::2", "outside": "2001:db8::9"}

BY_HAND = """
ip address del 127.0.0.1/8 dev lo
ip route add 127.0.0.0/8 via {gateway} dev eth0
sysctl -qw net.ipv4.conf.all.route_localnet=1
"""
"""What a neighbour does who wants to reach the loopback of its gateway."""


def _elements() -> list[ElementAdd]:
    def add(name: str, key: str, value: str = "") -> ElementAdd:
        return ElementAdd(table=TABLE, set=name, key=key, value=value)

    elements = []
    for number, bridge in ((1, "br1"), (2, "br2")):
        link = ifname(bridge)
        elements += [
            add("segments", link),
            add("same", concat(link, link)),
            add("within", concat(link, link), "accept"),
            add("access", link, "goto published"),
            add("own4", concat(f"172.{16 + number}.0.0/16", link)),
            add("own6", concat(f"fd00:{number}::/64", link)),
            add("masquerade4", f"172.{16 + number}.0.0/16"),
            add("masquerade6", f"fd00:{number}::/64"),
        ]
    for protocol in ("tcp", "udp"):
        elements += [
            add("publish4", concat(protocol, 8080), concat("172.17.0.2", 80)),
            add("publish4_at", concat("192.0.2.77", protocol, 8080), concat("172.18.0.2", 80)),
            add("publish4_at", concat("127.0.0.1", protocol, 8081), concat("172.17.0.2", 80)),
            add("publish4_range", concat(protocol, "9000-9010"), "172.17.0.2"),
            add("publish4_range_at", concat("192.0.2.77", protocol, "9000-9010"), "172.18.0.2"),
            add("publish6", concat(protocol, 8080), concat("fd00:1::2", 80)),
            add("publish6_at", concat("2001:db8::77", protocol, 8080), concat("fd00:2::2", 80)),
            add("publish6_range", concat(protocol, "9000-9010"), "fd00:1::2"),
            add("publish6_range_at", concat("2001:db8::77", protocol, "9000-9010"), "fd00:2::2"),
        ]
    return elements


def _load() -> None:
    with Nftables() as nftables:
        nftables.transact([TableAdd(name=TABLE, text=skeleton(TABLE)), *_elements()])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two bridges of ours, endpoints web, sib and far on them, and a host outside with routes made by hand."""
    with Lab() as lab:
        for name in ("web", "sib", "guest", "far", "outside", "neighbour"):
            lab.add_netns(name)
        lab.command(TOPOLOGY)
        lab.command(BY_HAND.format(gateway="198.51.100.1"), "neighbour")
        lab.command(BY_HAND.format(gateway="172.17.0.1"), "guest")
        for name, port in (("web", 80), ("web", 9005), ("far", 80), ("far", 9005), ("sib", 81), ("outside", 7000)):
            lab.serve(name, port)
        lab.serve("", 6000, address="127.0.0.1")
        lab.serve("", 6001)
        for name, port in (("web", 80), ("sib", 81), ("far", 80), ("outside", 7000)):
            lab.wait_for(Probe("", ADDRESS6[name], port))
        lab.run(_load)
        yield lab


@pytest.fixture(params=[0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Lab:
    """The lab with either value of the switch that sends bridged frames through the IP hooks."""
    for family in ("iptables", "ip6tables"):
        lab.command(f"sysctl -qw net.bridge.bridge-nf-call-{family}={request.param}")
    return lab


SIBLING = "web sees the sibling or its gateway"

REACH4 = {
    ("outside", "192.0.2.1", 8080): "web sees 192.0.2.9",
    ("outside", "192.0.2.77", 8080): "far sees 192.0.2.9",
    ("outside", "192.0.2.1", 9005): "web sees 192.0.2.9",
    ("outside", "192.0.2.77", 9005): "far sees 192.0.2.9",
    ("outside", "192.0.2.1", 8081): "refused",
    ("outside", "192.0.2.1", 81): "refused",
    ("outside", "192.0.2.1", 6000): "refused",
    ("outside", "192.0.2.1", 6001): "host sees 192.0.2.9",
    ("outside", "172.17.0.2", 80): "blocked",
    ("outside", "172.17.0.2", 8080): "blocked",
    ("outside", "172.17.0.3", 81): "blocked",
    ("", "192.0.2.1", 8080): "web sees 192.0.2.1",
    ("", "192.0.2.77", 8080): "far sees 192.0.2.1",
    ("", "172.17.0.1", 8080): "web sees 172.17.0.1",
    ("", "127.0.0.1", 8080): "web sees 172.17.0.1",
    ("", "127.0.0.1", 8081): "web sees 172.17.0.1",
    ("", "127.0.0.1", 9005): "web sees 172.17.0.1",
    ("", "127.0.0.1", 6000): "host sees 127.0.0.1",
    ("", "172.17.0.1", 6001): "host sees 172.17.0.1",
    ("", "192.0.2.1", 8081): "refused",
    ("", "172.17.0.3", 81): "sib sees 172.17.0.1",
    ("", "192.0.2.9", 7000): "outside sees 192.0.2.1",
    ("sib", "192.0.2.1", 8080): SIBLING,
    ("sib", "172.17.0.1", 8080): SIBLING,
    ("sib", "172.17.0.1", 9005): SIBLING,
    ("sib", "172.17.0.2", 80): "web sees 172.17.0.3",
    ("sib", "10.5.0.2", 80): "web sees 10.5.0.3",
    ("web", "192.0.2.1", 8080): "web sees 172.17.0.1",
    ("web", "172.17.0.1", 8080): "web sees 172.17.0.1",
    ("web", "172.17.0.1", 9005): "web sees 172.17.0.1",
    ("web", "172.17.0.1", 6001): "host sees 172.17.0.2",
    ("web", "192.0.2.9", 7000): "outside sees 192.0.2.1",
    ("web", "172.18.0.2", 80): "blocked",
    ("far", "192.0.2.1", 8080): "web sees 172.18.0.2",
    ("far", "172.17.0.1", 8080): "web sees 172.18.0.2",
    ("far", "172.18.0.1", 8080): "web sees 172.18.0.2",
    ("far", "192.0.2.77", 8080): "far sees 172.18.0.1",
    ("far", "172.17.0.2", 80): "blocked",
    ("far", "172.17.0.3", 81): "blocked",
}

REACH6 = {
    ("outside", "2001:db8::1", 8080): "web sees 2001:db8::9",
    ("outside", "2001:db8::77", 8080): "far sees 2001:db8::9",
    ("outside", "2001:db8::1", 9005): "web sees 2001:db8::9",
    ("outside", "2001:db8::77", 9005): "far sees 2001:db8::9",
    ("outside", "2001:db8::1", 81): "refused",
    ("outside", "fd00:1::2", 80): "blocked",
    ("outside", "fd00:1::3", 81): "blocked",
    ("", "2001:db8::1", 8080): "web sees 2001:db8::1",
    ("", "fd00:1::1", 8080): "web sees fd00:1::1",
    ("", "fd00:1::1", 6001): "host sees fd00:1::1",
    ("", "::1", 8080): "refused",
    ("", "::1", 6001): "host sees ::1",
    ("", "fd00:1::3", 81): "sib sees fd00:1::1",
    ("sib", "2001:db8::1", 8080): SIBLING,
    ("sib", "fd00:1::1", 8080): SIBLING,
    ("sib", "fd00:1::2", 80): "web sees fd00:1::3",
    ("web", "2001:db8::1", 8080): "web sees fd00:1::1",
    ("web", "fd00:1::1", 8080): "web sees fd00:1::1",
    ("web", "fd00:1::1", 6001): "host sees fd00:1::2",
    ("web", "2001:db8::9", 7000): "outside sees 2001:db8::1",
    ("web", "fd00:2::2", 80): "blocked",
    ("far", "fd00:1::1", 8080): "web sees fd00:2::2",
    ("far", "fd00:2::1", 8080): "web sees fd00:2::2",
    ("far", "fd00:1::2", 80): "blocked",
}

_EITHER = {f"web sees {address}" for address in ("172.17.0.1", "172.17.0.3", "fd00:1::1", "fd00:1::3")}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("reach", [REACH4, REACH6], ids=["ipv4", "ipv6"])
def test_who_reaches_whom_and_as_whom(host: Lab, reach: dict[tuple[str, str, int], str], protocol: str) -> None:
    """Published ports are open from everywhere, with the client's address where the way back allows; nothing else."""
    answers = host.connect_all([patient(Probe(*each, protocol), {wanted}) for each, wanted in reach.items()])

    seen = dict(zip(reach, answers, strict=True))
    assert reach == {
        each: SIBLING if reach[each] == SIBLING and said in _EITHER else said for each, said in seen.items()
    }


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_route_made_by_hand_does_not_lead_to_the_loopback(host: Lab, protocol: str) -> None:
    """Neither from outside nor from an endpoint: not to what is published on 127.0.0.1, nor to the host's own."""
    probes = [
        Probe(name, "127.0.0.1", port, protocol, source)
        for name, source in (("neighbour", "198.51.100.9"), ("guest", "172.17.0.9"))
        for port in (8080, 8081, 9005, 6000)
    ]
    assert ["blocked"] * len(probes) == host.connect_all(probes)


def test_an_endpoint_sends_only_from_its_segments_addresses(host: Lab) -> None:
    """A forged source does not get out, and is not translated into an honest one either."""
    host.command("ip -n web address replace 10.9.9.9/32 dev lo; ip -n web address replace fd09::9/128 dev lo nodad")
    host.command("ip route replace 10.9.9.9/32 via 172.17.0.2; ip route replace fd09::9/128 via fd00:1::2")

    probes = [Probe("web", "192.0.2.9", 7000, source="10.9.9.9"), Probe("web", "2001:db8::9", 7000, source="fd09::9")]
    assert host.connect_all(probes) == ["blocked", "blocked"]


def test_what_cannot_be_translated_does_not_leave(host: Lab) -> None:
    """A packet that belongs to no connection would leave with the endpoint's own address."""
    ear = Ear(host, "outside", at_least(1, b"##host##"))
    for sender in ("web", "web", "web", "host"):
        host.run(partial(_send_stray, f"##{sender}##"), sender.removeprefix("host"))
    frames = ear.heard()
    assert times(b"##host##", frames), "nothing is heard at all"
    assert times(b"##web##", frames) == 0


def _send_stray(words: str) -> None:
    """An echo reply that nobody asked for."""
    packet = bytes(8) + words.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:], ("192.0.2.9", 0))


def test_the_host_speaks_to_itself_as_it_likes(host: Lab) -> None:
    """What does not leave the host is not translated, though its source be one that is, elsewhere."""
    probes = [Probe("", "192.0.2.1", 6001, source="172.18.0.1"), Probe("", "2001:db8::1", 6001, source="fd00:2::1")]
    seen = ["host sees 172.18.0.1", "host sees fd00:2::1"]
    assert host.connect_all([patient(each, seen) for each in probes]) == seen


def test_nobody_on_a_segment_speaks_as_the_loopback(host: Lab) -> None:
    """Services that trust 127.0.0.1 would believe it; the endpoint's own address shows that the way is open."""

    def speak(source: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT: any source will do
            client.bind((source, 0))
            client.sendto(b"!", ("172.17.0.1", 6002))

    def listen(ready: int) -> set[str]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("172.17.0.1", 6002))
            server.settimeout(PATIENCE)
            os.write(ready, b".")
            heard = set()
            with contextlib.suppress(TimeoutError):
                while "172.17.0.9" not in heard:
                    heard.add(server.recvfrom(8)[1][0])
                server.settimeout(SILENCE)
                while True:
                    heard.add(server.recvfrom(8)[1][0])
            return heard

    listening, ready = os.pipe()
    heard = host.begin(partial(listen, ready))
    os.close(ready)
    assert os.read(listening, 1)
    os.close(listening)
    for source in ("127.0.0.5", "127.0.0.5", "172.17.0.9"):
        host.run(partial(speak, source), "guest")
    assert heard() == {"172.17.0.9"}
