"""`netspec confirm`: keep what was applied with `--confirm-within`, or take it back."""

from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.help import add
from netspec.cli.session import Session
from netspec.errors import NetspecError, UsageError

if TYPE_CHECKING:
    from netspec.engine.window import Window, Windows


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        confirm,
        "Keep what was applied with --confirm-within.",
        [
            ("netspec confirm", "the one stack that is to be confirmed"),
            ("netspec confirm --stack shop", "one of several"),
            ("netspec confirm --undo", "take it back at once"),
        ],
    )


def confirm(
    context: typer.Context,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Do not wait for the end: undo it now.")] = False,
) -> None:
    """Keep what was applied with --confirm-within. Ends with 7 where it was undone already.

    The stack is that of --stack, else the only one that is to be confirmed.
    """
    from netspec.cli.waiting import close, not_confirmed
    from netspec.engine.window import Stage, Windows
    from netspec.kernel.privileges import CHANGING, require

    require(*CHANGING)
    session: Session = context.obj
    reconciler = session.reconciler()
    window = _meant(session.options.stack, Windows(reconciler.run_dir))
    pending = window.stage in (Stage.PENDING, Stage.OPENING)
    if pending:
        window = close(session, reconciler, window, keep=not undo)
    if window.stage is Stage.OPENING:
        raise NetspecError(f"The apply of stack {window.stack} was interrupted: netspec recover")
    if undo and pending and window.stage is Stage.UNDONE:
        session.say(f"Undone: the host is as it was before the apply of stack {window.stack}, verified.")
    elif window.stage is Stage.UNDONE:
        not_confirmed(window)
    elif pending and not undo:
        session.say("Confirmed: the changes stay.")
    else:
        raise NetspecError(f"Nothing is to be confirmed: stack {window.stack} was confirmed before.")


def _meant(stack: str | None, found: "Windows") -> "Window":
    """The window that a command line without a PATH is about. Raises NetspecError and UsageError."""
    # One that is damaged is in nobody's way who names another.
    named = found.read(stack) if stack is not None else None
    windows = found.all() if stack is None else (named,) if named is not None else ()
    pending = [each for each in windows if not each.over]
    if len(pending) > 1:
        names = ", ".join(each.stack for each in pending)
        raise UsageError(
            f"several stacks are to be confirmed: {names}. Name one: netspec confirm --stack {pending[0].stack}"
        )
    if pending:
        return pending[0]
    if not windows:
        whose = f" of stack {stack}" if stack else ""
        raise NetspecError(f"Nothing{whose} is to be confirmed: that is for netspec apply --confirm-within TIME.")
    return max(windows, key=lambda each: each.until)
