"""Connection tracking: the flows of a removed publication go, and no others."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from netspec.errors import PrivilegeMissing
from netspec.kernel import conntrack
from netspec.kernel.nftables import Nftables
from netspec.kernel.operations import ElementAdd, ElementDelete, FlowDelete, TableAdd
from netspec.kernel.port import KernelError
from netspec.kinds._skeleton import skeleton
from tests.packets.lab import Lab, established

pytestmark = pytest.mark.kernel
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace")

TABLE = "netspec-test"
ONE, TWO = "10.1.0.2", "10.2.0.2"
ONE6 = "fd01::2"

TOPOLOGY = """
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for each in "one 1" "two 2" "client 3"; do
    set -- $each
    ip link add $1 type veth peer name eth0 netns $1
    ip address add 10.$2.0.1/24 dev $1; ip address add fd0$2::1/64 dev $1 nodad; ip link set $1 up
    ip -n $1 address add 10.$2.0.2/24 dev eth0; ip -n $1 address add fd0$2::2/64 dev eth0 nodad
    ip -n $1 link set eth0 up
    ip -n $1 route add default via 10.$2.0.1; ip -n $1 route add default via fd0$2::1
done
ip address add 10.3.0.100/24 dev client
sysctl -qw net.netfilter.nf_conntrack_udp_timeout=600 net.netfilter.nf_conntrack_udp_timeout_stream=600
"""


def published(port: int, target: str, to: int = 53) -> list[ElementAdd]:
    """A port that leads to a target, for both protocols."""
    joined = f"{target} . {to}"
    name = "publish6" if ":" in target else "publish4"
    return [ElementAdd(table=TABLE, set=name, key=f"{each} . {port}", value=joined) for each in ("tcp", "udp")]


def _load() -> None:
    elements = [*published(5300, ONE), *published(5301, ONE), *published(5302, TWO), *published(5300, ONE6)]
    with Nftables() as nftables:
        nftables.transact([TableAdd(name=TABLE, text=skeleton(TABLE)), *elements])


def _move(port: int, target: str) -> None:
    gone = [ElementDelete(table=TABLE, set="publish4", key=f"{each} . {port}") for each in ("tcp", "udp")]
    with Nftables() as nftables:
        nftables.transact([*gone, *published(port, target)])


def ask(host: str, port: int, source_port: int) -> str:
    """Ask by UDP from a certain port, as a client that keeps its socket. To be run in the lab."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(0.4)
        client.bind(("", source_port))
        client.connect((host, port))
        for _ in range(150):  # IPv6 neighbours do not answer in their first second or two
            client.send(b"?")
            with contextlib.suppress(TimeoutError):
                return client.recv(64).decode().split()[0]
        return "nobody"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A client, two servers, and the host between them that publishes ports of the servers."""
    with Lab() as lab:
        for name in ("one", "two", "client"):
            lab.add_netns(name)
        lab.command(TOPOLOGY)
        for name in ("one", "two"):
            lab.serve(name, 53)
        lab.run(_load)
        yield lab


def flows(lab: Lab) -> set[str]:
    """What the conntrack command lists, shortened to `udp 10.3.0.1:5300`."""
    found = set()
    for line in lab.command("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null").splitlines():
        words = dict(word.split("=", 1) for word in reversed(line.split()) if "=" in word)
        if "dport" in words:
            found.add(f"{line.split()[0]} {words['dst']}:{words['dport']}")
    return found


def delete(lab: Lab, protocol: str, ports: tuple[int, int], target: str, listen: str = "") -> int:
    """Delete flows in the lab's host."""
    where = ip_address(listen) if listen else None
    operation = FlowDelete(protocol=protocol, ports=ports, target=ip_address(target), listen=where)
    return lab.run(partial(conntrack.delete_flows, operation))


@needs_root
def test_a_udp_flow_stays_with_its_old_target_until_it_is_deleted(lab: Lab) -> None:
    """The kernel's way: a swapped map element does not move what is flowing; deleting by host port does."""
    question = partial(ask, "10.3.0.1", 5300, 40000)
    assert lab.run(question, "client") == "one"

    lab.run(partial(_move, 5300, TWO))
    assert lab.run(question, "client") == "one"

    assert delete(lab, "udp", (53, 53), ONE) == 0
    assert lab.run(question, "client") == "one"

    assert delete(lab, "udp", (5300, 5300), ONE) == 1
    assert lab.run(question, "client") == "two"


@needs_root
def test_only_the_flows_of_that_publication_are_deleted(lab: Lab) -> None:
    """Told apart by protocol, port, target and, where it is said, the address listened on."""
    asked = [("10.3.0.1", 5300), ("10.3.0.100", 5300), ("10.3.0.1", 5301), ("10.3.0.1", 5302), ("fd03::1", 5300)]
    for number, (host, port) in enumerate(asked):
        lab.run(partial(ask, host, port, 41000 + number), "client")
    everything = {
        "udp 10.3.0.1:5300",
        "udp 10.3.0.100:5300",
        "udp 10.3.0.1:5301",
        "udp 10.3.0.1:5302",
        "udp fd03::1:5300",
    }
    assert flows(lab) == everything

    assert delete(lab, "tcp", (5300, 5302), ONE) == 0
    assert delete(lab, "udp", (5300, 5300), TWO) == 0
    assert delete(lab, "udp", (5303, 5400), ONE) == 0
    assert delete(lab, "udp", (5300, 5300), ONE, "10.3.0.99") == 0
    assert flows(lab) == everything

    assert delete(lab, "udp", (5300, 5300), ONE, "10.3.0.100") == 1
    assert flows(lab) == everything - {"udp 10.3.0.100:5300"}
    assert delete(lab, "udp", (5300, 5302), ONE) == 2
    assert flows(lab) == {"udp 10.3.0.1:5302", "udp fd03::1:5300"}
    assert delete(lab, "udp", (5300, 5300), ONE6) == 1
    assert flows(lab) == {"udp 10.3.0.1:5302"}


@needs_root
def test_hundreds_of_flows_of_one_publication(lab: Lab) -> None:
    """More than one answer of the kernel holds."""

    def many() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            for port in range(20000, 20800):
                head = b"".join(word.to_bytes(2, "big") for word in (port, 5300, 9, 0))
                raw.sendto(head + b"?", ("10.3.0.1", 0))

    end = time.monotonic() + 60
    # What is more than a queue on the way holds is lost, and sent once more: the same flows.
    while len(lab.command("conntrack -L -p udp 2>/dev/null").splitlines()) < 800:
        assert time.monotonic() < end
        lab.run(many, "client")
    assert delete(lab, "udp", (5300, 5300), ONE) == 800
    assert flows(lab) == set()


@needs_root
def test_connections_of_a_target_are_counted(lab: Lab) -> None:
    """Established TCP connections, by the address that they lead to."""
    assert lab.run(partial(established, ip_address(ONE))) == 0

    waiting, over = os.pipe()

    def listen() -> None:
        os.close(over)
        with socket.create_server(("10.1.0.2", 54)) as server:
            server.settimeout(60)
            peer, _ = server.accept()
            with peer:
                os.read(waiting, 1)

    def connect() -> None:
        os.close(over)
        with socket.create_connection(("10.1.0.2", 54), timeout=60):
            os.read(waiting, 1)

    try:
        ends = [lab.begin(listen, "one")]
        _wait_for(lab, "ss -Hltn 'sport = :54'", "one")
        ends.append(lab.begin(connect, "client"))
        _wait_for(lab, "conntrack -L -p tcp --dport 54 --state ESTABLISHED 2>/dev/null")
        assert lab.run(partial(established, ip_address(ONE))) == 1
        assert lab.run(partial(established, ip_address(TWO))) == 0
    finally:
        os.close(over)
    for end in ends:
        end()
    os.close(waiting)


def _wait_for(lab: Lab, command: str, netns: str = "") -> None:
    """Until a command prints something; ten seconds at most."""
    lab.command(f'for each in $(seq 100); do [ -n "$({command})" ] && exit 0; sleep 0.1; done; exit 1', netns)


def test_a_kernel_without_connection_tracking_has_no_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to delete then, and that is no error."""

    def absent() -> socket.socket:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(conntrack, "_connection", absent)
    operation = FlowDelete(protocol="udp", ports=(1, 1), target=ip_address(ONE))
    assert conntrack.delete_flows(operation) == 0
    assert conntrack.flows() == ()


def test_what_is_too_much_to_read_in_passing_is_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is asked then, nor where the module is not loaded: asking would load it."""
    monkeypatch.setattr(conntrack, "_connection", lambda: pytest.fail("it was asked"))
    count = tmp_path / "count"
    count.write_text(f"{conntrack.MOST_FLOWS + 1}\n", encoding="ascii")
    monkeypatch.setattr(conntrack, "_COUNT", count)
    assert conntrack.flows() is None
    monkeypatch.setattr(conntrack, "_MODULES", tmp_path)
    assert conntrack.flows() == ()


def test_who_does_not_answer_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is told without the count then."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(conntrack, "_connection", lambda: near)
    monkeypatch.setattr(conntrack, "PATIENCE", 0.2)
    with far:
        assert conntrack.flows() is None


def test_a_lost_answer_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a hang."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(conntrack, "_connection", lambda: near)
    monkeypatch.setattr(conntrack, "DEADLINE", 0.2)
    operation = FlowDelete(protocol="udp", ports=(1, 1), target=ip_address(ONE))
    with far, pytest.raises(KernelError) as caught:
        conntrack.delete_flows(operation)
    assert (caught.value.number, caught.value.operation) == (errno.ETIMEDOUT, operation)


@needs_root
def test_without_the_capability_the_message_names_it(lab: Lab) -> None:
    """So that a user knows what to ask for."""

    def drop() -> int:
        os.setresuid(12345, 12345, 12345)
        assert conntrack.flows() is None
        return conntrack.delete_flows(FlowDelete(protocol="udp", ports=(1, 1), target=ip_address(ONE)))

    with pytest.raises(PrivilegeMissing, match="CAP_NET_ADMIN"):
        lab.run(drop)


def test_who_was_not_let_run_still_hears_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel has answered long ago: only waiting in vain, and reading too much, counts."""

    class Stopped(socket.socket):
        """Of a process that is not let run between question and answer."""

        def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401  bytes of any sort
            sent = super().send(data, flags)
            time.sleep(0.3)
            return sent

    monkeypatch.setattr(conntrack, "PATIENCE", 0.2)
    monkeypatch.setattr(conntrack, "_connection", lambda: Stopped(socket.AF_NETLINK, socket.SOCK_RAW, 12))
    assert conntrack.flows() is not None
