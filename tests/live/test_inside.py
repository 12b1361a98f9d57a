"""What an endpoint says of the inside of its namespace, on the real kernel."""

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, destroy, plan, propose
from tests.sandboxed import fresh_host, run
from tests.specs import edited
from tests.specs_inside import INSIDE

pytestmark = pytest.mark.kernel


def sysctl(key: str) -> str:
    """A value inside the namespace."""
    return run(f"ip netns exec web sysctl -n {key}").strip()


def test_a_sysctl_that_leaves_the_spec_gets_its_former_value_back() -> None:
    """That of a new namespace; others stay, also those that the kernel changes along."""
    with fresh_host():
        apply(INSIDE)
        assert sysctl("net.ipv4.ip_local_port_range") == "20000\t40000"
        assert sysctl("net.ipv4.conf.eth0.forwarding") == "0"
        assert sysctl("net.ipv4.ip_unprivileged_port_start") == "80"
        apply(
            edited(
                INSIDE,
                ("      net.ipv4.ip_local_port_range: 20000 40000\n", ""),
                ("      net.ipv4.ip_forward: 1\n", ""),
            )
        )

        assert sysctl("net.ipv4.ip_local_port_range") == "32768\t60999"
        assert sysctl("net.ipv4.ip_forward") == "0"
        assert sysctl("net.ipv4.conf.all.accept_redirects") == "1"
        assert sysctl("net.ipv4.conf.eth1.arp_notify") == "1"


def test_drift_inside_is_put_back() -> None:
    """Routes, rules, neighbours, sysctls, names and flags, one after the other; then nothing is left on the host."""
    drifts = (
        "ip -n web route del 10.50.0.0/16",
        "ip -n web -6 route replace fd00:50::/64 via fd00:1::99",
        "ip -n web rule del priority 1000",
        "ip -n web neigh del 10.1.0.7 dev eth0",
        "ip netns exec web sysctl -qw net.ipv4.conf.eth1.arp_notify=0",
        "ip netns exec web sysctl -qw net.ipv4.ip_forward=0",
        "ip -n web link set eth1 promisc on",
        "ip -n web link property add dev eth1 altname another",
        "ip -n web link set eth1 txqueuelen 7",
    )
    with fresh_host():
        before = host_state()
        apply(INSIDE)
        whole = host_state()
        for drift in drifts:
            run(drift)
            assert plan(INSIDE) != [], drift
            apply(INSIDE)
            assert plan(INSIDE) == []
        assert host_state() == whole
        destroy()
        assert host_state() == before


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("net.ipv4.no_such_key", "check the spelling"),
        ("net.sctp.no_such_key", "SCTP"),
        ("net.core.bpf_jit_enable", "host"),
    ],
)
def test_a_sysctl_that_is_not_there_is_refused_by_name(key: str, hint: str) -> None:
    """Before anything is changed, and with the feature that would bring it."""
    with fresh_host(), pytest.raises(AssertionError) as caught:
        propose(edited(INSIDE, ("net.ipv4.ip_forward: 1", f"{key}: 1")))

    assert f"error[NS0404]: a new network namespace has no sysctl {key}\n" in str(caught.value)
    assert hint in str(caught.value)
