"""`netspec recover`: undo what a crash has left, and what nobody confirmed in time."""

import contextlib
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.help import add
from netspec.cli.recovery import recover as put_back
from netspec.cli.recovery import recover_journal
from netspec.cli.session import Session
from netspec.cli.windows import confirmation, note_pending, undo_expired, undone
from netspec.errors import NetspecError, NotRestored, Refused

if TYPE_CHECKING:
    from netspec.engine.reconciler import Reconciler


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        recover,
        "Undo what a crash has left.",
        [
            ("netspec recover", "as every apply does first"),
            ("netspec recover --discard", "gives up on what cannot be undone"),
        ],
    )


def recover(
    context: typer.Context,
    *,
    discard: Annotated[
        bool, typer.Option("--discard", help="Set aside what cannot be read or undone, and say what is left.")
    ] = False,
    guard: Annotated[
        bool, typer.Option("--guard", help="Stay until the stack is confirmed; undo it where nobody does.")
    ] = False,
) -> None:
    """Undo what an interrupted apply has left, and what was not confirmed in time."""
    from netspec.engine.lock import exclusive
    from netspec.kernel.privileges import CHANGING, require

    require(*CHANGING)
    session: Session = context.obj
    reconciler = session.reconciler()
    if guard:
        _stand_guard(session, reconciler)
        return
    with exclusive(session.options.run_dir, session.options.lock_timeout):
        given_up = discard and _discard(session, reconciler)
        found = put_back(session, reconciler)
    note_pending(session, reconciler)
    if found or not given_up:
        session.say("Recovered." if found else "Nothing to recover.")


def _discard(session: Session, reconciler: "Reconciler") -> bool:
    """Undo as far as can be, and set aside what then still stands in the way; whether there was any."""
    from netspec.engine.aside import set_aside
    from netspec.engine.window import Stage

    aside = []
    try:
        recover_journal(session, reconciler)
    except (Refused, NotRestored) as error:
        _tell(session, error)
        aside.append(set_aside(reconciler.journal.path))
    ending = confirmation(reconciler)
    for stack in ending.windows.stacks():
        try:
            window = ending.windows.read(stack)
            if window is not None and window.stage is Stage.PENDING and window.expired(ending.clock):
                undo_expired(session, ending, window)
        except (Refused, NotRestored) as error:
            _tell(session, error)
            aside.append(set_aside(ending.windows.path(stack)))
            ending.give_up(stack)
    for path in aside:
        session.note(f"netspec: it was set aside as {path}")
    return bool(aside)


def _tell(session: Session, error: NetspecError) -> None:
    """What is given up."""
    session.diagnostics(error.diagnostics)
    if not error.diagnostics:
        session.note(f"netspec: {error.message}")


def _stand_guard(session: Session, reconciler: "Reconciler") -> None:
    """Be the guardian of a stack. Raises NotRestored where something is left, so that a supervisor tries again."""
    from netspec.engine.guardian import GRACE, Guardian, World
    from netspec.engine.intent import Intent
    from netspec.engine.window import Windows
    from netspec.kernel.background import end
    from netspec.kernel.terminals import tell

    gc.enable()  # it may stay for days, unlike all other commands
    stack = session.options.stack or "default"
    # All that undoing needs is in memory before it is needed: the disk may be out of reach then.
    with contextlib.suppress(NetspecError):
        reconciler.propose(Intent(stack=stack))
    world = World(
        tell=tell,
        end=lambda applying: end(applying.pid, applying.started, GRACE),
        unblock=lambda: end_holder(session.options.run_dir),
    )
    window = Windows(reconciler.run_dir).read(stack)
    restoration = Guardian(reconciler, confirmation(reconciler), stack, world).run()
    if restoration is not None and window is not None:
        undone(window, restoration)


def end_holder(run_dir: Path) -> None:
    """End a command that keeps the lock: it asks where nobody answers, say. What it leaves is undone as ever."""
    from netspec.engine.guardian import GRACE
    from netspec.engine.lock import holder, place
    from netspec.kernel.background import end, holds
    from netspec.kernel.references import start_of

    pid = holder(run_dir)
    started = start_of(pid)
    if holds(pid, place(run_dir)):
        end(pid, started, GRACE)
