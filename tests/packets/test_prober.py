"""The prober asked about networks whose answers are known, over every protocol and both IP versions."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from pathlib import Path

import pytest

from netspec.errors import Interrupted
from netspec.kernel.prober import LinuxProber
from netspec.kernel.probes import Answer, Probe, Service, Verdict
from tests import sandboxed

pytestmark = [pytest.mark.kernel, pytest.mark.packets, pytest.mark.usefixtures("fresh_netns")]

TARGETS = {4: "10.9.0.2", 6: "fd00:9::2"}
PROTOCOLS = ("tcp", "udp", "ping")
WITHIN = 30.0
"""Seconds for an answer: generous, for it is not waited for."""

RULES = """\
table inet walls {
	chain input {
		type filter hook input priority 0; policy accept;
		meta l4proto { tcp, udp } th dport 1000 reject
		meta l4proto { tcp, udp } th dport 2000 drop
		icmp type echo-request WALL
		icmpv6 type echo-request WALL
	}
}
"""


@pytest.fixture
def peers() -> None:
    """Two namespaces on one wire."""
    for command in (
        "ip netns add left",
        "ip netns add right",
        "ip -n left link add eth0 type veth peer name eth0 netns right",
        "ip -n left address add 10.9.0.1/24 dev eth0",
        "ip -n left address add fd00:9::1/64 dev eth0 nodad",
        "ip -n right address add 10.9.0.2/24 dev eth0",
        "ip -n right address add fd00:9::2/64 dev eth0 nodad",
        "ip -n left link set eth0 up",
        "ip -n right link set eth0 up",
        "ip -n left link set lo up",
        "ip -n right link set lo up",
    ):
        sandboxed.run(command)


def wall(verdict: str) -> None:
    """What becomes of pings; of port 1000 and 2000 it is fixed."""
    path = Path("/run/walls.nft")
    path.write_text(RULES.replace("WALL", verdict), encoding="ascii")
    sandboxed.run(f"ip netns exec right nft -f {path}")


def probe(protocol: str, version: int, port: int, within: float = WITHIN) -> Probe:
    """From left to right."""
    address = ip_address(TARGETS[version])
    if protocol == "ping":
        return Probe(netns="left", address=address, protocol=protocol, within=within)
    service = Service(netns="right", address=address, port=port, protocol=protocol)
    return Probe(netns="left", address=address, protocol=protocol, port=port, service=service, within=within)


def ask(*probes: Probe, stand_in: bool = True) -> list[Answer]:
    """The answers of the real prober."""
    services = {each.service for each in probes if each.service is not None} if stand_in else set()
    return LinuxProber()(probes, sorted(services, key=str))


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize(
    ("verdict", "port", "rule", "within"),
    [
        (Verdict.OPEN, 80, "accept", WITHIN),
        (Verdict.REFUSED, 1000, "reject", WITHIN),
        (Verdict.BLOCKED, 2000, "drop", 0.7),
    ],
)
def test_verdicts(verdict: Verdict, port: int, rule: str, within: float) -> None:
    """Open, refused and blocked are told apart over TCP, UDP and ICMP, IPv4 and IPv6, all at once."""
    wall(rule)
    cases = list(product(PROTOCOLS, (4, 6)))
    answers = ask(*(probe(protocol, version, port, within) for protocol, version in cases))

    assert {case: each.verdict for case, each in zip(cases, answers, strict=True)} == dict.fromkeys(cases, verdict)


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize(("protocol", "version"), list(product(("tcp", "udp"), (4, 6))))
def test_a_port_without_a_listener_is_refused(protocol: str, version: int) -> None:
    """Where nobody is asked to stand in, nobody does."""
    (answer,) = ask(probe(protocol, version, 80), stand_in=False)

    assert answer.verdict is Verdict.REFUSED


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize(("protocol", "version"), list(product(("tcp", "udp"), (4, 6))))
def test_the_source_is_what_the_target_has_seen(protocol: str, version: int) -> None:
    """Also where it is translated on the way."""
    address = {4: "10.9.0.77/24", 6: "fd00:9::77/64"}[version]
    family, seen = ("ip", "10.9.0.77") if version == 4 else ("ip6", "fd00:9::77")
    sandboxed.run(f"ip -n left address add {address} dev eth0 nodad")
    sandboxed.run("ip netns exec left nft add table inet t")
    chain = "{ type nat hook postrouting priority srcnat ; }"
    sandboxed.run(f"ip netns exec left nft add chain inet t c '{chain}'")
    (plain,) = ask(probe(protocol, version, 80))
    sandboxed.run(f"ip netns exec left nft add rule inet t c {family} daddr {TARGETS[version]} snat to {seen}")
    (translated,) = ask(probe(protocol, version, 81))

    assert plain.verdict is translated.verdict is Verdict.OPEN
    assert (plain.seen, str(translated.seen)) == (plain.local, seen)


@pytest.mark.usefixtures("peers")
def test_nothing_is_left_behind() -> None:
    """No listener, no socket, no connection, neither after answers nor after an interruption."""
    before = [_sockets(name) for name in ("left", "right")]
    ask(*(probe(protocol, version, 80) for protocol, version in product(PROTOCOLS, (4, 6))))
    _wait_until_left_are(before)
    with pytest.raises(Interrupted):
        LinuxProber()(
            [probe("tcp", 4, 80)],
            [Service(netns="right", address=ip_address("10.9.0.2"), port=81, protocol="udp")],
            _stop,
        )

    _wait_until_left_are(before)


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize(("protocol", "version"), list(product(("tcp", "udp"), (4, 6))))
def test_a_real_server_is_not_asked_whom_it_has_seen(protocol: str, version: int) -> None:
    """Conntrack tells it, where it was this host that has translated the source; who was not translated is himself."""
    family, net, prefix = ("ip", "10.8.0.", 24) if version == 4 else ("ip6", "fd00:8::", 64)
    host, target, other = (ip_address(f"{net}{number}") for number in (1, 2, 77))
    for command in (
        "ip link add mid type veth peer name eth1 netns right",
        f"ip address add {host}/{prefix} dev mid nodad",
        f"ip address add {other}/{prefix} dev mid nodad",
        f"ip -n right address add {target}/{prefix} dev eth1 nodad",
        "ip link set mid up",
        "ip -n right link set eth1 up",
    ):
        sandboxed.run(command)
    asking = Probe(netns="", address=target, protocol=protocol, port=53, tells_source=True, source=host, within=WITHIN)
    sandboxed.run("nft add table inet t")
    sandboxed.run("nft add chain inet t c '{ type nat hook postrouting priority srcnat ; }'")
    with _answering(protocol, version):
        (plain,) = LinuxProber()([asking], [])
        sandboxed.run(f"nft add rule inet t c {family} daddr {target} snat to {other}")
        (translated,) = LinuxProber()([asking], [])

    assert (plain.verdict, plain.seen) == (Verdict.OPEN, plain.local)
    assert (translated.verdict, translated.seen) == (Verdict.OPEN, other)


@contextlib.contextmanager
def _answering(protocol: str, version: int) -> Iterator[None]:
    """A server of its own, in a process that echoes what it is sent."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with sandboxed.inside("right"):
        server = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    server.bind(("", 53))
    if protocol == "tcp":
        server.listen()
    child = os.fork()
    if not child:
        while protocol == "udp":
            data, peer = server.recvfrom(2048)
            server.sendto(data, peer)
        signal.pause()
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        server.close()


def _stop() -> None:
    raise Interrupted(15)


def _wait_until_left_are(sockets: list[str]) -> None:
    """What was reset is gone a moment later."""
    end = time.monotonic() + WITHIN
    while (found := [_sockets(name) for name in ("left", "right")]) != sockets:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def _sockets(netns: str) -> str:
    return sandboxed.run(f"ip netns exec {netns} ss -Hanp --tcp --udp --raw")


@pytest.mark.usefixtures("peers")
def test_those_who_listen_are_not_disturbed() -> None:
    """A server that is there answers itself; one over UDP that keeps silent leaves the question open."""
    with _listening("tcp", 80), _listening("udp", 81):
        tcp, udp = ask(probe("tcp", 4, 80), probe("udp", 4, 81, 0.7))

    assert (tcp.verdict, udp.verdict) == (Verdict.OPEN, None)
    assert "does not answer strangers" in udp.words


@contextlib.contextmanager
def _listening(protocol: str, port: int) -> Iterator[socket.socket]:
    sort = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with sandboxed.inside("right"):
        server = socket.socket(socket.AF_INET, sort)
    with server:
        server.bind(("0.0.0.0", port))  # noqa: S104  in a namespace of the test's own
        if protocol == "tcp":
            server.listen()
        yield server


@pytest.mark.usefixtures("peers")
def test_what_is_lost_is_sent_again() -> None:
    """A wall that drops the first packets of each sort does not make a port blocked."""
    wall("accept")
    for sort in ("tcp dport 80", "udp dport 80", "icmp type echo-request"):
        sandboxed.run(f"ip netns exec right nft insert rule inet walls input {sort} quota until 100 bytes drop")
    answers = ask(*(probe(protocol, 4, 80) for protocol in PROTOCOLS))

    assert [each.verdict for each in answers] == [Verdict.OPEN] * 3
    assert all(each.seconds > 0.1 for each in answers), "nothing was lost"


@pytest.mark.usefixtures("peers")
def test_what_cannot_be_asked_is_said() -> None:
    """A namespace, an address and a route that are not there."""
    there = probe("tcp", 4, 80)
    gone = replace(there, netns="nowhere")
    service = Service(netns="right", address=ip_address("10.9.0.9"), port=80, protocol="tcp")
    moved = replace(there, address=service.address, service=service)
    away = replace(there, address=ip_address("192.0.2.1"), service=None)
    first, second, third = ask(gone, moved, away)

    assert (first.missing, first.words) == (True, "the namespace nowhere is not there")
    assert (second.missing, second.words) == (True, "the address 10.9.0.9 is not there in the namespace right")
    assert (third.verdict, third.words) == (Verdict.BLOCKED, "there is no route")


@pytest.mark.usefixtures("peers")
def test_many_are_asked_at_once() -> None:
    """Silence is waited for once, not once for each; and more than fit at one time are asked in turn."""
    wall("drop")
    begun = time.monotonic()
    answers = ask(*[probe("udp", 4, 2000, 1.0)] * 200, stand_in=False)
    taken = time.monotonic() - begun
    more = ask(*(probe("tcp", 4, 3000 + number) for number in range(300)))

    assert {each.verdict for each in answers} == {Verdict.BLOCKED}
    assert taken < 150.0
    assert {each.verdict for each in more} == {Verdict.OPEN}


@pytest.mark.usefixtures("peers")
def test_strangers_cannot_keep_it_from_its_work() -> None:
    """Whoever floods those who stand in, with connections that say nothing and with datagrams, changes no answer."""
    with sandboxed.inside("left"):
        flooding = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(400)]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked = [probe(protocol, 4, port) for protocol, port in (("tcp", 80), ("udp", 81), ("ping", 0), ("udp", 82))]
    waiting = iter(flooding)

    def flood() -> None:
        for _ in range(100):
            if stranger := next(waiting, None):
                stranger.setblocking(False)
                stranger.connect_ex(("10.9.0.2", 80))
            with contextlib.suppress(OSError):
                datagrams.sendto(b"?" * 40, ("10.9.0.2", 81))

    try:
        answers = LinuxProber()(asked, [each.service for each in asked if each.service], flood)
    finally:
        for each in (*flooding, datagrams):
            each.close()

    assert [each.verdict for each in answers] == [Verdict.OPEN] * 4


def test_few_descriptors_are_enough() -> None:
    """The limit of open files decides how many are asked at once, not whether they are."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(128, len([*Path("/proc/self/fd").iterdir()]) + 100), hard))
    try:
        address = ip_address("127.0.0.1")
        services = [Service(netns="", address=address, port=4000 + number, protocol="tcp") for number in range(60)]
        answers = LinuxProber()(
            [
                Probe(netns="", address=address, protocol="tcp", port=each.port, service=each, within=WITHIN)
                for each in services
            ],
            services,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert {each.verdict for each in answers} == {Verdict.OPEN}


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize("look", range(3))
def test_who_was_not_let_run_does_not_take_that_for_silence(look: int) -> None:
    """Stopped past the deadline before any of its first looks, it still hears what has come meanwhile."""
    seen: list[int] = []

    def stopped() -> None:
        if len(seen) == look:
            time.sleep(0.6)
        seen.append(look)

    asked = [probe(protocol, 4, port, 0.3) for protocol, port in (("tcp", 80), ("udp", 81), ("ping", 0))]
    answers = LinuxProber()(asked, [each.service for each in asked if each.service], stopped)

    assert [each.verdict for each in answers] == [Verdict.OPEN] * 3
