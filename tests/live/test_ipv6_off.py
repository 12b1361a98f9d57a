"""Hosts and namespaces where new links have IPv6 switched off: who asks for IPv6 gets it, on its own links alone."""

from collections.abc import Iterator

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, destroy, plan, shell
from tests.live.guardians import until
from tests.live.strangers import inside, stranger
from tests.sandboxed import fresh_host, run

pytestmark = pytest.mark.kernel

OFF = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"
SPEC = """
netspec: 1
bridges:
  dual: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  four: {subnets: [10.2.0.0/24]}
endpoints:
  a: {bridge: dual}
  b: {bridge: four}
"""


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """A host of its own for each test."""
    with fresh_host():
        yield


def test_a_host_without_ipv6() -> None:
    """The bridge with an IPv6 subnet has it, other links have not; nothing is left of it."""
    shell(OFF)
    before = host_state()
    apply(SPEC)

    assert plan(SPEC) == []
    assert "fd00:1::1/64" in run("ip -br -6 addr show dual")
    assert "fd00:1::2/64" in run("ip -n a -br -6 addr show eth0")
    assert run("cat /proc/sys/net/ipv6/conf/four/disable_ipv6") == "1\n"
    destroy()
    assert host_state() == before


def test_a_namespace_of_others_without_ipv6() -> None:
    """As a container engine makes them for its own networks without IPv6."""
    with stranger(f"ip link set lo up; {OFF}") as pid:
        spec = SPEC.replace("a: {", f"a: {{netns: {{pid: {pid}}}, ")
        apply(spec)
        assert plan(spec) == []
        assert "fd00:1::2/64" in inside(pid, "ip -br -6 addr show eth0")
        destroy()
        assert inside(pid, "cat /proc/sys/net/ipv6/conf/all/disable_ipv6") == "1\n"


def seen() -> tuple[str, str]:
    """Routes of an endpoint and addresses of its bridge; those of a carrier come when the kernel has noticed it."""
    return run("ip -n a -6 route"), run("ip -6 addr show dual scope global")


@pytest.mark.parametrize("where", ["", "a"])
def test_ipv6_that_is_switched_off_comes_back(where: str) -> None:
    """With the addresses and routes that the kernel has dropped."""
    apply(SPEC)
    until(lambda: "fe80::/64" in seen()[0] and "state UP" in seen()[1])
    whole = seen()
    link = "eth0" if where else "dual"
    shell(f"{f'ip netns exec {where}' if where else ''} sysctl -qw net.ipv6.conf.{link}.disable_ipv6=1")
    assert plan(SPEC) != []
    apply(SPEC)

    assert plan(SPEC) == []
    until(lambda: seen() == whole)


def test_a_bridge_of_others_gets_it_and_gives_it_back() -> None:
    """Like every field of a link that is not ours."""
    shell("ip link add dual type bridge; sysctl -qw net.ipv6.conf.dual.disable_ipv6=1")
    spec = SPEC.replace("dual: {", "dual: {existing: true, ")
    apply(spec)
    assert plan(spec) == []
    assert "fd00:1::1/64" in run("ip -br -6 addr show dual")
    destroy()
    assert run("cat /proc/sys/net/ipv6/conf/dual/disable_ipv6") == "1\n"
    assert run("ip -br addr show dual").split() == ["dual", "DOWN"]
