"""What netspec refuses on the real kernel: exit code, code and words, and the host byte for byte as it was."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import edited, shell
from tests.live.specs import DOCKER0
from tests.live.typed import Outcome, environment, netspec
from tests.sandboxed import RUN_DIR

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

UPLINK = "ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up"
IN_THE_WAY = {
    "link": ("ip link add docker0 type veth peer name docker1", "NS0401", "docker0"),
    "bridge without our mark": ("ip link add docker0 type bridge", "NS0401", "docker0"),
    "namespace": ("ip netns add redis", "NS0401", "redis"),
    "table": ("nft add table inet netspec-default", "NS0401", "inet netspec-default"),
    "route": (
        f"{UPLINK}; ip address add 192.0.2.1/24 dev up0; ip route add 172.16.0.0/12 via 192.0.2.9",
        "NS0402",
        "172.16.0.0/12 via 192.0.2.9 dev up0",
    ),
    "connected route": (
        f"{UPLINK}; ip address add 172.17.200.1/24 dev up0",
        "NS0402",
        "172.17.200.0/24 dev up0",
    ),
}
"""Made by hand before; the code of the refusal, and what it names."""

WRONG = {
    "a name over 15 bytes": [("docker0", "docker0123456789")],
    "an address outside its subnet": [("172.17.0.2", "172.18.0.2")],
    "two endpoints with one address": [
        ("client:\n    bridge: docker0", "client: {bridge: docker0, address: 172.17.0.2}")
    ],
    "the gateway's address": [("172.17.0.2", "172.17.0.1")],
    "port 0": [("6379:6379", "0:6379")],
    "port 70000": [("6379:6379", "70000:6379")],
    "prefix length 33": [("172.17.0.0/16", "172.17.0.0/33")],
    "an unknown key": [("address:", "adress:")],
}


def refused(tmp_path: Path, spec: str = DOCKER0, *words: str) -> Outcome:
    """Apply a spec that is refused; nothing has changed then, not even a directory."""
    path = tmp_path / "spec.yaml"
    path.write_text(spec, encoding="utf-8")
    before = host_state()
    outcome = netspec("apply", "--yes", *words, str(path))
    assert host_state() == before
    return outcome


@pytest.mark.parametrize("sort", IN_THE_WAY)
def test_what_is_in_the_way_is_named(tmp_path: Path, sort: str) -> None:
    """A foreign object where the spec wants one, or a route that its subnet overlaps: 6, with line and object."""
    by_hand, code, named = IN_THE_WAY[sort]
    shell(by_hand)

    outcome = refused(tmp_path)

    assert outcome.code == 6
    assert f"[{code}]" in outcome.errors
    assert named in outcome.errors
    assert "spec.yaml:" in outcome.errors


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_on_which_a_process_listens_is_refused_with_pid_and_command(tmp_path: Path, protocol: str) -> None:
    """Whoever is reached there now would lose its clients."""
    sort = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    listen = "s.listen(); " if protocol == "tcp" else ""
    script = (
        f"import socket; s = socket.socket(type={int(sort)}); s.bind(('', 6379)); {listen}print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        outcome = refused(tmp_path, edited(DOCKER0, ("6379:6379", f"6379:6379/{protocol}")))

        assert outcome.code == 6
        assert str(process.pid) in outcome.errors
        assert "python" in outcome.errors
        assert f"6379/{protocol}" in outcome.errors
        process.kill()


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_spec_changes_nothing(tmp_path: Path, what: str) -> None:
    """65, with the place."""
    outcome = refused(tmp_path, edited(DOCKER0, *WRONG[what]))

    assert (outcome.code, "spec.yaml:" in outcome.errors, outcome.output) == (65, True, "")
    assert not Path(RUN_DIR, "journal.json").exists()


def test_without_the_capability_it_is_named(tmp_path: Path) -> None:
    """77, before anything else."""
    path = tmp_path / "spec.yaml"
    path.write_text(DOCKER0, encoding="utf-8")
    before = host_state()
    drop = ("setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin")

    outcome = netspec("apply", "--yes", str(path), prefix=drop)

    assert (outcome.code, "CAP_" in outcome.errors) == (77, True)
    assert host_state() == before


def test_a_second_apply_waits_and_then_names_the_first(tmp_path: Path) -> None:
    """6 after `--lock-timeout`, with the pid of the holder; at once where there is nobody any more."""
    path = tmp_path / "spec.yaml"
    path.write_text(DOCKER0, encoding="utf-8")
    script = f"""
from pathlib import Path
from netspec.engine.lock import exclusive
with exclusive(Path({RUN_DIR!r}), 0):
    print(flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        started = time.monotonic()
        outcome = refused(tmp_path, DOCKER0, "--lock-timeout", "1")
        waited = time.monotonic() - started

        assert (outcome.code, waited >= 1) == (6, True)
        assert str(holder.pid) in outcome.errors
        holder.kill()
    assert netspec("apply", "--yes", "--lock-timeout", "0", str(path)).code == 0
