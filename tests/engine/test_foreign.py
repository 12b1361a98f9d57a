"""What is not ours stays what it is, beside ours and on ours, as far as the kernel lets it."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netspec.errors import ApplyFailed
from netspec.kernel.operations import (
    AddressAdd,
    ElementAdd,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    Operation,
    Peer,
    RouteAdd,
    SysctlWrite,
    TableAdd,
)
from netspec.kernel.snapshot import Scope, Snapshot
from tests.engine.sites import Site, faulty, operations
from tests.specs import BASE, EDITS, MANY, edited, intent

FOREIGN: tuple[Operation, ...] = (
    LinkAdd(name="theirs0", kind="bridge", mac="02:f0:00:00:00:01", mtu=1400),
    LinkSet(name="theirs0", up=True),
    LinkAdd(name="port0", kind="veth", mac="02:f0:00:00:00:02", peer=Peer(netns="", name="port1")),
    LinkSet(name="port0", master="theirs0", up=True),
    LinkAdd(name="spare0", kind="veth", alias="somebody's", group=77, peer=Peer(netns="", name="spare1")),
    AddressAdd(link="theirs0", address=ip_interface("192.0.2.1/24")),
    AddressAdd(link="theirs0", address=ip_interface("2001:db8::1/64")),
    RouteAdd(to=ip_network("198.51.100.0/24"), via=ip_address("192.0.2.9"), protocol=4),
    RouteAdd(to=ip_network("203.0.113.0/24"), via=ip_address("192.0.2.9"), table=100, protocol=110),
    NetnsAdd(name="theirs", alias=""),
    LinkAdd(netns="theirs", name="eth0", kind="bridge"),
    NetnsAdd(name="marked-by-others", alias="netspec:others:endpoint/x"),
    TableAdd(name="theirs", text="table inet theirs {\n\tset s {\n\t\ttype inet_service\n\t}\n}\n"),
    ElementAdd(table="theirs", set="s", key="80"),
    TableAdd(name="netspec-others", text="table inet netspec-others {\n\tset s {\n\t\ttype inet_service\n\t}\n}\n"),
    SysctlWrite(key="net.ipv4.conf.theirs0.rp_filter", value="1"),
    SysctlWrite(key="net.ipv4.conf.all.arp_ignore", value="1"),
)
"""One of every sort, beside ours."""

ON_OURS: tuple[Operation, ...] = (
    AddressAdd(link="br0", address=ip_interface("192.0.2.129/25")),
    AddressAdd(link="br0", address=ip_interface("10.1.0.250/32"), protocol=4),
    RouteAdd(to=ip_network("198.18.0.0/16"), link="br0", protocol=4, scope=253),
    LinkSet(name="spare0", master="br0"),
    AddressAdd(netns="db", link="eth0", address=ip_interface("192.0.2.131/25")),
)
"""What somebody puts on links of BASE; the two subnets of 192.0.2.0/24 lie on different hosts' links on purpose."""


def lines(snapshot: Snapshot) -> set[str]:
    """Every row as text, without what numbers decide."""
    rows: Iterable[object] = (
        *snapshot.netns,
        *((row.name, row.kind, row.mac, row.mtu, row.up, row.group, row.alias, row.master) for row in snapshot.links),
        *snapshot.addresses,
        *snapshot.routes,
    )
    return set(map(repr, rows))


def seen(site: Site) -> set[str]:
    """What the host holds now."""
    return lines(site.kernel.snapshot(Scope(stack="default")))


def test_objects_beside_ours_stay(site: Site) -> None:
    """Links, ports, addresses, routes, namespaces, tables and sysctls of others: the same after every apply."""
    site.kernel.execute(FOREIGN)
    whole, before = site.rows(), seen(site)

    for spec in (BASE, edited(BASE, ("10.1.0.", "10.7.0."), ("8080", "8081")), MANY, BASE):
        site.apply(spec)
        assert before <= seen(site)
    site.destroy()

    assert site.rows() == whole


def test_objects_on_ours_stay_as_long_as_ours_do(site: Site) -> None:
    """Foreign addresses, routes and ports on a bridge and in a namespace of ours survive every change in place."""
    site.kernel.execute(FOREIGN)
    site.apply(BASE)
    clean = seen(site)
    site.kernel.execute(ON_OURS)
    put = seen(site) - clean

    assert site.steps(BASE) == []
    for edit in EDITS:
        if edit.before == BASE and edit.in_place:
            site.apply(edit.after)
            assert put <= seen(site), edit.name
            site.apply(BASE)
    assert put <= seen(site)


def test_what_stands_on_a_bridge_of_ours_goes_with_it_and_a_port_is_released(site: Site) -> None:
    """Destroying takes our links; what others enslaved to them stays."""
    site.kernel.execute(FOREIGN)
    whole = site.rows()
    site.apply(BASE)
    site.kernel.execute(ON_OURS)
    site.destroy()

    assert site.rows() == whole


def test_a_failed_change_leaves_what_others_put_on_ours(in_memory: Site) -> None:
    """Restoring takes nothing foreign along either."""
    in_memory.kernel.execute(FOREIGN)
    in_memory.apply(BASE)
    in_memory.kernel.execute(ON_OURS)
    before = in_memory.rows()
    edit = next(edit for edit in EDITS if edit.name == "subnets change places")
    proposal = in_memory.propose(edit.after)

    for at in range(len(operations(proposal))):
        with pytest.raises(ApplyFailed):
            in_memory.reconciler(faulty(in_memory, at, "error")).carry_out(in_memory.propose(edit.after))
        assert in_memory.rows() == before, at


def test_what_was_ours_and_lost_its_mark_is_not_deleted(in_memory: Site) -> None:
    """A link whose alias and group somebody has changed is theirs, with its address: one thing in the way."""
    in_memory.apply(BASE)
    in_memory.kernel.execute([LinkSet(name="br1", alias="mine now", group=0)])
    in_memory.destroy()

    assert [row.name for row in in_memory.kernel.snapshot(Scope(stack="default")).links] == ["lo", "br1"]
    diagnostics = in_memory.reconciler().propose(intent(BASE)).diagnostics
    assert [(each.code, each.address) for each in diagnostics] == [("NS0401", "bridge/br1")]


def test_a_link_that_somebody_deleted_is_made_again(site: Site) -> None:
    """Drift: what is gone comes back, with all that stood on it; the record says it was not the spec that moved."""
    site.apply(BASE)
    built = site.rows()
    site.kernel.execute([LinkDelete(name="br0")])
    proposal = site.propose(BASE)

    assert {change.key for change in proposal.plan.changes} == proposal.drift
    site.apply(BASE)
    assert site.rows() == built
