"""Whatever goes wrong, at whatever operation: the host is as before, or it is said what is left."""

import errno
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.engine.intent import Intent
from netspec.engine.reconciler import Proposal
from netspec.errors import ApplyFailed, NotRestored
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.operations import AddressAdd, LinkDelete, LinkSet, SysctlWrite
from netspec.kernel.port import Kernel
from tests import tally
from tests.engine.sites import Site, fake, faulty, live_in, operations, stack_of
from tests.specs import BASE, DUAL, EDITS, EMPTY, MANY, PORTS, SYSCTLS, Edit, edited, intent

MODES = ("error", "lost", "crash")
WAYS = [pytest.param(edit, way, id=f"{edit.name} {way}") for edit in EDITS for way in ("there", "back", "away")]


def _proposed(site: Site, edit: Edit, way: str) -> Proposal:
    """A host with a past and the first spec on it, and the plan for the second; `away` destroys."""
    live_in(site)
    site.apply(edit.after if way == "back" else edit.before)
    wanted = {"there": edit.after, "back": edit.before}.get(way)
    return site.reconciler().propose(intent(wanted) if wanted else Intent(stack=stack_of(edit)))


def carried_out(site: Site, proposal: Proposal, broken: FaultyKernel) -> str:
    """Carry out a proposal on a kernel that goes wrong; what the next run finds is put right. How it ended."""
    reconciler = site.reconciler(broken)
    try:
        reconciler.carry_out(proposal)
    except Crash:
        recovery = site.reconciler(broken).recover()
        assert recovery is not None
        assert recovery.restoration.complete
        return "recovered"
    except ApplyFailed as error:
        return str(error.exit_code)
    return "applied"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("edit", "way"), WAYS)
def test_a_fault_at_any_operation_leaves_the_host_as_it_was(in_memory: Site, edit: Edit, way: str, mode: str) -> None:
    """Refused, done without an answer, or killed: nothing of the plan stays, and the journal is closed."""
    proposal = _proposed(in_memory, edit, way)
    start = fake(in_memory).copy()
    before = in_memory.rows()

    for at in range(len(operations(proposal))):
        in_memory.kernel = start.copy()
        broken = faulty(in_memory, at, mode)
        ending = carried_out(in_memory, proposal, broken)
        assert (ending, broken.faults) == ("recovered" if mode == "crash" else "3", 1), at
        assert in_memory.rows() == before, f"operation {at}: {operations(proposal)[at]}"
        assert in_memory.reconciler().recover() is None


FEW = [edit for edit in EDITS if edit.name in ("from nothing", "subnet", "another network", "endpoint moved")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("edit", FEW, ids=lambda edit: edit.name)
def test_a_second_fault_while_restoring_is_met_by_looking_again(in_memory: Site, edit: Edit, mode: str) -> None:
    """Restoring that fails once succeeds at the next try; restoring that is killed is finished by the next run."""
    proposal = _proposed(in_memory, edit, "there")
    start = fake(in_memory).copy()
    before = in_memory.rows()
    count = len(operations(proposal))

    for at, again in itertools.product(range(0, count, 3), range(0, count, 4)):
        in_memory.kernel = start.copy()
        broken = faulty(in_memory, at, mode)
        broken.again_at = again
        try:
            carried_out(in_memory, proposal, broken)
        except Crash:
            recovery = in_memory.reconciler(broken).recover()
            assert recovery is not None
        assert in_memory.rows() == before, (at, again)
        assert in_memory.reconciler().recover() is None


class Stubborn(FakeKernel):
    """A fake that refuses whatever `refuses` says, as long as it is said."""

    refuses: Callable[[object], bool] = staticmethod(lambda _operation: False)

    def _run(self, operation: object) -> None:
        if self.refuses(operation):
            from netspec.kernel.port import KernelError

            raise KernelError(errno.EBUSY, operation)  # type: ignore[arg-type]  # an operation of the fake's
        super()._run(operation)  # type: ignore[arg-type]  # likewise


def test_what_cannot_be_undone_is_said_and_undone_later(tmp_path: Path) -> None:
    """A kernel that goes on refusing: exit 4, the objects that are left by name, the journal kept, then finished."""
    kernel = Stubborn()
    site = Site(kernel, tmp_path)
    before = site.rows()
    proposal = site.propose(BASE)
    kernel.refuses = lambda operation: isinstance(operation, (AddressAdd, LinkDelete))

    with pytest.raises(NotRestored) as caught:
        site.reconciler().carry_out(proposal)
    left = {row.name for row in kernel.snapshot(proposal.scope).links if row.name != "lo"}

    assert left == {"br0"}
    assert "delete element/former 0x499c4038" in caught.value.message
    assert "Left to do: delete flows/netspec-default, " in caught.value.message
    assert "delete link/br0, " in caught.value.message
    assert "Device or resource busy (EBUSY)" in caught.value.message
    assert (caught.value.exit_code, caught.value.diagnostics[0].code) == (4, "NS0501")
    stuck = site.reconciler().recover()
    assert stuck is not None
    assert "link/br0" in [str(change.key) for change in stuck.restoration.missing]
    assert not stuck.restoration.complete
    kernel.refuses = lambda _operation: False
    recovery = site.reconciler().recover()
    assert recovery is not None
    assert recovery.restoration.complete
    assert (site.rows(), site.reconciler().recover()) == (before, None)


def test_a_refusal_names_step_words_and_line(in_memory: Site) -> None:
    """The diagnostic has the kernel's own words and the place in the spec of what asked for it."""
    proposal = in_memory.propose(BASE)
    number = next(n for n, each in enumerate(operations(proposal)) if isinstance(each, AddressAdd))

    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler(faulty(in_memory, number, "error")).carry_out(proposal)
    (diagnostic,) = caught.value.diagnostics

    assert diagnostic.message == (
        "the kernel refused to create address/br0/10.1.0.1/24: Device or resource busy (EBUSY)"
    )
    assert (diagnostic.code, diagnostic.address, diagnostic.label) == (
        "NS0501",
        "bridge/br0",
        "asked for by bridge/br0",
    )
    assert diagnostic.place is not None
    assert (diagnostic.place.file, diagnostic.place.line) == ("spec.yaml", 3)
    assert caught.value.message == "The apply failed and was undone: the host is as before, verified."


def test_a_kernel_that_does_otherwise_than_it_says_is_found_out(in_memory: Site) -> None:
    """Every step accepted, and yet something is different: the apply did not converge, and is undone."""
    before = in_memory.rows()

    class Forgetful(FaultyKernel):
        def execute(self, sent, progress=lambda _done: None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            self.inner.execute([each for each in sent if not isinstance(each, SysctlWrite)], progress)

    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler(Forgetful(in_memory.kernel)).carry_out(in_memory.propose(BASE))

    assert [each.code for each in caught.value.diagnostics] == ["NS0502"]
    assert "update sysctl/net.ipv4.ip_forward (value 0 -> 1)" in caught.value.diagnostics[0].message
    assert in_memory.rows() == before


def test_what_drifts_between_looking_and_doing_is_met(in_memory: Site) -> None:
    """Somebody makes a link where the plan has one: refused by the kernel, undone, theirs untouched."""

    def intrude(kernel: Kernel) -> None:
        assert isinstance(kernel, FakeKernel)
        kernel.plug("br1")

    whole = in_memory.rows()
    proposal = in_memory.propose(BASE)
    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler(FaultyKernel(in_memory.kernel, before=intrude)).carry_out(proposal)

    assert "create link/br1: File exists (EEXIST)" in caught.value.diagnostics[0].message
    fake(in_memory).unplug("br1")
    assert in_memory.rows() == whole


def test_what_others_do_meanwhile_stays(in_memory: Site) -> None:
    """Restoring removes what the plan has made, and not what came from elsewhere in the same time."""

    def intrude(kernel: Kernel) -> None:
        assert isinstance(kernel, FakeKernel)
        kernel.plug("eth9")
        kernel.execute([LinkSet(name="br0", alias="netspec:default:bridge/br0")])

    in_memory.apply(BASE)
    proposal = in_memory.propose(edited(BASE, ("8080:80", "8080:81")))
    before = in_memory.rows()
    broken = FaultyKernel(in_memory.kernel, fail_at=1, before=intrude)
    with pytest.raises(ApplyFailed):
        in_memory.reconciler(broken).carry_out(proposal)
    fake(in_memory).unplug("eth9")

    assert in_memory.rows() == before


def test_a_crash_is_undone_under_another_stacks_name(in_memory: Site) -> None:
    """The journal says whose apply it was; whoever comes next undoes it, whatever stack they work on."""
    in_memory.apply(BASE)
    before = in_memory.rows()
    other = edited(PORTS, ("br0", "br9"), ("10.1.", "10.9."), ("fd00:1:", "fd00:8:"), ("  web:", "  shop:"))
    with pytest.raises(Crash):
        in_memory.reconciler(faulty(in_memory, 9, "crash")).carry_out(in_memory.propose(other))
    recovery = in_memory.reconciler().recover()

    assert recovery is not None
    assert (recovery.entry.stack, recovery.restoration.complete) == ("ports", True)
    assert in_memory.rows() == before


def test_recovering_twice_is_once(in_memory: Site) -> None:
    """A recovery that was killed after its last operation finds nothing left to do, and closes the journal."""
    before = in_memory.rows()
    with pytest.raises(Crash):
        in_memory.reconciler(faulty(in_memory, 12, "crash")).carry_out(in_memory.propose(MANY))
    text = in_memory.reconciler().journal.path.read_text(encoding="utf-8")
    in_memory.reconciler().recover()
    in_memory.reconciler().journal.path.write_text(text, encoding="utf-8")

    recovery = in_memory.reconciler().recover()
    assert recovery is not None
    assert recovery.restoration.complete
    assert in_memory.rows() == before


def test_an_apply_goes_on_where_the_journal_was_lost_too(in_memory: Site) -> None:
    """Killed, and the run directory gone with it: the marks still say what is ours, and the next apply converges."""
    whole = in_memory.rows()
    count = len(operations(in_memory.propose(DUAL)))
    start = fake(in_memory).copy()

    for at in range(count):
        in_memory.kernel = start.copy()
        with pytest.raises(Crash):
            in_memory.reconciler(faulty(in_memory, at, "crash")).carry_out(in_memory.propose(DUAL))
        in_memory.forget_runs()
        in_memory.apply(DUAL)
        assert in_memory.steps(DUAL) == []
        in_memory.destroy()
        assert in_memory.rows() == whole, at


LIVE = [
    pytest.param(EMPTY, BASE, id="create"),
    pytest.param(BASE, edited(BASE, ("10.1.0.", "10.7.0."), ("8080:80", "8081:81")), id="change"),
    pytest.param(SYSCTLS, EMPTY, id="remove"),
]


@pytest.mark.kernel
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), LIVE)
def test_on_linux_too(linux: Kernel, tmp_path: Path, before: str, after: str, mode: str) -> None:
    """The same on the real kernel, at every ninth operation; the sweep over all of them is a run of its own."""
    _sweep(Site(linux, tmp_path), before, after, (mode, 9))


@pytest.mark.kernel
@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_on_linux_at_every_operation(linux: Kernel, tmp_path: Path, edit: Edit, mode: str) -> None:
    """Every edit, every operation."""
    _sweep(Site(linux, tmp_path), edit.before, edit.after, (mode, 1))


def _sweep(site: Site, before: str, after: str, fault: tuple[str, int]) -> None:
    mode, stride = fault
    live_in(site)
    site.apply(before)
    whole = site.rows()
    count = len(operations(site.propose(after)))
    for at in range(count % stride, count, stride):
        proposal = site.propose(after)
        assert carried_out(site, proposal, faulty(site, at, mode)) == ("recovered" if mode == "crash" else "3")
        assert site.rows() == whole, f"operation {at}: {operations(proposal)[at]}"
        name = {"error": "EBUSY", "lost": "lost acknowledgement", "crash": "SIGKILL"}[mode]
        tally.count(name, "Linux", "killed, then recovered" if mode == "crash" else "undone (3)")
