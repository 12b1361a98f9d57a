"""The end of a confirm window, brought about or waited for."""

import contextlib
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from netspec.cli.output import complain
from netspec.cli.session import Session
from netspec.cli.windows import Confirming, announce, confirmation, undone
from netspec.errors import Interrupted, NetspecError, NotConfirmed

if TYPE_CHECKING:
    from netspec.engine.reconciler import Reconciler
    from netspec.engine.window import Window

POLL = 0.2
RETRY = 1.0
"""Seconds after which checks that have failed are tried again."""
QUESTION = "Keep these changes? [y/n] "
TAKEN_BACK = "it was taken back"


def close(session: Session, reconciler: "Reconciler", window: "Window", *, keep: bool) -> "Window":
    """Confirm a window, or undo it; how it ended. The lock decides where its end comes at the same moment.

    Raises NotRestored where undoing was not complete.
    """
    from netspec.engine.confirmation import NOBODY
    from netspec.engine.lock import exclusive
    from netspec.engine.window import Stage

    ending = confirmation(reconciler)
    with exclusive(session.options.run_dir, session.options.lock_timeout):
        current = _current(reconciler, window)
        if current.stage is Stage.PENDING:
            expired = current.expired(ending.clock)
            if keep and not expired:
                session.warn(ending.confirm(current))
            else:
                undone(current, ending.undo(current, NOBODY if expired else TAKEN_BACK))
    return _current(reconciler, window)


def await_end(session: Session, reconciler: "Reconciler", window: "Window", asked: Confirming) -> None:
    """Say how long it is open, and stay until a window is over.

    Raises NotConfirmed where it was undone, Interrupted where a signal undid it.
    """
    from netspec.engine.window import Stage

    clock = confirmation(reconciler).clock
    with _signals() as received:
        # Whoever has read of the window, or is asked, can stop it from then on.
        announce(session, window)
        answer = _answers(asking=asked.ask)
        while (current := _current(reconciler, window)).stage is Stage.PENDING:
            said = answer()
            if received or said is not None or current.expired(clock):
                close(session, reconciler, window, keep=said is True and not received)
            elif asked.passes is not None:
                if asked.passes():
                    close(session, reconciler, window, keep=True)
                else:
                    time.sleep(min(RETRY, current.left(clock)))
    if received and current.stage is Stage.UNDONE:
        raise Interrupted(received[0], "Interrupted and undone: the host is as before.")
    if current.stage is Stage.UNDONE:
        not_confirmed(current)
    session.say("Confirmed: the changes stay.")


def not_confirmed(window: "Window") -> NoReturn:
    """Raise what tells of a window that was undone."""
    raise NotConfirmed(f"The apply of stack {window.stack} was undone: {window.why}.")


def _current(reconciler: "Reconciler", window: "Window") -> "Window":
    from netspec.engine.window import Windows

    found = Windows(reconciler.run_dir).read(window.stack)
    if found is None or found.identity != window.identity:
        raise NetspecError(f"the confirm window of stack {window.stack} is lost; its guardian undoes it at its end.")
    return found


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Those that ask to stop are noted. With a lost terminal (SIGHUP) only this command ends, not the window."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(*, asking: bool) -> Callable[[], bool | None]:
    """A function that gives the answer of who sits at the terminal, None while there is none; it takes a moment."""
    listening = asking

    def answer() -> bool | None:
        nonlocal listening
        if not listening:
            time.sleep(POLL)
            return None
        if not select.select([sys.stdin], [], [], POLL)[0]:
            return None
        line = ""
        with contextlib.suppress(OSError):  # a terminal that is just being lost
            line = sys.stdin.readline()
        listening = bool(line)
        word = line.strip().lower()
        if word in ("y", "yes", "n", "no"):
            return word in ("y", "yes")
        if listening:
            _ask()
        return None

    if asking:
        _ask()
    return answer


def _ask() -> None:
    complain(QUESTION)
