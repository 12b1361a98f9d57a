"""What adopt, forget and move share: lock, recover, plan, ask, carry out; and which objects are meant."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer

from netspec.cli.output import write
from netspec.cli.recovery import recover
from netspec.cli.session import Session
from netspec.counting import counted
from netspec.errors import NetspecError, Refused

if TYPE_CHECKING:
    from netspec.core.consequence import Limits
    from netspec.core.resource import Resource
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What is done with what: `propose` makes the plan; the rest is told.

    `spec` is what it is done for: where the kernel equals it afterwards, it is what a boot shall bring. `limits`
    are for what changes more than marks, which touch nobody's traffic.
    """

    propose: "Callable[[Reconciler], Proposal]"
    question: str
    nothing: str
    done: str
    yes: bool
    spec: "Intent | None" = None
    limits: "Limits | None" = None


def hand_over(session: Session, handover: Handover) -> None:
    """All of it. Raises Refused where something is in the way, and what an apply raises."""
    from netspec.cli.plan import print_document
    from netspec.cli.progress import Progress
    from netspec.cli.windows import confirmation
    from netspec.core.change import Action
    from netspec.engine.applied import AppliedRecord
    from netspec.engine.interrupts import interruptible
    from netspec.engine.limits import WORD_ALONE, check_within

    quiet = session.options.quiet or session.as_json
    with session.changing() as reconciler:
        recover(session, reconciler)
        proposal = handover.propose(reconciler)
        pending = confirmation(reconciler)
        pending.admit(proposal.intent.stack)
        pending.admit_proposal(proposal)
        if proposal.diagnostics:
            raise Refused("Refused: nothing was changed.", diagnostics=proposal.diagnostics)
        if not proposal.plan:
            print_document(session, proposal)
            session.say(handover.nothing)
            return
        _show(session, proposal)
        if handover.limits is not None:
            check_within(proposal, handover.limits, window=False, way_out=WORD_ALONE)
        if not session.confirm(handover.question, yes=handover.yes):
            session.note("Nothing was changed.")
            raise typer.Exit(1)
        with Progress(quiet=quiet) as progress, interruptible(progress) as step:
            reconciler.enact(proposal, step)
        gone = [each.key for each in proposal.plan.changes if each.action is Action.FORGET]
        AppliedRecord(session.options.state_dir, proposal.intent.stack).drop(gone)
        if handover.spec is not None:
            _on_record(session, reconciler, handover.spec)
    print_document(session, proposal)
    session.say(f"{handover.done}: {counted(len(proposal.plan.changes), 'kernel object')}. Verified.")


def _on_record(session: Session, reconciler: "Reconciler", spec: "Intent") -> None:
    """Make a spec that the kernel equals a generation: a boot would undo a move by bringing the one before."""
    from netspec.cli.generations import remember, suspensions

    if suspensions(session, spec.stack):
        return  # It stays where it was pinned.
    with suppress(NetspecError):  # What was done is done, and verified.
        now = reconciler.propose(spec)
        if not now.plan and not now.diagnostics:
            session.warn(reconciler.settle(now))
            remember(session, now)


def _show(session: Session, proposal: "Proposal") -> None:
    from netspec.report.ownership import render

    if not session.as_json and not session.options.quiet:
        write(render(session.view(proposal), session.style(), verbose=session.options.verbose))
    session.warn(proposal.warnings)


def choice(addresses: Iterable[str]) -> "Callable[[Resource], bool]":
    """Whether a resource is a part of one of these objects."""
    wanted = frozenset(addresses)
    return lambda resource: resource.owner in wanted


def check_known(addresses: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raises NetspecError where an address names nothing, with what there is instead."""
    there = sorted(set(known))
    for address in addresses:
        if address not in there:
            near = get_close_matches(address, there, 1)
            rest = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
            listed = f"Its objects: {', '.join(there[:SHOWN])}{rest}." if there else "It has none."
            hint = f"Did you mean {near[0]}?" if near else listed
            raise NetspecError(f'{where} has no object "{address}". {hint}')
