"""`netspec resume`: let a stack that was rolled back be changed again."""

import typer

from netspec.cli.generations import generations
from netspec.cli.help import add
from netspec.cli.session import Session


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        resume,
        "Let a stack that was rolled back be changed again.",
        [
            ("netspec resume", "the stack `default`"),
            ("netspec resume --stack shop", "another one"),
        ],
    )


def resume(context: typer.Context) -> None:
    """Let a stack that was rolled back be changed again. Changes nothing itself; a watch goes on by itself.

    The stack is that of --stack, else `default`.
    """
    from netspec.engine.lock import exclusive

    session: Session = context.obj
    stack = session.options.stack or "default"
    with exclusive(session.options.run_dir, session.options.lock_timeout):
        resumed = generations(session, stack).resume()
    session.say(f"Stack {stack} may be changed again." if resumed else f"Stack {stack} is not suspended.")
