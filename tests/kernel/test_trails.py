"""Trace messages of nftables: what a kernel has sent is understood, and nothing else breaks the decoder."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from netspec.kernel.trails import decode


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("=HH", 4 + len(payload), number) + payload + b"\0" * (-len(payload) % 4)


def message(*attributes: bytes, kind: int = 10 << 8 | 17) -> bytes:
    """A trace message of the inet family."""
    body = b"\x01\0\0\0" + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


IPV4 = bytes.fromhex("4500003c000040004006") + b"\0\0" + bytes([172, 20, 0, 3, 172, 20, 0, 2])
TCP = struct.pack("!HHI", 40000, 80, 1)
DROPPED = message(
    attribute(1, b"netspec-default\0"),
    attribute(2, b"ingress\0"),
    attribute(3, struct.pack("!Q", 42)),
    attribute(4, struct.pack("!I", 3)),
    attribute(0x8005, attribute(1, struct.pack("!i", 0))),
    attribute(6, struct.pack("!I", 7)),
    attribute(8, IPV4),
    attribute(9, TCP),
    attribute(10, struct.pack("!I", 2)),
    attribute(12, struct.pack("!I", 3)),
)
POLICY = message(
    attribute(1, b"t\0"),
    attribute(2, b"c\0"),
    attribute(4, struct.pack("!I", 1)),
    attribute(6, struct.pack("!I", 7)),
    attribute(16, struct.pack("!I", 1)),
)


def test_a_rule_that_drops() -> None:
    """Table, chain, handle, verdict, links and headers."""
    (event,) = decode(DROPPED)

    assert (event.family, event.table, event.chain, event.handle) == ("inet", "netspec-default", "ingress", 42)
    assert (event.verdict, event.packet, event.iif, event.oif) == ("drop", 7, 2, 3)
    assert event.headers is not None
    assert (event.headers.protocol, event.headers.source_port, event.headers.port) == ("tcp", 40000, 80)
    assert (str(event.headers.source), str(event.headers.target)) == ("172.20.0.3", "172.20.0.2")


def test_several_in_a_datagram() -> None:
    """Other messages are left out; a policy has no handle."""
    events = list(decode(DROPPED + message(kind=0x0A01) + POLICY))

    assert [(each.handle, each.verdict) for each in events] == [(42, "drop"), (0, "accept")]


@given(st.binary(max_size=300))
def test_anything_at_all_is_survived(data: bytes) -> None:
    """Whatever comes is decoded to something, or to nothing."""
    list(decode(data))


@given(st.integers(0, len(DROPPED) - 1), st.binary(min_size=1, max_size=8))
def test_what_is_nearly_right_is_survived(at: int, junk: bytes) -> None:
    """So is a message with a few other bytes in it, and one that is cut short."""
    list(decode(DROPPED[:at] + junk + DROPPED[at + len(junk) :]))
    list(decode(DROPPED[:at]))
