"""Options of a bridge on the real kernel: set at birth, changed on the living bridge, repaired, and undone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.engine.reconciler import Reconciler
from netspec.errors import ApplyFailed
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.linux import LinuxKernel
from netspec.kinds._bridge_options import OPTIONS
from tests.host_state import host_state
from tests.live.driving import apply, destroy, intent, plan, shell
from tests.sandboxed import RUN_DIR, STATE_DIR, fresh_host, run

pytestmark = pytest.mark.kernel

USUAL = "netspec: 1\nbridges: {br0: {subnets: [172.17.0.0/16]}}\n"
EVERYTHING = {
    "stp": "true",
    "priority": "4096",
    "forward_delay": "2.5",
    "hello_time": "1",
    "max_age": "6.1",
    "ageing_time": "0",
    "group_fwd_mask": "0x4000",
    "multicast_snooping": "false",
    "multicast_querier": "true",
}
"""Each option that every kernel has, as a spec writes it."""


def spec(**options: str) -> str:
    """A spec of one bridge with these options."""
    words = "".join(f", {name}: {value}" for name, value in options.items())
    return f"netspec: 1\nbridges: {{br0: {{subnets: [172.17.0.0/16]{words}}}}}\n"


def index() -> str:
    """The bridge's number: another one for another bridge."""
    return run("cat /sys/class/net/br0/ifindex")


ROADS = {
    "nothing to all": [{}, EVERYTHING, {}],
    "stp on with the shortest delay": [{"forward_delay": "0"}, {"stp": "true", "forward_delay": "2"}],
    "stp off, and no delay": [{"stp": "true"}, {"forward_delay": "0"}, {"stp": "true", "forward_delay": "30"}],
    **{f"{name} alone": [{}, {name: value}, {}] for name, value in EVERYTHING.items()},
}


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_options_change_on_the_living_bridge(road: list[dict[str, str]]) -> None:
    """Whatever the order in which the kernel would have them; the bridge stays the same one."""
    with fresh_host():
        apply(spec(**road[0]))
        alive = index()
        for options in road[1:]:
            apply(spec(**options))
            assert (plan(spec(**options)), index()) == ([], alive)


def test_a_bridge_is_born_with_its_options() -> None:
    """In one apply, seen by `ip` as by netspec."""
    with fresh_host():
        before = host_state()
        apply(spec(**EVERYTHING))
        assert plan(spec(**EVERYTHING)) == []
        said = run("ip -d link show br0")
        for words in (
            "forward_delay 250 hello_time 100 max_age 610 ageing_time 0 stp_state 1 priority 4096",
            "group_fwd_mask 0x4000",
            "mcast_snooping 0",
            "mcast_querier 1",
        ):
            assert words in said
        destroy()
        assert host_state() == before


DRIFTS = {
    "stp_state 1": ["update link/br0 stp"],
    "forward_delay 0": ["update link/br0 forward_delay"],
    "priority 1 hello_time 100 max_age 600": ["update link/br0 priority hello_time max_age"],
    "ageing_time 0 group_fwd_mask 8": ["update link/br0 ageing_time group_fwd_mask"],
    "mcast_snooping 0 mcast_querier 1": ["update link/br0 multicast_snooping multicast_querier"],
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_what_somebody_set_by_hand_is_put_back(drift: str) -> None:
    """An option that the spec leaves out has the value of a new bridge."""
    with fresh_host():
        apply(USUAL)
        shell(f"ip link set br0 type bridge {drift}")
        assert plan(USUAL) == DRIFTS[drift]
        apply(USUAL)
        assert plan(USUAL) == []


@pytest.mark.parametrize("there", [{}, EVERYTHING], ids=["usual", "all"])
def test_a_failure_at_any_message_puts_the_options_back(there: dict[str, str]) -> None:
    """STP with them, and what STP moves."""
    wanted = intent(spec(**({"forward_delay": "0"} if there else EVERYTHING)))
    with fresh_host():
        apply(spec(**there))
        before = host_state()
        for fail_at in range(100):
            kernel = FaultyKernel(LinuxKernel(), fail_at=fail_at)
            driven = Reconciler(kernel, Path(RUN_DIR), Path(STATE_DIR))
            try:
                driven.carry_out(driven.propose(wanted))
            except ApplyFailed:
                assert host_state() == before
            else:
                assert fail_at
                return
    raise AssertionError("there is no end of messages")


def test_what_the_kernel_lacks_is_named_before_anything_is_changed() -> None:
    """VLAN filtering is an option of the kernel's build."""
    missing = LinuxKernel().missing_features(["bridge-vlan"])
    if not missing:
        pytest.skip("this kernel filters VLANs on bridges")
    for options in ({"vlan_filtering": "true"}, {"vlan_default_pvid": "7"}):
        with fresh_host():
            proposal = Reconciler(LinuxKernel(), Path(RUN_DIR), Path(STATE_DIR)).propose(intent(spec(**options)))
            assert [(each.code, each.message) for each in proposal.diagnostics] == [
                ("NS0405", f"this kernel lacks bridge-vlan, which bridge/br0 needs: {missing['bridge-vlan']}")
            ]


def test_vlan_filtering_where_the_kernel_has_it() -> None:
    """The default VLAN changes with the filter on, too."""
    if LinuxKernel().missing_features(["bridge-vlan"]):
        pytest.skip("this kernel does not filter VLANs on bridges")
    road: list[dict[str, Any]] = [
        {"vlan_filtering": "true", "vlan_default_pvid": "7"},
        {"vlan_filtering": "true", "vlan_default_pvid": "8"},
        {"vlan_default_pvid": "9"},
        {"vlan_filtering": "true"},
        {},
    ]
    with fresh_host():
        for options in road:
            apply(spec(**options))
            assert plan(spec(**options)) == []


def test_every_option_is_tried_here() -> None:
    """A new one brings a line into the tables above."""
    assert {*EVERYTHING, "vlan_filtering", "vlan_default_pvid"} == set(OPTIONS)


ROOT = """
ip link add root0 type bridge stp_state 1 priority 1 forward_delay 300 hello_time 300 max_age 700; ip link set root0 up
ip link add up0 type veth peer name up1; ip link set up1 master root0 up; ip link set up0 up
"""


def root_is_heard() -> bool:
    """Whether br0 knows that another bridge is the root."""
    root, own = (run(f"cat /sys/class/net/br0/bridge/{name}_id").strip() for name in ("root", "bridge"))
    return root != own


def topology_changes() -> bool:
    """Whether br0 says that the tree is changing."""
    return run("cat /sys/class/net/br0/bridge/topology_change").strip() == "1"


def wait_until(happens: Callable[[], bool]) -> None:
    """Twenty seconds at most."""
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def test_times_of_another_root_are_not_taken_for_drift() -> None:
    """The kernel shows the root's times, and keeps those that were set; they hold again without that root."""
    tree = spec(stp="true", forward_delay="2", hello_time="1", max_age="6", ports="[up0]")
    with fresh_host():
        shell(ROOT)
        apply(tree)
        wait_until(root_is_heard)
        assert "forward_delay 300 hello_time 300 max_age 700" in run("ip -d link show br0")
        assert plan(tree) == []
        apply(tree.replace("max_age", "priority: 8192, max_age"))
        shell("ip link set up1 down")
        wait_until(lambda: not root_is_heard())
        assert "forward_delay 200 hello_time 100 max_age 600" in run("ip -d link show br0")
        assert plan(tree) == ["update link/br0 priority"]


def test_the_ageing_time_of_a_changing_tree_is_not_taken_for_drift() -> None:
    """While the topology changes, the kernel forgets addresses sooner, and shows that."""
    tree = spec(stp="true", forward_delay="2", ageing_time="60", ports="[up0]")
    with fresh_host():
        shell("ip link add up0 type veth peer name up1; ip link set up1 up")
        apply(tree)
        wait_until(topology_changes)
        assert "ageing_time 400" in run("ip -d link show br0")
        assert plan(tree) == []


UPLINK = "ip link add up0 mtu {mtu} type veth peer name up1; ip link set up1 up; ip link set up0 up;"
UPLINKS = {
    "none": ("", 1500),
    "IPv4": (UPLINK.format(mtu=1400) + "ip route add default dev up0", 1400),
    "IPv6": (UPLINK.format(mtu=1300) + "ip -6 route add default dev up0", 1300),
    "the lower metric": (
        UPLINK.format(mtu=1400)
        + "ip link add up2 mtu 9000 type veth peer name up3; ip link set up3 up; ip link set up2 up;"
        "ip route add default dev up0 metric 200; ip route add default dev up2 metric 100",
        9000,
    ),
    "several ways": (
        UPLINK.format(mtu=9000)
        + "ip link add up2 mtu 1400 type veth peer name up3; ip link set up3 up; ip link set up2 up;"
        "ip route add default nexthop dev up0 nexthop dev up2",
        1400,
    ),
    "another table": (UPLINK.format(mtu=1400) + "ip route add default dev up0 table 7", 1500),
    "nowhere": ("ip -6 route add unreachable default metric 5; ip route add blackhole default", 1500),
}


@pytest.mark.parametrize(("script", "mtu"), UPLINKS.values(), ids=UPLINKS)
def test_an_automatic_mtu_is_that_of_the_way_out(script: str, mtu: int) -> None:
    """Of the host as it is; when the way out changes, so does the bridge, and the plan says so."""
    auto = spec(mtu="auto")
    with fresh_host():
        shell(script)
        apply(auto)
        assert f" mtu {mtu} " in run("ip -o link show br0")
        assert plan(auto) == []


def test_an_automatic_mtu_follows_the_way_out() -> None:
    """The plan says so, and nothing but the MTU changes."""
    auto = spec(mtu="auto")
    with fresh_host():
        apply(auto)
        shell(UPLINK.format(mtu=1450) + "ip route add default dev up0")
        assert plan(auto) == ["update link/br0 mtu"]
        apply(auto)
        assert plan(auto) == []
        assert " mtu 1450 " in run("ip -o link show br0")
