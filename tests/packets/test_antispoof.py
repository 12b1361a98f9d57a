"""What an endpoint may put on its bridge: frames from its own MAC and addresses, and no others."""

import os
import struct
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_interface

import pytest

from netspec.kinds._guard import link_local
from tests.live.driving import edited
from tests.packets.hearing import Ear, Frames
from tests.packets.lab import Lab, Probe
from tests.packets.raw import arp, frame, icmpv6, ip, send, udp
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
  apps0: {subnets: [172.18.0.0/24]}
endpoints:
  mallory: {bridge: docker0, addresses: [172.17.0.2, "fd00:17::2"], mac: 02:00:00:00:00:02}
  victim: {bridge: docker0, addresses: [172.17.0.3, "fd00:17::3"], mac: 02:00:00:00:00:03}
  four: {bridge: apps0, address: 172.18.0.2, mac: 02:00:00:00:00:02}
  other: {bridge: apps0, address: 172.18.0.3}
"""

OWN, VICTIM, STRANGER = "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:99"
NO_ONE = str(IPv4Address(0))
ALL, ALL6 = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
OWN_LINK_LOCAL, LINK_LOCAL = str(link_local(OWN)), str(link_local(VICTIM))
ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT, REPORT = 134, 135, 136, 137, 143

Packet = tuple[int, bytes]


def _datagram(source: str, target: str = "") -> Packet:
    """A datagram to the victim; what the frame is called is added to it."""
    return udp(source, target or ("fd00:17::3" if ":" in source else "172.17.0.3"), (1000, 1000), b"$$$$")


def _discovery(kind: int, source: str, about: str, to: str = "ff02::1") -> Packet:
    """A message of neighbour discovery about an address, with an option that nobody knows and that holds its name."""
    return icmpv6(source, to, struct.pack("!BBHI", kind, 0, 0, 0x60000000) + _packed(about) + b"\xc8\x01$$$$\0\0")


def _extended(packet: Packet) -> Packet:
    """The same behind a hop-by-hop header that says nothing."""
    kind, data = packet
    header = data[:4] + struct.pack("!HB", len(data) - 40 + 8, 0) + data[7:40]
    return kind, header + bytes((data[6], 0, 1, 4, 0, 0, 0, 0)) + data[40:]


def _packed(address: str) -> bytes:
    return IPv6Address(address).packed


FRAMES: dict[str, tuple[str, bytes]] = {
    # its own
    "IPv4": ("passes", frame(OWN, VICTIM, *_datagram("172.17.0.2"))),
    "IPv6": ("passes", frame(OWN, VICTIM, *_datagram("fd00:17::2"))),
    "link-local": ("passes", frame(OWN, VICTIM, *_datagram(OWN_LINK_LOCAL))),
    "ARP request": ("passes", frame(OWN, ALL, *arp(1, (OWN, "172.17.0.2"), (ALL, "172.17.0.3")))),
    "ARP reply": ("passes", frame(OWN, VICTIM, *arp(2, (OWN, "172.17.0.2"), (VICTIM, "172.17.0.3")))),
    "ARP announcement": ("passes", frame(OWN, ALL, *arp(1, (OWN, "172.17.0.2"), (ALL, "172.17.0.2")))),
    "ARP probe": ("passes", frame(OWN, ALL, *arp(1, (OWN, NO_ONE), (ALL, "172.17.0.2")))),
    "solicitation": ("passes", frame(OWN, ALL6, *_discovery(SOLICITATION, "fd00:17::2", "fd00:17::3"))),
    "is it free": ("passes", frame(OWN, ALL6, *_discovery(SOLICITATION, "::", "fd00:17::2"))),
    "advertisement": ("passes", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::2"))),
    "… by link-local": ("passes", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, OWN_LINK_LOCAL, "fd00:17::2"))),
    "… of link-local": ("passes", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, OWN_LINK_LOCAL, OWN_LINK_LOCAL))),
    "groups": ("passes", frame(OWN, ALL6, *_discovery(REPORT, "::", "::"))),
    # from another MAC
    "IPv4, MAC": ("dropped", frame(STRANGER, VICTIM, *_datagram("172.17.0.2"))),
    "IPv6, MAC": ("dropped", frame(STRANGER, VICTIM, *_datagram("fd00:17::2"))),
    "IPv4, victim's MAC": ("dropped", frame(VICTIM, ALL, *_datagram("172.17.0.2", "172.17.0.255"))),
    "ARP, MAC": ("dropped", frame(STRANGER, ALL, *arp(1, (OWN, "172.17.0.2"), (ALL, "172.17.0.3")))),
    "ARP, MAC inside": ("dropped", frame(OWN, ALL, *arp(1, (STRANGER, "172.17.0.2"), (ALL, "172.17.0.3")))),
    "ARP probe, MAC inside": ("dropped", frame(OWN, ALL, *arp(1, (STRANGER, NO_ONE), (ALL, "172.17.0.3")))),
    # from another address
    "IPv4 of nobody": ("dropped", frame(OWN, VICTIM, *_datagram("172.17.0.99"))),
    "IPv4 of the gateway": ("dropped", frame(OWN, VICTIM, *_datagram("172.17.0.1"))),
    "IPv4 of outside": ("dropped", frame(OWN, VICTIM, *_datagram("192.0.2.9"))),
    "IPv4 of the loopback": ("dropped", frame(OWN, VICTIM, *_datagram("127.0.0.1"))),
    "IPv4 of no one": ("dropped", frame(OWN, VICTIM, *_datagram(NO_ONE))),
    "IPv6 of nobody": ("dropped", frame(OWN, VICTIM, *_datagram("fd00:17::99"))),
    "IPv6 of the gateway": ("dropped", frame(OWN, VICTIM, *_datagram("fd00:17::1"))),
    "IPv6 of outside": ("dropped", frame(OWN, VICTIM, *_datagram("2001:db8::9"))),
    "link-local of others": ("dropped", frame(OWN, VICTIM, *_datagram("fe80::99"))),
    "IPv6 of no one": ("dropped", frame(OWN, VICTIM, *_datagram("::"))),
    "a client of DHCP": ("dropped", frame(OWN, ALL, *udp(NO_ONE, "255.255.255.255", (68, 67), b"$$$$"))),
    # in the name of others
    "ARP reply for the gateway": ("dropped", frame(OWN, VICTIM, *arp(2, (OWN, "172.17.0.1"), (VICTIM, "172.17.0.3")))),
    "ARP reply for nobody": ("dropped", frame(OWN, VICTIM, *arp(2, (OWN, "172.17.0.9"), (VICTIM, "172.17.0.3")))),
    "ARP announces the gateway": ("dropped", frame(OWN, ALL, *arp(1, (OWN, "172.17.0.1"), (ALL, "172.17.0.1")))),
    "ARP announces the victim": ("dropped", frame(OWN, ALL, *arp(2, (OWN, "172.17.0.3"), (ALL, "172.17.0.3")))),
    "ARP of another sort": ("dropped", frame(OWN, ALL, *arp(9, (OWN, "172.17.0.2"), (ALL, "172.17.0.3")))),
    "RARP": ("dropped", frame(OWN, ALL, 0x8035, arp(3, (OWN, "172.17.0.2"), (OWN, "172.17.0.2"))[1])),
    "advertises the gateway": ("dropped", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::1"))),
    "… to one": ("dropped", frame(OWN, VICTIM, *_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::1", "fd00:17::3"))),
    "… by link-local, gateway": ("dropped", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, OWN_LINK_LOCAL, "fd00:17::1"))),
    "… behind a header": (
        "dropped",
        frame(OWN, ALL6, *_extended(_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::1"))),
    ),
    "… under its address": ("dropped", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, "fd00:17::1", "fd00:17::1"))),
    "advertises link-local": ("dropped", frame(OWN, ALL6, *_discovery(ADVERTISEMENT, OWN_LINK_LOCAL, LINK_LOCAL))),
    "solicits as another": ("dropped", frame(OWN, ALL6, *_discovery(SOLICITATION, "fd00:17::1", "fd00:17::3"))),
    "router": ("dropped", frame(OWN, ALL6, *_discovery(ROUTER_ADVERTISEMENT, OWN_LINK_LOCAL, "::"))),
    "router behind a header": (
        "dropped",
        frame(OWN, ALL6, *_extended(_discovery(ROUTER_ADVERTISEMENT, OWN_LINK_LOCAL, "::"))),
    ),
    "redirect": ("dropped", frame(OWN, VICTIM, *_discovery(REDIRECT, OWN_LINK_LOCAL, "fd00:17::1", "fd00:17::3"))),
    # in other wrapping
    "VLAN": ("dropped", frame(OWN, VICTIM, *_datagram("172.17.0.2"), vlan=7)),
    "VLAN 0": ("dropped", frame(OWN, VICTIM, *_datagram("172.17.0.2"), vlan=0)),
    "VLAN, IPv6": ("dropped", frame(OWN, VICTIM, *_datagram("fd00:17::2"), vlan=7)),
    "VLAN, ARP": ("dropped", frame(OWN, ALL, *arp(1, (OWN, "172.17.0.1"), (ALL, "172.17.0.1")), vlan=7)),
    "VLAN, spoofed": ("dropped", frame(OWN, VICTIM, *_datagram("172.17.0.99"), vlan=7)),
    "VLAN in VLAN": ("dropped", frame(OWN, VICTIM, 0x8100, b"\0\7\x08\0" + _datagram("172.17.0.2")[1], vlan=7)),
    "another protocol": ("dropped", frame(OWN, VICTIM, 0x88B5, b"$$$$")),
    "IPv6 as IPv4": ("dropped", frame(OWN, VICTIM, 0x0800, _datagram("fd00:17::2")[1])),
}
"""What mallory sends: its name, what becomes of it, and the frame, in which `$$$$` stands for its number."""


def numbered(number: int, data: bytes) -> bytes:
    """The frame with its number in it: in the place held free for it, else behind, where the link is padded."""
    name = b"#%02d#" % number
    return data.replace(b"$$$$", name) if b"$$$$" in data else data + name


def arriving(lab: Lab, ends: tuple[str, str], frames: list[bytes], wanted: set[int]) -> set[int]:
    """The positions of the frames that the second end sees of what the first sends; those wanted are waited for."""
    sender, receiver = ends
    numbers = [numbered(*each) for each in enumerate(frames)]

    def seen(arrived: Frames) -> set[int]:
        return {number for number in range(len(frames)) if any(b"#%02d#" % number in each for each in arrived)}

    ear = Ear(lab, receiver, lambda arrived: wanted <= seen(arrived))
    lab.run(partial(send, "eth0", numbers), sender)
    return seen(ear.heard())


BESIDE = ("mallory", "victim")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec, and a server of the victim's."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        lab.serve("victim", 80)
        lab.serve("mallory", 80)
        lab.wait_for(Probe("mallory", "fd00:17::3", 80))
        yield lab


@pytest.fixture(params=[0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Lab:
    """The lab with bridged frames kept from the IP hooks, and sent through them."""
    filter_bridged(lab, request.param)
    return lab


def test_only_its_own_passes(host: Lab) -> None:
    """Frames with its own MAC and addresses arrive; what speaks for others does not, however it is wrapped."""
    passing = {number for number, (fate, _) in enumerate(FRAMES.values()) if fate == "passes"}
    arrived = arriving(host, BESIDE, [data for _, data in FRAMES.values()], passing)
    found = {name: "passes" if number in arrived else "dropped" for number, name in enumerate(FRAMES)}
    assert found == {name: fate for name, (fate, _) in FRAMES.items()}


def test_the_host_is_spared_as_well(host: Lab) -> None:
    """What is dropped comes to the bridge itself no more than to a sibling: nobody takes the gateway's clients."""
    check(host, "mallory -> 172.17.0.3:80  victim sees 172.17.0.2\n mallory -> [fd00:17::3]:80  victim sees fd00:17::2")
    before = host.command("ip neighbour show dev docker0 | sort")
    claims = [
        frame(OWN, ALL, *arp(2, (OWN, "172.17.0.3"), (ALL, "172.17.0.1"))),
        frame(OWN, ALL6, *_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::3")),
    ]
    host.run(partial(send, "eth0", claims), "mallory")
    check(host, "host -> 172.17.0.3:80  victim sees 172.17.0.1\n host -> [fd00:17::3]:80  victim sees fd00:17::1")
    assert f"172.17.0.3 lladdr {OWN}" not in before + host.command("ip neighbour show dev docker0")
    assert f"fd00:17::3 lladdr {OWN}" not in host.command("ip neighbour show dev docker0")


def test_no_ipv6_where_the_bridge_has_none(host: Lab) -> None:
    """Not a frame of it, link-local ones included."""
    frames = [
        frame(OWN, ALL6, *_datagram(OWN_LINK_LOCAL)),
        frame(OWN, ALL6, *_discovery(SOLICITATION, "::", OWN_LINK_LOCAL)),
        frame(OWN, ALL6, *_discovery(ADVERTISEMENT, OWN_LINK_LOCAL, OWN_LINK_LOCAL)),
        frame(OWN, ALL, *udp("172.18.0.2", "172.18.0.3", (1000, 1000), b"$$$$")),
    ]
    assert arriving(host, ("four", "other"), frames, {3}) == {3}


def test_what_is_wrong_inside_ip_does_not_matter() -> None:
    """The table tells apart what it means to: the builder of frames makes the lengths it says."""
    kind, packet = _extended(_discovery(ADVERTISEMENT, "fd00:17::2", "fd00:17::1"))
    assert (kind, packet[6], len(packet)) == (0x86DD, 0, 40 + int.from_bytes(packet[4:6], "big"))
    assert ip("172.17.0.2", "172.17.0.3", 17, b"")[1][12:16] == ip_interface("172.17.0.2").ip.packed


OFF = edited(SPEC, ('"fd00:17::/64"]}', '"fd00:17::/64"], antispoof: false}'))


def test_the_guard_is_taken_off_and_put_on_in_place(host: Lab) -> None:
    """Without it everything passes that the kernel itself lets pass; with it again, nothing more than before."""
    names = ["IPv4", "IPv4, MAC", "IPv4 of nobody", "IPv6 of nobody", "ARP announces the gateway", "router", "VLAN"]
    frames = [FRAMES[name][1] for name in names]
    apply_in(host, OFF)
    everything = set(range(len(frames)))
    assert arriving(host, BESIDE, frames, everything) == everything
    apply_in(host, SPEC)
    assert arriving(host, BESIDE, frames, {0}) == {0}


def forget(lab: Lab) -> None:
    """Let the neighbours ask again who has which address; that they are told is another matter."""
    lab.command("ip neighbour flush all; ip -n victim neighbour flush all; ip -n mallory neighbour flush all")


@pytest.mark.parametrize(
    "edit",
    [
        ('addresses: [172.17.0.2, "fd00:17::2"]', 'addresses: [172.17.0.7, "fd00:17::7"]'),
        ("mac: 02:00:00:00:00:02}\n  victim", "mac: 02:00:00:00:00:07}\n  victim"),
        ('addresses: [172.17.0.2, "fd00:17::2"], mac: 02:00:00:00:00:02', 'addresses: [172.17.0.7, "fd00:17::7"]'),
    ],
    ids=["addresses", "MAC", "both"],
)
def test_a_new_address_may_speak_at_once(host: Lab, edit: tuple[str, str]) -> None:
    """The endpoint talks, and is talked to, right after the apply that changes it, and the old one is a stranger's."""
    four, six = ("172.17.0.7", "fd00:17::7") if "172.17.0.7" in edit[1] else ("172.17.0.2", "fd00:17::2")
    table = f"""
    mallory -> 172.17.0.3:80      victim sees {four}
    mallory -> [fd00:17::3]:80    victim sees {six}
    mallory -> 172.17.0.1/ping    answers
    host    -> {four}:80          mallory sees 172.17.0.1
    victim  -> [{six}]:80         mallory sees fd00:17::3
    """
    apply_in(host, edited(SPEC, edit))
    forget(host)
    check(host, table)
    assert arriving(host, BESIDE, [FRAMES["IPv4"][1], FRAMES["IPv6"][1]], set()) == set()
    apply_in(host, SPEC)
    forget(host)
    check(host, edited(table, *{(four, "172.17.0.2"), (six, "fd00:17::2")}))


def test_who_has_no_address_of_the_spec_is_not_judged() -> None:
    """A bridge without subnets is a wire: what endpoints call themselves on it is their own affair."""
    spec = "netspec: 1\nbridges: {wire: {}}\nendpoints: {one: {bridge: wire}, two: {bridge: wire}}\n"
    with Lab() as lab:
        apply_in(lab, spec)
        for name, address in (("one", "10.66.0.1/24"), ("two", "10.66.0.2/24")):
            lab.command(f"ip -n {name} address add {address} dev eth0")
        lab.serve("two", 80)
        check(lab, "one -> 10.66.0.2:80  two sees 10.66.0.1")
