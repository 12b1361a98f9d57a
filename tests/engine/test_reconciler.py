"""Apply, change, destroy: what is wanted is there, nothing more is done, and nothing stays behind."""

from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from netspec.diagnostics import Diagnostic
from netspec.engine.intent import Intent
from netspec.errors import ApplyFailed
from netspec.kernel.fake import FakeKernel
from netspec.kernel.operations import AddressAdd, AddressDelete, LinkAdd, LinkDelete, Peer, RouteAdd, SysctlWrite
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Scope, TableRow
from tests.engine.sites import Site, fake, live_in, rebuilt, stack_of
from tests.specs import BASE, BY_START, DUAL, EDITS, EMPTY, MANY, PORTS, SYSCTLS, Edit, edited, intent

IN_WEB = "address/web/eth0/10.1.0.10/24"
ROUTES = "{to: 10.9.0.0/16, dev: eth0}, {to: 10.4.0.0/16, via: 10.9.0.1}"
OVER_IT = [f"update route/web/{name}" for name in ("10.9.0.0/16", "10.4.0.0/16", "default")]
MADE_ANEW = [f"delete {IN_WEB}", f"create {IN_WEB}", *OVER_IT]

edits = pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)


@edits
def test_an_edit_converges_both_ways_and_leaves_no_trace(in_memory: Site, edit: Edit) -> None:
    """After each apply a plan is empty; after destroying, the host is what it was, its own sysctls included."""
    live_in(in_memory)
    whole = in_memory.rows()

    for spec in (edit.before, edit.after, edit.before):
        in_memory.apply(spec)
        assert in_memory.steps(spec) == []
    in_memory.destroy(stack_of(edit))

    assert in_memory.rows() == whole


@pytest.mark.kernel
@pytest.mark.parametrize("start", BY_START)
def test_on_linux_too(linux: Kernel, tmp_path: Path, start: str) -> None:
    """All edits of one spec, one after the other, there and back; in place where that is promised."""
    site = Site(linux, tmp_path)
    live_in(site)
    whole = site.rows()

    for edit in BY_START[start]:
        site.apply(edit.before)
        for spec in (edit.after, edit.before):
            made = site.apply(spec)
            assert (site.steps(spec), edit.name) == ([], edit.name)
            assert rebuilt(made) == [] or not edit.in_place
    site.destroy(stack_of(BY_START[start][0]))

    assert site.rows() == whole


@pytest.mark.parametrize("edit", [edit for edit in EDITS if edit.in_place], ids=lambda edit: edit.name)
def test_in_place_means_in_place(in_memory: Site, edit: Edit) -> None:
    """What the kernel can change on a living object rebuilds no link and no namespace, either way."""
    in_memory.apply(edit.before)

    assert rebuilt(in_memory.apply(edit.after)) == []
    assert rebuilt(in_memory.apply(edit.before)) == []


@pytest.mark.parametrize("edit", [edit for edit in EDITS if "gateway" not in edit.name], ids=lambda edit: edit.name)
def test_the_way_does_not_matter(in_memory: Site, edit: Edit) -> None:
    """One spec after another ends where the other alone ends; addresses once handed out apart, as they stay."""
    start = fake(in_memory).copy()
    in_memory.apply(edit.before)
    in_memory.apply(edit.after)
    there = _comparable(in_memory)

    in_memory.kernel = start
    in_memory.apply(edit.after)
    alone = _comparable(in_memory)

    assert there == alone


def _comparable(site: Site) -> dict[str, object]:
    """All rows, but for what depends on the way by design: former values, and the comments of elements."""
    rows: dict[str, object] = dict(fake(site).rows())
    rows["tables"] = [
        (table.name, table.text, sorted((row.set, row.key, row.value) for row in table.elements if row.set != "former"))
        for table in fake(site).rows()["tables"]
        if isinstance(table, TableRow)
    ]
    return rows


def test_only_the_links_that_change_are_rebuilt(in_memory: Site) -> None:
    """A host name, a namespace, an interface: the endpoint's own pair goes and comes, and nothing else."""
    in_memory.apply(BASE)
    plan = in_memory.apply(edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, host_name: to-db}")))
    old, new = (f"link/{step.key.name}" for step in plan.plan.steps if step.key.kind == "link")

    assert rebuilt(plan) == [f"delete {old}", f"create {new}"]
    assert new == "link/to-db"


def test_two_stacks_live_side_by_side(site: Site) -> None:
    """Each applies, changes and goes without the other's taking notice."""
    whole = site.rows()
    other = edited(PORTS, ("br0", "br9"), ("10.1.", "10.9."), ("fd00:1:", "fd00:8:"), ("  web:", "  shop:"))
    site.apply(BASE)
    alone = site.rows()
    site.apply(other)

    assert site.steps(BASE) == []
    site.apply(edited(BASE, ("10.1.0.10", "10.1.0.77")))
    assert site.steps(other) == []
    site.apply(BASE)
    site.destroy("ports")
    assert (site.rows(), site.steps(BASE)) == (alone, [])
    site.destroy()
    assert site.rows() == whole


def test_automatic_addresses_stay_when_others_come_and_go(in_memory: Site) -> None:
    """Adding an endpoint ahead of another moves no address; a freed one is handed out again."""
    three = edited(BASE, ("  web:", "  aaa: {bridge: br0}\n  web:"))
    in_memory.apply(BASE)
    plan = in_memory.apply(three)
    moved = [str(step) for step in plan.plan.steps if step.key.kind == "address" and "/aaa/" not in str(step.key)]
    given = [str(step.key) for step in plan.plan.steps if step.key.kind == "address"]

    assert (moved, given) == ([], ["address/aaa/eth0/10.1.0.3/24"])
    in_memory.apply(edited(three, ("  db: {bridge: br0}\n", "")))
    back = in_memory.apply(three)
    assert "create address/db/eth0/10.1.0.2/24" in [str(step) for step in back.plan.steps]


@pytest.mark.parametrize("lacking", [frozenset(), frozenset({"address-mark"})])
def test_an_address_that_was_made_again_by_hand(site: Site, lacking: frozenset[str]) -> None:
    """It gets its mark back: in place; made anew, with what stands on it, where Linux before 6.4 keeps it as it is.

    And it comes back without a mark where that is undone.
    """
    if isinstance(site.kernel, FakeKernel):
        site.kernel.host.unsupported = lacking
    spec = edited(BASE, ("    address: 10.1.0.10", f"    address: 10.1.0.10\n    routes: [{ROUTES}]"))
    site.apply(spec)
    made = site.rows()
    address = AddressDelete(netns="web", link="eth0", address=ip_interface("10.1.0.10/24"))
    again = AddressAdd(netns="web", link="eth0", address=address.address, broadcast=IPv4Address("10.1.0.255"))
    gateway = RouteAdd(netns="web", to=ip_network("0.0.0.0/0"), via=ip_address("10.1.0.1"), link="eth0", protocol=110)
    near = RouteAdd(netns="web", to=ip_network("10.9.0.0/16"), link="eth0", protocol=110, scope=253)
    far = RouteAdd(netns="web", to=ip_network("10.4.0.0/16"), via=ip_address("10.9.0.1"), link="eth0", protocol=110)
    site.kernel.execute([address, again, gateway, near, far])
    by_hand = site.rows()

    proposal = site.propose(spec)
    fixed = site.kernel.snapshot(Scope(stack="none")).fixed_marks
    assert [str(step) for step in proposal.plan.steps] == (MADE_ANEW if fixed else [f"update {IN_WEB}"])
    with pytest.raises(ApplyFailed):
        site.reconciler().enact(proposal, accept=refusing)
    assert site.rows() == by_hand
    site.apply(spec)
    assert site.rows() == made
    site.destroy()


def refusing() -> tuple[Diagnostic, ...]:
    """An apply that is not accepted."""
    return (Diagnostic("NS0000", "not so"),)


def test_a_sysctl_gets_its_former_value_back_however_often_it_was_changed(site: Site) -> None:
    """Also where the spec drops it, and where it was first only implied."""
    live_in(site)
    whole = site.rows()
    kept = "net.ipv4.ip_local_port_range: 20000 40000"

    site.apply(SYSCTLS)
    site.apply(edited(SYSCTLS, (kept, "net.ipv4.ip_local_port_range: 30000 40000")))
    site.apply(edited(SYSCTLS, (f"  {kept}\n", "")))
    assert "sysctl" not in " ".join(site.steps(edited(SYSCTLS, (f"  {kept}\n", ""))))
    site.apply(edited(SYSCTLS, ("sysctls:\n", "sysctls:\n  net.ipv4.ip_forward: 1\n")))
    site.destroy()

    assert site.rows() == whole


@pytest.mark.parametrize("hardened", ["0", "1"])
@pytest.mark.parametrize("wanted", ["", "0", "1"])
def test_what_forwarding_moves_along_is_as_wanted_and_comes_back(site: Site, hardened: str, wanted: str) -> None:
    """The kernel sets accept_redirects whenever forwarding is switched; neither spec nor host may notice."""
    key = "net.ipv4.conf.all.accept_redirects"
    site.kernel.execute([SysctlWrite(key=key, value=hardened)])
    whole = site.rows()
    plain = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n"
    spec = plain + (f"sysctls: {{{key}: {wanted}}}\n" if wanted else "")

    site.apply(spec)
    assert site.steps(spec) == []
    site.apply(plain)
    site.apply(spec)
    site.destroy()

    assert site.rows() == whole


def other_links(site: Site) -> None:
    """Two links of somebody else's, one of which forwards."""
    site.kernel.execute(
        [
            LinkAdd(name="wan.1", kind="veth", peer=Peer(netns="", name="lan")),
            SysctlWrite(key="net.ipv4.conf.wan/1.forwarding", value="1"),
            SysctlWrite(key="net.ipv6.conf.lan.forwarding", value="1"),
        ]
    )


@pytest.mark.parametrize("wanted", ["", "0", "1"])
def test_links_that_forwarded_alone_do_so_again(site: Site, wanted: str) -> None:
    """Forwarding of all reaches every link, on the way there and back; a spec may still say otherwise of one."""
    other_links(site)
    whole = site.rows()
    keys = [f"net.{family}.conf.{link}.forwarding" for family in ("ipv4", "ipv6") for link in ("wan/1", "lan")]
    sysctls = [f"{key}: {wanted}" for key in keys] if wanted else []
    both = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24, 'fd00:1::/64']}}\n"
    spec = both + f"sysctls: {{{', '.join(['net.ipv6.conf.all.forwarding: 1', *sysctls])}}}\n"

    for each in (spec, both, spec):
        site.apply(each)
        assert site.steps(each) == []
    row = site.kernel.snapshot(Scope(stack="default", sysctls=frozenset(("", key) for key in keys))).sysctls
    site.destroy()

    assert {each.value for each in row} == {wanted or "1"}
    assert site.rows() == whole


def test_a_link_that_went_is_owed_nothing(site: Site) -> None:
    """The record of its forwarding goes at the next apply; the others get theirs."""
    other_links(site)
    site.apply(BASE)
    site.kernel.execute([LinkDelete(name="wan.1")])
    assert site.steps(BASE) == ["delete element/former 0x2677dc06"]
    site.apply(BASE)
    assert site.steps(BASE) == []
    site.destroy()

    assert "wan" not in str(site.rows())


def test_a_spec_that_cannot_be_brought_about_changes_nothing(in_memory: Site) -> None:
    """Proposing looks and plans; it never writes, to the kernel or to the disk."""
    before = in_memory.rows()
    for spec in (BASE, DUAL, MANY, SYSCTLS):
        in_memory.propose(spec)

    assert (in_memory.rows(), list(in_memory.directory.iterdir())) == (before, [])


def test_an_empty_spec_is_a_destroy(in_memory: Site) -> None:
    """Everything of a stack that its spec does not name goes."""
    before = in_memory.rows()
    in_memory.apply(MANY)
    in_memory.apply(EMPTY)

    assert in_memory.rows() == before


def test_places_lead_from_a_resource_to_its_line(in_memory: Site) -> None:
    """What a plan makes points at the object of the spec that asked for it."""
    wanted = intent(BASE)
    origins = {change.resource.origin for change in in_memory.reconciler().propose(wanted).plan.changes}
    places = {origin: place and place.line for origin in origins for place in [wanted.place_of(origin)]}

    assert places == {
        "bridge/br0": 3,
        "bridge/br1": 4,
        "endpoint/web": 6,
        "endpoint/web.publish[0]": 9,
        "endpoint/web.publish[1]": 9,
        "endpoint/db": 10,
        "nat": 11,
        "nat.masquerade[0]": 11,
        "sysctl/net.ipv4.ip_forward": None,
    }


def test_destroying_nothing_is_nothing_to_do(in_memory: Site) -> None:
    """A stack that is not there needs no plan."""
    assert not in_memory.reconciler().propose(Intent(stack="nobody")).plan
