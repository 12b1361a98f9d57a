"""How a confirm window opens, and its three ends: confirmed, undone by somebody, undone because nobody came."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.applied import AppliedRecord
from netspec.engine.executor import Restoration
from netspec.engine.generation_names import Standing
from netspec.engine.generations import Generations
from netspec.engine.journal import Entry
from netspec.engine.leases import LeaseRecord
from netspec.engine.reconciler import Proposal, Reconciler, Recovery
from netspec.engine.safeguard import Record
from netspec.engine.window import Applying, Outlook, Stage, Window, Windows
from netspec.errors import NetspecError, Refused
from netspec.kernel.clock import Clock
from netspec.kernel.references import start_of
from netspec.kernel.terminals import terminal_here
from netspec.kinds._records import is_record

LONGEST_APPLY = 60.0
"""Seconds that an apply may take where its window is shorter than that; then it is taken for stuck."""

NOBODY = "nobody confirmed it in time"
RESTARTED = "the host was restarted before it was confirmed"
INTERRUPTED = "the apply was interrupted"


class Opening:
    """The Safeguard of an apply that is undone unless it is confirmed. `station` brings a guardian to a window."""

    def __init__(self, windows: Windows, clock: Clock, within: float, station: Callable[[Window], None]) -> None:
        """`station` raises Refused where there will be none."""
        self._windows = windows
        self._clock = clock
        self._within = within
        self._station = station
        self.generation = 0
        """The number of the generation that it is about to be; 0 for none."""
        self.window: Window | None = None

    def begin(self, entry: Entry) -> None:
        """Everything is on disk and the guardian at its place before the first change."""
        longest = max(self._within, LONGEST_APPLY)
        self.window = Window(
            identity=secrets.token_hex(8),
            stack=entry.stack,
            within=self._within,
            boot=self._clock.boot,
            deadline=self._clock.elapsed() + longest,
            until=self._clock.wall() + longest,
            stage=Stage.OPENING,
            applying=Applying(os.getpid(), start_of(os.getpid()), terminal_here()),
            before=entry,
            generation=self.generation,
        )
        self._windows.write(self.window)
        self._station(self.window)

    def hold(self, record: Record) -> bool:
        """From now on it counts."""
        assert self.window is not None, "begin comes first"
        self.window = replace(
            self.window,
            stage=Stage.PENDING,
            deadline=self._clock.elapsed() + self._within,
            until=self._clock.wall() + self._within,
            outlook=Outlook(*record()),
        )
        self._windows.write(self.window)
        return True

    def abandon(self, why: str) -> None:
        """The apply has failed. Where it left nothing behind, neither does this."""
        if self.window is not None:
            self._windows.write(self.window.ended(Stage.UNDONE, why))

    def reopen(self) -> None:
        """It has failed after all, and could not be undone: that is not to be confirmed, but to be undone at once."""
        if self.window is not None:
            self._windows.write(replace(self.window, stage=Stage.OPENING))


class Confirmation:
    """Ends windows. Its caller holds the host's lock."""

    def __init__(self, reconciler: Reconciler, clock: Clock) -> None:
        """Works where the reconciler does."""
        self._reconciler = reconciler
        self.windows = Windows(reconciler.run_dir)
        self.clock = clock

    def recover(self) -> Recovery | None:
        """Undo what an apply that died has left; None where nothing was, or where it may still be confirmed."""
        entry = self._reconciler.journal.read()
        if entry is not None:
            window = self._understood(entry.stack)
            if window is not None and window.stage is Stage.PENDING:
                self._close_journal(window)
        return self._reconciler.recover()

    def _understood(self, stack: str) -> Window | None:
        with contextlib.suppress(Refused):
            return self.windows.read(stack)
        return None

    def _close_journal(self, window: Window) -> None:
        """An apply that died once it was verified and held has nothing to undo: from then on it is the window's."""
        found = None
        with contextlib.suppress(Refused):
            found = self._reconciler.journal.read()
        if found == window.before:
            self._reconciler.journal.close()

    def confirm(self, window: Window) -> tuple[Diagnostic, ...]:
        """What was applied stays, and is on record. Warnings where that cannot be."""
        self._close_journal(window)
        # First of all: a window that is still open is confirmed again, or undone, and its generation with it.
        warnings = self._settle(window, Standing.GOOD)
        outlook = window.outlook
        self.windows.write(window.ended(Stage.CONFIRMED, ""))
        if outlook is None:
            return warnings
        state_dir = self._reconciler.state_dir
        AppliedRecord(state_dir, window.stack).keep(outlook.applied)
        try:
            return (*warnings, *LeaseRecord(state_dir, window.stack).write_text(outlook.leases))
        except (ValueError, TypeError, KeyError, AttributeError):
            message = "automatic addresses are not on record: the confirm window was damaged"
            return (*warnings, Diagnostic("NS0452", message, severity=Severity.WARNING))

    def undo(self, window: Window, why: str) -> Restoration:
        """Bring back what was; it is over only where that was seen to be complete."""
        restoration = self.put_back(window)
        if restoration.complete:
            self.note_undone(window, why)
        return restoration

    def put_back(self, window: Window) -> Restoration:
        """The first half of it."""
        self._close_journal(window)
        # With a reboot the kernel forgot what was applied, and what was there before it as well.
        return Restoration() if self._forgotten(window) else self._reconciler.undo(window.before)

    def note_undone(self, window: Window, why: str) -> None:
        """The second half. Raises Refused where it cannot be written: then it counts as not undone."""
        self._settle(window, Standing.UNDONE)
        self.windows.write(window.ended(Stage.UNDONE, RESTARTED if self._forgotten(window) else why))

    def _forgotten(self, window: Window) -> bool:
        return window.boot != self.clock.boot

    def _settle(self, window: Window, standing: Standing) -> tuple[Diagnostic, ...]:
        """Say what became of its generation. A warning where that cannot be."""
        try:
            Generations(self._reconciler.state_dir, window.stack).settle(window.generation, standing)
        except NetspecError as error:
            message = f"the generation is not on record as {standing}: {error.message.rstrip('.')}"
            hint = "apply again when that is mended: until then a reboot brings the generation before it"
            return (Diagnostic("NS0642", message, hint=hint, severity=Severity.WARNING),)
        return ()

    def _settle_lost(self, stack: str) -> None:
        """Of a stack without an open window nothing is pending: its window went with a reboot, or is lost."""
        store = Generations(self._reconciler.state_dir, stack)
        with contextlib.suppress(NetspecError):
            for each in store.entries():
                if each.standing is Standing.PENDING:
                    store.settle(each.number, Standing.UNDONE)

    def due(self) -> tuple[Window, ...]:
        """Those that have to be undone now. Raises Refused where one cannot be understood."""
        return tuple(each for each in self.windows.all() if each.stage is Stage.PENDING and each.expired(self.clock))

    def pending(self) -> tuple[Window, ...]:
        """Those that can be confirmed."""
        return tuple(
            each for each in self.windows.all() if each.stage is Stage.PENDING and not each.expired(self.clock)
        )

    def give_up(self, stack: str) -> None:
        """Of a window that was set aside nothing is undone any more, by its guardian neither."""
        nothing = Entry(stack, {})
        now, wall = self.clock.elapsed(), self.clock.wall()
        window = Window(
            identity=secrets.token_hex(8),
            stack=stack,
            within=0,
            boot=self.clock.boot,
            deadline=now,
            until=wall,
            stage=Stage.CONFIRMED,
            applying=Applying(0, 0),
            before=nothing,
        )
        self.windows.write(window)

    def close_interrupted(self) -> None:
        """Those of applies that have died; the journal had what they left, and it was put back."""
        for each in self.windows.all():
            if each.stage is Stage.OPENING:
                self.windows.write(each.ended(Stage.UNDONE, INTERRUPTED))

    def admit(self, stack: str) -> None:
        """Raise Refused where an apply of this stack is still to be confirmed; from then on none of it is pending."""
        for each in self.pending():
            if each.stack == stack:
                still = Diagnostic(
                    "NS0660",
                    f"stack {stack} has an apply that is to be confirmed until {told(each)}",
                    hint=f"netspec confirm --stack {stack} keeps it; with --undo it is taken back",
                )
                raise Refused("Refused: nothing was changed.", diagnostics=[still], passes_in=each.left(self.clock))
        self._settle_lost(stack)

    def admit_proposal(self, proposal: Proposal) -> None:
        """Raise Refused where undoing another stack's apply would take away what this one builds on."""
        # A record is of its own stack, though others have the same: what matters is what comes and goes.
        wanted = {key for key, each in proposal.desired.items() if not is_record(each)}
        wanted |= {change.key for change in proposal.plan.changes}
        for each in self.pending():
            shared = sorted(wanted & each.before.before.keys(), key=lambda key: (key.kind == "element", str(key)))
            if each.stack != proposal.intent.stack and shared:
                both = Diagnostic(
                    "NS0661",
                    f"{shared[0]} was changed by an apply of stack {each.stack} that is to be confirmed until "
                    f"{told(each)}",
                    hint=f"wait for its end, or: netspec confirm --stack {each.stack}",
                )
                raise Refused("Refused: nothing was changed.", diagnostics=[both], passes_in=each.left(self.clock))


def told(window: Window) -> str:
    """The end of a window for people: time of day."""
    return time.strftime("%H:%M:%S", time.localtime(window.until))
