"""Who announces what, and when: seen on the wire by a neighbour who was there before."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.packets.lab import Lab
from tests.packets.surroundings import apply_in

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

SPEC = """
netspec: 1
bridges: {{br0: {{subnets: [10.1.0.0/24, "fd00:1::/64"]}}}}
endpoints:
  neighbour: {{bridge: br0, addresses: [10.1.0.99, "fd00:1::99"]}}
{rest}"""
WEB = '  web: {{bridge: br0, addresses: [10.1.0.{n}, "fd00:1::{n}"], mac: {mac}}}\n'
FIRST, SECOND = "02:00:00:00:00:01", "02:00:00:00:00:02"


def spec(*lines: str) -> str:
    """A neighbour, and more."""
    return SPEC.format(rest="".join(lines))


def web(n: int = 5, mac: str = FIRST) -> str:
    """The endpoint that is announced."""
    return WEB.format(n=n, mac=mac)


def heard(seconds: float) -> list[str]:
    """The addresses that are announced on eth0 for a while, each with the MAC that has it."""
    found: list[str] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as packets:
        packets.bind(("eth0", 3))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            packets.settimeout(left)
            try:
                frame = packets.recv(2000)
            except TimeoutError:
                break
            found.extend(_announced(frame))
    return sorted(found)


def _announced(frame: bytes) -> Iterator[str]:
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == 0x0806 and frame[28:32] == frame[38:42]:
        yield f"{IPv4Address(frame[28:32])} {frame[22:28].hex(':')}"
    if kind == 0x86DD and frame[20] == 58 and frame[54] == 136 and frame[21] == 255:
        target = IPv6Address(frame[62:78])
        if not target.is_link_local and not frame[58] & 0x40:
            yield f"{target} {frame[80:86].hex(':')}"


def announced(lab: Lab, wanted: str) -> list[str]:
    """What the neighbour hears while a spec is brought about."""
    answer = lab.begin(partial(heard, 1.5), "neighbour")
    time.sleep(0.2)
    apply_in(lab, wanted)
    return answer()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host with a neighbour on its bridge."""
    with Lab() as lab:
        apply_in(lab, spec())
        yield lab


def test_addresses_are_announced(lab: Lab) -> None:
    """Those of an endpoint that comes, new ones, and all of them under a new MAC; once, and not without a reason."""
    assert announced(lab, spec(web())) == [f"10.1.0.5 {FIRST}", f"fd00:1::5 {FIRST}"]
    assert announced(lab, spec(web(n=6))) == [f"10.1.0.6 {FIRST}", f"fd00:1::6 {FIRST}"]
    assert announced(lab, spec(web(n=6, mac=SECOND))) == [f"10.1.0.6 {SECOND}", f"fd00:1::6 {SECOND}"]
    assert announced(lab, spec(web(n=6, mac=SECOND), "  other: {interfaces: {}}\n")) == []


def test_a_neighbour_reaches_whoever_has_an_address_now(lab: Lab) -> None:
    """An address that goes to another endpoint is known under the new MAC at once."""
    apply_in(lab, spec(web()))
    for address in ("10.1.0.5", "fd00:1::5"):
        lab.command(f"ip neigh replace {address} lladdr {FIRST} dev eth0 nud reachable", "neighbour")
    apply_in(lab, spec(web(n=5, mac=SECOND).replace("web:", "successor:")))

    known = lab.command("ip neigh show dev eth0", "neighbour")
    assert [line.split()[:3] for line in sorted(known.splitlines()) if " lladdr " in line and "::5" in line] == [
        ["fd00:1::5", "lladdr", SECOND]
    ]
    assert f"10.1.0.5 lladdr {SECOND}" in known


def test_new_addresses_have_no_duplicate_address_detection(lab: Lab) -> None:
    """They can be used at once."""
    apply_in(lab, spec(web()))
    assert "tentative" not in lab.command("ip -6 address show dev eth0 scope global", "web")
