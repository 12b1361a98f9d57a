"""Taking over, letting go and renaming: nothing but marks and names changes, whatever goes wrong."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netspec.core.resource import Resource
from netspec.engine.moving import moving
from netspec.engine.observation import Program
from netspec.engine.ownership import adoption, forgetting, objects_of, present_of
from netspec.engine.reconciler import Proposal
from netspec.errors import ApplyFailed, Refused
from netspec.kernel.fake_host import Flow
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    AltnameAdd,
    LinkAdd,
    LinkSet,
    NeighborAdd,
    NetnsAdd,
    Operation,
    Peer,
    RouteAdd,
    RuleAdd,
)
from netspec.kernel.snapshot import ElementRow, FileRow, Scope
from netspec.kinds._links import hashed_name
from netspec.report.plan import PlanView
from tests.engine.sites import Site, fake, rebuilt
from tests.specs import BASE, DUAL, EDITS, INSIDE, LIMITED, MANY, PORTS, REPLICAS, ROUTED, Edit, edited, intent

SPECS = {
    "base": BASE,
    "dual": DUAL,
    "ports": PORTS,
    "many": MANY,
    "inside": INSIDE,
    "limited": LIMITED,
    "routed": ROUTED,
    "replicas": REPLICAS,
}
JUST_A_BRIDGE = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n"


def parts_of(*addresses: str) -> Callable[[Resource], bool]:
    """What belongs to some objects."""
    return lambda resource: resource.owner in addresses


def let_go(site: Site, stack: str, *addresses: str) -> Proposal:
    """Forget some objects; verified."""
    proposal = forgetting(site.reconciler(), stack, parts_of(*addresses))
    site.reconciler().enact(proposal)
    return proposal


def take_over(site: Site, spec: str, *addresses: str) -> Proposal:
    """Adopt some objects of a spec; verified."""
    proposal = adoption(site.reconciler(), intent(spec), parts_of(*addresses))
    site.reconciler().enact(proposal)
    return proposal


def moved(site: Site, spec: str, old: str, new: str) -> Proposal:
    """Rename an object, as a spec has it; verified."""
    proposal = moving(site.reconciler(), intent(spec), old, new)
    site.reconciler().enact(proposal)
    return proposal


def grounds(site: Site, stack: str) -> list[str]:
    """The bridges and endpoints of a stack."""
    return sorted(each for each in objects_of(site.reconciler(), stack) if each.startswith(("bridge/", "endpoint/")))


@pytest.mark.parametrize("name", SPECS)
def test_what_is_let_go_of_can_be_taken_back(in_memory: Site, name: str) -> None:
    """Each object of every kind, and all together: nobody's in between, nothing made or deleted, all as before then."""
    spec, stack = SPECS[name], intent(SPECS[name]).stack
    in_memory.apply(spec)
    built, links = in_memory.rows(), identities(in_memory)
    each_alone = [[each] for each in grounds(in_memory, stack)]

    for addresses in (*each_alone, grounds(in_memory, stack)):
        let_go(in_memory, stack, *addresses)
        refused = in_memory.reconciler().propose(intent(spec)).diagnostics
        assert {each.address for each in refused if each.code == "NS0401"} >= set(addresses)
        assert not set(addresses) & objects_of(in_memory.reconciler(), stack)
        proposal = take_over(in_memory, spec, *addresses)
        assert {str(change.action) for change in proposal.plan.changes} == {"adopt"}
        assert in_memory.steps(spec) == [] or name == "inside"
        in_memory.apply(spec)
        assert identities(in_memory) == links

    left_out = {"tables"} if name == "inside" else set()  # former values are forgotten
    assert set(differing(in_memory.rows(), built)) <= left_out


def identities(site: Site) -> list[tuple[int, str]]:
    """Links by index: those that were there are there still."""
    return [(row.index, row.name) for row in site.kernel.snapshot(Scope(stack="none")).links]


def differing(rows: object, before: object) -> list[str]:
    """The sorts of rows in which two states of a host differ."""
    assert isinstance(rows, dict)
    assert isinstance(before, dict)
    return [sort for sort in rows if rows[sort] != before[sort]]


def test_what_was_let_go_of_outlives_the_stack(in_memory: Site) -> None:
    """It is out of the spec: the plan is empty, and destroying leaves it, its addresses and its port."""
    in_memory.apply(BASE)
    let_go(in_memory, "default", "endpoint/db", "bridge/br0")
    without = edited(BASE, ("  db: {bridge: br0}\n", ""), ("  br0: {subnets", "  br0: {existing: true, subnets"))

    assert {step.split()[1].split("/")[0] for step in in_memory.steps(without)} <= {"element", "field", "flows"}
    in_memory.destroy()
    rows = in_memory.kernel.snapshot(Scope(stack="default"))
    assert sorted(f"{row.netns}/{row.name} {row.master} {row.alias}" for row in rows.links if row.name != "lo") == [
        "/br0  ",
        "/veth12080e1 br0 ",
        "db/eth0  ",
    ]
    assert {str(row.address) for row in rows.addresses if row.link != "lo"} == {"10.1.0.1/24", "10.1.0.2/24"}
    assert {row.protocol for row in rows.addresses if row.link != "lo"} == {0}


def test_publications_of_what_was_let_go_of_stay_with_the_table(in_memory: Site) -> None:
    """They are no longer wanted, and no apply takes them: not even one that loads the table anew."""
    in_memory.apply(BASE)
    let_go(in_memory, "default", "endpoint/web")
    without = BASE[: BASE.index("  web:")] + BASE[BASE.index("  db:") :]
    policed = without + "policies: [{allow: {from: db, to: br1}}]\n"

    for spec in (without, policed):
        in_memory.apply(spec)
        elements = {(row.set, row.key) for row in _elements(in_memory)}
        assert {("publish4", "tcp . 8080"), ("publish4", "udp . 53")} <= elements
        assert in_memory.steps(spec) == []


def _elements(site: Site) -> list[ElementRow]:
    tables = site.kernel.snapshot(Scope(stack="default")).tables
    return [row for table in tables for row in table.elements]


def test_a_sysctl_that_is_let_go_of_stays(in_memory: Site) -> None:
    """It keeps its value, and nobody remembers another one."""
    in_memory.apply("netspec: 1\nsysctls: {net.core.somaxconn: 128}\n")
    let_go(in_memory, "default", "sysctl/net.core.somaxconn")
    in_memory.destroy()

    scope = Scope(stack="default", sysctls=frozenset({("", "net.core.somaxconn")}))
    assert [row.value for row in in_memory.kernel.snapshot(scope).sysctls] == ["128"]


HAND_MADE = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24], mac: "02:00:00:00:00:01"}
endpoints:
  web: {bridge: br0, host_name: to-web, neighbors: [{address: 10.1.0.77, mac: "02:00:00:00:00:77", dev: eth0}]}
"""
BY_HAND: tuple[Operation, ...] = (
    LinkAdd(name="br0", kind="bridge", mac="02:00:00:00:00:01"),
    LinkSet(name="br0", mtu=1400, alias="mine", group=7, up=True),
    AddressAdd(link="br0", address=ip_interface("10.1.0.1/24")),
    NetnsAdd(name="web", alias="yours"),
    LinkAdd(name="to-web", kind="veth", peer=Peer(netns="web", name="eth0")),
    LinkSet(name="to-web", master="br0", up=True),
    LinkSet(netns="web", name="eth0", up=True),
    AddressAdd(netns="web", link="eth0", address=ip_interface("10.1.0.9/24"), protocol=4),
    RouteAdd(netns="web", to=ip_network("0.0.0.0/0"), via=ip_address("10.1.0.1"), link="eth0", protocol=3),
    NeighborAdd(netns="web", link="eth0", address=ip_address("10.1.0.77"), mac="02:00:00:00:00:77"),
    AltnameAdd(netns="web", link="eth0", name="theirs"),
)
"""What HAND_MADE describes, made by somebody else, and a little otherwise."""


def test_what_somebody_made_is_taken_over_as_it_is(site: Site) -> None:
    """Marks are all that changes; the next apply does the rest in place, and is told before; then it is like ours."""
    site.kernel.execute(BY_HAND)
    before, links = traits(site), identities(site)
    proposal = take_over(site, HAND_MADE, "bridge/br0", "endpoint/web")

    assert sorted(str(change.key) for change in proposal.plan.changes) == [
        "address/br0/10.1.0.1/24",
        "address/web/eth0/10.1.0.9/24",
        "link/br0",
        "link/to-web",
        "neighbor/web/eth0/10.1.0.77",
        "netns/web",
        "route/web/default",
    ]
    assert {each.code for each in proposal.warnings} == {"NS0703"}
    assert "the next apply removes altname/web/theirs" in {each.message for each in proposal.warnings}
    assert "mtu 1400 -> 1500" in "".join(each.message for each in proposal.warnings)
    assert traits(site) == before
    rest = site.apply(HAND_MADE)
    assert rebuilt(rest) == []
    assert (site.steps(HAND_MADE), identities(site)) == ([], links)
    site.destroy()
    assert [name for _, name in identities(site)] == ["lo"]


def traits(site: Site) -> list[str]:
    """Links, addresses and routes but for their marks."""
    seen = site.kernel.snapshot(Scope(stack="none"))
    links = (repr(replace(row, alias="", group=0, data={}, port_data={})) for row in seen.links)
    # What a carrier brings comes when it likes.
    addresses = (repr(replace(row, protocol=0)) for row in seen.addresses if not row.address.is_link_local)
    routes = (repr(replace(row, protocol=0)) for row in seen.routes if row.protocol != 2)
    neighbors = (repr(replace(row, protocol=0)) for row in seen.neighbors)
    return sorted([*links, *addresses, *routes, *neighbors])


def test_only_what_is_there_and_foreign_is_meant_where_nothing_is_named(in_memory: Site) -> None:
    """A spec of which a part is ours, a part is theirs, and a part is still to be made."""
    in_memory.apply(JUST_A_BRIDGE)
    in_memory.kernel.execute([NetnsAdd(name="db", alias="")])

    known = ["bridge/br0", "bridge/br1", "endpoint/db", "endpoint/web"]
    assert present_of(in_memory.reconciler(), intent(BASE), known) == ["endpoint/db"]


WRONG: dict[str, tuple[tuple[Operation, ...], str, str]] = {
    "nothing is there": ((), "NS0700", "bridge/br0 is not on this host"),
    "another stack's": (
        (LinkAdd(name="br0", kind="bridge", alias="netspec:others:bridge/br0"),),
        "NS0701",
        "link/br0 belongs to stack others",
    ),
    "another kind": (
        (LinkAdd(name="br0", kind="veth", peer=Peer(netns="", name="x")),),
        "NS0702",
        "link/br0 is not what the spec says: a veth cannot become a bridge",
    ),
    "its far end lies elsewhere": (
        (
            NetnsAdd(name="web", alias=""),
            NetnsAdd(name="else", alias=""),
            LinkAdd(name="to-web", kind="veth", peer=Peer(netns="else", name="eth0")),
        ),
        "NS0702",
        "link/to-web is not what the spec says: peer_netns is else, not web",
    ),
    "a file of others": (
        (NetnsAdd(name="web", alias=""), LinkAdd(name="to-web", kind="veth", peer=Peer(netns="web", name="eth0"))),
        "NS0704",
        "file/web/resolv.conf cannot be taken over: /etc/netns/web/resolv.conf takes no mark of netspec's",
    ),
}


@pytest.mark.parametrize("sort", WRONG)
def test_what_cannot_be_taken_over_is_named(in_memory: Site, sort: str) -> None:
    """And nothing is changed."""
    operations, code, message = WRONG[sort]
    spec = HAND_MADE.replace("host_name: to-web,", "host_name: to-web, dns: {servers: [10.1.0.1]},")
    in_memory.kernel.execute(operations)
    if code == "NS0704":
        fake(in_memory).host.files["web", "resolv.conf"] = FileRow(netns="web", name="resolv.conf")
    before = in_memory.rows()
    meant = "endpoint/web" if "web" in message else "bridge/br0"
    proposal = adoption(in_memory.reconciler(), intent(spec), parts_of(meant))

    assert [(each.code, each.message) for each in proposal.diagnostics] == [(code, message)]
    assert all(each.place for each in proposal.diagnostics)
    with pytest.raises(Refused):
        in_memory.reconciler().enact(proposal)
    assert differing(in_memory.rows(), before) == []


def test_a_rule_of_others_cannot_be_taken_over_and_stays(in_memory: Site) -> None:
    """Its protocol is a part of it: ours comes beside it."""
    spec = HAND_MADE.replace("host_name: to-web,", "host_name: to-web, rules: [{priority: 9, table: 7}],")
    theirs = RuleAdd(netns="web", version=4, priority=9, table=7, protocol=4)
    in_memory.kernel.execute([*BY_HAND, theirs])
    take_over(in_memory, spec, "bridge/br0", "endpoint/web")
    in_memory.apply(spec)

    assert sorted(row.protocol for row in in_memory.kernel.snapshot(Scope(stack="default")).rules) == [4, 110]


RENAMES = {
    "endpoint": (BASE, ("  db:", "  dc:"), "endpoint/db", "endpoint/dc"),
    "published": (BASE, ("  web:", "  www:"), "endpoint/web", "endpoint/www"),
    "bridge": (BASE, ("br0", "br7"), "bridge/br0", "bridge/br7"),
    "bridge of both families": (DUAL, ("br0", "br7"), "bridge/br0", "bridge/br7"),
    "limited": (LIMITED, ("  db:", "  dc:"), "endpoint/db", "endpoint/dc"),
    "routed": (ROUTED, ("  web:", "  www:"), "endpoint/web", "endpoint/www"),
    "with all inside": (INSIDE, ("web", "www"), "endpoint/web", "endpoint/www"),
    "several interfaces": (MANY, ("proxy:", "prox:"), "endpoint/proxy", "endpoint/prox"),
    "nothing but a namespace": (MANY, ("nowhere:", "elsewhere:"), "endpoint/nowhere", "endpoint/elsewhere"),
    "its namespace": (MANY, ("proxy-space", "px"), "endpoint/proxy", "endpoint/proxy"),
    "its host name": (MANY, ("to-proxy", "to-px"), "endpoint/proxy", "endpoint/proxy"),
    "its interface": (MANY, ("back0", "bk0"), "endpoint/proxy", "endpoint/proxy"),
}


@pytest.mark.parametrize("name", RENAMES)
def test_a_rename_makes_nothing_anew(in_memory: Site, name: str) -> None:
    """The plan is empty then, no link or namespace was made, no flow was cut; and all of it is so on the way back."""
    spec, edit, old, new = RENAMES[name]
    in_memory.apply(spec)
    here, there = ip_address("192.0.2.2"), ip_address("10.1.0.10")
    flow = Flow(protocol="tcp", destination=here, port=8080, target=there)
    fake(in_memory).start_flow(flow)
    before, count = in_memory.rows(), len(identities(in_memory))
    indexes = [index for index, _ in identities(in_memory)]
    after = edited(spec, edit)
    proposal = moved(in_memory, after, old, new)

    assert rebuilt(proposal) == [str(step) for step in proposal.plan.steps if step.rename is not None]
    assert [index for index, _ in identities(in_memory)] == indexes
    assert in_memory.steps(after) == []
    assert len(identities(in_memory)) == count
    moved(in_memory, spec, new, old)
    assert differing(in_memory.rows(), before) == []


def test_a_rename_leaves_other_changes_to_the_next_apply(in_memory: Site) -> None:
    """Only what follows from the name is done."""
    in_memory.apply(BASE)
    after = edited(BASE, ("  db:", "  dc:"), ('"8080:80", ', ""), ("[10.2.0.0/24]}", "[10.2.0.0/24], mtu: 1400}"))
    moved(in_memory, after, "endpoint/db", "endpoint/dc")

    assert in_memory.steps(after) == ["delete element/publish4 tcp . 8080", "update link/br1"]


TWICE = (
    "endpoint/db cannot become endpoint/dc as it lives: link/{} is to be created: the spec changes more than its name"
)
NOT_MOVED = {
    "the spec still has it": (BASE, "endpoint/db", "endpoint/web", "NS0705", "the spec still has endpoint/db"),
    "the spec has no such thing": (BASE, "endpoint/db", "endpoint/dc", "NS0705", "the spec has no endpoint/dc"),
    "the name is taken": (
        edited(BASE, ("  db:", "  taken:")),
        "endpoint/db",
        "endpoint/taken",
        "NS0706",
        "netns/taken is there already",
    ),
    "more than the name": (
        edited(BASE, ("  db: {bridge: br0}", "  dc: {interfaces: {eth0: {bridge: br0}, eth1: {bridge: br1}}}")),
        "endpoint/db",
        "endpoint/dc",
        "NS0707",
        TWICE.format(hashed_name("veth", "default", "dc", "eth1"), "the spec changes more than its name"),
    ),
    "its bridge is renamed as well": (
        edited(BASE, ("  db:", "  dc:"), ("br0", "br7")),
        "endpoint/db",
        "endpoint/dc",
        "NS0707",
        "endpoint/dc is to stand on link/br7, which is not there",
    ),
}


@pytest.mark.parametrize("name", NOT_MOVED)
def test_what_cannot_be_renamed_is_told(in_memory: Site, name: str) -> None:
    """With the order in which it can, and nothing is changed."""
    spec, old, new, code, message = NOT_MOVED[name]
    in_memory.apply(BASE)
    in_memory.kernel.execute([NetnsAdd(name="taken", alias="")])
    before = in_memory.rows()
    proposal = moving(in_memory.reconciler(), intent(spec), old, new)

    assert [(each.code, each.message) for each in proposal.diagnostics] == [(code, message)]
    with pytest.raises(Refused):
        in_memory.reconciler().enact(proposal)
    assert differing(in_memory.rows(), before) == []


def test_a_kernel_that_cannot_rename_what_is_up(in_memory: Site) -> None:
    """Linux before 6.2: it is said, instead of trying."""
    in_memory.apply(BASE)
    fake(in_memory).host.unsupported = frozenset({"live-rename"})
    proposal = moving(in_memory.reconciler(), intent(edited(BASE, ("  db:", "  dc:"))), "endpoint/db", "endpoint/dc")

    assert [each.code for each in proposal.diagnostics] == ["NS0707"]


def forget_it(site: Site) -> Proposal:
    """Let go of what HAND_MADE describes."""
    return forgetting(site.reconciler(), "default", parts_of("bridge/br0", "endpoint/web"))


def adopt_it(site: Site) -> Proposal:
    """Take over what HAND_MADE describes."""
    return adoption(site.reconciler(), intent(HAND_MADE), parts_of("bridge/br0", "endpoint/web"))


@pytest.mark.parametrize("propose", [adopt_it, forget_it])
def test_a_kernel_that_leaves_the_marks_of_ipv4_addresses(in_memory: Site, propose: Callable[[Site], Proposal]) -> None:
    """Linux before 6.4: each is named, nothing is tried; without them all goes on, and the next apply makes them."""
    in_memory.kernel.execute(BY_HAND)
    if propose is forget_it:
        take_over(in_memory, HAND_MADE, "bridge/br0", "endpoint/web")
    fake(in_memory).host.unsupported = frozenset({"address-mark"})
    before = in_memory.rows()
    proposal = propose(in_memory)

    assert [(each.code, each.address, each.message) for each in proposal.diagnostics] == [
        ("NS0708", owner, f"this kernel cannot change the mark of {key} in place: Operation not supported")
        for owner, key in (("bridge/br0", "address/br0/10.1.0.1/24"), ("endpoint/web", "address/web/eth0/10.1.0.9/24"))
    ]
    with pytest.raises(Refused):
        in_memory.reconciler().enact(proposal)
    assert differing(in_memory.rows(), before) == []

    for netns, link, address in (("", "br0", "10.1.0.1/24"), ("web", "eth0", "10.1.0.9/24")):
        in_memory.kernel.execute([AddressDelete(netns=netns, link=link, address=ip_interface(address))])
    in_memory.reconciler().enact(propose(in_memory))
    if propose is adopt_it:
        in_memory.apply(HAND_MADE)
        assert in_memory.steps(HAND_MADE) == []


def test_a_kernel_that_leaves_them_changes_other_marks(in_memory: Site) -> None:
    """Of what has no IPv4 address, and of IPv6 ones, which every kernel changes."""
    spec = "netspec: 1\nbridges: {br0: {subnets: [2001:db8::/64]}, br1: {}}\n"
    in_memory.apply(spec)
    fake(in_memory).host.unsupported = frozenset({"address-mark"})
    let_go(in_memory, "default", "bridge/br0", "bridge/br1")
    proposal = take_over(in_memory, spec, "bridge/br0", "bridge/br1")

    assert "address/br0/2001:db8::1/64" in {str(change.key) for change in proposal.plan.changes}


ASIDE = DUAL + "policies: [{allow: {from: web, to: db}}]\n"
"""With elements that say in their comments alone whom they serve."""
HANDOVERS: dict[str, tuple[str, Callable[[Site], Proposal]]] = {
    "forget": (INSIDE, lambda site: forgetting(site.reconciler(), "default", parts_of("endpoint/web", "bridge/br0"))),
    "forget what is limited": (LIMITED, lambda site: forgetting(site.reconciler(), "default", parts_of("endpoint/db"))),
    "move": (
        INSIDE,
        lambda site: moving(site.reconciler(), intent(INSIDE.replace("web", "www")), "endpoint/web", "endpoint/www"),
    ),
    "move an interface": (
        MANY,
        lambda site: moving(
            site.reconciler(),
            intent(edited(MANY, ("back0", "bk0"), ("-space", "-"))),
            "endpoint/proxy",
            "endpoint/proxy",
        ),
    ),
    "move a bridge": (
        DUAL,
        lambda site: moving(site.reconciler(), intent(edited(DUAL, ("br0", "br7"))), "bridge/br0", "bridge/br7"),
    ),
    "move a bridge that policies tell of": (
        ASIDE,
        lambda site: moving(site.reconciler(), intent(edited(ASIDE, ("br0", "br7"))), "bridge/br0", "bridge/br7"),
    ),
    "move what publishes": (
        ASIDE,
        lambda site: moving(site.reconciler(), intent(edited(ASIDE, ("web", "www"))), "endpoint/web", "endpoint/www"),
    ),
    "adopt": (
        "",
        lambda site: adoption(site.reconciler(), intent(HAND_MADE), parts_of("bridge/br0", "endpoint/web")),
    ),
}


@pytest.mark.parametrize("mode", ["error", "lost", "crash"])
@pytest.mark.parametrize("name", HANDOVERS)
def test_whatever_goes_wrong_all_is_as_before(in_memory: Site, name: str, mode: str) -> None:
    """At every operation: undone, without a link or namespace being made again, and the journal is closed."""
    spec, propose = HANDOVERS[name]
    if spec:
        in_memory.apply(spec)
    else:
        in_memory.kernel.execute(BY_HAND)
    start, before, links = fake(in_memory).copy(), in_memory.rows(), identities(in_memory)
    number = len(Program(propose(in_memory).plan.steps).operations)
    assert number >= 4

    for at in range(0, number, 1 + number // 20):
        in_memory.kernel = start.copy()
        proposal = propose(in_memory)
        broken = FaultyKernel(in_memory.kernel, fail_at=at, lost=mode == "lost", crash=mode == "crash")
        with pytest.raises(Crash if mode == "crash" else ApplyFailed):
            in_memory.reconciler(broken).enact(proposal)
        if mode == "crash":
            recovery = in_memory.reconciler(broken).recover()
            assert recovery is not None
            assert recovery.restoration.complete
        assert differing(in_memory.rows(), before) == [], at
        assert identities(in_memory) == links, at
        assert in_memory.reconciler().recover() is None


RENAMED_IN_EDITS = {
    "endpoint renamed": "netspec move endpoint/db endpoint/dc",
    "bridge replaced under its ports": "netspec move bridge/br0 bridge/br7",
    "host name": "netspec move endpoint/db",
    "namespace": "netspec move endpoint/db",
    "interface": "netspec move endpoint/db",
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_a_plan_suggests_renames_and_nothing_else(in_memory: Site, edit: Edit) -> None:
    """Of all edits, those that are renames; and what is suggested can be done."""
    in_memory.apply(edit.before)
    found = suggested(in_memory.propose(edit.after))

    assert found == ([RENAMED_IN_EDITS[edit.name]] if edit.name in RENAMED_IN_EDITS else [])
    for command in found:
        _, _, old, *new = command.split()
        assert rebuilt(moved(in_memory, edit.after, old, (new or [old])[0]))
        assert in_memory.steps(edit.after) == []


def suggested(proposal: Proposal) -> list[str]:
    """The commands that a plan names."""
    view = PlanView(
        host="host",
        stack=proposal.intent.stack,
        plan=proposal.plan,
        desired=proposal.desired,
        observed=proposal.observed,
    )
    return [each.command for each in view.suggestions(view.objects)]


def test_what_is_alike_is_not_suggested_where_it_could_be_either(in_memory: Site) -> None:
    """Two that go and two that come, all alike; a bridge that is renamed with its endpoint."""
    two = edited(BASE, ("  db: {bridge: br0}", "  db: {bridge: br0}\n  dc: {bridge: br0}"))
    in_memory.apply(two)

    assert suggested(in_memory.propose(edited(two, ("db", "x"), ("dc", "y")))) == []
    assert suggested(in_memory.propose(edited(two, ("db", "x"), ("br0", "br7")))) == [
        "netspec move bridge/br0 bridge/br7",
        "netspec move endpoint/db endpoint/x",
    ]


TWO = edited(MANY, ("      back0: {bridge: br-back,", "      back0: {bridge: br-back, host_name: to-back,"))
OTHER_NAMES = {
    "two host names": ((("to-proxy", "to-px"), ("to-back", "to-bk")), True),
    "a host name and an interface": ((("to-proxy", "to-px"), ("back0:", "bk0:")), False),
    "host names change places": (
        (("to-proxy", "x"), ("to-back", "to-proxy"), ("host_name: x", "host_name: to-back")),
        False,
    ),
    "another MAC beside": ((("to-proxy", "to-px"), ("mtu: 8000", "mtu: 7000")), True),
}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_what_is_suggested_for_several_interfaces_can_be_done(in_memory: Site, name: str) -> None:
    """Other names of several of them, as long as it is clear which is which."""
    edits, can_be_done = OTHER_NAMES[name]
    in_memory.apply(TWO)
    after = edited(TWO, *edits)

    assert suggested(in_memory.propose(after)) == (["netspec move endpoint/proxy"] if can_be_done else [])
    if can_be_done:
        assert rebuilt(moved(in_memory, after, "endpoint/proxy", "endpoint/proxy"))
        assert in_memory.steps(after) == []


@pytest.mark.parametrize("name", SPECS)
def test_a_stack_is_found_by_its_marks_alone(in_memory: Site, name: str) -> None:
    """State and run directories are lost: the plan is empty, and destroying leaves the host as it was."""
    before = in_memory.rows()
    in_memory.apply(SPECS[name])
    shutil.rmtree(in_memory.directory / "state")
    in_memory.forget_runs()

    assert in_memory.steps(SPECS[name]) == []
    in_memory.destroy(intent(SPECS[name]).stack)
    assert differing(in_memory.rows(), before) == []


@pytest.mark.parametrize("name", SPECS)
def test_stacks_neither_see_nor_take_what_others_have(in_memory: Site, name: str) -> None:
    """With objects of every kind: all is in the way, nothing is taken over, forgotten or destroyed."""
    spec = SPECS[name]
    in_memory.apply(spec)
    before, stack = in_memory.rows(), intent(spec).stack
    theirs = edited(spec, ("netspec: 1\n", "netspec: 1\nstack: thieves\n")) if "stack:" not in spec else ""
    theirs = theirs or edited(spec, ("stack: ports", "stack: thieves"))
    meant = parts_of(*grounds(in_memory, stack))

    assert objects_of(in_memory.reconciler(), "thieves") == frozenset()
    assert not forgetting(in_memory.reconciler(), "thieves", meant).plan
    refusals = adoption(in_memory.reconciler(), intent(theirs), meant).diagnostics
    assert {each.code for each in refusals} <= {"NS0700", "NS0701"}
    assert "NS0701" in {each.code for each in refusals}
    assert "NS0401" in {each.code for each in in_memory.reconciler().propose(intent(theirs)).diagnostics}
    in_memory.destroy("thieves")
    assert differing(in_memory.rows(), before) == []
