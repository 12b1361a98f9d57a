"""Limits of an interface, measured by TCP: both directions, changed while it lasts, and gone with the limit."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.packets.lab import Lab
from tests.packets.surroundings import apply_in, destroy_in

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

PORT = 5001
SECONDS = 0.8
"""How long each flow is measured."""
PATIENCE = 60.0
"""How long a flow may take to reach its rate once: a busy machine may keep it below; nothing lets it run above."""


def spec(limit: str) -> str:
    """Two endpoints, one of them with a limit."""
    web = "  web: {bridge: br0, addresses: [10.1.0.2, 'fd00:1::2']" + (f", limit: {limit}}}" if limit else "}")
    bridge = "br0: {subnets: [10.1.0.0/24, 'fd00:1::/64']}"
    other = "  other: {bridge: br0, addresses: [10.1.0.3, 'fd00:1::3']}"
    return f"netspec: 1\nbridges: {{{bridge}}}\nendpoints:\n{web}\n{other}\n"


def received(address: str, seconds: float) -> tuple[float, float]:
    """Serve one client for a while: the bits per second that came, at least and at most.

    Without the first quarter: bursts are over then. The kernel counts what passes the limit; that this process is
    late to look makes it know less, and nothing wrong.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT))
        server.listen()
        server.settimeout(PATIENCE)
        client, _ = server.accept()
        with client:
            client.settimeout(PATIENCE)
            _receive(client, seconds * 0.25)
            began, before, since = _counted()
            _receive(client, seconds)
            until, after, ended = _counted()
            bits = (after - before) * 8
            return bits / (ended - began), bits / (until - since)


def _receive(client: socket.socket, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert client.recv(1 << 16), "the sender has left"


def _counted() -> tuple[float, int, float]:
    """How many bytes have come, and the time before and after looking."""
    earlier = time.monotonic()
    count = int(Path("/sys/class/net/eth0/statistics/rx_bytes").read_text(encoding="ascii"))
    return earlier, count, time.monotonic()


def send(address: str) -> None:
    """Send to a server until it has had enough."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection((address, PORT), timeout=PATIENCE) as client:
                while True:
                    client.sendall(bytes(1 << 16))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        except (ConnectionResetError, BrokenPipeError):
            return


def megabits(lab: Lab, source: str, target: str, address: str) -> tuple[float, float]:
    """Of a TCP flow from one endpoint to another, at least and at most."""
    answer = lab.begin(partial(received, address, SECONDS), target)
    sender = lab.begin(partial(send, address), source)
    least, most = answer()
    sender()
    return least / 1e6, most / 1e6


def held(lab: Lab, flow: tuple[str, str, str], limit: float) -> bool:
    """Whether a flow runs within 10 % of a limit."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        least, most = megabits(lab, *flow)
        assert least < limit * 1.1
        if most > limit * 0.9:
            return True
    return False


IN4, IN6 = ("other", "web", "10.1.0.2"), ("other", "web", "fd00:1::2")
OUT4, OUT6 = ("web", "other", "10.1.0.3"), ("web", "other", "fd00:1::3")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty host."""
    with Lab() as lab:
        yield lab


def test_both_directions_are_held_to_their_rates(lab: Lab) -> None:
    """Over IPv4 and IPv6, each direction to its own; then to others, on the same links."""
    apply_in(lab, spec("{ingress: 20mbit, egress: 10mbit}"))
    links = lab.command("ip -o link | grep -o '^[0-9]*: [^:@]*'")
    for flow, limit in ((IN4, 20), (OUT4, 10), (IN6, 20), (OUT6, 10)):
        assert held(lab, flow, limit), flow

    apply_in(lab, spec("{ingress: 5mbps, egress: 30mbit, burst: 128kb}"))
    assert lab.command("ip -o link | grep -o '^[0-9]*: [^:@]*'") == links
    for flow, limit in ((IN4, 40), (OUT4, 30)):
        assert held(lab, flow, limit), flow


def test_a_connection_lives_through_a_change(lab: Lab) -> None:
    """Nothing is lost when a limit comes, changes and goes."""
    apply_in(lab, spec(""))
    done = threading.Event()
    answer = lab.begin(partial(received, "10.1.0.3", 3.0), "other")
    sender = lab.begin(partial(send, "10.1.0.3"), "web")
    for limit in ("{egress: 50mbit}", "{egress: 80mbit, ingress: 80mbit}", "{egress: 60mbit}", ""):
        apply_in(lab, spec(limit))
        done.wait(0.2)
    assert answer()[0] > 0
    sender()


def test_without_a_limit_there_is_none(lab: Lab) -> None:
    """Neither before nor after; and nothing of it is left."""
    apply_in(lab, spec(""))
    before = lab.command("tc qdisc show; ip -o link | wc -l")
    apply_in(lab, spec("{ingress: 20mbit, egress: 10mbit}"))
    apply_in(lab, spec(""))

    assert lab.command("tc qdisc show; ip -o link | wc -l") == before
    end = time.monotonic() + PATIENCE
    while megabits(lab, *OUT4)[0] <= 40:
        assert time.monotonic() < end, "it is slow"
    destroy_in(lab)
    assert lab.command("tc qdisc show; ip -o link | wc -l").split("\n")[-2] == "1"
