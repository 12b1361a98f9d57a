"""`netspec plan`: what would change. Reads, and changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.generations import intent_at, suspensions
from netspec.cli.help import add
from netspec.cli.limits import MaxDisruptionOption, limits
from netspec.cli.output import write
from netspec.cli.saved import check_target, save
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.cli.windows import note_pending
from netspec.core.consequence import Limits
from netspec.errors import PrivilegeMissing, Refused

if TYPE_CHECKING:
    from netspec.diagnostics import Diagnostic
    from netspec.engine.reconciler import Proposal, Reconciler

LockedOption = Annotated[bool, typer.Option("--locked", help="Take automatic addresses from netspec.lock alone.")]

AllowRemovalOption = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Let so many objects go, where the guards against a mistake would refuse it."
    ),
]

DIFFERENT = 2
REFUSED = 6


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        plan,
        "Show what apply would change; change nothing.",
        [
            ("netspec plan", "the spec in this directory"),
            ("netspec plan -v web.yaml", "with each kernel object"),
            ("netspec plan --out plan.json", "to look at, and to apply exactly that"),
            ("netspec plan --against 12", "what going back to generation 12 would change"),
            ("netspec plan --detailed-exitcode", "ends with 2 where something would change"),
        ],
    )


def plan(
    context: typer.Context,
    path: PathArgument = None,
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 where something would change.")
    ] = False,
    locked: LockedOption = False,
    against: Annotated[
        int | None,
        typer.Option("--against", min=1, metavar="GENERATION", help="Plan for the spec of that generation."),
    ] = None,
    max_disruption: MaxDisruptionOption = None,
    allow_removal: AllowRemovalOption = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan, to apply exactly that later.")
    ] = None,
) -> None:
    """Compare a spec with the live kernel and print what would change. Changes nothing.

    Signs: + is made, ~ changes in place, ! is rebuilt, - is removed.
    """
    session: Session = context.obj
    if out is not None:
        check_target(out)
    reconciler, kernel = session.onlooker()
    if against is not None:
        intent = intent_at(session, path, against)
    else:
        intent = session.intent(session.load(path, locked=locked))
    intent = replace(intent, allowed_removal=allow_removal)
    proposal = judged(reconciler.propose(intent), limits(max_disruption))
    proposal = replace(proposal, warnings=(*proposal.warnings, *_unseen(proposal, kernel.unseen)))
    if against is None:
        proposal = replace(proposal, diagnostics=(*suspensions(session, intent.stack), *proposal.diagnostics))
    show_proposal(session, proposal)
    print_document(session, proposal)
    session.diagnostics(proposal.diagnostics)
    _note_pending(session, reconciler)
    note_pending(session, reconciler)
    if proposal.diagnostics:
        raise typer.Exit(REFUSED)
    if out is not None:
        save(session, proposal, out)
    if detailed_exitcode and proposal.plan:
        raise typer.Exit(DIFFERENT)


def judged(proposal: "Proposal", allowed: Limits) -> "Proposal":
    """With what an apply within these limits would refuse, and a warning of what it would want a way back for."""
    from netspec.engine.limits import beyond, risks

    forbidden = beyond(proposal, allowed, window=True)
    return replace(
        proposal,
        diagnostics=(*proposal.diagnostics, *forbidden),
        warnings=(*proposal.warnings, *risks(proposal)),
    )


def _unseen(proposal: "Proposal", what: Sequence[str]) -> "Iterator[Diagnostic]":
    """Warnings of what was not seen. Raises PrivilegeMissing where the stack owns something: there may be more."""
    from netspec.core.state import owned_by
    from netspec.diagnostics import Diagnostic, Severity

    stack = proposal.intent.stack
    if what and any(map(owned_by(stack), proposal.observed.values())):
        raise PrivilegeMissing(
            f"stack {stack} owns objects on this host, and not all of them can be seen: {'; '.join(what)}."
        )
    for each in what:
        hint = "the plan takes it that nothing is in the way there; run it as root to be sure"
        yield Diagnostic("NS0721", each, hint=hint, severity=Severity.WARNING)


def _note_pending(session: Session, reconciler: "Reconciler") -> None:
    from netspec.kernel.privileges import lacking

    try:
        pending = reconciler.journal.read() is not None
    except Refused as error:
        if not lacking("CAP_DAC_OVERRIDE"):
            raise
        session.note(f"netspec: whether an interrupted apply is pending cannot be seen: {error.message}")
        return
    if pending:
        session.note("netspec: an interrupted apply is pending; the next apply or destroy undoes it first.")


def show_proposal(session: Session, proposal: "Proposal") -> None:
    """Print a plan for people, with its warnings."""
    from netspec.report.plan import render

    view = session.view(proposal)
    if not session.as_json and not (session.options.quiet and not proposal.diagnostics):
        write(render(view, session.style(), verbose=session.options.verbose))
    session.warn(proposal.warnings)


def print_document(session: Session, proposal: "Proposal") -> None:
    """Print a plan as JSON, where that is wanted."""
    from netspec.report.plan_json import plan_document

    view = session.view(proposal)
    session.document(lambda: plan_document(view, (*proposal.warnings, *proposal.diagnostics)))
