"""`netspec show`: what a stack owns, as a tree."""

from typing import Annotated

import typer

from netspec.cli.help import add
from netspec.cli.session import Session
from netspec.errors import NetspecError


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        show,
        "Show what a stack owns on this host.",
        [
            ("netspec show", "everything of the stack `default`"),
            ("netspec show endpoint/redis", "one object"),
            ("netspec show --stack shop --output json", "for a program"),
        ],
    )


def show(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(help="One object, such as endpoint/redis; all unless said.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Show what this stack owns on this host."""
    from netspec.engine.reconciler import Intent
    from netspec.report.objects import object_of
    from netspec.report.topology import owned, render, show_document

    session: Session = context.obj
    stack = session.options.stack or "default"
    resources = owned(session.reconciler().propose(Intent(stack=stack)).observed, stack)
    if address is not None:
        known = sorted({object_of(each) for each in resources})
        resources = tuple(each for each in resources if address in (object_of(each), str(each.key())))
        if not resources:
            raise NetspecError(f"stack {stack} owns no {address}. It owns: {', '.join(known) or 'nothing'}.")
    session.document(lambda: show_document(resources, stack))
    if not session.as_json:
        typer.echo(render(resources, stack, session.style()), nl=False)
