"""The harness itself: tests cannot touch the machine, nor each other."""

import time
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.sandboxed import NETNS_DIR, fresh_host, inside, machine, run

pytestmark = pytest.mark.kernel


def namespace() -> int:
    """The network namespace of this thread."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def links() -> list[str]:
    """The links that /sys shows."""
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def build() -> None:
    """Some of everything, in the namespace where we are."""
    run("ip netns add web")
    run("ip link add br0 type bridge")
    run("ip link set br0 up")
    run("ip link add v0 master br0 type veth peer name eth0 netns web")
    run("ip addr add 10.0.0.1/24 dev br0")
    run("ip -n web addr add 10.0.0.2/24 dev eth0")
    run("ip -n web link set eth0 up")
    run("ip -n web route add default via 10.0.0.1")
    run("nft add table inet foreign { set s { type mark; elements = { 1, 2 } }; }")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")


def test_the_session_has_left_the_machine() -> None:
    """Its network and mounts are not those it was started in."""
    now = {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("net", "mnt")}

    assert machine.keys() == now.keys()
    assert not set(machine.values()) & set(now.values())
    assert links() == ["lo"]


def test_a_fresh_host_is_bare_and_goes_with_all_in_it() -> None:
    """Also when the test fails: the thread is back, and no namespace is left."""
    home, before = namespace(), host_state()

    def fail_in_a_fresh_host() -> None:
        with fresh_host():
            assert (namespace() != home, links()) == (True, ["lo"])
            build()
            with inside("web"):
                assert "eth0" in run("ip -br link")
            assert links() == ["br0", "lo", "v0"]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_a_fresh_host()

    assert namespace() == home
    assert list(NETNS_DIR.iterdir()) == []
    assert host_state() == before


def test_two_hosts_built_alike_have_the_same_state() -> None:
    """Whatever they were built of, and however long ago; MACs, which are random, aside."""
    states = []
    for delay in (0, 0.3):
        with fresh_host():
            build()
            for netns, link, mac in (("", "br0", "1"), ("", "v0", "2"), ("web", "eth0", "3")):
                with inside(netns):
                    run(f"ip link set {link} address 02:00:00:00:00:0{mac}")
            time.sleep(delay)
            states.append(host_state())

    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("ip link set br0 mtu 1400", "ip link set br0 mtu 1500"),
        ("ip link set v0 down", "ip link set v0 up"),
        ("ip link set v0 alias x", "ip link set v0 alias ''"),
        ("ip addr add 10.0.1.1/24 dev br0", "ip addr del 10.0.1.1/24 dev br0"),
        ("ip -n web route del default", "ip -n web route add default via 10.0.0.1"),
        ("ip route add 10.3.0.0/16 dev br0 table 7", "ip route del 10.3.0.0/16 dev br0 table 7"),
        ("nft add element inet foreign s { 3 }", "nft delete element inet foreign s { 3 }"),
        ("nft add chain inet foreign c", "nft delete chain inet foreign c"),
        ("ip rule add from 10.9.9.9 lookup 7", "ip rule del from 10.9.9.9 lookup 7"),
        ("sysctl -q net.ipv4.conf.br0.route_localnet=1", "sysctl -q net.ipv4.conf.br0.route_localnet=0"),
        ("ip netns add other", "ip netns del other"),
        ("touch /run/netns/dead", "rm /run/netns/dead"),
    ],
)
def test_each_change_shows_in_the_state_and_its_undoing_too(fresh_netns: None, there: str, back: str) -> None:  # noqa: ARG001  it must be there
    """Before and after are told apart by any of these, and equal again when it is undone."""
    build()
    run("ip link set v0 up")
    before = host_state()

    run(there)
    changed = host_state()
    run(back)

    assert changed != before
    assert host_state() == before


def test_a_command_that_fails_says_why(fresh_netns: None) -> None:  # noqa: ARG001  it must be there
    """The words of the command are in the message."""
    with pytest.raises(AssertionError, match="`ip link del nothing` ended with 1: Cannot find device"):
        run("ip link del nothing")
