"""Waits for the end of a confirm window, in a process that outlives the apply, and undoes what nobody confirmed."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netspec.engine.confirmation import INTERRUPTED, NOBODY, Confirmation
from netspec.engine.directories import private_directory
from netspec.engine.executor import Restoration
from netspec.engine.lock import exclusive
from netspec.engine.reconciler import Reconciler
from netspec.engine.window import Applying, Stage, Window
from netspec.errors import NetspecError, Refused

POLL = 0.2
"""Seconds between two looks."""
GRACE = 10.0
"""Seconds that an apply which is stuck is given to undo itself."""
ARRIVAL = 30.0
"""Seconds within which a guardian is at its place, on a busy host."""
LINE = 64
"""Bytes in which a guardian says of which window it knows."""
TRIES = 64
"""Of undoing what cannot be undone: about an hour."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries; they begin with one, and each is twice the one before."""
PATIENCE = 60.0
"""Seconds for which another command may hold the lock when a window has ended."""
WARNING = 30.0
"""Seconds before the end at which people hear of it again."""


@dataclass(frozen=True, slots=True)
class World:
    """What a guardian does to the world outside: sleep, tell people, end an apply that is stuck.

    `unblock` ends whoever has held the lock for more than `patience` seconds.
    """

    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str, str], object] = lambda _text, _but: None
    end: Callable[[Applying], None] = lambda _applying: None
    unblock: Callable[[], None] = lambda: None
    patience: float = PATIENCE


@dataclass(slots=True)
class Guardian:
    """For the windows of one stack, one after the other."""

    reconciler: Reconciler
    confirmation: Confirmation
    stack: str
    world: World = field(default_factory=World)
    _known: Window | None = None
    _warned: str = ""
    _tries: int = 0
    _pause: float = POLL

    def run(self) -> Restoration | None:
        """Until the window is over; how undoing ended, None where there was nothing to undo.

        Returns at once where another guardian is at its place.
        """
        with on_duty(self.reconciler.run_dir, self.stack, self.world.sleep) as report:
            if report is None:
                return None
            restoration = None
            while (window := self._look()) is not None:
                report(window.identity)
                self._pause = POLL
                if window.stage is Stage.OPENING:
                    self._watch_the_apply(window)
                elif not window.expired(self.confirmation.clock):
                    self._remind(window)
                elif (restoration := self._undo()) is not None and restoration.complete:
                    return restoration
                if self._tries == TRIES:
                    self._tell(f"stack {self.stack} could not be undone entirely: netspec recover", "")
                    return restoration or Restoration(seen=False)
                self.world.sleep(self._pause)
            return None

    def _look(self) -> Window | None:
        """The window, None where it is over. Where its file was lost it was not confirmed: what is known holds.

        It is written again then: who applies in between must not believe that nothing is pending, and be undone.
        """
        with contextlib.suppress(Refused, OSError):
            found = self.confirmation.windows.read(self.stack)
            if found is not None:
                self._known = None if found.over else found
            elif self._known is not None and self._known.stage is Stage.PENDING:
                self._write_again(self._known)
        return self._known

    def _write_again(self, window: Window) -> None:
        """Under the lock, and where there is none still: an apply may be about to open another one."""
        with contextlib.suppress(NetspecError, OSError), exclusive(self.reconciler.run_dir, 0):
            if self.confirmation.windows.read(window.stack) is None:
                self.confirmation.windows.write(window)

    def _watch_the_apply(self, window: Window) -> None:
        """An apply that died is undone at once, one that is stuck is ended first."""
        if window.expired(self.confirmation.clock):
            self.world.end(window.applying)
        # Whatever goes wrong is tried again: nobody else may be able to.
        with contextlib.suppress(Exception), exclusive(self.reconciler.run_dir, 0):
            # The apply holds the lock from before the window opened until it has been verified.
            current = self._look()
            if current is None or current.stage is not Stage.OPENING:
                return
            self._try()
            recovery = self.reconciler.recover()
            if recovery is None or recovery.restoration.complete:
                self.confirmation.windows.write(current.ended(Stage.UNDONE, INTERRUPTED))
                self._tell(f"an apply of stack {self.stack} was interrupted and undone", "")
                self._pause = POLL

    def _undo(self) -> Restoration | None:
        """Under the lock: whoever had it before may have confirmed, then None. Who keeps it too long is ended."""
        held = False
        restoration = Restoration(seen=False)
        self._try()
        with contextlib.suppress(Exception), exclusive(self.reconciler.run_dir, self.world.patience):
            held = True
            window = self._look()
            if window is None:
                return None
            with contextlib.suppress(NetspecError):  # another stack's, or a journal that cannot be understood
                self.confirmation.recover()
            restoration = self.confirmation.put_back(window)
            if restoration.complete:
                self._tell(f"stack {self.stack} was not confirmed, and is as before again", "")
                # Where that cannot be written, the network is as it was all the same.
                self.confirmation.note_undone(window, NOBODY)
        if not held:
            self.world.unblock()
        return restoration

    def _try(self) -> None:
        """Once more, and then with a longer pause."""
        self._tries += 1
        self._pause = min(2.0 ** (self._tries - 1), LONGEST_PAUSE)

    def _remind(self, window: Window) -> None:
        """Once at the beginning, and once more shortly before the end of a window that is long."""
        left = window.left(self.confirmation.clock)
        last = window.within > 2 * WARNING and left <= WARNING
        moment = f"{window.identity}{last}"
        if self._warned != moment:
            self._warned = moment
            text = f"stack {self.stack} was changed, and is undone in {left:.0f} s unless: netspec confirm"
            # Who has just applied it has been told, once.
            self._tell(text, "" if last else window.applying.terminal)

    def _tell(self, text: str, but: str) -> None:
        self.world.tell(f"netspec: {text}", but)


@contextmanager
def on_duty(
    run_dir: Path, stack: str, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Callable[[str], None] | None]:
    """Be the guardian of a stack: a function to say of which window, or None where another one is.

    The place is a lock that dies with its holder. One who is about to leave is waited for.
    """
    descriptor = _opened(run_dir, stack)
    said = ""

    def report(identity: str) -> None:
        nonlocal said
        if identity != said:
            said = identity
            with contextlib.suppress(OSError):  # who asks does not find it, and starts another one
                os.pwrite(descriptor, _line(f"{identity} {os.getpid()}"), 0)

    try:
        for _ in range(int(ARRIVAL / 3 / POLL)):
            if _taken(descriptor, fcntl.LOCK_EX):
                yield report
                return
            sleep(POLL)
        yield None
    finally:
        os.close(descriptor)


def prepare(run_dir: Path, stack: str) -> None:
    """Make room for a guardian to say of which window it knows. Raises Refused where there is none."""
    path = _place(run_dir, stack)
    try:
        descriptor = _opened(run_dir, stack)
        try:
            if os.fstat(descriptor).st_size < LINE:
                os.pwrite(descriptor, _line(""), 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}.") from None


def attended(run_dir: Path, window: Window) -> bool:
    """Whether a guardian is at its place, and knows of this window."""
    try:
        descriptor = os.open(_place(run_dir, window.stack), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        known = os.pread(descriptor, 64, 0).decode(errors="replace").partition(" ")[0] == window.identity
        return known and not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _place(run_dir: Path, stack: str) -> Path:
    return private_directory(run_dir) / f"guardian-{stack}"


def _opened(run_dir: Path, stack: str) -> int:
    return os.open(_place(run_dir, stack), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _line(text: str) -> bytes:
    """Of one length, so that it can be written on a disk that has filled up since."""
    return text.encode().ljust(LINE - 1) + b"\n"


def _taken(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
