"""What is not ours is not touched: foreign objects of every sort stand beside ours, and stay as they are."""

import json
from typing import Any

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, destroy, edited, plan, shell
from tests.live.specs import DOCKER0, PUBLICATIONS
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

BESIDE = """
ip netns add stranger
ip -n stranger link set lo up alias "not ours"
ip link add fbr0 type bridge
ip link set fbr0 up alias "mine"
ip address add 10.99.0.1/24 dev fbr0
ip link add fveth0 type veth peer name eth0 netns stranger
ip link set fveth0 group 77 master fbr0 up
ip -n stranger address add 10.99.0.2/24 dev eth0
ip -n stranger link set eth0 up
ip -n stranger route add default via 10.99.0.1 proto 110
ip link add fveth1 type veth peer name fveth2
ip link set fveth1 up
ip link set fveth2 up
ip address add 10.98.0.1/24 dev fveth1
ip link add fmac0 link fveth1 type macvlan mode bridge
ip link add fvx0 type vxlan id 42 remote 10.98.0.2 dstport 4789 dev fveth1
ip route add 10.97.0.0/16 via 10.98.0.9 proto 110
ip route add blackhole 10.96.0.0/16
ip route add 10.95.0.0/16 via 10.98.0.9 table 77
ip rule add from 10.95.0.0/16 table 77 priority 77
ip -6 address add fd99::1/64 dev fveth1 nodad
ip -6 route add fd98::/64 via fd99::9
ip neigh add 10.98.0.9 lladdr 02:00:00:00:09:09 dev fveth1
bridge fdb add 02:00:00:00:09:10 dev fveth0 master static
sysctl -qw net.ipv4.conf.fbr0.rp_filter=1 net.ipv4.conf.fveth1.arp_notify=1
nft -f - <<'END'
table inet strangers {
    map publish4 {
        type inet_proto . inet_service : ipv4_addr . inet_service
        elements = { tcp . 6379 : 10.99.0.2 . 6379 }
    }
    chain ingress {
        type filter hook forward priority filter; policy accept;
        iifname "fbr0" accept
    }
    chain source {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 10.99.0.0/24 masquerade
    }
    chain arriving {
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 1 dnat ip to 10.99.0.2
    }
}
table ip netspec {
}
table ip netspec-default {
    chain c {
        type filter hook input priority 0; policy accept;
    }
}
table inet netspec-default2 {
    set segments {
        type ifname
        elements = { "docker0" }
    }
}
END
"""
"""One or more of everything that kernels without further modules have, some of it dressed like ours."""

ON_OURS = """
ip link add fport0 type veth peer name fport1
ip link set fport0 master docker0 up
bridge link set dev fport0 isolated on hairpin on
ip address add 10.94.0.1/24 dev docker0
ip route add 10.93.0.0/16 via 172.17.0.9
ip route add 10.92.0.0/16 dev docker0
ip neigh add 172.17.0.9 lladdr 02:00:00:00:09:09 dev docker0
bridge fdb add 02:00:00:00:09:10 dev fport0 master static
ip -n redis address add 10.91.0.1/24 dev eth0
ip -n redis route add 10.90.0.0/16 via 172.17.0.9
ip -n redis link add fin0 type veth peer name fin1
"""
"""What others put onto links of ours."""

CHANGED = edited(
    DOCKER0,
    ("subnets: [172.17.0.0/16]", "subnets: [172.17.0.0/16, 172.20.0.0/24]"),
    ('"6379:6379"', '"6380:6379", "8000-8003:8000-8003"'),
    ("  client:\n    bridge: docker0\n", "  other:\n    bridge: docker0\n"),
    ("masquerade: [docker0]", "masquerade: []"),
)
SMALLER = edited(CHANGED, ("bridges:\n  docker0:\n", "bridges:\n  docker0:\n    mtu: 1400\n"))


def lines() -> list[str]:
    """The whole state of the host but for the switch that forwarding is, which shows in the sysctls of every link."""
    found = [line for line in host_state().splitlines() if not line.startswith("ipv4/ip_forward")]
    return [line.replace("forwarding=1", "forwarding=0") for line in found]


def neighbours() -> list[Any]:
    """What was entered by hand into neighbour and forwarding tables."""
    found = [each for each in json.loads(run("ip -j neigh")) if "PERMANENT" in each["state"]]
    return [*found, *(each for each in json.loads(run("bridge -j fdb")) if each.get("state") == "static")]


def missing(before: list[str]) -> list[str]:
    """The lines that are not there any more."""
    now = lines()
    return [line for line in before if line not in now]


def test_what_stands_beside_ours_stays_as_it_is() -> None:
    """After apply, change and destroy every foreign object is what it was; in the end the whole host is."""
    shell(BESIDE)
    whole, before, by_hand = host_state(), lines(), neighbours()
    assert len(by_hand) == 2

    for spec in (DOCKER0, SMALLER, DOCKER0):
        apply(spec)
        assert (missing(before), neighbours()) == ([], by_hand)
        assert plan(spec) == []
    destroy()

    assert host_state() == whole
    assert neighbours() == by_hand


def test_what_others_put_onto_our_links_stays_as_long_as_these() -> None:
    """A foreign port, address, route or neighbour is no drift, and no change of the spec takes it away."""
    apply(DOCKER0)
    ours = lines()
    shell(ON_OURS)
    theirs, by_hand = [line for line in lines() if line not in ours], neighbours()
    assert len(theirs) > 10
    assert plan(DOCKER0) == []

    for spec in (CHANGED, DOCKER0, SMALLER):
        apply(spec)
        assert (missing(theirs), neighbours()) == ([], by_hand)


def test_a_foreign_port_outlives_our_bridge() -> None:
    """Destroying takes our links only, though one of theirs was a port of ours."""
    shell("ip link add fport0 type veth peer name fport1; ip link set fport0 up; ip link set fport1 up")
    before = host_state()
    apply(DOCKER0)
    shell("ip link set fport0 master docker0")
    destroy()

    assert host_state() == before


def test_two_stacks_do_not_see_each_other() -> None:
    """Applying, changing and destroying one leaves the other's links, addresses, routes and table as they were."""
    whole = host_state()
    apply(PUBLICATIONS)
    other = lines()

    for spec in (DOCKER0, CHANGED):
        apply(spec)
        assert missing(other) == []
        assert plan(PUBLICATIONS) == []
    destroy()
    assert lines() == other
    assert plan(PUBLICATIONS) == []
    destroy("shop")

    assert host_state() == whole
