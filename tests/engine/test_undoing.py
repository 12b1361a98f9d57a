"""How an apply ends is told by what was seen: undone and verified is 3, anything less 4; the next run finishes."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from netspec.engine.directories import remove_private
from netspec.engine.executor import Restoration
from netspec.engine.journal import Journal
from netspec.errors import ApplyFailed, Astray, LibraryMissing, NetspecError, NotRestored, PrivilegeMissing
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.operations import Operation
from netspec.kernel.port import Kernel, KernelError, Progress, no_progress
from netspec.kernel.sightings import FlowRow, Way
from netspec.kernel.snapshot import Listener, Scope, Snapshot
from netspec.kernel.values import Address
from tests.engine.sites import Site, fake, faulty, operations
from tests.specs import BASE, DUAL, EDITS, INSIDE, MANY, edited, intent

CHANGED = edited(BASE, ("8080:80", "8080:81"))
"""What changes one element of a table, and touches no link."""


class Meddled:
    """A kernel with whom somebody meddles: `meddle` is called before each look and each run, with how many went before.

    It may raise what the kernel should say instead.
    """

    def __init__(self, inner: Kernel, meddle: Callable[[str, int], None]) -> None:
        """`meddle` takes `look` or `run`, and a number from 0 on for each of the two."""
        self.inner = inner
        self._meddle = meddle
        self._counts = {"look": 0, "run": 0}

    def _next(self, what: str) -> None:
        number = self._counts[what]
        self._counts[what] += 1
        self._meddle(what, number)

    def snapshot(self, scope: Scope) -> Snapshot:
        """What the inner kernel tells."""
        self._next("look")
        return self.inner.snapshot(scope)

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """What the inner kernel does."""
        self._next("run")
        self.inner.execute(operations, progress)

    def listeners(self) -> Sequence[Listener]:
        """What the inner kernel tells."""
        return self.inner.listeners()

    def flows(self) -> Sequence[FlowRow] | None:
        """What the inner kernel tells."""
        return self.inner.flows()

    def way_to(self, address: Address, link: str = "") -> Way | None:
        """What the inner kernel tells."""
        return self.inner.way_to(address, link)

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """What the inner kernel tells."""
        return self.inner.fresh_sysctls(keys)

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """What the inner kernel tells."""
        return self.inner.missing_features(features)


UNFORESEEN = [
    PrivilegeMissing("Reading connection tracking needs the capability CAP_NET_ADMIN."),
    LibraryMissing("The library libnftables.so.1 is not installed."),
    OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    MemoryError("no memory"),
    TypeError("a defect"),
]


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["run", "look"])
def test_whatever_stops_an_apply_it_is_undone(in_memory: Site, error: Exception, when: str) -> None:
    """Not only the kernel's refusals: half of it done, or all of it and not verified, nothing stays."""
    in_memory.apply(BASE)
    before = in_memory.rows()
    proposal = in_memory.propose(edited(BASE, ("10.1.0.", "10.7.0.")))

    def stop(what: str, number: int) -> None:
        if (what, number) == (when, 0):
            if when == "run":
                in_memory.kernel.execute(operations(proposal)[:7])
            raise error

    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler(Meddled(in_memory.kernel, stop)).carry_out(proposal)

    assert caught.value.message == "The apply failed and was undone: the host is as before, verified."
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NS0720"
    assert str(error).rstrip(".") in diagnostic.message
    assert in_memory.rows() == before
    assert in_memory.reconciler().recover() is None


def test_nothing_goes_on_in_a_namespace_that_is_not_ours(in_memory: Site) -> None:
    """Whoever is led astray must not even undo: the journal stays, and the next run finds it."""
    before = in_memory.rows()
    runs = []

    def lead_astray(what: str, number: int) -> None:
        runs.append((what, number))
        raise Astray("Cannot allocate memory")

    with pytest.raises(Astray):
        in_memory.reconciler(Meddled(in_memory.kernel, lead_astray)).carry_out(in_memory.propose(BASE))
    assert runs == [("run", 0)]
    recovery = in_memory.reconciler().recover()

    assert recovery is not None
    assert recovery.restoration.complete
    assert in_memory.rows() == before


@pytest.mark.parametrize("number", [errno.EPERM, errno.EBUSY, errno.ENOMEM, errno.ENODEV, errno.ENOBUFS])
def test_a_fault_that_persists_while_restoring_is_four(in_memory: Site, number: int) -> None:
    """The same host, the same fault, but it stays: it is said what is left, and the next run finishes."""
    in_memory.apply(BASE)
    before = in_memory.rows()
    proposal = in_memory.propose(edited(BASE, ("10.1.0.", "10.7.0.")))
    done = operations(proposal)[:9]

    def stay(what: str, count: int) -> None:
        if what == "run":
            if not count:
                in_memory.kernel.execute(done)
            raise KernelError(number, done[-1], "")

    with pytest.raises(NotRestored) as caught:
        in_memory.reconciler(Meddled(in_memory.kernel, stay)).carry_out(proposal)
    assert caught.value.exit_code == 4
    assert f"The last refusal: {KernelError(number, None).reason}.\nLeft to do: " in caught.value.message
    left = _named(caught.value.message)
    recovery = in_memory.reconciler().recover()

    assert recovery is not None
    assert recovery.restoration.complete
    assert in_memory.rows() == before
    assert left == _differing(in_memory, done)


def _named(message: str) -> set[str]:
    line = next(each for each in message.splitlines() if each.startswith("Left to do: "))
    words = line.removeprefix("Left to do: ").rstrip(".").split(", ")
    return {word.split(" (")[0] for word in words if word.split(" ")[0] in ("create", "update", "delete", "replace")}


def _differing(site: Site, done: Sequence[Operation]) -> set[str]:
    """What a plan says is to do where these operations have been done to a host that has the spec."""
    twin = Site(fake(site).copy(), site.directory)
    twin.kernel.execute(done)
    return {f"{each.action} {each.key}" for each in twin.propose(BASE).plan.changes}


@pytest.mark.parametrize("error", [KernelError(errno.ETIMEDOUT, None), PrivilegeMissing("no"), ValueError("defect")])
def test_a_host_that_cannot_be_read_any_more_is_four(in_memory: Site, error: Exception) -> None:
    """All may be as before, or not: who does not see it does not say it."""
    before = in_memory.rows()

    def go_blind(what: str, _number: int) -> None:
        if what == "look":
            raise error

    with pytest.raises(NotRestored) as caught:
        in_memory.reconciler(Meddled(in_memory.kernel, go_blind)).carry_out(in_memory.propose(BASE))

    assert caught.value.exit_code == 4
    assert "What is left cannot be seen." in caught.value.message
    recovery = in_memory.reconciler().recover()
    assert recovery is not None
    assert recovery.restoration.complete
    assert in_memory.rows() == before


def test_restoring_is_itself_verified(in_memory: Site) -> None:
    """A kernel that says yes to restoring and does nothing is found out, and not believed."""
    proposal = in_memory.propose(BASE)
    done = operations(proposal)[:9]

    class Liar(FaultyKernel):
        def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
            self.count += 1
            if self.count == 1:
                self.inner.execute(done, progress)
                raise KernelError(errno.EBUSY, operations[9])

    with pytest.raises(NotRestored) as caught:
        in_memory.reconciler(Liar(in_memory.kernel)).carry_out(proposal)

    assert "Left to do: " in caught.value.message
    assert "refusal" not in caught.value.message


def test_what_others_take_from_us_meanwhile_is_put_back(in_memory: Site) -> None:
    """The plan was about one publication; somebody deletes a bridge with all on it: the host shall be as before."""
    in_memory.apply(BASE)
    before = in_memory.rows()

    def intrude(what: str, number: int) -> None:
        if (what, number) == ("run", 0):
            fake(in_memory).unplug("br0")

    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler(Meddled(in_memory.kernel, intrude)).carry_out(in_memory.propose(CHANGED))

    assert caught.value.diagnostics[0].code == "NS0502"
    assert in_memory.rows() == before


def test_after_a_crash_what_others_took_is_not_waited_for(in_memory: Site) -> None:
    """The journal knows of an address on a bridge that nobody has any more: the rest is undone, the journal closed."""
    from netspec.kernel.faulty import Crash

    in_memory.apply(BASE)
    proposal = in_memory.propose(edited(BASE, ("[10.1.0.0/24]", "[10.1.0.0/16]")))
    with pytest.raises(Crash):
        in_memory.reconciler(faulty(in_memory, 3, "crash")).carry_out(proposal)
    fake(in_memory).unplug("br0")
    recovery = in_memory.reconciler().recover()

    assert recovery is not None
    assert not recovery.restoration.complete
    assert recovery.restoration.final
    assert "address/br0/10.1.0.1/24" in [str(change.key) for change in recovery.restoration.missing]
    assert in_memory.reconciler().recover() is None
    in_memory.apply(BASE)
    assert in_memory.steps(BASE) == []


def test_what_stands_on_nothing_is_told_from_what_is_left_to_do() -> None:
    """Without anything missing an undoing is both complete and final; unseen it is neither."""
    assert (Restoration().complete, Restoration().final) == (True, True)
    assert (Restoration(seen=False).complete, Restoration(seen=False).final) == (False, False)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_all_that_ours_stands_on_is_seen(in_memory: Site, edit: object) -> None:
    """Else it would be taken for gone, and what stands on it not be put back."""
    from netspec.core.state import owned_by, provided
    from tests.specs import Edit

    assert isinstance(edit, Edit)
    in_memory.apply(edit.after)
    observed = in_memory.propose(edit.after).observed
    there = {key for each in observed.values() for key in provided(each)}
    for each in filter(owned_by(intent(edit.after).stack), observed.values()):
        assert there.issuperset(each.requires()), each


@pytest.mark.parametrize("fault", ["journal", "directory"])
def test_a_journal_that_cannot_be_removed_undoes_the_apply(
    in_memory: Site, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The disk became read-only meanwhile: it would undo what was done, so that is undone now, and said."""
    before = in_memory.rows()
    real = os.unlink

    def refuse(name: str, **directory: int) -> None:
        if name == "journal.json":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(name, **directory)

    def lose(_path: Path) -> None:
        raise NetspecError("cannot remove it: Input/output error. Remove it by hand.")

    proposal = in_memory.propose(BASE)
    with monkeypatch.context() as patch:
        if fault == "journal":
            patch.setattr(os, "unlink", refuse)
        else:
            patch.setattr("netspec.engine.journal.remove_private", lose)
        with pytest.raises(ApplyFailed) as caught:
            in_memory.reconciler().carry_out(proposal)

    assert "the host is as before, verified." in caught.value.message
    assert "The journal of it is still there: cannot remove " in caught.value.message
    assert in_memory.rows() == before
    recovery = in_memory.reconciler().recover()
    assert recovery is not None
    assert recovery.restoration.complete
    assert (in_memory.rows(), in_memory.reconciler().recover()) == (before, None)
    in_memory.apply(BASE)


def test_a_run_directory_that_is_gone_at_the_end_is_no_failure(in_memory: Site) -> None:
    """Nothing would undo what was done: there is no journal any more."""

    def sweep(what: str, _number: int) -> None:
        if what == "look":
            shutil.rmtree(in_memory.reconciler().run_dir, ignore_errors=True)

    in_memory.reconciler(Meddled(in_memory.kernel, sweep)).carry_out(in_memory.propose(BASE))

    assert in_memory.steps(BASE) == []
    remove_private(Journal(in_memory.reconciler().run_dir).path)


@pytest.mark.parametrize("specs", [(BASE, MANY), (DUAL, BASE), (INSIDE, BASE)], ids=["many", "dual", "inside"])
def test_what_an_apply_leaves_is_what_it_says(in_memory: Site, specs: tuple[str, str]) -> None:
    """Every operation refused once: the sentence at the end, and the host, agree."""
    in_memory.apply(specs[0])
    before = in_memory.rows()
    proposal = in_memory.propose(specs[1])
    start = fake(in_memory).copy()
    for at in range(0, len(operations(proposal)), 5):
        in_memory.kernel = start.copy()
        with pytest.raises(ApplyFailed, match="the host is as before, verified"):
            in_memory.reconciler(faulty(in_memory, at, "error")).carry_out(proposal)
        assert in_memory.rows() == before


def test_the_fake_is_a_kernel() -> None:
    """A kernel that is meddled with is one as well, whatever it wraps."""
    kernel = Meddled(FakeKernel(unsupported=["veth"]), lambda _what, _number: None)

    assert kernel.missing_features(["veth"]) == {"veth": "Operation not supported"}
    assert (kernel.listeners(), kernel.fresh_sysctls(["no.such"])) == ((), {})
