"""Sysctls that several stacks of a host want: the last one that goes writes back what was."""

import tempfile
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.core.resource import Disruption
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.intent import Intent
from netspec.errors import ApplyFailed
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash
from netspec.kernel.operations import ElementDelete, SysctlWrite
from netspec.kernel.snapshot import Scope
from tests.engine.sites import Site, faulty, live_in, operations
from tests.engine.test_properties import some
from tests.engine.test_saved_plans import kept, refusal
from tests.specs import intent

FORWARD = "net.ipv4.ip_forward"
REDIRECTS = "net.ipv4.conf.all.accept_redirects"
OF_DEFAULT = "net.ipv4.conf.default.forwarding"
OF_LO = "net.ipv4.conf.lo.forwarding"
PORTS = "net.ipv4.ip_local_port_range"
RECORD = "element/former 0x499c4038"
"""That of ip_forward."""


def spec(stack: str, number: int, sysctls: Mapping[str, str] = {}, *, bridge: bool = True) -> str:
    """A stack with a bridge that has IPv4, so that the host forwards; and sysctls of its own."""
    bridges = f"bridges: {{br{number}: {{subnets: [10.{number}.0.0/24]}}}}\n" if bridge else ""
    wanted = "".join(f"  {name}: {value}\n" for name, value in sysctls.items())
    return f"netspec: 1\nstack: {stack}\n{bridges}" + (f"sysctls:\n{wanted}" if wanted else "")


ONE, TWO, THREE = spec("one", 1), spec("two", 2), spec("three", 3)


def value(site: Site, name: str = FORWARD) -> str:
    """What a sysctl is now."""
    (row,) = site.kernel.snapshot(Scope(stack="none", sysctls=frozenset({("", name)}))).sysctls
    return " ".join((row.value or "").split())


def refusing() -> tuple[Diagnostic, ...]:
    """An apply that is not accepted."""
    return (Diagnostic("NS0000", "not accepted"),)


@pytest.mark.parametrize("lived_in", [False, True])
@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_forwarding_stays_until_the_last_stack_has_gone(site: Site, order: tuple[str, str], *, lived_in: bool) -> None:
    """Whoever switched it on; then it is as it was before the first, and so is what follows it."""
    if lived_in:
        live_in(site)
    whole = site.rows()
    site.apply(ONE)
    site.apply(TWO)
    left = {"one": TWO, "two": ONE}[order[0]]

    assert (site.steps(ONE), site.steps(TWO)) == ([], [])
    gone = site.destroy(order[0])
    assert (value(site), value(site, REDIRECTS), site.steps(left), gone.warnings) == ("1", "0", [], ())
    site.destroy(order[1])
    assert site.rows() == whole


def test_three_stacks_go_in_any_order(in_memory: Site) -> None:
    """Each of them owes it, and none but the last one pays."""
    whole = in_memory.rows()
    for order in permutations(("one", "two", "three")):
        for each in (ONE, TWO, THREE):
            in_memory.apply(each)
        for each in order[:2]:
            in_memory.destroy(each)
            assert value(in_memory) == "1"
        in_memory.destroy(order[2])
        assert in_memory.rows() == whole


def test_a_spec_that_no_longer_wants_it_leaves_it_to_the_other(site: Site) -> None:
    """Only the record goes; it can be taken over again."""
    site.apply(ONE)
    site.apply(TWO)
    plain = "netspec: 1\nstack: one\nbridges: {br1: {}}\n"

    gone = site.apply(plain)
    (change,) = (each for each in gone.plan.changes if each.key.kind == "sysctl")
    assert (change.disruption, value(site), site.steps(plain), site.steps(TWO)) == (Disruption.NONE, "1", [], [])
    assert not any(isinstance(each, SysctlWrite) for each in operations(gone))
    site.apply(ONE)
    site.destroy("two")
    assert (value(site), site.steps(ONE)) == ("1", [])
    site.destroy("one")
    assert value(site) == "0"


def test_a_stack_without_the_record_takes_it_over_with_its_next_apply(site: Site) -> None:
    """As of one that was applied before records were shared, or whose record was lost; until then it is warned of."""
    site.apply(ONE)
    site.apply(TWO)
    site.kernel.execute([ElementDelete(table="netspec-two", set="former", key=RECORD.partition(" ")[2])])

    (warned,) = site.reconciler().propose(Intent(stack="one")).warnings
    assert (warned.code, warned.severity, warned.address) == ("NS0406", Severity.WARNING, f"sysctl/{FORWARD}")
    assert f"{FORWARD} goes back to 0, and stack two may need it" in warned.message
    assert site.propose(ONE).warnings == ()
    assert site.steps(TWO) == [f"create {RECORD}"]
    site.apply(TWO)
    assert site.destroy("one").warnings == ()
    assert (value(site), site.steps(TWO)) == ("1", [])
    site.destroy("two")
    assert value(site) == "0"


def test_what_fails_leaves_the_records_of_both_as_they_were(site: Site) -> None:
    """An apply that takes a record over, and a destroy that leaves one behind, are undone like any other."""
    site.apply(ONE)
    alone = site.rows()
    with pytest.raises(ApplyFailed):
        site.reconciler().enact(site.propose(TWO), accept=refusing)
    assert site.rows() == alone
    site.apply(TWO)
    both = site.rows()
    for stack in ("one", "two"):
        with pytest.raises(ApplyFailed):
            site.reconciler().enact(site.reconciler().propose(Intent(stack=stack)), accept=refusing)
        assert site.rows() == both


@pytest.mark.parametrize("mode", ["error", "lost", "crash"])
def test_wherever_it_fails_forwarding_and_records_are_as_before(in_memory: Site, mode: str) -> None:
    """A follower that another stack has set is set again with its leader, on the way back as well."""
    live_in(in_memory)
    in_memory.apply(spec("two", 2, {REDIRECTS: "1", OF_LO: "0"}, bridge=False))
    alone = in_memory.rows()
    for deed in (intent(ONE), Intent(stack="one")):
        before = in_memory.rows()
        proposal = in_memory.reconciler().propose(deed)
        for at in range(len(operations(proposal))):
            with pytest.raises((ApplyFailed, Crash)):
                in_memory.reconciler(faulty(in_memory, at, mode)).enact(proposal)
            in_memory.reconciler().recover()
            assert in_memory.rows() == before
        in_memory.reconciler().enact(proposal)
    assert in_memory.rows() == alone


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("came", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("wanted", ["0", "1"])
@pytest.mark.parametrize("key", [REDIRECTS, OF_LO])
def test_what_another_stack_wants_of_a_follower_stays(
    site: Site, key: str, wanted: str, came: tuple[str, str], order: tuple[str, str]
) -> None:
    """The kernel sets it along with forwarding, and whoever switches that sets it again; the last one takes it back."""
    whole = site.rows()
    specs = {"one": ONE, "two": spec("two", 2, {key: wanted}, bridge=False)}
    for name in (*came, "two"):
        site.apply(specs[name])

    assert (value(site, key), site.steps(specs["one"]), site.steps(specs["two"])) == (wanted, [], [])
    site.destroy(order[0])
    assert site.steps(specs[order[1]]) == []
    assert value(site, key) == {"one": wanted, "two": "0" if key == REDIRECTS else "1"}[order[0]]
    site.destroy(order[1])
    assert site.rows() == whole


def test_what_another_stack_has_set_is_not_set_otherwise(site: Site) -> None:
    """There is one value for all: nobody may change it but who has it alone, and neither first nor second."""
    one, two = (
        spec(name, 1, {PORTS: wish}, bridge=False) for name, wish in (("one", "1025 65000"), ("two", "2000 3000"))
    )
    site.apply(one)
    before = site.rows()
    refused = site.reconciler().propose(intent(two)).diagnostics
    words = f"{PORTS} cannot be 2000 3000: stack one has set it to 1025 65000"

    assert [(each.code, each.message, each.address) for each in refused] == [("NS0407", words, f"sysctl/{PORTS}")]
    assert site.rows() == before
    site.apply(two.replace("2000 3000", "1025 65000"))
    assert [each.code for each in site.reconciler().propose(intent(two)).diagnostics] == ["NS0407"]
    site.destroy("one")
    site.apply(two)
    assert value(site, PORTS) == "2000 3000"


def test_who_wants_the_host_as_it_was_is_told_who_changed_it(site: Site) -> None:
    """It has nothing on record, as it had nothing to change; from then on it is refused, not done again and again."""
    quiet = spec("quiet", 1, {FORWARD: "0"}, bridge=False)
    site.apply(quiet)
    site.apply(ONE)

    refused = site.reconciler().propose(intent(quiet)).diagnostics
    assert [each.message for each in refused] == [f"{FORWARD} cannot be 0: stack one has set it to 1"]
    site.destroy("one")
    assert site.steps(quiet) == []


def test_what_was_switched_back_by_hand_is_switched_on_by_either(site: Site) -> None:
    """A value that is as before all of us is nobody's wish, and what it did to followers is not kept."""
    site.kernel.execute([SysctlWrite(key=REDIRECTS, value="0")])
    site.apply(ONE)
    site.apply(TWO)
    for each in (ONE, TWO):
        site.kernel.execute([SysctlWrite(key=FORWARD, value="0")])
        site.apply(each)
        assert (value(site), value(site, REDIRECTS), site.steps(ONE), site.steps(TWO)) == ("1", "0", [], [])


def test_a_saved_plan_is_stale_once_others_come_or_go(in_memory: Site) -> None:
    """That it stays was approved, not that it is switched off; and the other way round."""
    plain = "netspec: 1\nstack: one\nbridges: {br1: {}}\n"
    in_memory.apply(ONE)
    alone = kept(in_memory.propose(plain))
    in_memory.apply(TWO)
    both = kept(in_memory.propose(plain))
    told = f"NS0605 sysctl/{FORWARD} has changed since the plan: holders was "

    assert refusal(in_memory, alone) == [f"{told}nothing, and is two"]
    in_memory.destroy("two")
    assert refusal(in_memory, both) == [f"{told}two, and is nothing"]
    in_memory.reconciler().carry_out(in_memory.reconciler().propose(alone.intent(replan=False)))
    assert value(in_memory) == "0"


def test_records_of_others_are_not_those_of_this_stack(site: Site) -> None:
    """Nothing of another stack's is shown or removed as if it were ours, even where it has sysctls that we lack."""
    site.apply(spec("one", 1, {PORTS: "1025 65000", OF_LO: "0"}))
    site.apply(TWO)

    ours = [key.name for key, each in site.reconciler().observed("two").items() if each.owner.startswith("sysctl/")]
    assert sorted(ours) == ["former 0x499c4038", FORWARD]


KEYS = (FORWARD, REDIRECTS, OF_DEFAULT, OF_LO, PORTS, "net.ipv4.tcp_syncookies")
VALUES = {PORTS: ("1025 65000", "20000 40000")}
wishes = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 1), max_size=3)


@some
@given(
    past=wishes,
    wished=st.tuples(wishes, wishes),
    bridges=st.tuples(st.booleans(), st.booleans()),
    one_stays=st.booleans(),
)
def test_any_two_stacks_come_and_go_and_leave_no_trace(
    past: dict[str, int], wished: tuple[dict[str, int], dict[str, int]], bridges: tuple[bool, bool], *, one_stays: bool
) -> None:
    """Who stays has nothing to do; with the last one the host is as it was, whatever it was."""
    # What they want differently is refused, and so is a bridge on a host that shall not forward.
    one, two = ({name: each for name, each in wish.items() if name != FORWARD or not any(bridges)} for wish in wished)
    two = {name: one.get(name, each) for name, each in two.items()}
    specs = {
        "one": spec("one", 1, valued(one), bridge=bridges[0]),
        "two": spec("two", 2, valued(two), bridge=bridges[1]),
    }
    with tempfile.TemporaryDirectory() as directory, mock.patch("os.fsync"):
        site = Site(FakeKernel(), Path(directory))
        site.kernel.execute([SysctlWrite(key=name, value=each) for name, each in valued(past).items()])
        whole = site.rows()
        for name in ("one", "two", "one"):
            site.apply(specs[name])
        last, gone = ("one", "two") if one_stays else ("two", "one")

        assert (site.steps(specs["one"]), site.steps(specs["two"])) == ([], [])
        site.destroy(gone)
        assert site.steps(specs[last]) == []
        site.destroy(last)
        assert site.rows() == whole


def valued(numbers: Mapping[str, int]) -> Mapping[str, str]:
    """Keys with the values that numbers stand for."""
    return {name: VALUES.get(name, ("0", "1"))[number] for name, number in numbers.items()}
