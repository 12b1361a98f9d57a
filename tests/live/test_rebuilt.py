"""What the kernel does with fields that replace their object, where one asks it to change them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.core.resource import Policy, Resource, compared_fields
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import FileWrite
from netspec.kernel.port import KernelError
from netspec.kinds import kinds
from netspec.kinds._links import hashed_name
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.file import File
from netspec.kinds.nat_table import NatTable
from netspec.kinds.netns import Netns
from netspec.kinds.qdisc import Qdisc
from netspec.kinds.veth import Veth
from tests.live.driving import apply, shell
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges:
  br0: {subnets: [172.17.0.0/16]}
endpoints:
  web: {bridge: br0, address: 172.17.0.2, host_name: to-web, limit: {egress: 20mbit}, hosts: {db: 172.17.0.5}}
"""


def asked(command: str) -> str:
    """What the kernel answers; its refusal where it refuses."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout if not done.returncode else f"refused: {done.stderr.strip()}"


def _moved_to_another_namespace() -> None:
    shell("ip netns add other; ip -n web link set eth0 netns other")
    state = asked("ip -n other -o link show eth0; ip -n other -o address show eth0")
    assert "UP" not in state
    assert "172.17.0.2" not in state, "it is another interface in all that endpoints have of it"


def _renamed() -> None:
    before = asked("ip -n web -o address show eth0")
    said = asked("ip -n web link set eth0 name eth9")
    assert "172.17.0.2" in before
    if not said.startswith("refused"):
        assert "eth9" in asked("ip -n web -o link show eth9")
        assert "net.ipv4.conf.eth0" not in asked("ip netns exec web sysctl -a -N 2>/dev/null | grep conf.eth")


def _brought_to_life() -> None:
    Path("/run/netns/dead").touch()
    assert asked("ip -n dead link").startswith("refused")
    assert "File exists" in asked("ip netns add dead")
    Path("/run/netns/dead").unlink()


def _named_otherwise() -> None:
    shell("ip netns add one; ip netns add two")
    first = asked("stat -c %i /run/netns/one")
    assert "File exists" in asked("ip netns attach one $$")
    assert asked("stat -c %i /run/netns/one") == first


def _written_over() -> None:
    path = Path("/etc/netns/web/hosts")
    path.unlink()
    path.symlink_to("/etc/hosts")
    was = Path("/etc/hosts").read_text(encoding="utf-8")
    with pytest.raises(KernelError):
        LinuxKernel().execute([FileWrite(netns="web", name="hosts", mark="mark", text="x\n")])
    assert Path("/etc/hosts").read_text(encoding="utf-8") == was
    assert path.is_symlink()


def _of_another_discipline() -> None:
    link = hashed_name("ifb", "default", "web", "eth0")
    handle = asked(f"tc qdisc show dev {link}").split()[2]
    assert asked(f"tc qdisc change dev {link} root handle {handle} pfifo").startswith("refused")
    asked(f"tc qdisc change dev {link} root pfifo")
    assert f"pfifo {handle}" not in asked(f"tc qdisc show dev {link}"), "it is another one, if it is there at all"


def _loaded_once_more() -> None:
    text = asked("nft -s -t list table inet netspec-default")
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True, capture_output=True, timeout=30)
    assert not done.stderr
    rule = "iifname @segments ip saddr 127.0.0.0/8 drop"
    assert asked("nft -s -t list table inet netspec-default").count(rule) == 2 * text.count(rule) == 2


REPLACED: dict[tuple[type[Resource], str], Callable[[], None]] = {
    (Veth, "peer_netns"): _moved_to_another_namespace,
    (Veth, "peer_name"): _renamed,
    (Netns, "alive"): _brought_to_life,
    (AttachedNetns, "inode"): _named_otherwise,
    (File, "sort"): _written_over,
    (Qdisc, "discipline"): _of_another_discipline,
    (NatTable, "rules"): _loaded_once_more,
}
"""By kind and field, what is asked of the kernel, and what must be seen."""


def test_every_field_that_replaces_is_asked_for() -> None:
    """A new one brings a question to the kernel."""
    rules = {(kind.resource, rule) for kind in kinds() for rule in compared_fields(kind.resource)}
    assert {(kind, rule.name) for kind, rule in rules if rule.policy is Policy.REPLACES} == set(REPLACED)


@pytest.mark.parametrize("what", REPLACED, ids=lambda what: f"{what[0].__name__}.{what[1]}")
def test_what_is_rebuilt_cannot_be_changed_on_the_living_object(what: tuple[type[Resource], str]) -> None:
    """The kernel refuses it, does something else, or takes along what the object had."""
    with fresh_host():
        apply(SPEC)
        REPLACED[what]()
