"""Links of the host as ports of a bridge, seen by machines behind them: who reaches whom, and by which options."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.packets.lab import Lab, Probe
from tests.packets.surroundings import apply_in, check, destroy_in, filter_bridged

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

MACHINES = """
cable() {  # machine number
    ip link add to-$1 type veth peer name eth0 netns $1
    ip -n $1 address add 172.17.0.$2/16 dev eth0
    ip -n $1 address add fd00:17::$2/64 dev eth0 nodad
    ip -n $1 link set eth0 up
}
cable one 51; cable two 52; cable three 53
ip -n one address add 172.17.9.9/16 dev eth0
ip link add to-twins type veth peer name eth0 netns twins
ip -n twins link set eth0 up
twin() {  # name number: a machine behind the same cable, whose neighbour is reached by the switch alone
    ip -n twins link add $1 link eth0 type macvlan mode vepa
    ip -n twins link set $1 netns $1 name eth0
    ip -n $1 address add 172.17.0.$2/16 dev eth0
    ip -n $1 link set eth0 up
}
twin left 61; twin right 62
ip -n switch link add loop0 type bridge stp_state 1 forward_delay 200 hello_time 100 priority 61440
ip -n switch address add 172.17.0.70/16 dev loop0
ip -n switch link set loop0 up
for number in 1 2; do
    ip link add loop$number type veth peer name port$number netns switch
    ip -n switch link set port$number master loop0 up
done
"""
NAMES = ("one", "two", "three", "twins", "left", "right", "switch")
SPEC = """
netspec: 1
bridges:
  lan:
    subnets: [172.17.0.0/16, "fd00:17::/64"]
    ports: {PORTS}
    OPTIONS
endpoints:
  web: {bridge: lan, addresses: [172.17.0.2, "fd00:17::2"]}
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Machines behind cables that end at the host, and nothing that joins them."""
    with Lab() as lab:
        for name in NAMES:
            lab.add_netns(name)
        lab.command(MACHINES)
        for name in NAMES:
            lab.serve(name, 80)
        yield lab


def use(lab: Lab, ports: str, options: str = "") -> None:
    """A bridge with these ports, and an endpoint that serves."""
    destroy_in(lab)
    apply_in(lab, SPEC.replace("PORTS", ports).replace("OPTIONS", options))
    lab.serve("web", 80)
    lab.wait_for(Probe("", "fd00:17::2", 80))
    # A cable that was down takes up to a second to be noticed as up.
    for cable in ("to-one", "to-two", "to-three", "to-twins"):
        while cable in ports and lab.command(f"cat /sys/class/net/{cable}/operstate").strip() != "up":
            time.sleep(0.05)
    if "to-one" in ports:
        lab.wait_for(Probe("one", "172.17.0.2", 80))


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def test_machines_behind_ports_are_on_the_segment(lab: Lab, switch: int) -> None:
    """They reach endpoints and each other, and are not judged by antispoofing, whatever address they use."""
    filter_bridged(lab, switch)
    use(lab, "to-one: {}, to-two: {}")
    lab.wait_for(Probe("one", "fd00:17::2", 80))
    table = """
    one   -> 172.17.0.2:80       web sees 172.17.0.51
    one   -> [fd00:17::2]:80     web sees fd00:17::51
    one from 172.17.9.9 -> 172.17.0.2:80    web sees 172.17.9.9
    one   -> 172.17.0.52:80      two sees 172.17.0.51
    one   -> [fd00:17::52]:80    two sees fd00:17::51
    web   -> 172.17.0.51:80      one sees 172.17.0.2
    web   -> [fd00:17::51]:80    one sees fd00:17::2
    host  -> 172.17.0.51:80      one sees 172.17.0.1
    one   -> 172.17.0.53:80      blocked
    """
    check(lab, table)


def test_isolated_ports_reach_what_is_not_isolated(lab: Lab) -> None:
    """And not each other."""
    use(lab, "to-one: {isolated: true}, to-two: {isolated: true}, to-three: {}")
    table = """
    one   -> 172.17.0.52:80      blocked
    two   -> 172.17.0.51:80      blocked
    one   -> 172.17.0.53:80      three sees 172.17.0.51
    two   -> 172.17.0.53:80      three sees 172.17.0.52
    one   -> 172.17.0.2:80       web sees 172.17.0.51
    """
    check(lab, table)


def test_a_port_without_learning_lives_by_flooding(lab: Lab) -> None:
    """Without either, nothing that is addressed to a machine reaches it."""
    for options, answer in (
        ("learning: false, flood: false", "blocked"),
        ("learning: false", "two sees 172.17.0.51"),
        ("flood: false", "two sees 172.17.0.51"),
    ):
        use(lab, f"to-one: , to-two: {{{options}}}")
        check(lab, f"one -> 172.17.0.52:80  {answer}")


def test_machines_behind_one_port_meet_by_hairpin(lab: Lab) -> None:
    """A frame leaves by the port it came in, or not."""
    for hairpin, answer in (("false", "blocked"), ("true", "right sees 172.17.0.61")):
        use(lab, f"to-twins: {{hairpin: {hairpin}}}")
        check(lab, f"left -> 172.17.0.62:80  {answer}\nleft -> 172.17.0.2:80  web sees 172.17.0.61")


def states(lab: Lab) -> list[str]:
    """What the ports at both ends of two cables between two bridges do."""
    ours = (lab.command(f"cat /sys/class/net/loop{number}/brport/state").strip() for number in (1, 2))
    theirs = (lab.command(f"cat /sys/class/net/port{number}/brport/state", "switch").strip() for number in (1, 2))
    names = {"0": "disabled", "1": "listening", "2": "learning", "3": "forwarding", "4": "blocking"}
    return sorted(names[state] for state in (*ours, *theirs))


def test_the_spanning_tree_cuts_a_loop(lab: Lab) -> None:
    """Of the four ends of two cables one blocks; traffic flows, and over the other cable when one breaks."""
    use(
        lab,
        "loop1: {}, loop2: {}",
        "stp: true\n    forward_delay: 2\n    hello_time: 1\n    max_age: 6\n    priority: 4096",
    )
    settled = ["blocking", "forwarding", "forwarding", "forwarding"]
    _wait_until(lab, settled)
    check(lab, "switch -> 172.17.0.2:80  web sees 172.17.0.70")
    lab.command("ip link set port1 down", "switch")
    _wait_until(lab, ["disabled", "disabled", "forwarding", "forwarding"])
    lab.wait_for(Probe("switch", "172.17.0.2", 80))


def _wait_until(lab: Lab, expected: list[str]) -> None:
    end = time.monotonic() + 60
    while states(lab) != expected:
        assert time.monotonic() < end, states(lab)
        time.sleep(0.2)


def test_members_of_an_existing_bridge_go_on_as_before(lab: Lab) -> None:
    """Netspec joins an endpoint; machines on the bridge still send from any address, and are reached from outside."""
    destroy_in(lab)
    lab.command(
        "ip link add office type bridge; ip address add 172.17.0.1/16 dev office; ip link set office up\n"
        "ip address add 10.66.0.1/24 dev office\n"
        "ip link set to-one master office up; ip link set to-two up; ip address add 192.0.2.1/24 dev to-two\n"
        "ip -n one address add 10.66.0.5/24 dev eth0; ip -n one route add 192.0.2.0/24 via 10.66.0.1\n"
        "ip -n two address add 192.0.2.9/24 dev eth0; ip -n two route add 10.66.0.0/24 via 192.0.2.1"
    )
    apply_in(
        lab,
        "netspec: 1\nbridges: {office: {existing: true, subnets: [172.17.0.0/16]}}\n"
        "endpoints: {web: {bridge: office, address: 172.17.0.2}}\n",
    )
    lab.serve("web", 80)
    lab.wait_for(Probe("one", "172.17.0.2", 80))
    lab.wait_for(Probe("", "192.0.2.9", 80))
    table = """
    one   -> 172.17.0.2:80      web sees 172.17.0.51
    web   -> 172.17.0.51:80     one sees 172.17.0.2
    one from 10.66.0.5 -> 192.0.2.9:80    two sees 10.66.0.5
    two from 192.0.2.9 -> 10.66.0.5:80    one sees 192.0.2.9
    """
    check(lab, table)
    destroy_in(lab)
    assert "office" in lab.command("ip -o link show office")
