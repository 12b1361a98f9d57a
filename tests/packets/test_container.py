"""A container of a real Docker engine, joined by `netns: {container: …}`.

`tests/live/test_attach.py` does the same where there is no engine, with recorded answers.
"""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packets import docker
from tests.packets.lab import Lab
from tests.packets.surroundings import check, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(bool(docker.why_not()), reason=docker.why_not() or "there is one"),
]

SPEC = """
netspec: 1
bridges:
  lan: {subnets: [172.30.0.0/24, "fd00:30::/64"]}
endpoints:
  joined:
    netns: {container: web}
    bridge: lan
    publish: ["8080:80"]
nat: {masquerade: [lan]}
"""
# The engine has set the policy of FORWARD to DROP; docs/coming-from-docker.md says what to do about it.
# This version of it has no chain for users in IPv6.
LET_THROUGH = """
for way in -i -o; do
    iptables -I DOCKER-USER $way lan -j ACCEPT
    ip6tables -I FORWARD $way lan -j ACCEPT
done
"""

REACHED = """
remote -> 192.0.2.1:8080        web sees 192.0.2.9
remote -> [2001:db8::1]:8080    web sees 2001:db8::9
host   -> 127.0.0.1:8080        web sees 172.30.0.1
web    -> 192.0.2.9:7777        remote sees 192.0.2.1
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host with neighbours, an engine, and its container `web` without a network."""
    with host_with_neighbours() as lab, docker.engine(lab):
        docker.start(lab, "web", "--network none")
        lab.command(LET_THROUGH)
        lab.run(lambda: _write("/run/site.yaml", SPEC))
        yield lab


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


def netspec(lab: Lab, arguments: str) -> str:
    """What the command prints that sees the processes of containers as the engine does, and its exit code."""
    home = shlex.quote(str(Path.cwd()))
    command = f"cd {home}; DOCKER_HOST=unix://{docker.SOCKET} {sys.executable} -m netspec {arguments} /run/site.yaml"
    return docker.beside(lab, f"{command} 2>&1 || echo exit $?")


def test_a_running_container_is_joined_followed_and_left(lab: Lab) -> None:
    """It publishes, also after a restart, and is as the engine made it when the endpoint goes."""
    links = lab.command("ip -br link", "web")
    assert "exit" not in netspec(lab, "apply --yes")
    assert "No changes" in netspec(lab, "plan")
    assert "172.30.0.2/24" in lab.command("ip -br addr", "joined")
    lab.serve("web", 80)
    check(lab, REACHED)

    docker.docker(lab, "restart --time 0 web")
    assert "rebuilt" in netspec(lab, "plan")
    assert "exit" not in netspec(lab, "apply --yes")
    assert "No changes" in netspec(lab, "plan")
    assert "172.30.0.2/24" in lab.command("ip -br addr", "joined")

    assert "exit" not in netspec(lab, "destroy --yes")
    state = json.loads(docker.docker(lab, "inspect --format '{{json .State}}' web"))
    assert state["Running"] is True
    docker.name_namespace(lab, "web")
    assert lab.command("ip -br link", "web") == links
    assert lab.command("ls /run/netns").split() == ["intruder", "remote", "web"]

    docker.docker(lab, "rm --force web")
    assert "knows no container of that name" in netspec(lab, "plan")
