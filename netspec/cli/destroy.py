"""`netspec destroy`: remove all that a stack owns, restore what it changed."""

import typer

from netspec.cli.apply import Request, YesOption, bring_about
from netspec.cli.help import add
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        destroy,
        "Remove all that a stack owns.",
        [
            ("netspec destroy", "the stack `default`"),
            ("netspec destroy --stack shop", "another one; its spec is not needed"),
            ("netspec destroy --yes web.yaml", "the stack that a spec names"),
        ],
    )


def destroy(context: typer.Context, path: PathArgument = None, *, yes: YesOption = False) -> None:
    """Remove all that a stack owns, and write back the sysctls it changed.

    PATH's stack is meant, else --stack, else `default`.
    """
    from netspec.engine.generation_record import Source
    from netspec.engine.reconciler import Intent

    session: Session = context.obj
    intent = Intent(stack=stack_meant(session, path), source=Source)
    left = f"nothing of stack {intent.stack} is left"
    bring_about(session, intent, Request(yes=yes, question="Remove all of this?", verified=left, always=True))


def stack_meant(session: Session, path: str | None) -> str:
    """The stack that a command with an optional PATH is about."""
    if path is not None:
        return session.intent(session.load(path)).stack
    return session.options.stack or "default"
