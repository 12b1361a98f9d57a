"""Whatever happens to a host between a plan and its apply: what was approved is done, or nothing at all."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from netspec.core.resource import Key, Resource, compared_fields
from netspec.core.state import State
from netspec.engine.observation import observed_state
from netspec.engine.saved_plan import SavedPlan
from netspec.errors import Refused, Stale
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import Scope
from tests.engine.documents import Document, documents, text_of
from tests.engine.sites import Site, fake, operations
from tests.engine.test_properties import hosts, some
from tests.engine.test_saved_plans import kept, planned, refusal
from tests.engine.test_spaces import ATTACHED
from tests.specs import intent


def looked_at(site: Site, plan: SavedPlan) -> State:
    """All that a look shows of what a plan may be about."""
    return observed_state(site.kernel.snapshot(Scope(stack=plan.stack, sysctls=frozenset(plan.sources.sysctls))))


def values(resource: Resource | None) -> object:
    """What a diff compares of it."""
    if resource is None:
        return None
    return type(resource), [getattr(resource, rule.name) for rule in compared_fields(type(resource))]


@some
@given(documents(), documents(), documents(), st.integers(0, 30), st.booleans())
def test_what_was_approved_or_nothing(one: Document, two: Document, drift: Document, depth: int, replan: bool) -> None:
    """Half an apply of something else comes in between; nothing but the plan's own keys moves after it."""
    with hosts() as site:
        site.apply(text_of(one))
        plan = kept(site.propose(text_of(two)))
        elsewhere = site.reconciler().propose(intent(text_of(drift)))
        with contextlib.suppress(KernelError):
            site.kernel.execute(operations(elsewhere)[:depth])
        rows, before = site.rows(), looked_at(site, plan)
        try:
            proposal = site.reconciler().propose(plan.intent(replan=replan))
            if proposal.plan:
                site.reconciler().carry_out(proposal)
        except (Stale, Refused):
            assert site.rows() == rows
            return
        after = looked_at(site, plan)

    own = {change.key for change in proposal.plan.changes}
    disturbed = {key for change in proposal.plan.changes for key in change.disturbs()}
    assert own <= {change.key for change in plan.plan.changes}
    assert replan or proposal.plan == plan.plan
    assert _moved(before, after) <= own | disturbed


def _moved(before: State, after: State) -> set[Key]:
    keys = before.keys() | after.keys()
    return {key for key in keys if values(before.get(key)) != values(after.get(key))}


def test_a_container_that_came_back_is_another_one(in_memory: Site) -> None:
    """The namespace to be joined is part of what was approved, also where it is to be attached only now."""
    kernel = fake(in_memory)
    kernel.start_process(4711)
    kernel.start_process(12, container="redis")
    new = planned(in_memory, "netspec: 1\n", ATTACHED)
    kernel.start_process(13, container="redis")
    told = refusal(in_memory, new, replan=True)

    assert [each.partition(": ")[0] for each in told] == ["NS0605 netns/redis has changed since the plan"]
    assert told[0].partition(": ")[2].startswith("container redis had the namespace ")


def test_a_container_that_is_gone_is_said_to_be(in_memory: Site) -> None:
    """In the words of the reference."""
    kernel = fake(in_memory)
    kernel.start_process(4711)
    kernel.start_process(12, container="redis")
    plan = planned(in_memory, ATTACHED, ATTACHED.replace("bridge: br0}\n", "bridge: br0, mtu: 1400}\n"))
    del kernel.host.containers["redis"]

    assert any(each.startswith("NS0605 netns/redis has gone since the plan: ") for each in refusal(in_memory, plan))
