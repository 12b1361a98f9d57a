"""`netspec apply --boot`: the last good generation of every stack, out of the state directory alone."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from netspec.cli.generations import generations, intent_of
from netspec.cli.recovery import recover
from netspec.cli.session import Session
from netspec.cli.windows import confirmation
from netspec.core.consequence import Limits
from netspec.counting import counted
from netspec.errors import Interrupted, NetspecError, NotRestored, UsageError

if TYPE_CHECKING:
    from netspec.engine.reconciler import Reconciler

NO_LIMITS = Limits(lockout=True)
WORST_FIRST = (4, 3, 1, 6, 77, 65, 69)
"""Of several exit codes, the one to end with: first what a person is needed for."""


def bring_back(session: Session, limits: Limits = NO_LIMITS) -> None:
    """Make the kernel equal the last good generation of each stack, or of that of --stack. Records nothing.

    `limits` are for who calls it by hand, over SSH. A stack that fails does not stop the others. Raises typer.Exit with
    the worst code.
    """
    from netspec.engine.generations import stacks

    if session.as_json or session.options.json_into is not None:
        raise UsageError("--boot has no JSON form: netspec history --output json shows what it brings.")
    state_dir = session.options.state_dir
    wanted = (session.options.stack,) if session.options.stack else stacks(state_dir)
    failed: list[int] = []
    with session.changing() as reconciler:
        try:
            recover(session, reconciler)
        except NotRestored as error:
            session.fail(error)
            failed.append(error.exit_code)
        if not wanted:
            session.say(f"No stack has a generation in {state_dir}: there is nothing to bring back.")
        for stack in wanted:
            failed.extend(_tried(session, reconciler, stack, limits))
    if failed:
        raise typer.Exit(worst(failed))


def worst(codes: Iterable[int]) -> int:
    """The code to end with."""
    return min(codes, key=lambda code: WORST_FIRST.index(code) if code in WORST_FIRST else len(WORST_FIRST))


def _tried(session: Session, reconciler: "Reconciler", stack: str, limits: Limits) -> list[int]:
    """Bring one stack back; what it failed with."""
    try:
        session.say(_brought(session, reconciler, stack, limits))
    except Interrupted:
        raise
    except NetspecError as error:
        session.note(f"netspec: stack {stack}:")
        session.fail(error)
        return [error.exit_code]
    return []


def _brought(session: Session, reconciler: "Reconciler", stack: str, limits: Limits) -> str:
    """Bring one stack back, and what became of it in a sentence."""
    from netspec.engine.guards import EVERYTHING
    from netspec.engine.interrupts import interruptible
    from netspec.engine.limits import WORD_ALONE, check_within

    pending = confirmation(reconciler)
    pending.admit(stack)
    store = generations(session, stack)
    last = store.last_good()
    session.warn(store.warnings)
    if last is None:
        return f"Stack {stack}: no good generation, nothing to bring back."
    # The way of a protected peer is what a boot brings; that of who types this is there already.
    proposal = reconciler.propose(replace(intent_of(session, last), allowed_removal=EVERYTHING, peers=()))
    pending.admit_proposal(proposal)
    session.warn(proposal.warnings)
    check_within(proposal, limits, window=False, way_out=WORD_ALONE)
    if not proposal.plan:
        return f"Stack {stack}: as generation {last.entry.number} wants it."
    with interruptible(lambda _done, _known: None) as step:
        session.warn(reconciler.carry_out(proposal, step))
    changes = counted(len(session.view(proposal).objects), "change")
    return f"Stack {stack}: generation {last.entry.number} is back: {changes}, verified."
