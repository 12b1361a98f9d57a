"""Who cuts off the way to the host by which they came is let in again, by nobody's hand: packets tell."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from netspec.engine.confirmation import NOBODY
from netspec.engine.window import Stage, Window, Windows
from tests.host_state import host_state
from tests.live.driving import edited
from tests.live.guardians import PATIENCE, none_left, until
from tests.live.typed import command, environment
from tests.packets.lab import Lab, Probe
from tests.packets.surroundings import apply_in
from tests.sandboxed import RUN_DIR

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

HOST, LOGIN, SERVICE = "172.17.0.1", 2200, 80
WITHIN = "12"
"""Seconds of the window: long enough for the operator to notice that nobody answers any more, on a busy machine too."""

CABLE = """
ip link add cable type veth peer name eth0 netns operator
ip link set cable up
ip -n operator address add 172.17.0.51/16 dev eth0
ip -n operator link set eth0 up
"""
SPEC = """
netspec: 1
bridges:
  lan: {subnets: [172.17.0.0/16], ports: [cable]}
endpoints:
  web: {bridge: lan, address: 172.17.0.2}
"""
"""The operator's cable ends in a bridge, whose address is that of the host."""

APPLY, DESTROY = ("apply", "/run/wanted.yaml"), ("destroy",)
CUTS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "its port leaves the bridge": (APPLY, (", ports: [cable]", "")),
    "the host's address and route move": (APPLY, ("172.17.", "172.18.")),
    "its packets are dropped": (
        APPLY,
        ("endpoints:", "policies:\n  - deny: {from: 172.17.0.51, to: host}\nendpoints:"),
    ),
    "the bridge is destroyed": (DESTROY, ("lan", "lan")),
}
BY_DEFAULT = 2
"""As many of them do in every run; the others are alike."""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host that its operator reaches by what a spec has made, and by nothing else."""
    with Lab() as lab:
        lab.add_netns("operator")
        lab.command(CABLE)
        apply_in(lab, SPEC)
        lab.serve("", SERVICE)
        lab.wait_for(Probe("operator", HOST, SERVICE))
        yield lab
        lab.run(end_guardians)


def end_guardians() -> None:
    """Those of tests that have failed."""
    with none_left():
        pass


def window() -> Window | None:
    """That of the stack, on the host that this process is on."""
    return Windows(Path(RUN_DIR)).read("default")


def session(words: tuple[str, ...]) -> None:
    """What a login is on the host: it gets a spec, applies it over the connection, and is killed with its group.

    Before that it tries without a window, and is refused.
    """
    os.setsid()
    with socket.create_server((HOST, LOGIN)) as server:
        server.settimeout(PATIENCE)
        connection, _ = server.accept()
    Path("/run/wanted.yaml").write_bytes(b"".join(iter(partial(connection.recv, 1), b"\0")))
    over_ssh = {**environment(), "SSH_CONNECTION": f"172.17.0.51 4711 {HOST} {LOGIN}"}
    refused = subprocess.run(command(*words, "--yes"), check=False, capture_output=True, text=True, env=over_ssh)
    Path("/run/refused").write_text(f"{refused.returncode} {refused.stderr}", encoding="utf-8")
    subprocess.Popen(
        command(*words, "--yes", "--wait", "--confirm-within", WITHIN),
        stdin=connection.fileno(),
        stdout=connection.fileno(),
        stderr=connection.fileno(),
        env=over_ssh,
    )
    until(lambda: (found := window()) is not None and found.stage is not Stage.OPENING)
    os.killpg(0, signal.SIGKILL)


def log_in(spec: str) -> list[str]:
    """What the operator sees who sends a spec to the host: how the host answers, one after the other."""
    connection = logged_in()
    connection.sendall(spec.encode() + b"\0")
    seen = ["it answers"]
    until(lambda: not any(answers() for _ in range(3)))
    seen.append("it does not")
    until(answers)
    seen.append("it answers")
    return seen


def logged_in() -> socket.socket:
    """A connection to the host, once it listens."""
    found: list[socket.socket] = []

    def tried() -> bool:
        with contextlib.suppress(OSError):
            found.append(socket.create_connection((HOST, LOGIN), timeout=1))
        return bool(found)

    until(tried)
    return found[0]


def answers() -> bool:
    """Whether the host does, within what a packet takes on a busy machine."""
    try:
        with socket.create_connection((HOST, SERVICE), timeout=0.3) as client:
            return bool(client.recv(64))
    except OSError:
        return False


@pytest.mark.parametrize(
    "cut", [pytest.param(each, marks=pytest.mark.faults if at >= BY_DEFAULT else ()) for at, each in enumerate(CUTS)]
)
def test_an_operator_who_cut_the_way_to_the_host_gets_back(lab: Lab, cut: str) -> None:
    """The command dies with its whole process group, nobody can reach the host; it comes back by itself."""
    words, edit = CUTS[cut]
    before = lab.run(host_state)
    login = lab.begin(partial(session, words))
    operator = lab.begin(partial(log_in, edited(SPEC, edit)), "operator")
    with pytest.raises(RuntimeError, match="died without an answer"):
        login()

    refused = lab.command("cat /run/refused")
    assert (refused[:2], "NS0621" in refused) == ("6 ", True), refused
    assert operator() == ["it answers", "it does not", "it answers"]
    lab.run(lambda: until(lambda: (found := window()) is not None and found.over))
    ended = lab.run(window)
    assert ended is not None
    assert (ended.stage, ended.why) == (Stage.UNDONE, NOBODY)
    assert lab.run(host_state) == before
