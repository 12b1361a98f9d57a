"""What commands share about confirm windows: their options, opening one, its guardian, and what is said of it."""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.session import Session
from netspec.diagnostics import Diagnostic
from netspec.errors import ApplyFailed, Interrupted, NetspecError, NotRestored, Refused, UsageError

if TYPE_CHECKING:
    from netspec.engine.confirmation import Confirmation, Opening
    from netspec.engine.executor import Restoration
    from netspec.engine.reconciler import Reconciler
    from netspec.engine.window import Window
    from netspec.kernel.background import Task
    from netspec.spec.document import Loaded

LONGEST = 7 * 24 * 3600
_DURATION = re.compile("(?=.)(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s?)?")
POLL = 0.05
"""Seconds between two looks whether a guardian has come."""

WithinOption = Annotated[
    str | None,
    typer.Option("--confirm-within", metavar="TIME", help="Undo it unless `netspec confirm` comes in time: 90s, 5m."),
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Stay until it is confirmed or undone.")]
IfChecksPassOption = Annotated[
    bool, typer.Option("--confirm-if-checks-pass", help="Confirm it as soon as all required checks pass.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming:
    """What is asked about a window: how long, and how to stay until it is over.

    `ask` on a terminal; `wait` for others; `passes` confirms it where it gives true before the end.
    """

    within: float | None = None
    wait: bool = False
    ask: bool = False
    passes: Callable[[], bool] | None = None

    @property
    def needed(self) -> bool:
        """Whether it has to be confirmed."""
        return self.within is not None

    @property
    def stays(self) -> bool:
        """Whether the command stays until the window is over."""
        return self.wait or self.ask or self.passes is not None


def confirming(within: str | None, *, wait: bool, yes: bool) -> Confirming:
    """What the options say; who is asked whether to apply is asked whether to keep it. Raises UsageError."""
    if within is None:
        if wait:
            raise UsageError("--wait is about the confirm window: add --confirm-within TIME.")
        return Confirming()
    return Confirming(within=duration(within), wait=wait, ask=not yes and sys.stdin.isatty())


def confirmed_by_checks(asked: Confirming, session: Session, loaded: "Loaded") -> Confirming:
    """The same, confirmed without anybody as soon as what the spec requires passes. Raises UsageError."""
    from netspec.cli.gate import live_checks, live_prober
    from netspec.engine.acceptance import required_checks_pass

    if not asked.needed:
        raise UsageError("--confirm-if-checks-pass is about the confirm window: add --confirm-within TIME.")
    if not any(each.required for each in loaded.document.checks):
        raise UsageError("--confirm-if-checks-pass, but the spec has no check with `required: true`.")
    return replace(
        asked, passes=lambda: required_checks_pass(live_checks(session, loaded), live_prober(session)), ask=False
    )


def duration(text: str) -> float:
    """`90`, `90s`, `5m`, `1h30m` in seconds. Raises UsageError."""
    found = _DURATION.fullmatch(text.strip(" "))
    hours, minutes, seconds = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not 1 <= total <= LONGEST:
        raise UsageError(f'--confirm-within "{text}": write seconds, minutes or hours, 1s to 168h: 90s, 5m, 1h30m.')
    return float(total)


@contextmanager
def opening(
    session: Session, reconciler: "Reconciler", asked: Confirming, generation: int
) -> Iterator["Opening | None"]:
    """A Safeguard for an apply that has to be confirmed, None for one that has not. `generation` is what it will be."""
    if asked.within is None:
        yield None
        return
    from netspec.engine.confirmation import INTERRUPTED, Opening
    from netspec.engine.window import Windows
    from netspec.kernel.clock import system_clock

    windows = Windows(reconciler.run_dir)
    safeguard = Opening(windows, system_clock(), asked.within, lambda window: station(session, window))
    safeguard.generation = generation
    try:
        yield safeguard
    except BaseException as error:
        # What is left to undo stays the guardian's as well; what cannot be written it finds out by itself.
        with contextlib.suppress(NetspecError):
            if isinstance(error, ApplyFailed | Interrupted) or reconciler.journal.read() is None:
                safeguard.abandon(INTERRUPTED)
            else:
                safeguard.reopen()
        raise


def station(session: Session, window: "Window") -> None:
    """Start a guardian, and wait until it is at its place. Raises Refused where it does not come."""
    from netspec.engine.guardian import ARRIVAL, attended, prepare
    from netspec.kernel.background import start

    prepare(session.options.run_dir, window.stack)
    reason = f"it was not at its place within {ARRIVAL:g} s"
    try:
        start(_task(session, window))
        end = time.monotonic() + ARRIVAL
        while time.monotonic() < end:
            if attended(session.options.run_dir, window):
                return
            time.sleep(POLL)
    except OSError as error:
        reason = error.strerror or str(error)
    absent = Diagnostic(
        "NS0662",
        f"the guardian of the confirm window cannot be started: {reason}",
        hint="it runs netspec recover --guard in the background; try that in a shell",
    )
    raise Refused("Refused: nothing was changed.", diagnostics=[absent])


def _task(session: Session, window: "Window") -> "Task":
    import netspec
    from netspec.kernel.background import Task

    run_dir, state_dir = session.options.run_dir.absolute(), session.options.state_dir.absolute()
    words = ["recover", "--guard", "--stack", window.stack, "--run-dir", str(run_dir), "--state-dir", str(state_dir)]
    sources = Path(netspec.__file__).absolute().parents[1]
    path = os.pathsep.join(filter(None, (str(sources), os.environ.get("PYTHONPATH"))))
    return Task(
        name=f"netspec-guardian-{window.stack}-{window.identity}",
        title=f"netspec: undoes stack {window.stack} unless it is confirmed",
        command=(sys.executable, "-P", "-m", "netspec", *words),
        environment={"PYTHONPATH": path},
    )


def confirmation(reconciler: "Reconciler") -> "Confirmation":
    """Of this host."""
    from netspec.engine.confirmation import Confirmation
    from netspec.kernel.clock import system_clock

    return Confirmation(reconciler, system_clock())


def undo_due(session: Session, reconciler: "Reconciler") -> bool:
    """Undo what nobody confirmed in time, where its guardian has not, and say so; whether there was any.

    Where a guardian was killed before the end, another one takes its place. Raises NotRestored where undoing fails.
    """
    from netspec.engine.guardian import attended

    ending = confirmation(reconciler)
    ending.close_interrupted()
    due = ending.due()
    for window in due:
        undo_expired(session, ending, window)
    for window in ending.pending():
        if not attended(session.options.run_dir, window):
            station(session, window)
    return bool(due)


def undo_expired(session: Session, ending: "Confirmation", window: "Window") -> None:
    """Undo one, and say so. Raises NotRestored."""
    from netspec.engine.confirmation import NOBODY, RESTARTED

    undone(window, ending.undo(window, NOBODY))
    why = NOBODY if window.boot == ending.clock.boot else RESTARTED
    session.note(f"netspec: an apply of stack {window.stack} was undone: {why}.")


def undone(window: "Window", restoration: "Restoration") -> None:
    """Raise NotRestored, with all that is left, where undoing a window was not complete."""
    if restoration.complete:
        return
    left = ", ".join(f"{change.action} {change.key}" for change in restoration.missing)
    why = f" The last refusal: {restoration.refusal.error.reason}." if restoration.refusal else ""
    raise NotRestored(
        f"An apply of stack {window.stack} could not be undone entirely.{why}\n"
        + (f"Left to do: {left}." if restoration.seen else "What is left cannot be seen.")
        + "\nIts confirm window is kept: netspec recover, and any apply or destroy, tries to undo it again."
    )


def note_pending(session: Session, reconciler: "Reconciler") -> None:
    """Say on standard error what is to be confirmed, or to be undone."""
    from netspec.engine.confirmation import told

    ending = confirmation(reconciler)
    try:
        for window in ending.pending():
            session.note(f"netspec: an apply of stack {window.stack} is to be confirmed until {told(window)}.")
        for window in ending.due():
            session.note(
                f"netspec: an apply of stack {window.stack} was not confirmed in time; "
                "the next apply, destroy or recover undoes it first."
            )
    except Refused as error:
        session.diagnostics(error.diagnostics)


def announce(session: Session, window: "Window") -> None:
    """Say until when it can be confirmed, and how."""
    from netspec.engine.confirmation import told

    stack = "" if window.stack == "default" else f" --stack {window.stack}"
    session.note(
        f"netspec: undone at {told(window)}, in {window.within:g} s, unless you confirm it: netspec confirm{stack}"
    )
