"""A machine next to the host, with routes of its own making, and tables of who reaches whom."""

import contextlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace

import pytest

from netspec.errors import SpecError
from netspec.report.diagnostics import render
from tests.live.driving import apply, destroy, lines_of
from tests.packets.lab import Lab, Probe

NEXT_TO_THE_HOST = """
ip link add uplink type veth peer name eth0 netns remote
ip address add 192.0.2.1/24 dev uplink
ip address add 192.0.2.77/24 dev uplink
ip -6 address add 2001:db8::77/64 dev uplink nodad
ip -6 address add 2001:db8::1/64 dev uplink nodad
ip link set uplink up
ip -n remote address add 192.0.2.9/24 dev eth0
ip -n remote -6 address add 2001:db8::9/64 dev eth0 nodad
ip -n remote link set eth0 up
ip -n remote route add 172.16.0.0/12 via 192.0.2.1
ip -n remote -6 route add fd00::/8 via 2001:db8::1
ip link add uplink2 type veth peer name eth0 netns intruder
ip address add 198.51.100.1/24 dev uplink2
ip link set uplink2 up
ip -n intruder address add 198.51.100.9/24 dev eth0
ip -n intruder link set eth0 up
ip -n intruder address del 127.0.0.1/8 dev lo
ip -n intruder route add 127.0.0.0/8 via 198.51.100.1 dev eth0
ip netns exec intruder sysctl -qw net.ipv4.conf.all.route_localnet=1
"""
"""192.0.2.9 is `remote`, 192.0.2.1 and 192.0.2.77 are the host; `intruder` sends 127/8 to the host as well."""


@contextlib.contextmanager
def host_with_neighbours() -> Iterator[Lab]:
    """A lab with the machines `remote`, which tells who asks it on port 7777, and `intruder`."""
    with Lab() as lab:
        for name in ("remote", "intruder"):
            lab.add_netns(name)
        lab.command(NEXT_TO_THE_HOST)
        lab.serve("remote", 7777)
        lab.wait_for(Probe("", "2001:db8::9", 7777))
        yield lab


def apply_in(lab: Lab, spec: str) -> None:
    """Bring a spec about on the lab's host."""

    def applied() -> None:
        try:
            apply(spec)
        except SpecError as error:
            raise AssertionError(render(error.diagnostics, color=False)) from error

    lab.run(applied)


def destroy_in(lab: Lab, stack: str = "default") -> None:
    """Remove a stack from the lab's host."""
    lab.run(lambda: _nothing(destroy(stack)))


def _nothing(_proposal: object) -> None:
    """What was done stays in the process that did it."""


def filter_bridged(lab: Lab, switch: int) -> None:
    """Set whether bridged frames pass the IP hooks: br_netfilter's switches, 0 or 1."""
    for family in ("iptables", "ip6tables"):
        lab.command(f"sysctl -qw net.bridge.bridge-nf-call-{family}={switch}")


@dataclass(frozen=True, slots=True)
class Case:
    """A line of a table: who asks where, and what answers there may be."""

    line: str
    probe: Probe
    answers: frozenset[str]


def cases(table: str) -> list[Case]:
    """`remote -> 192.0.2.1:6379/udp   redis sees 192.0.2.9 | redis sees 192.0.2.1`, a line each; tcp unless said.

    `host` is the host itself; `intruder from 198.51.100.9 -> …` binds the asker to an address. After the slash
    may stand udp, sctp, or ping, which has no port (`192.0.2.1/ping`) and which somebody `answers`.
    """
    return [_case(line) for line in lines_of(table)]


def _case(line: str) -> Case:
    who, _, rest = line.partition("->")
    name, _, source = who.strip().partition(" from ")
    where, _, answers = rest.strip().partition(" ")
    target, _, protocol = where.partition("/")
    address, _, port = (target, "", "") if protocol == "ping" else target.rpartition(":")
    netns = "" if name == "host" else name
    probe = Probe(netns, address.strip("[]"), int(port or 0), protocol or "tcp", source.strip())
    return Case(line, probe, frozenset(each.strip() for each in answers.split("|")))


PATIENCE = 20.0
"""Seconds within which an answer comes, however busy the machine: a lost SYN, or a refusal by ICMP that went by a
socket in use, is made good by the next SYN, or the one after."""

SILENCE = 1.0
"""Seconds after which what shall be blocked is taken to be so."""


def patient(probe: Probe, answers: Container[str]) -> Probe:
    """The same probe, which waits for what may be answered as long as that deserves."""
    return replace(probe, timeout=SILENCE if "blocked" in answers else PATIENCE)


def check(lab: Lab, table: str) -> None:
    """Ask all of it at once; fail with every line that is not answered as it says."""
    asked = cases(table)
    answers = lab.connect_all([patient(case.probe, case.answers) for case in asked])
    wrong = [f"{case.line}  but: {said}" for case, said in zip(asked, answers, strict=True) if said not in case.answers]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
