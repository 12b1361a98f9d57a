"""Who announces what, and when: seen on the wire by a neighbour who was there before."""

import os
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from tests.packets.hearing import Ear, Frames
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


def _announced(frame: bytes) -> Iterator[str]:
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == 0x0806 and frame[28:32] == frame[38:42]:
        yield f"{IPv4Address(frame[28:32])} {frame[22:28].hex(':')}"
    if kind == 0x86DD and frame[20] == 58 and frame[54] == 136 and frame[21] == 255:
        target = IPv6Address(frame[62:78])
        if not target.is_link_local and not frame[58] & 0x40:
            yield f"{target} {frame[80:86].hex(':')}"


def told(frames: Frames) -> list[str]:
    """The addresses that are announced, each with the MAC that has it."""
    return sorted(each for frame in frames for each in _announced(frame))


def announced(lab: Lab, wanted: str, *expected: str) -> list[str]:
    """What the neighbour hears while a spec is brought about; what is expected is waited for."""
    ear = Ear(lab, "neighbour", lambda frames: {*expected} <= {*told(frames)})
    apply_in(lab, wanted)
    return told(ear.heard())


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host with a neighbour on its bridge."""
    with Lab() as lab:
        apply_in(lab, spec())
        yield lab


def test_addresses_are_announced(lab: Lab) -> None:
    """Those of an endpoint that comes, new ones, and all of them under a new MAC; once, and not without a reason."""
    for n, mac in ((5, FIRST), (6, FIRST), (6, SECOND)):
        expected = [f"10.1.0.{n} {mac}", f"fd00:1::{n} {mac}"]
        assert announced(lab, spec(web(n, mac)), *expected) == expected
    assert announced(lab, spec(web(n=6, mac=SECOND), "  other: {interfaces: {}}\n")) == []


def test_a_neighbour_reaches_whoever_has_an_address_now(lab: Lab) -> None:
    """An address that goes to another endpoint is known under the new MAC at once."""
    apply_in(lab, spec(web()))
    for address in ("10.1.0.5", "fd00:1::5"):
        lab.command(f"ip neigh replace {address} lladdr {FIRST} dev eth0 nud reachable", "neighbour")
    apply_in(lab, spec(web(n=5, mac=SECOND).replace("web:", "successor:")))

    end = time.monotonic() + 30
    while (known := known_to(lab, "neighbour")) != {"10.1.0.5": SECOND, "fd00:1::5": SECOND}:
        assert time.monotonic() < end, known
        time.sleep(0.05)


def known_to(lab: Lab, name: str) -> dict[str, str]:
    """The MAC that somebody knows for each address of the endpoint."""
    lines = [line.split() for line in lab.command("ip neigh show dev eth0", name).splitlines()]
    return {words[0]: words[2] for words in lines if words[1] == "lladdr" and words[0] in ("10.1.0.5", "fd00:1::5")}


def test_new_addresses_have_no_duplicate_address_detection(lab: Lab) -> None:
    """They can be used at once."""
    apply_in(lab, spec(web()))
    assert "tentative" not in lab.command("ip -6 address show dev eth0 scope global", "web")
