"""Listening sockets, and whose they are, as `/proc` tells it."""

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from netspec.kernel import listeners as module
from netspec.kernel.listeners import listeners
from netspec.kernel.snapshot import Listener
from tests.packets.lab import Lab

pytestmark = pytest.mark.kernel
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host in a namespace of its own, on which nothing listens."""
    with Lab() as lab:
        yield lab


def opened(family: int, sort: int, address: str, port: int) -> socket.socket:
    """A bound socket; a TCP one listens."""
    each = socket.socket(family, sort)
    each.bind((address, port))
    if sort == socket.SOCK_STREAM:
        each.listen()
    return each


def row(protocol: str, address: str, port: int) -> Listener:
    """A row without an owner."""
    return Listener(protocol=protocol, address=ip_address(address), port=port)


@needs_root
def test_all_listening_sockets_and_only_those(lab: Lab) -> None:
    """TCP that listens, UDP that is bound; not what is connected, not what is only open."""

    def look() -> list[Listener]:
        inet, inet6, tcp, udp = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
        kept = [
            opened(inet, tcp, "0.0.0.0", 80),  # noqa: S104  in a namespace without a network
            opened(inet, tcp, "127.0.0.1", 8080),
            opened(inet6, tcp, "::", 81),
            opened(inet6, tcp, "::1", 8081),
            opened(inet6, tcp, "::ffff:127.0.0.1", 8082),
            opened(inet, udp, "127.0.0.53", 53),
            opened(inet6, udp, "::", 54),
            socket.create_connection(("127.0.0.1", 8080)),
        ]
        connected = socket.socket(inet, udp)
        connected.connect(("127.0.0.53", 53))
        kept.append(connected)
        return listeners() if kept else []

    assert sorted(lab.run(look), key=str) == sorted(
        [
            row("tcp", "0.0.0.0", 80),  # noqa: S104  as above
            row("tcp", "127.0.0.1", 8080),
            row("tcp", "::", 81),
            row("tcp", "::1", 8081),
            row("tcp", "::ffff:127.0.0.1", 8082),
            row("udp", "127.0.0.53", 53),
            row("udp", "::", 54),
        ],
        key=str,
    )


@needs_root
def test_owners_are_told_for_those_asked_about(lab: Lab) -> None:
    """Pid and command of the process that holds the socket; others are not looked up."""
    lab.serve("", 6000, protocols=["tcp"])
    lab.serve("", 6001, protocols=["tcp", "udp"])

    found = lab.run(lambda: listeners(owners_of=[("tcp", 6000), ("udp", 6001)]))
    owners = {(each.protocol, each.port): (each.pid, each.command) for each in found}
    command = lab.command(f"cat /proc/{owners['tcp', 6000][0]}/comm").strip()
    assert owners == {
        ("tcp", 6000): (owners["tcp", 6000][0], command),
        ("tcp", 6001): (0, ""),
        ("udp", 6001): (owners["udp", 6001][0], command),
    }
    assert 0 not in {owners["tcp", 6000][0], owners["udp", 6001][0]}
    assert owners["tcp", 6000] != owners["udp", 6001]


@needs_root
def test_without_privilege_sockets_are_seen_and_owners_are_not(lab: Lab) -> None:
    """A plan of an ordinary user still sees that a port is taken."""
    lab.serve("", 6000, protocols=["tcp"])

    def look() -> list[Listener]:
        os.setresuid(12345, 12345, 12345)
        return listeners(owners_of=[("tcp", 6000)])

    assert lab.run(look) == [row("tcp", "::", 6000)]


def test_the_walk_through_all_processes_is_only_made_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan without publications must not pay for it."""

    def walk(_pid: int) -> Iterator[int]:
        raise AssertionError("walked")

    monkeypatch.setattr(module, "_sockets", walk)
    listeners()
