"""`netspec commands`: what a person would type for a plan."""

import typer

from netspec.cli.help import add
from netspec.cli.output import write
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.errors import Refused


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        commands,
        "Print the ip, bridge, nft and sysctl commands for a plan.",
        [
            ("netspec commands", "what `netspec apply` would do now"),
            ("netspec commands web.yaml | sh -e", "does it, but for the marks of netspec"),
        ],
    )


def commands(context: typer.Context, path: PathArgument = None) -> None:
    """Print the ip, bridge, nft and sysctl commands that would do what apply does now."""
    from netspec.engine.observation import Program
    from netspec.report.commands import render

    session: Session = context.obj
    proposal = session.reconciler().propose(session.intent(session.load(path)))
    session.diagnostics(proposal.diagnostics)
    if proposal.diagnostics:
        raise Refused("Refused: apply would not do this.")
    write(render(Program(proposal.plan.steps).operations))
    if not proposal.plan:
        session.note("netspec: the kernel equals the spec; there is nothing to type.")
