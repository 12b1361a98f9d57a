"""A saved plan does what was approved, or nothing: on the host it was made from, whatever else has moved there."""

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from netspec.engine.planfile import parse, text_of
from netspec.engine.reconciler import Proposal
from netspec.engine.saved_plan import Origin, SavedPlan, saved
from netspec.errors import ApplyFailed, Refused, Stale
from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsDelete,
    Operation,
    SysctlWrite,
)
from netspec.kinds._bridge_options import _TOPOLOGY_CHANGE, OPTIONS
from tests.engine.sites import Site, fake, faulty, live_in
from tests.specs import BASE, EDITS, EMPTY, Edit, edited

HERE = Origin("host", "boot")
NARROW = edited(BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], mtu: 1400}"))
CACHE = edited(BASE, ("  db:", "  cache: {bridge: br1, host_name: to-cache}\n  db:"))
GONE = edited(BASE, ("  db: {bridge: br0}\n", ""))
OURS = "netspec:default:endpoint/web"
RENAMED = f"alias was {OURS}, and is somebody's; mark was {OURS}, and is nothing"
MOVED = edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, netns: other}"))

edits = pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)


def kept(proposal: Proposal) -> SavedPlan:
    """What a plan is after it has been a file."""
    return parse(text_of(saved(proposal, None, HERE)), "plan.json")


def planned(site: Site, before: str, after: str) -> SavedPlan:
    """The saved plan from one spec to another, on a host that is as the first says."""
    site.apply(before)
    return kept(site.propose(after))


def carry_out(site: Site, plan: SavedPlan, *, replan: bool = False) -> Proposal:
    """Apply a saved plan; verified."""
    proposal = site.reconciler().propose(plan.intent(replan=replan))
    assert proposal.diagnostics == ()
    if proposal.plan:
        site.reconciler().carry_out(proposal)
    return proposal


def refusal(site: Site, plan: SavedPlan, *, replan: bool = False) -> list[str]:
    """Why a saved plan is stale, in the words that users see; nothing is changed then."""
    before = site.rows()
    with pytest.raises(Stale) as caught:
        carry_out(site, plan, replan=replan)
    assert site.rows() == before
    assert caught.value.exit_code == 5
    return [f"{each.code} {each.message}" for each in caught.value.diagnostics]


@edits
def test_what_was_saved_is_what_is_done(in_memory: Site, edit: Edit) -> None:
    """Both ways of an edit: the steps are those that were shown, and the spec itself leaves nothing to do then."""
    live_in(in_memory)
    in_memory.apply(edit.before)
    for after in (edit.after, edit.before):
        made = saved(in_memory.propose(after), None, HERE)
        plan = parse(text_of(made), "plan.json")
        # The same values, of the same types, in the same order.
        assert plan == replace(made, digest=plan.digest)
        assert repr((plan.plan, plan.desired)) == repr((made.plan, dict(made.desired)))

        done = carry_out(in_memory, plan)

        assert done.plan == plan.plan
        assert in_memory.steps(after) == []


@pytest.mark.parametrize("spec", [NARROW, CACHE, GONE, MOVED, EMPTY], ids=["narrow", "cache", "gone", "moved", "empty"])
def test_on_both_kernels(site: Site, spec: str) -> None:
    """A plan that is saved and applied leaves nothing to do, and a second time it is stale."""
    plan = planned(site, BASE, spec)

    assert carry_out(site, plan).plan == plan.plan
    assert site.steps(spec) == []
    assert refusal(site, plan) != []
    assert carry_out(site, plan, replan=True).plan.changes == ()


UNRELATED: dict[str, tuple[Operation, ...]] = {
    "a foreign link": (LinkAdd(name="stranger", kind="bridge", mac="02:00:00:00:00:99"),),
    "a foreign address on a bridge of ours": (AddressAdd(link="br0", address=ip_interface("10.77.0.1/24")),),
    "another endpoint's MTU": (LinkSet(netns="db", name="eth0", mtu=1300),),
    "another endpoint's address": (AddressDelete(netns="db", link="eth0", address=ip_interface("10.1.0.2/24")),),
    "another endpoint": (NetnsDelete(name="db"),),
}


@pytest.mark.parametrize("drift", UNRELATED)
def test_what_moves_elsewhere_does_not_matter(site: Site, drift: str) -> None:
    """A plan about `cache` is applied and verified, and what has drifted meanwhile is left as it is."""
    plan = planned(site, BASE, CACHE)
    site.kernel.execute(UNRELATED[drift])
    elsewhere = set(site.steps(CACHE)) - {str(step) for step in plan.plan.steps}

    done = carry_out(site, plan)

    assert done.plan == plan.plan
    # A namespace goes slowly: what is to be done about it may become less meanwhile.
    assert set(site.steps(CACHE)) <= elsewhere
    assert [each.code for each in done.warnings] == (["NS0607"] if elsewhere else [])


STALE: dict[str, tuple[str, tuple[Operation, ...], list[str]]] = {
    "a field of what is to change": (
        NARROW,
        (LinkSet(name="br0", mtu=1300),),
        ["NS0605 link/br0 has changed since the plan: mtu was 1500, and is 1300"],
    ),
    "what is to change is gone": (
        edited(BASE, ("[10.2.0.0/24]}", "[10.2.0.0/24], mtu: 1400}")),
        (LinkDelete(name="br1"),),
        ["NS0605 link/br1 has gone since the plan: it was bridge"],
    ),
    "what is to be made is there": (
        CACHE,
        (LinkAdd(name="to-cache", kind="bridge", mac="02:00:00:00:00:99"),),
        ["NS0605 link/to-cache has appeared since the plan: bridge"],
    ),
    "what the new stands on": (
        CACHE,
        (LinkSet(name="br1", mtu=1300),),
        ["NS0605 link/br1 has changed since the plan: mtu was 1500, and is 1300"],
    ),
    "what that stands on": (
        edited(BASE, ("10.1.0.10", "10.1.0.77")),
        (LinkSet(netns="web", name="lo", alias="somebody's"),),
        [f"NS0605 netns/web has changed since the plan: {RENAMED}"],
    ),
    "a sysctl": (
        edited(BASE, ("nat:", "sysctls: {net.core.somaxconn: 128}\nnat:")),
        (SysctlWrite(key="net.core.somaxconn", value="77"),),
        ["NS0605 sysctl/net.core.somaxconn has changed since the plan: value was 4096, and is 77"],
    ),
}


@pytest.mark.parametrize("case", STALE)
def test_what_the_plan_was_made_from_must_be_as_it_was(site: Site, case: str) -> None:
    """Else it is refused, with the object, the field, what it was and what it is."""
    spec, moves, told = STALE[case]
    plan = planned(site, BASE, spec)
    site.kernel.execute(moves)

    assert refusal(site, plan) == told


def test_what_the_kernel_does_not_show_cannot_be_said_to_have_moved(in_memory: Site) -> None:
    """While the tree changes, a bridge with STP shows another ageing time than its own."""
    stp = edited(BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], stp: true}"))
    plan = planned(in_memory, stp, stp.replace("stp: true}", "stp: true, mtu: 1400}"))
    age = OPTIONS["ageing_time"]
    changing = ((age.number, age.pack(15)), (_TOPOLOGY_CHANGE, b"\x01"))
    in_memory.kernel.execute([LinkSet(name="br0", kind="bridge", data=changing)])

    assert list(map(str, carry_out(in_memory, plan).plan.steps)) == list(map(str, plan.plan.steps))


def test_what_would_go_along_was_not_approved(in_memory: Site) -> None:
    """Somebody's address on a link that is to be made anew would be lost: that was not there to be approved."""
    plan = planned(in_memory, BASE, edited(BASE, ("br1: {", "br7: {")))
    in_memory.kernel.execute([AddressAdd(link="br1", address=ip_interface("10.77.0.1/24"))])

    assert refusal(in_memory, plan) == [
        "NS0606 the plan would now delete address/br1/10.77.0.1/24, which was not approved"
    ]


def test_replanning_does_what_is_left(in_memory: Site) -> None:
    """Somebody has done a part by hand: the rest was approved, and is done."""
    plan = planned(in_memory, BASE, NARROW)
    in_memory.kernel.execute([LinkSet(name="br0", mtu=1400)])

    assert refusal(in_memory, plan) == ["NS0605 link/br0 has changed since the plan: mtu was 1500, and is 1400"]
    done = carry_out(in_memory, plan, replan=True)

    assert {str(each.key) for each in plan.plan.changes} - {str(each.key) for each in done.plan.changes} == {"link/br0"}
    assert in_memory.steps(NARROW) == []


@pytest.mark.parametrize(
    ("spec", "move", "told"),
    [
        (NARROW, LinkSet(name="br0", mtu=1300), "update link/br0 (mtu 1300 -> 1400)"),
        (CACHE, LinkSet(name="br1", mtu=1300), "update link/br1 (mtu 1300 -> 1500)"),
        (CACHE, LinkDelete(name="br1"), "create link/br1"),
        (GONE, LinkSet(name="veth12080e1", mtu=1300), "delete link/veth12080e1"),
    ],
)
def test_replanning_stops_at_what_is_new(in_memory: Site, spec: str, move: Operation, told: str) -> None:
    """A change from another value, of something else, or the loss of what nobody has seen was never approved."""
    plan = planned(in_memory, BASE, spec)
    in_memory.kernel.execute([move])

    assert f"NS0606 the plan would now {told}, which was not approved" in refusal(in_memory, plan, replan=True)


def test_replanning_needs_the_ground_of_others(in_memory: Site) -> None:
    """A link of the host that is gone cannot carry anything, and nothing in the spec makes it again."""
    existing = edited(BASE, ("br1: {subnets: [10.2.0.0/24]}", "br1: {existing: true}"))
    in_memory.kernel.execute([LinkAdd(name="br1", kind="bridge", mac="02:00:00:00:00:99")])
    plan = planned(in_memory, existing, existing.replace("  db:", "  cache: {bridge: br1}\n  db:"))
    in_memory.kernel.execute([LinkDelete(name="br1")])

    assert "NS0605 link/br1 has gone since the plan: it was bridge" in refusal(in_memory, plan, replan=True)


def test_only_its_own_is_removed(in_memory: Site) -> None:
    """What a plan is to delete and has lost its mark meanwhile is somebody else's now, replanned or not."""
    plan = planned(in_memory, BASE, edited(BASE, ("  br1: {subnets: [10.2.0.0/24]}\n", "")))
    in_memory.kernel.execute([LinkDelete(name="br1"), LinkAdd(name="br1", kind="bridge", mac="02:00:00:00:00:99")])

    assert any("link/br1 has changed since the plan" in each for each in refusal(in_memory, plan))
    carry_out(in_memory, plan, replan=True)

    assert "'br1'" in repr(fake(in_memory).rows()["links"])


def test_what_is_in_the_way_is_looked_for_again(in_memory: Site) -> None:
    """A plan that nothing forbade when it was made is refused like any other where something does now."""
    plan = planned(in_memory, EMPTY, BASE)
    in_memory.kernel.execute(
        [
            LinkAdd(name="up0", kind="bridge", mac="02:00:00:00:00:99", up=True),
            AddressAdd(link="up0", address=ip_interface("10.1.200.1/16")),
        ]
    )

    proposal = in_memory.reconciler().propose(plan.intent(replan=False))

    assert {each.code for each in proposal.diagnostics} == {"NS0402"}
    with pytest.raises(Refused):
        in_memory.reconciler().carry_out(proposal)


def test_a_hundred_are_told_and_the_rest_is_counted(in_memory: Site) -> None:
    """A large plan that has been carried out already floods nobody."""
    many = edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, replicas: 20}"))
    plan = planned(in_memory, EMPTY, many)
    carry_out(in_memory, plan)

    with pytest.raises(
        Stale, match=r"^The plan is stale: nothing was changed\. \d+ more objects have changed\.$"
    ) as told:
        carry_out(in_memory, plan)
    assert len(told.value.diagnostics) == 100


def test_a_plan_that_changes_nothing_can_be_kept(in_memory: Site) -> None:
    """Whoever saves plans in a script need not ask whether there is one."""
    plan = planned(in_memory, BASE, BASE)

    assert carry_out(in_memory, plan).plan.changes == ()


def test_a_failure_at_any_operation_undoes_a_saved_plan(in_memory: Site) -> None:
    """As with every apply; drift that is not the plan's business stays as it was, too."""
    plan = planned(in_memory, BASE, NARROW)
    in_memory.kernel.execute([LinkSet(netns="db", name="lo", mtu=1300), LinkDelete(name="br1")])
    before, at = in_memory.rows(), 0
    while True:
        broken = faulty(in_memory, at, "error")
        proposal = in_memory.reconciler(broken).propose(plan.intent(replan=False))
        try:
            in_memory.reconciler(broken).carry_out(proposal)
        except ApplyFailed:
            assert in_memory.rows() == before
            at += 1
            continue
        break

    assert at > 2
