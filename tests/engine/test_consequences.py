"""What a plan does to traffic: levels, connections that are counted only where it matters, and limits of both."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from netspec.core.consequence import Limits
from netspec.core.resource import Disruption, Key
from netspec.engine.limits import beyond, lockout_allowed, risks
from netspec.engine.peers import Peer, addresses_of, protected, session_peers
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.kernel.fake import FakeKernel
from netspec.kernel.fake_host import Flow
from netspec.kernel.operations import AddressAdd, LinkSet, RouteAdd
from netspec.kernel.sightings import FlowRow
from netspec.kinds._types import ip_network
from tests.specs import intent

BASE = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24]}
  br1: {subnets: [10.2.0.0/24]}
endpoints:
  web: {bridge: br0, address: 10.1.0.10, publish: ["8080:80", "8081:81"]}
  db: {bridge: br1, address: 10.2.0.10}
"""
ADMIN, GATEWAY, OWN = ip_address("198.51.100.7"), ip_address("192.0.2.254"), ip_address("192.0.2.1")
SSH = f"{ADMIN} 50000 {OWN} 22"


class Counting(FakeKernel):
    """A host that counts how often its flows are asked for."""

    asked = 0

    def flows(self) -> Sequence[FlowRow] | None:
        """As ever."""
        self.asked += 1
        return super().flows()


@pytest.fixture
def host() -> Counting:
    """With an uplink to the gateway of an administrator."""
    kernel = Counting()
    kernel.plug("eth0")
    kernel.execute(
        [
            LinkSet(name="eth0", up=True),
            AddressAdd(link="eth0", address=ip_interface("192.0.2.1/24")),
            RouteAdd(to=ip_network("0.0.0.0/0"), via=GATEWAY, link="eth0"),
        ]
    )
    return kernel


def planned(kernel: FakeKernel, directory: Path, before: str, after: str, ssh: str = "") -> Proposal:
    """The plan from one spec to another, with the flows and the session as they are then."""
    reconciler = Reconciler(kernel, directory / "run", directory / "state", session_peers(ssh))
    first = reconciler.propose(intent(before))
    assert first.diagnostics == ()
    if first.plan:
        reconciler.carry_out(first)
    if isinstance(kernel, Counting):
        kernel.asked = 0
    return reconciler.propose(intent(after))


def levels(proposal: Proposal) -> Mapping[str, Disruption]:
    """By key, as text."""
    return {str(key): each.disruption for key, each in proposal.consequences.items()}


def flow(source: str, destination: str, port: int, target: str) -> Flow:
    """A connection as conntrack has it."""
    return Flow(
        protocol="tcp",
        source=ip_address(source),
        destination=ip_address(destination),
        port=port,
        target=ip_address(target),
    )


FLOWS = (
    flow("198.51.100.1", "192.0.2.1", 8080, "10.1.0.10"),
    flow("198.51.100.2", "192.0.2.1", 8080, "10.1.0.10"),
    flow("198.51.100.2", "192.0.2.1", 8081, "10.1.0.10"),
    flow("10.1.0.10", "198.51.100.5", 443, "198.51.100.5"),
    flow("10.2.0.10", "198.51.100.5", 443, "198.51.100.5"),
    flow("198.51.100.3", "198.51.100.5", 8080, "198.51.100.5"),
)


@pytest.mark.parametrize(
    ("edit", "key", "number"),
    [
        (('"8080:80", ', ""), "element/publish4 tcp . 8080", 2),
        (('"8080:80"', '"8080:8000"'), "element/publish4 tcp . 8080", 2),
        (('"8081:81"', '"8081:8001"'), "element/publish4 tcp . 8081", 1),
        (("address: 10.1.0.10", "address: 10.1.0.11"), "address/web/eth0/10.1.0.10/24", 4),
        (("  db: {bridge: br1, address: 10.2.0.10}\n", ""), "address/db/eth0/10.2.0.10/24", 1),
        (("{bridge: br1, address: 10.2.0.10}", "{bridge: br0, address: 10.1.0.20}"), "address/db/eth0/10.2.0.10/24", 1),
        (
            ("  br1: {subnets: [10.2.0.0/24]}", "  br1: {internal: true, subnets: [10.2.0.0/24]}"),
            "flows/netspec-default",
            1,
        ),
    ],
    ids=["unpublished", "retargeted", "the other port", "readdressed", "removed", "moved", "tighter"],
)
def test_the_connections_that_a_change_cuts_are_counted(
    host: Counting, tmp_path: Path, edit: tuple[str, str], key: str, number: int
) -> None:
    """By publication, endpoint and policy; those of others are not."""
    for each in FLOWS:
        host.start_flow(each)
    found = planned(host, tmp_path, BASE, BASE.replace(*edit))
    said = {str(each): consequence.cut for each, consequence in found.consequences.items()}

    assert len(said[key] or ()) == number
    assert levels(found)[key] is Disruption.RESET


def test_what_nobody_can_count_is_unknown_and_no_failure(host: Counting, tmp_path: Path) -> None:
    """A table of connections that is too large, or that may not be read; it may hold some that would be cut."""
    host.countless = True
    tighter = BASE.replace('"8080:80", ', "").replace("br1: {", "br1: {internal: true, ")
    found = planned(host, tmp_path, BASE, tighter)
    changes = [found.consequences[Key("element", "", "publish4 tcp . 8080")]]
    changes.append(found.consequences[Key("flows", "", "netspec-default")])

    assert [(each.disruption, each.cut) for each in changes] == [(Disruption.RESET, None)] * 2


def test_who_may_talk_to_whom_is_live_where_nothing_is_cut(host: Counting, tmp_path: Path) -> None:
    """A bridge more changes what judges flows; it becomes no tighter for anybody who talks now."""
    for each in FLOWS:
        host.start_flow(each)
    found = planned(host, tmp_path, BASE, BASE.replace("endpoints:", "  br2: {subnets: [10.3.0.0/24]}\nendpoints:"))

    assert levels(found)["flows/netspec-default"] is Disruption.LIVE
    assert max(levels(found).values()) is Disruption.LIVE


def test_flows_are_read_only_where_some_may_be_cut(host: Counting, tmp_path: Path) -> None:
    """Not for an MTU, not for nothing."""
    assert planned(host, tmp_path, BASE, BASE).consequences == {}
    assert host.asked == 0
    planned(host, tmp_path, BASE, BASE.replace("br0: {", "br0: {mtu: 1400, "))
    assert host.asked == 0
    planned(host, tmp_path, BASE, BASE.replace('"8080:80", ', ""))
    assert host.asked == 1


@pytest.mark.parametrize(
    ("edit", "worst"),
    [
        (("db: {", "more: {bridge: br1}\n  db: {"), Disruption.LIVE),
        (("br0: {", "br0: {mtu: 1400, "), Disruption.LIVE),
        (('"8080:80", ', ""), Disruption.RESET),
        (("web: {", "web: {host_name: other, "), Disruption.REBUILD),
    ],
    ids=["added", "in place", "unpublished", "rebuilt"],
)
def test_a_limit_refuses_what_goes_beyond_it(
    host: Counting, tmp_path: Path, edit: tuple[str, str], worst: Disruption
) -> None:
    """Each offender by name, with its level; nothing at its own level or above."""
    found = planned(host, tmp_path, BASE, BASE.replace(*edit))
    for level in Disruption:
        refused = beyond(found, Limits(most=level), window=False)
        assert bool(refused) == (max(levels(found).values()) > level)
        assert all(each.code == "NS0620" and str(level) in each.message for each in refused)
    assert beyond(found, Limits(most=worst), window=False) == ()


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (BASE, BASE.replace("br0: {", "br0: {mtu: 1400, "), ""),
        (BASE, BASE + "sysctls: {net.ipv4.conf.eth0.rp_filter: 1}\n", "the way leads over eth0"),
        (BASE, BASE + "sysctls: {net.ipv4.conf.all.rp_filter: 1}\n", "it concerns all links"),
        (BASE, BASE + "sysctls: {net.ipv4.tcp_sack: 0}\n", ""),
        (BASE, BASE + "protect: [10.1.0.10]\n", ""),
        (
            BASE + "protect: [10.1.0.10]\n",
            BASE.replace("br0: {", "br0: {mtu: 1400, ") + "protect: [10.1.0.10]\n",
            "the way leads over br0: 10.1.0.10 (protected)",
        ),
        (
            BASE + "protect: [10.1.0.0/24]\n",
            BASE.replace("  db: {bridge: br1, address: 10.2.0.10}\n", "") + "protect: [10.1.0.0/24]\n",
            "",
        ),
        (BASE, BASE.replace('"8081:81"', '"22:81"'), "port 22/tcp would lead to an endpoint"),
        (BASE, BASE.replace('"8081:81"', '"10.9.9.9:22:81"'), ""),
        (BASE, BASE.replace('"8081:81"', "{port: 22, to: 81, listen: loopback}"), ""),
    ],
    ids=[
        "another bridge",
        "a sysctl of the link",
        "a sysctl of all links",
        "a sysctl of none",
        "nothing",
        "the bridge of a protected one",
        "another endpoint",
        "its port",
        "its port elsewhere",
        "its port at home",
    ],
)
def test_what_touches_the_way_of_the_session_is_a_risk(
    host: Counting, tmp_path: Path, before: str, after: str, why: str
) -> None:
    """By the way that the kernel takes to the SSH client, and to the peers that the spec protects."""
    found = planned(host, tmp_path, before, after, SSH)
    told = [each.lockout for each in found.consequences.values() if each.lockout]

    assert bool(told) == bool(why), told
    assert all(why in each for each in told)
    refused = beyond(found, Limits(), window=False)
    assert [each.code for each in refused] == ["NS0621"] * len(refused)
    assert bool(refused) == bool(why) == bool(risks(found))
    assert beyond(found, Limits(), window=True) == beyond(found, Limits(lockout=True), window=False) == ()
    assert bool(beyond(found, Limits(most=Disruption.REBUILD, lockout=True), window=True)) == bool(why)


def test_a_risk_is_allowed_by_a_window_or_by_word() -> None:
    """One of both is enough."""
    assert [
        lockout_allowed(Limits(lockout=word), window=window) for word in (False, True) for window in (False, True)
    ] == [False, True, True, True]


def test_the_session_is_read_from_what_sshd_says() -> None:
    """Mapped addresses are IPv4's, zones are links; what is no session is none."""
    assert session_peers(SSH) == (Peer(ip_network("198.51.100.7/32"), "198.51.100.7 (the SSH client)", OWN, 22),)
    (mapped,) = session_peers("::ffff:192.0.2.9 1 ::ffff:192.0.2.1 2222")
    assert (str(mapped.network), str(mapped.local), mapped.port) == ("192.0.2.9/32", "192.0.2.1", 2222)
    (near,) = session_peers("fe80::9%eth0 1 fe80::1%eth0 22")
    assert (str(near.network), near.link) == ("fe80::9/128", "eth0")
    for text in ("", "192.0.2.9", "a 1 b 2", "192.0.2.9 1 192.0.2.1 x", "192.0.2.9 1 192.0.2.1 ٢٢", "1 2 3 4 5"):
        assert session_peers(text) == ()


def test_of_a_prefix_each_part_with_a_way_of_its_own_is_looked_up() -> None:
    """One address of the whole, one of each known prefix within, and a bounded number of them."""
    (peer,) = protected([ip_network("10.0.0.0/8")])
    known = [ip_network(each) for each in ("10.1.0.0/24", "10.2.3.4/32", "192.0.2.0/24", "0.0.0.0/0", "fd00::/8")]
    assert [str(each) for each in addresses_of(peer, known)] == ["10.0.0.1", "10.1.0.1", "10.2.3.4"]
    many = [ip_network(f"10.{number // 256}.{number % 256}.0/24") for number in range(1000)]
    assert len([*addresses_of(peer, many)]) == 64


def test_who_has_no_session_has_no_way_to_lose(host: Counting, tmp_path: Path) -> None:
    """Nothing is looked up."""
    found = planned(host, tmp_path, BASE, BASE + "sysctls: {net.ipv4.conf.eth0.rp_filter: 1}\n")
    assert risks(found) == ()
