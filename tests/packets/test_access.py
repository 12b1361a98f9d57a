"""Who gets into a bridge and out of it: `access`, `internal` and `host_access`, seen from everywhere."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.driving import edited
from tests.packets.hearing import Ear, at_least, nothing, times
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
  pub0: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
  routed0: {subnets: [172.18.0.0/24, "fd00:18::/64"], access: routed}
  open0: {subnets: [172.19.0.0/24, "fd00:19::/64"], access: open}
  inner0: {subnets: [172.20.0.0/24, "fd00:20::/64"], internal: true}
  closed0: {subnets: [172.21.0.0/24, "fd00:21::/64"], host_access: closed}
endpoints:
  web: {bridge: pub0, addresses: [172.17.0.2, "fd00:17::2"], publish: ["8000:80"]}
  sib: {bridge: pub0, addresses: [172.17.0.3, "fd00:17::3"]}
  direct:
    bridge: routed0
    addresses: [172.18.0.2, "fd00:18::2"]
    publish:
      - "8001:80"
      - "8001:80/udp"
      - {port: 8002, to: 81, from: [192.0.2.10/32, "2001:db8::10/128", 172.17.0.0/24, "fd00:17::/64"]}
      - {port: 8003-8004, to: 82-83, from: [192.0.2.0/29, 192.0.2.8/30, "2001:db8::8/126"]}
  directsib: {bridge: routed0, addresses: [172.18.0.3, "fd00:18::3"]}
  wide: {bridge: open0, addresses: [172.19.0.2, "fd00:19::2"], publish: ["8005:80"]}
  inner: {bridge: inner0, addresses: [172.20.0.2, "fd00:20::2"], publish: ["8006:80"]}
  innersib: {bridge: inner0, addresses: [172.20.0.3, "fd00:20::3"]}
  closed: {bridge: closed0, addresses: [172.21.0.2, "fd00:21::2"], publish: ["8007:80"]}
nat:
  masquerade: [pub0, open0, closed0, inner0]
"""

BY_HAND = """
ip -n remote address add 192.0.2.10/24 dev eth0
ip -n remote -6 address add 2001:db8::10/64 dev eth0 nodad preferred_lft 0
for name in inner innersib; do
    ip -n $name route add default via 172.20.0.1
    ip -n $name -6 route add default via fd00:20::1
done
"""
"""A second address of remote, used where it says so; default routes that internal endpoints give themselves."""

ACCESS4 = """
# published: what is published, on the host's addresses, and nothing at the endpoint's own
remote  -> 192.0.2.1:8000          web sees 192.0.2.9
remote  -> 172.17.0.1:8000         web sees 192.0.2.9
direct  -> 172.18.0.1:8000         web sees 172.18.0.2
direct  -> 172.17.0.1:8000         web sees 172.18.0.2
remote  -> 172.17.0.2:80           blocked
remote  -> 172.17.0.2:8000         blocked
remote  -> 172.17.0.2:80/udp       blocked
remote  -> 172.17.0.2/ping         blocked
direct  -> 172.17.0.2:80           blocked
wide    -> 172.17.0.2:80           blocked
direct  -> 172.17.0.2/ping         blocked
sib     -> 172.17.0.2:80           web sees 172.17.0.3
sib     -> 172.17.0.2:81/udp       web sees 172.17.0.3
sib     -> 172.17.0.2/ping         answers
host    -> 172.17.0.2:80           web sees 172.17.0.1
host    -> 172.17.0.2/ping         answers
# routed: ICMP, and the target ports of publications at the endpoint's own address; nothing is translated
remote  -> 172.18.0.2/ping         answers
remote  -> 172.18.0.2:80           direct sees 192.0.2.9
remote  -> 172.18.0.2:80/udp       direct sees 192.0.2.9
remote  -> 172.18.0.2:8001         blocked
remote  -> 192.0.2.1:8001          refused
remote  -> 172.18.0.1:8001         refused
remote  -> 172.18.0.2:81/udp       blocked
remote  -> 172.18.0.3:80           blocked
remote  -> 172.18.0.3/ping         answers
web     -> 172.18.0.2:80           direct sees 172.17.0.2
web     -> 172.18.0.2:84           blocked
web     -> 172.18.0.3:80           blocked
web     -> 172.18.0.3/ping         answers
host    -> 172.18.0.2:80           direct sees 172.18.0.1
host    -> 172.18.0.2:81           direct sees 172.18.0.1
host    -> 172.18.0.2:84           direct sees 172.18.0.1
host    -> 127.0.0.1:8001          refused
directsib -> 172.18.0.2:80         direct sees 172.18.0.3
directsib -> 172.18.0.2:84         direct sees 172.18.0.3
directsib -> 192.0.2.1:8001        refused
# … and for those whom `from` names
remote                 -> 172.18.0.2:81     blocked
remote from 192.0.2.10 -> 172.18.0.2:81     direct sees 192.0.2.10
remote                 -> 172.18.0.2:82     direct sees 192.0.2.9
remote                 -> 172.18.0.2:83     direct sees 192.0.2.9
remote from 192.0.2.10 -> 172.18.0.2:83     direct sees 192.0.2.10
web                    -> 172.18.0.2:81     direct sees 172.17.0.2
web                    -> 172.18.0.2:82     blocked
wide                   -> 172.18.0.2:81     blocked
# open: everything
remote  -> 172.19.0.2:80           wide sees 192.0.2.9
remote  -> 172.19.0.2:81/udp       wide sees 192.0.2.9
remote  -> 172.19.0.2:84           refused
remote  -> 172.19.0.2/ping         answers
remote  -> 192.0.2.1:8005          wide sees 192.0.2.9
web     -> 172.19.0.2:81/udp       wide sees 172.17.0.2
web     -> 172.19.0.2/ping         answers
host    -> 172.19.0.2:80           wide sees 172.19.0.1
# an endpoint's way out does not depend on who gets in
web     -> 192.0.2.9:7777          remote sees 192.0.2.1
direct  -> 192.0.2.9:7777          remote sees 172.18.0.2
wide    -> 192.0.2.9:7777/udp      remote sees 192.0.2.1
"""

ACCESS6 = """
# published: what is published, on the host's addresses, and nothing at the endpoint's own
remote  -> [2001:db8::1]:8000      web sees 2001:db8::9
remote  -> [fd00:17::1]:8000       web sees 2001:db8::9
direct  -> [fd00:18::1]:8000       web sees fd00:18::2
remote  -> [fd00:17::2]:80         blocked
remote  -> [fd00:17::2]:8000       blocked
remote  -> [fd00:17::2]:80/udp     blocked
remote  -> [fd00:17::2]/ping       blocked
direct  -> [fd00:17::2]:80         blocked
wide    -> [fd00:17::2]/ping       blocked
sib     -> [fd00:17::2]:80         web sees fd00:17::3
sib     -> [fd00:17::2]/ping       answers
host    -> [fd00:17::2]/ping       answers
# routed: ICMP, and the target ports of publications at the endpoint's own address; nothing is translated
remote  -> [fd00:18::2]/ping       answers
remote  -> [fd00:18::2]:80         direct sees 2001:db8::9
remote  -> [fd00:18::2]:80/udp     direct sees 2001:db8::9
remote  -> [fd00:18::2]:8001       blocked
remote  -> [2001:db8::1]:8001      refused
remote  -> [fd00:18::2]:81/udp     blocked
remote  -> [fd00:18::3]:80         blocked
remote  -> [fd00:18::3]/ping       answers
web     -> [fd00:18::2]:80         direct sees fd00:17::2
web     -> [fd00:18::2]:84         blocked
host    -> [fd00:18::2]:84         direct sees fd00:18::1
directsib -> [fd00:18::2]:84       direct sees fd00:18::3
# … and for those whom `from` names
remote                   -> [fd00:18::2]:81   blocked
remote from 2001:db8::10 -> [fd00:18::2]:81   direct sees 2001:db8::10
remote                   -> [fd00:18::2]:83   direct sees 2001:db8::9
remote from 2001:db8::10 -> [fd00:18::2]:83   blocked
web                      -> [fd00:18::2]:81   direct sees fd00:17::2
wide                     -> [fd00:18::2]:81   blocked
# open: everything
remote  -> [fd00:19::2]:80         wide sees 2001:db8::9
remote  -> [fd00:19::2]:81/udp     wide sees 2001:db8::9
remote  -> [fd00:19::2]/ping       answers
remote  -> [2001:db8::1]:8005      wide sees 2001:db8::9
web     -> [fd00:19::2]:81/udp     wide sees fd00:17::2
# an endpoint's way out does not depend on who gets in
web     -> [2001:db8::9]:7777      remote sees 2001:db8::1
direct  -> [2001:db8::9]:7777      remote sees fd00:18::2
"""

CLOSED = """
# internal: nobody gets in, at whatever address, by whatever port
remote    -> 172.20.0.2:80           blocked
remote    -> 172.20.0.2/ping         blocked
remote    -> 192.0.2.1:8006          blocked
remote    -> 172.20.0.1:8006         blocked
web       -> 172.20.0.2:80           blocked
web       -> 172.20.0.2/ping         blocked
web       -> 172.17.0.1:8006         blocked
web       -> 172.20.0.1:8006         blocked
wide      -> 192.0.2.1:8006          blocked
remote    -> [fd00:20::2]:80         blocked
remote    -> [fd00:20::2]/ping       blocked
remote    -> [2001:db8::1]:8006      blocked
web       -> [fd00:20::2]:80         blocked
web       -> [fd00:17::1]:8006       blocked
# … and nobody gets out, though he give himself a default route
inner     -> 192.0.2.9:7777          blocked
inner     -> 192.0.2.9:7777/udp      blocked
inner     -> 192.0.2.9/ping          blocked
inner     -> 172.17.0.2:80           blocked
inner     -> 172.19.0.2:80           blocked
inner     -> 172.19.0.2/ping         blocked
inner     -> 172.18.0.2:80           blocked
inner     -> 172.20.0.1:8000         blocked
inner     -> 172.17.0.1:8000         blocked
inner     -> 192.0.2.1:8000          blocked
inner     -> [2001:db8::9]:7777      blocked
inner     -> [2001:db8::9]/ping      blocked
inner     -> [fd00:19::2]:80         blocked
inner     -> [fd00:19::2]/ping       blocked
inner     -> [fd00:20::1]:8000       blocked
inner     -> [2001:db8::1]:8000      blocked
# the host gets in, and is answered; its own services are closed but for ICMP
host      -> 172.20.0.2:80           inner sees 172.20.0.1
host      -> 172.20.0.2:80/udp       inner sees 172.20.0.1
host      -> 172.20.0.2/ping         answers
host      -> 127.0.0.1:8006          inner sees 172.20.0.1
host      -> 192.0.2.1:8006          inner sees 172.20.0.1
inner     -> 172.20.0.1:6000         blocked
inner     -> 172.20.0.1:6000/udp     blocked
inner     -> 192.0.2.1:6000          blocked
inner     -> 172.17.0.1:6000         blocked
inner     -> 172.20.0.1/ping         answers
host      -> [fd00:20::2]:80         inner sees fd00:20::1
host      -> [fd00:20::2]:80/udp     inner sees fd00:20::1
inner     -> [fd00:20::1]:6000       blocked
inner     -> [2001:db8::1]:6000/udp  blocked
inner     -> [fd00:20::1]/ping       answers
# siblings talk, by published ports too
innersib  -> 172.20.0.2:80           inner sees 172.20.0.3
innersib  -> 172.20.0.2:80/udp       inner sees 172.20.0.3
innersib  -> 172.20.0.2/ping         answers
innersib  -> 172.20.0.1:8006         inner sees 172.20.0.1 | inner sees 172.20.0.3
innersib  -> [fd00:20::2]:80         inner sees fd00:20::3
innersib  -> [fd00:20::2]/ping       answers
# host_access: closed closes the host's services and nothing else
closed    -> 172.21.0.1:6000         blocked
closed    -> 172.21.0.1:6000/udp     blocked
closed    -> 192.0.2.1:6000          blocked
closed    -> 172.17.0.1:6000         blocked
closed    -> 172.21.0.1/ping         answers
closed    -> 192.0.2.9:7777          remote sees 192.0.2.1
closed    -> 192.0.2.1:8000          web sees 172.21.0.2
closed    -> 172.21.0.1:8007         closed sees 172.21.0.1
remote    -> 192.0.2.1:8007          closed sees 192.0.2.9
host      -> 172.21.0.2:80           closed sees 172.21.0.1
host      -> 172.21.0.2:80/udp       closed sees 172.21.0.1
closed    -> [fd00:21::1]:6000       blocked
closed    -> [2001:db8::1]:6000/udp  blocked
closed    -> [fd00:21::1]/ping       answers
closed    -> [2001:db8::9]:7777      remote sees 2001:db8::1
closed    -> [fd00:21::1]:8000       web sees fd00:21::2
host      -> [fd00:21::2]:80         closed sees fd00:21::1
# open, as it is unless said
web       -> 172.17.0.1:6000         host sees 172.17.0.2
web       -> 172.17.0.1:6000/udp     host sees 172.17.0.2
web       -> [fd00:17::1]:6000       host sees fd00:17::2
"""

SERVED = {"web": (80, 81), "direct": (80, 81, 82, 83, 84), "directsib": (80,), "wide": (80, 81), "inner": (80,)}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A bridge of each sort on a host with neighbours, and servers on all."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name in ("inner", "innersib"):
            for family in ("-4", "-6"):
                assert lab.command(f"ip {family} route show default", name) == ""
        lab.command(BY_HAND)
        for name, ports in {**SERVED, "closed": (80,), "": (6000,)}.items():
            for port in ports:
                lab.serve(name, port)
        for number in range(17, 22):
            lab.wait_for(Probe("", f"fd00:{number}::2", 80))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("table", [ACCESS4, ACCESS6, CLOSED], ids=["ipv4", "ipv6", "closed"])
def test_who_gets_in_and_out(lab: Lab, table: str, switch: int) -> None:
    """A bridge opens to the outside what its `access` says, to the host what it must, and nothing else."""
    filter_bridged(lab, switch)
    check(lab, table)


def leak() -> None:
    """One datagram to each that would see it, answered or not."""
    for family, addresses in ((socket.AF_INET, ("192.0.2.9", "172.19.0.2")), (socket.AF_INET6, ("2001:db8::9",))):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            for address in addresses:
                client.sendto(b"##leak##", (address, 7777))


def test_not_a_packet_leaves_an_internal_bridge(lab: Lab) -> None:
    """What has no answer shows in no table; a bridge that is not internal shows that it would be seen."""
    for sender, leaks in (("inner", {"remote": 0, "wide": 0}), ("web", {"remote": 2, "wide": 1})):
        ears = {name: Ear(lab, name, at_least(count, b"##leak##")) for name, count in leaks.items()}
        lab.run(leak, sender)
        assert {name: times(b"##leak##", ear.heard()) for name, ear in ears.items()} == leaks


def keep_sending() -> None:
    """Datagrams from one and the same port to the published one of `talk`, until told to stop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("192.0.2.9", 40000))
        end = time.monotonic() + 300
        while not Path("/run/enough").exists() and time.monotonic() < end:
            client.sendto(b"##talk##", ("192.0.2.1", 8008))
            time.sleep(0.02)


def test_a_bridge_that_becomes_internal_cuts_what_it_has() -> None:
    """A flow that was let in before brings nothing any more, answered or not."""
    before = """
netspec: 1
bridges: {talk0: {subnets: [172.17.0.0/24]}}
endpoints: {talk: {bridge: talk0, publish: ["8008:80/udp"]}}
"""

    several = at_least(6, b"##talk##")

    with host_with_neighbours() as lab:
        apply_in(lab, before)
        lab.serve("talk", 80)
        sending = lab.begin(keep_sending, "remote")
        assert several(Ear(lab, "talk", several).heard())
        apply_in(lab, edited(before, ("/24]}", "/24], internal: true}")))
        assert times(b"##talk##", Ear(lab, "talk", nothing).heard()) == 0
        apply_in(lab, before)
        assert several(Ear(lab, "talk", several).heard())
        lab.command("touch /run/enough")
        sending()
