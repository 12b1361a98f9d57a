"""What each change of a host begins with: what crashed or was not confirmed is undone, and the stack may be changed."""

from typing import TYPE_CHECKING

from netspec.cli.generations import refuse_if_suspended
from netspec.cli.session import Session
from netspec.cli.windows import confirmation, undo_due
from netspec.errors import NotRestored

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler


def admitted(session: Session, reconciler: "Reconciler", intent: "Intent", *, always: bool = False) -> "Proposal":
    """The plan, once what crashed or was not confirmed has been undone.

    Raises Refused where another one is pending; Suspended, unless `always`, where the stack is.
    """
    recover(session, reconciler)
    pending = confirmation(reconciler)
    pending.admit(intent.stack)
    if not always:
        refuse_if_suspended(session, intent.stack)
    proposal = reconciler.propose(intent)
    pending.admit_proposal(proposal)
    return proposal


def recover(session: Session, reconciler: "Reconciler") -> bool:
    """Undo what an apply that died has left, and what was not confirmed in time, and say so; whether there was any.

    Raises NotRestored where that fails.
    """
    found = recover_journal(session, reconciler)
    return undo_due(session, reconciler) or found


def recover_journal(session: Session, reconciler: "Reconciler") -> bool:
    """The first half of it."""
    from netspec.engine.report_failure import what_is_left

    recovery = confirmation(reconciler).recover()
    if recovery is None:
        return False
    number, outcome = len(recovery.entry.before), recovery.restoration
    had = f"an apply of stack {recovery.entry.stack} had been interrupted"
    if not outcome.final:
        raise NotRestored(f"{had[0].upper()}{had[1:]}, and could not be undone entirely.{what_is_left(outcome)}")
    if outcome.complete:
        session.note(f"netspec: {had}; its {number} kernel objects were put back as they were before.")
    else:
        session.note(f"netspec: {had}; it was undone but for what others took away.{what_is_left(outcome)}")
    if outcome.unclosed:
        raise NotRestored(f"The journal of an apply that was undone is still there: {outcome.unclosed}")
    return True
