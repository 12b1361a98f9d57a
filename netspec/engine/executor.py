"""Runs a plan through the port; on failure restores, by planning back to what was."""

import errno
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace

from netspec.core.change import Action, Change, diff
from netspec.core.plan import Plan, Step, make_plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State, owned_by, provided
from netspec.engine.journal import Entry
from netspec.engine.names_back import names_back
from netspec.engine.observation import Program, observed_state
from netspec.kernel.port import Kernel, KernelError, Progress, no_progress
from netspec.kernel.snapshot import Scope
from netspec.kinds.nat_element import serves_another

RESTORE_ATTEMPTS = 3
"""A lost answer while restoring is met by looking again; a kernel that keeps refusing is not argued with."""

StepProgress = Callable[[int, int], None]
"""Called with steps done and steps known. It may raise Interrupted to stop at a safe point."""


def unwatched(_done: int, _known: int) -> None:
    """The StepProgress of those who do not watch."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the kernel said no to: the step, and its words."""

    step: Step | None
    error: KernelError


class StepRefused(Exception):
    """The kernel refused a step of a plan."""

    def __init__(self, refusal: Refusal) -> None:
        """`refusal` tells which and why."""
        super().__init__(refusal.error.reason)
        self.refusal = refusal


class NotConverged(Exception):
    """The kernel accepted all of a plan, and yet something is still to do."""

    def __init__(self, rest: Plan) -> None:
        """`rest` is that."""
        super().__init__("not converged")
        self.rest = rest


def execute(kernel: Kernel, plan: Plan, progress: StepProgress = unwatched) -> None:
    """Run all steps of a plan. Raises StepRefused at the first refusal; undoes nothing itself."""
    program = Program(plan.steps)
    known = len(program.steps)

    def watch(done: int) -> None:
        progress(program.steps_done(done), known)

    report: Progress = no_progress if progress is unwatched else watch
    try:
        kernel.execute(program.operations, report)
    except KernelError as error:
        raise StepRefused(Refusal(program.step_of(error.operation), error)) from error


@dataclass(frozen=True, slots=True)
class Restoration:
    """How restoring ended: the changes that are still missing, and the last refusal.

    `seen` is false where the kernel could not even be read: then nobody knows what is missing. `lost` are those of
    the missing that cannot come back, as what they stood on has gone: by other hands, for ours would have put it back.
    `unclosed` says why the journal is still there though all was undone.
    """

    missing: tuple[Change, ...] = ()
    refusal: Refusal | None = None
    seen: bool = True
    lost: frozenset[Key] = frozenset()
    unclosed: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything was seen to be as before."""
        return self.seen and not self.missing

    @property
    def final(self) -> bool:
        """Whether trying again is no use: what is missing cannot come back."""
        return self.seen and all(each.key in self.lost for each in self.missing)


def restore(kernel: Kernel, entry: Entry, scope: Scope) -> Restoration:
    """Bring back what an entry says was there, by looking, planning and executing; then look again.

    It does not matter which steps of the plan had been done. Only what carries our mark is removed. What cannot
    come back is left out, so that all else does. Never raises but what stops the process.
    """
    refusal = None
    lost: frozenset[Key] = frozenset()
    left = RESTORE_ATTEMPTS
    while left:
        try:
            if entry.renames:
                execute(kernel, names_back(kernel, entry))
            plan = _way_back(kernel, entry, scope, lost)
            if not plan:
                break
            execute(kernel, plan)
        except StepRefused as refused:
            refusal = refused.refusal
            stranded = _stranded(kernel, entry, scope, refusal)
            if not stranded <= lost:
                lost |= stranded
                continue
        except Exception as error:  # noqa: BLE001  who undoes has nobody to leave it to
            refusal = Refusal(None, _as_refusal(error))
        left -= 1
    try:
        missing = _way_back(kernel, entry, scope, frozenset()).changes
        return Restoration(missing, refusal, lost=lost & {each.key for each in missing})
    except Exception as error:  # noqa: BLE001  likewise: whatever it is, nothing was seen
        return Restoration(refusal=Refusal(None, _as_refusal(error)), seen=False)


def _as_refusal(error: Exception) -> KernelError:
    if isinstance(error, KernelError):
        return error
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EPERM
    return KernelError(number, None, str(error))


def _way_back(kernel: Kernel, entry: Entry, scope: Scope, lost: Container[Key]) -> Plan:
    observed = observed_state(kernel.snapshot(_scope_of(entry.before, scope)))
    wanted = {key: each for key, each in entry.before.items() if each is not None and key not in lost}
    ours = owned_by(entry.stack)

    def made_by_the_plan(resource: Resource) -> bool:
        key = resource.key()
        if entry.before.get(key, resource) is not None:
            return False
        made = entry.made.get(key)
        # It stands where the plan put it, though what said so may be gone.
        return ours(resource) or (made is not None and set(made.requires()) == set(resource.requires()))

    changes = diff(wanted, observed, made_by_the_plan)
    return make_plan((*changes, *_said(wanted, observed, {each.key for each in changes})))


def _said(wanted: State, observed: State, changing: Container[Key]) -> Iterator[Change]:
    """Comments of elements that say whom they serve by a name that it has no more; no diff looks at them."""
    for key, after in wanted.items():
        before = observed.get(key)
        if before is not None and key not in changing and serves_another(before, after):
            yield Change(key, Action.UPDATE, before, after)


def _stranded(kernel: Kernel, entry: Entry, scope: Scope, refusal: Refusal) -> frozenset[Key]:
    """What cannot come back, as the host is seen to lack what it stands on."""
    try:
        observed = observed_state(kernel.snapshot(_scope_of(entry.before, scope)))
    except Exception:  # noqa: BLE001  who cannot look knows of nothing that has gone
        return frozenset()
    wanted = {key: each for key, each in entry.before.items() if each is not None}
    step = refusal.step
    # A namespace of others' that is no longer where it was: its process has ended.
    ended = step is not None and step.key.kind == "netns" and refusal.error.number == errno.ESRCH
    found = {step.key} if step is not None and ended else set()
    while True:
        there = {key for each in observed.values() for key in provided(each)}
        there |= {key for own, each in wanted.items() if own not in found for key in provided(each)}
        further = {key for key, each in wanted.items() if key not in found and not there.issuperset(each.requires())}
        if not further:
            return frozenset(found)
        found |= further


def _scope_of(before: Mapping[Key, Resource | None], scope: Scope) -> Scope:
    sysctls = frozenset((key.netns, key.name) for key in before if key.kind == "sysctl")
    named = frozenset(key.name.partition("/")[0] for key in before if key.kind == "field")
    # A pair that was adopted, or let go of, is to be seen as the pair that it is.
    claimed = frozenset(key.name for key in before if key.kind == "link" and not key.netns)
    scope = replace(scope, sysctls=scope.sysctls | sysctls, named=scope.named | named)
    return replace(scope, claimed=scope.claimed | claimed, netns=None, references=())
