"""Runs a plan through the port; on failure restores, by planning back to what was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from netspec.core.change import Change, diff
from netspec.core.plan import Plan, Step, make_plan
from netspec.core.resource import Key, Resource
from netspec.core.state import owned_by
from netspec.engine.journal import Entry
from netspec.engine.observation import Program, observed_state
from netspec.kernel.port import Kernel, KernelError, Progress, no_progress
from netspec.kernel.snapshot import Scope

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

    `seen` is false where the kernel could not even be read: then nobody knows what is missing.
    """

    missing: tuple[Change, ...] = ()
    refusal: Refusal | None = None
    seen: bool = True

    @property
    def complete(self) -> bool:
        """Whether everything was seen to be as before."""
        return self.seen and not self.missing


def restore(kernel: Kernel, entry: Entry, scope: Scope) -> Restoration:
    """Bring back what an entry says was there, by looking, planning and executing; then look again.

    It does not matter which steps of the plan had been done. Only what carries our mark is removed.
    """
    refusal = None
    for _ in range(RESTORE_ATTEMPTS):
        try:
            plan = _way_back(kernel, entry, scope)
            if not plan:
                return Restoration()
            execute(kernel, plan)
        except StepRefused as refused:
            refusal = refused.refusal
        except KernelError as error:
            refusal = Refusal(None, error)
    try:
        return Restoration(_way_back(kernel, entry, scope).changes, refusal)
    except KernelError as error:
        return Restoration(refusal=Refusal(None, error), seen=False)


def _way_back(kernel: Kernel, entry: Entry, scope: Scope) -> Plan:
    observed = observed_state(kernel.snapshot(_scope_of(entry.before, scope)))
    wanted = {key: resource for key, resource in entry.before.items() if resource is not None}
    ours = owned_by(entry.stack)

    def made_by_the_plan(resource: Resource) -> bool:
        return resource.key() in entry.before and ours(resource)

    return make_plan(diff(wanted, observed, made_by_the_plan))


def _scope_of(before: Mapping[Key, Resource | None], scope: Scope) -> Scope:
    sysctls = frozenset((key.netns, key.name) for key in before if key.kind == "sysctl")
    named = frozenset(key.name.partition("/")[0] for key in before if key.kind == "field")
    return Scope(stack=scope.stack, sysctls=scope.sysctls | sysctls, named=scope.named | named)
