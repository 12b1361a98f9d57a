"""Links of the host as ports, exclusive bridges, and bridges that were there before: used, and given back."""

import time
from pathlib import Path

import pytest

from netspec.engine.reconciler import Reconciler
from netspec.errors import ApplyFailed
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.linux import LinuxKernel
from tests.host_state import host_state
from tests.live.driving import apply, destroy, intent, lines_of, plan, reconciler, shell
from tests.live.guardians import until
from tests.sandboxed import RUN_DIR, STATE_DIR, fresh_host, run

pytestmark = pytest.mark.kernel

LINKS = """
ip link add eth1 type veth peer name far1
ip link add eth2 type veth peer name far2; ip link set eth2 up
"""
EXISTING = """
ip link add lab0 type bridge forward_delay 0 priority 7; ip address add 10.9.0.1/24 dev lab0
ip link set eth2 master lab0; bridge link set dev eth2 cost 9
"""
PLAIN = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n"
PORTS = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24], ports: [eth1, eth2]}}\n"
OPTIONS = """
netspec: 1
bridges:
  br0:
    subnets: [10.1.0.0/24]
    ports:
      eth2:
      eth1:
        isolated: true
        hairpin: true
        learning: false
        flood: false
        mcast_flood: false
        bpdu_guard: true
        root_block: true
        fast_leave: true
        neigh_suppress: true
        proxy_arp: true
        cost: 9
        priority: 5
"""
SHARED = """
netspec: 1
bridges:
  lab0:
    existing: true
    subnets: [10.9.0.0/24, "fd00:9::/64"]
    mtu: 1400
    stp: true
    hello_time: 1
    ports: {eth1: , eth2: {hairpin: true, cost: 4}}
endpoints:
  a: {bridge: lab0, address: 10.9.0.7, publish: ["8080:80"]}
"""


def state() -> list[str]:
    """All of the host, but for anycast routes: whether an address has one depends on when its link got its carrier."""
    return [line for line in host_state().splitlines() if '"type": "anycast"' not in line]


def comes_to(before: list[str]) -> bool:
    """Whether the host is as it was, once its bridges have found out again which ports lead on (STP, IEEE 802.1D)."""
    end = time.monotonic() + 30
    while state() != before and time.monotonic() < end:
        time.sleep(0.2)
    return state() == before


def forwarding(bridge: str) -> bool:
    """Whether a port of a bridge leads on: without one it has no carrier."""
    return Path(f"/sys/class/net/{bridge}/carrier").read_text(encoding="ascii").strip() == "1"


def master(link: str) -> str:
    """The bridge a link is a port of."""
    path = Path(f"/sys/class/net/{link}/master")
    return path.resolve().name if path.exists() else ""


def bridge_says(link: str) -> str:
    """All options of a port."""
    return run(f"bridge -d link show dev {link}")


def test_links_become_ports_and_come_back_as_they_were() -> None:
    """Up while they are ports; afterwards each as before, also where it was down."""
    with fresh_host():
        shell(LINKS)
        before = state()
        apply(PORTS)
        assert (plan(PORTS), master("eth1"), master("eth2")) == ([], "br0", "br0")
        assert "UP" in run("ip -o link show eth1").partition(">")[0]
        destroy()
        assert state() == before


def test_a_port_that_leaves_the_spec_is_given_back_alone() -> None:
    """The bridge and the other port stay as they are."""
    with fresh_host():
        shell(LINKS)
        apply(PLAIN)
        before = state()
        apply(PORTS)
        apply(PORTS.replace("[eth1, eth2]", "[eth2]"))
        assert (master("eth1"), master("eth2")) == ("", "br0")
        assert "UP" not in run("ip -o link show eth1").partition(">")[0]
        apply(PLAIN)
        assert state() == before


def test_options_of_ports_are_set_and_changed_in_place() -> None:
    """And what the spec leaves out is that of a new port, but for the cost, which follows the speed of the link."""
    with fresh_host():
        shell(LINKS)
        apply(PORTS)
        usual = bridge_says("eth2")
        apply(OPTIONS)
        assert plan(OPTIONS) == []
        said = bridge_says("eth1")
        for words in ("priority 5 cost 9", "hairpin on guard on root_block on fastleave on learning off flood off"):
            assert words in said
        for words in ("mcast_flood off", "neigh_suppress on", "isolated on"):
            assert words in said
        assert bridge_says("eth2") == usual
        apply(PORTS)
        assert bridge_says("eth1").replace("cost 9", "cost 2").split("master")[1] == usual.split("master")[1]


DRIFTS = {
    "ip link set eth1 nomaster": "create port/eth1",
    "ip link set eth1 down": "update field/eth1/up value",
    "bridge link set dev eth1 learning off flood off": "update port/eth1 learning flood",
    "bridge link set dev eth2 isolated on guard on": "update port/eth2 isolated bpdu_guard",
    "ip link add br9 type bridge; ip link set br9 up; ip link del br9": "",
    "nft flush set inet netspec-default former": """
        create element/former 0x40eb6d4e
        create element/former 0xc96ae1f4""",
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_what_somebody_does_to_a_port_is_put_right(drift: str) -> None:
    """The plan names it."""
    with fresh_host():
        shell(LINKS)
        apply(PORTS)
        shell(drift)
        assert [line for line in plan(PORTS) if "former" not in line] == [
            line for line in lines_of(DRIFTS[drift]) if "former" not in line
        ]
        apply(PORTS)
        assert plan(PORTS) == []


def refusals(spec: str) -> list[tuple[str, str]]:
    """Code and message of what is in the way of a spec."""
    return [(each.code, each.message) for each in reconciler().propose(intent(spec)).diagnostics]


def of_ports(*links: str) -> str:
    """A spec of one bridge with these ports."""
    return f"netspec: 1\nbridges: {{br0: {{ports: [{', '.join(links)}]}}}}\n"


IN_THE_WAY = {
    "no such link": ("eth7", "", "NS0432", "there is no link eth7 to be a port of br0"),
    "a bridge": (
        "b7",
        "ip link add b7 type bridge",
        "NS0433",
        "b7 cannot be a port of br0: it is a bridge itself",
    ),
    "a port of others": (
        "eth1",
        "ip link add b7 type bridge; ip link set eth1 master b7",
        "NS0433",
        "eth1 cannot be a port of br0: b7 has it already",
    ),
    "another stack's link": (
        "eth1",
        "ip link set eth1 alias netspec:shop:endpoint/a",
        "NS0433",
        "eth1 cannot be a port of br0: it is a link of stack shop",
    ),
    "addresses": (
        "eth1",
        "ip address add 192.0.2.1/24 dev eth1; ip address add 2001:db8::1/64 dev eth1 nodad",
        "NS0434",
        "eth1 holds 192.0.2.1/24 and 2001:db8::1/64, and would lose it as a port of br0",
    ),
    "the way out": (
        "eth2",
        "ip link set far2 up; ip -6 route add default dev eth2; ip route add default dev eth2",
        "NS0434",
        "eth2 holds the default route of IPv4 and the default route of IPv6, and would lose it as a port of br0",
    ),
}


@pytest.mark.parametrize(("link", "script", "code", "message"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_cannot_become_a_port_is_refused(link: str, script: str, code: str, message: str) -> None:
    """Before anything is changed, saying what would be lost."""
    with fresh_host():
        shell(LINKS + script)
        before = state()
        assert refusals(of_ports(link)) == [(code, message)]
        assert state() == before


def test_an_address_that_a_port_gets_later_is_not_ours_to_judge() -> None:
    """Nothing changes for it, so nothing is refused."""
    with fresh_host():
        shell(LINKS)
        apply(PORTS)
        shell("ip address add 192.0.2.1/24 dev eth1")
        assert plan(PORTS) == []


def test_foreign_ports_are_tolerated_and_do_not_move_the_bridge() -> None:
    """Neither its MTU nor its MAC follows them."""
    with fresh_host():
        shell(LINKS)
        apply(PLAIN)
        shell("ip link set eth1 mtu 1280 address 02:00:00:00:00:01 master br0")
        assert plan(PLAIN) == []
        assert master("eth1") == "br0"
        assert " mtu 1500 " in run("ip -o link show br0")


def test_an_exclusive_bridge_releases_what_the_spec_does_not_name() -> None:
    """At once and whenever it comes back; what the spec names stays."""
    spec = PORTS.replace("[eth1, eth2]", "[eth2], exclusive: true")
    with fresh_host():
        shell(LINKS)
        apply(PLAIN)
        shell("ip link set eth1 master br0")
        apply(spec)
        assert (plan(spec), master("eth1"), master("eth2")) == ([], "", "br0")
        shell("ip link set eth1 master br0")
        assert plan(spec) == ["delete port/eth1"]
        apply(spec)
        assert (plan(spec), master("eth1")) == ([], "")


def test_an_existing_bridge_is_used_and_given_back_as_it_was() -> None:
    """Addresses, options, ports and what STP moves; nothing of it carries a mark."""
    with fresh_host():
        shell(LINKS + EXISTING)
        before = state()
        apply(SHARED)
        assert plan(SHARED) == []
        said = run("ip -d link show lab0")
        for words in (" mtu 1400 ", "forward_delay 200 hello_time 100", "stp_state 1 priority 7"):
            assert words in said
        assert "alias" not in said
        assert [master(link) for link in ("eth1", "eth2")] == ["lab0", "lab0"]
        destroy()
        assert state() == before


def test_fields_that_leave_the_spec_are_written_back_at_once() -> None:
    """The others stay; so do the foreign address and the port that was one before."""
    bare = SHARED
    for line in (
        "    mtu: 1400\n",
        "    stp: true\n",
        "    hello_time: 1\n",
        "    ports: {eth1: , eth2: {hairpin: true, cost: 4}}\n",
    ):
        bare = bare.replace(line, "")
    with fresh_host():
        shell(LINKS + EXISTING)
        apply(bare)
        before = state()
        apply(SHARED)
        apply(bare)
        assert state() == before
        assert master("eth2") == "lab0"


def test_what_is_not_written_of_an_existing_bridge_is_not_compared() -> None:
    """Somebody else's options are somebody else's."""
    with fresh_host():
        shell(LINKS + EXISTING)
        apply(SHARED)
        shell(
            "ip link set lab0 type bridge priority 9 ageing_time 100 mcast_snooping 0;"
            "bridge link set dev eth2 learning off"
        )
        assert plan(SHARED) == []
        shell("ip link set lab0 mtu 1500 type bridge hello_time 200; bridge link set dev eth2 cost 5")
        assert plan(SHARED) == [
            "update field/eth2/port.cost value",
            "update field/lab0/hello_time value",
            "update field/lab0/mtu value",
        ]


NOT_EXISTING = {
    "nothing": ("", "bridge/lab0 is not there already: there is no such link"),
    "no bridge": (
        "ip link add lab0 type veth peer name x",
        "bridge/lab0 is not there already: lab0 is a veth link",
    ),
    "our own": ("", "bridge/lab0 was made by this stack: it is not somebody else's"),
}


@pytest.mark.parametrize("name", NOT_EXISTING)
def test_a_bridge_that_is_not_somebody_elses_is_refused(name: str) -> None:
    """It must be there, be a bridge, and not be ours."""
    script, message = NOT_EXISTING[name]
    with fresh_host():
        shell(script)
        if name == "our own":
            apply("netspec: 1\nbridges: {lab0: {}}\n")
        assert refusals("netspec: 1\nbridges: {lab0: {existing: true}}\n")[:1] == [("NS0431", message)]


@pytest.mark.parametrize("spec", [PORTS, SHARED], ids=["ports", "existing"])
@pytest.mark.parametrize("crash", [False, True], ids=["failure", "crash"])
def test_a_fault_at_any_operation_leaves_links_as_they_were(spec: str, crash: bool) -> None:
    """Former values are in the kernel before anything changes; the journal does the rest."""
    with fresh_host():
        shell(LINKS + EXISTING if spec == SHARED else LINKS)
        before = state()
        for fail_at in range(200):
            kernel = FaultyKernel(LinuxKernel(), fail_at=fail_at, crash=crash)
            driven = Reconciler(kernel, Path(RUN_DIR), Path(STATE_DIR))
            try:
                driven.carry_out(driven.propose(intent(spec)))
            except ApplyFailed:
                pass
            except Crash:
                recovery = reconciler().recover()
                assert recovery is not None
                assert recovery.restoration.complete
            else:
                assert fail_at
                destroy()
                assert state() == before
                return
            assert state() == before, fail_at
    raise AssertionError("there is no end of operations")


@pytest.mark.parametrize(("first", "then"), [(PORTS, PLAIN), (SHARED, "netspec: 1\n")], ids=["ports", "existing"])
def test_a_fault_while_links_are_given_back_keeps_them(first: str, then: str) -> None:
    """Undoing puts the ports and fields back, records with them; the next try gives them back all the same."""
    with fresh_host():
        shell(LINKS + EXISTING if first == SHARED else LINKS)
        apply(first)
        if first == SHARED:
            until(lambda: forwarding("lab0"))
        before = state()
        for fail_at in range(200):
            driven = Reconciler(FaultyKernel(LinuxKernel(), fail_at=fail_at), Path(RUN_DIR), Path(STATE_DIR))
            try:
                driven.carry_out(driven.propose(intent(then)))
            except ApplyFailed:
                assert comes_to(before), fail_at
            else:
                assert fail_at
                return
    raise AssertionError("there is no end of operations")
