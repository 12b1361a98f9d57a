"""The generations of a stack: a record of each apply that changed something, kept over reboots.

A generation is one file, `generations/STACK/NUMBER.STANDING[.pinned].json` in the state directory. What becomes of it
later is in its name: a rename is done or not done, whenever the power goes. The folder is the index.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from netspec.core.resource import STACK_NAME
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.directories import (
    is_private_directory,
    open_private,
    private_directory,
    read_private,
    rename_private,
    sync_directory,
    write_aside,
)
from netspec.engine.generation_names import Entry, Standing, entry_of, set_aside_number
from netspec.engine.generation_record import Damaged, Head, Record, head_of, parse, text_of
from netspec.errors import NetspecError, Refused

FOLDER = "generations"
DRAFT = ".draft"
LONGEST_LINE = 1024 * 1024
"""Characters of a line that are read where only the head is wanted."""
KEPT = 50
"""Generations that are kept unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A generation in a list."""

    entry: Entry
    head: Head


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation with all that it holds."""

    entry: Entry
    record: Record


class Generations:
    """Those of one stack. Who writes holds the host's lock; who reads changes nothing.

    `warnings` gathers what was met that is damaged, or could not be done and did not matter.
    """

    def __init__(self, state_dir: Path, stack: str) -> None:
        """Directories are made when something is written."""
        self._state_dir = state_dir
        self.stack = stack
        self.folder = state_dir / FOLDER / stack
        self._unusable: dict[Entry | None, Exception] = {}
        self.warnings: list[Diagnostic] = []

    def entries(self) -> tuple[Entry, ...]:
        """All that are there, by name alone, in the order of their numbers."""
        found = (entry_of(name) for name in self._names())
        return tuple(sorted((each for each in found if each is not None), key=lambda each: (each.number, each.name)))

    def listed(self) -> tuple[Listed, ...]:
        """All whose head can be read, in the order of their numbers."""
        return tuple(self._with_heads(self.entries()))

    def newest(self) -> Listed | None:
        """The last good one by its head; None where there is none."""
        return next(self._with_heads(self._good()), None)

    def last_good(self) -> Generation | None:
        """The last one that is good and whole; None where there is none."""
        return next((found for each in self._good() if (found := self._whole(each)) is not None), None)

    def read(self, number: int) -> Generation:
        """One generation. Raises NetspecError where there is none, or where it is damaged."""
        entry = next((each for each in self.entries() if each.number == number), None)
        found = self._whole(entry) if entry is not None else None
        if found is not None:
            return found
        if entry in self._unusable:
            reason = _reason(self._unusable[entry])
            raise NetspecError(f"Generation {number} of stack {self.stack} cannot be used: {reason}. {self._known()}")
        raise NetspecError(f"Stack {self.stack} has no generation {number}. {self._known()}")

    def pinned(self) -> Entry | None:
        """The generation that holds the stack where it is; None where nothing does."""
        held = [each for each in self.entries() if each.pinned and each.standing is not Standing.UNDONE]
        return held[-1] if held else None

    def draft(self, record: Record) -> "Draft":
        """Put a record on disk before the first change: what cannot be recorded is found out in time.

        Raises Refused.
        """
        folder = self._prepared()
        write_aside(folder / DRAFT, text_of(record))
        return Draft(self.stack, folder / DRAFT, self._next())

    def append(self, record: Record, standing: Standing = Standing.GOOD) -> int:
        """Add a generation and return its number. Raises Refused."""
        return self.draft(record).commit(standing)

    def settle(self, number: int, standing: Standing) -> None:
        """Say what became of a generation. Raises Refused."""
        for each in self.entries():
            if each.number == number:
                self._rename(each, Entry(number=number, standing=standing, pinned=each.pinned))

    def resume(self) -> bool:
        """Take all pins out. False where there were none. Raises Refused."""
        pinned = [each for each in self.entries() if each.pinned]
        for each in pinned:
            self._rename(each, Entry(number=each.number, standing=each.standing))
        return any(each.standing is not Standing.UNDONE for each in pinned)

    def prune(self, keep: int) -> None:
        """Remove the oldest, so that `keep` are left; first those whose spec is that of the one before them.

        The newest, the last good one, pinned and pending ones stay. What could not be removed is tried again next time.
        """
        self.set_aside()
        entries = self.entries()
        good = [each for each in entries if each.standing is Standing.GOOD]
        kept = {each for each in entries if each.pinned or each.standing is Standing.PENDING}
        kept.update(entries[-1:], good[-1:])
        expendable = [each for each in self._expendable(entries) if each not in kept]
        for each in expendable[: max(len(entries) - keep, 0)]:
            with contextlib.suppress(OSError):
                (self.folder / each.name).unlink()
        oldest = min((each.number for each in self.entries()), default=0)
        for name in self._names():
            number = set_aside_number(name)
            if number is not None and number < oldest:
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink()

    def set_aside(self) -> None:
        """Give what was found damaged a name that nobody reads; it stays there for a person to look at."""
        for each in (entry for entry, error in self._unusable.items() if entry and type(error) is Damaged):
            with contextlib.suppress(OSError):
                (self.folder / each.name).rename(self.folder / f"{each.name}.damaged")

    def _names(self) -> list[str]:
        if not all(map(is_private_directory, (self._state_dir, self.folder.parent, self.folder))):
            return []
        try:
            return [each.name for each in self.folder.iterdir()]
        except OSError as error:
            raise Refused(f"cannot read {self.folder}: {error.strerror}.") from None

    def _good(self) -> tuple[Entry, ...]:
        """From the newest to the oldest."""
        return tuple(each for each in reversed(self.entries()) if each.standing is Standing.GOOD)

    def _with_heads(self, entries: tuple[Entry, ...]) -> Iterator[Listed]:
        for each in entries:
            head = self._head(each)
            if head is not None:
                yield Listed(each, head)

    def _head(self, entry: Entry) -> Head | None:
        try:
            file = open_private(self.folder / entry.name)
            if file is None:
                return None
            with file:
                return self._own(head_of(*(file.readline(LONGEST_LINE).rstrip("\n") for _ in range(2))))
        except (Damaged, OSError, Refused) as error:
            self._leave_out(entry, error)
            return None

    def _whole(self, entry: Entry) -> Generation | None:
        try:
            text = read_private(self.folder / entry.name)
            if text is None:
                return None
            record = parse(text)
            self._own(record.head)
            return Generation(entry, record)
        except (Damaged, OSError, Refused) as error:
            self._leave_out(entry, error)
            return None

    def _own(self, head: Head) -> Head:
        if head.stack != self.stack:
            raise Damaged(f"it is of stack {head.stack}")
        return head

    def _leave_out(self, entry: Entry, error: Exception) -> None:
        if entry not in self._unusable:
            self._unusable[entry] = error
            message = f"generation {entry.number} of stack {self.stack} is left out: {_reason(error)}"
            hint = f"the file is {self.folder / entry.name}"
            self.warnings.append(Diagnostic("NS0643", message, hint=hint, severity=Severity.WARNING))

    def _known(self) -> str:
        numbers = [str(each.number) for each in self.entries()]
        return f"There are: {', '.join(numbers)}." if numbers else "It has none yet."

    def _prepared(self) -> Path:
        """The folder, there over a power cut. Raises Refused."""
        for each in (self._state_dir, self.folder.parent, self.folder):
            missing = not each.exists()
            private_directory(each)
            if missing:
                with contextlib.suppress(OSError):
                    sync_directory(each.parent)
        return self.folder

    def _next(self) -> int:
        """Numbers are given once: those of what is damaged count."""
        aside = [number for number in map(set_aside_number, self._names()) if number is not None]
        return max((*aside, *(each.number for each in self.entries())), default=0) + 1

    def _rename(self, before: Entry, after: Entry) -> None:
        if before != after:
            rename_private(self.folder / before.name, self.folder / after.name)

    def _expendable(self, entries: tuple[Entry, ...]) -> list[Entry]:
        """In the order in which they may go: repairs of drift before specs of their own."""
        digests = {each.entry: each.head.spec_digest for each in self._with_heads(entries)}
        repeated = {each for before, each in pairwise(entries) if digests.get(each, each) == digests.get(before)}
        return sorted(entries, key=lambda each: (each not in repeated, each.number))


@dataclass(frozen=True, slots=True)
class Draft:
    """A record on disk that is no generation yet. One that a crash has left is written over by the next."""

    stack: str
    path: Path
    number: int

    def commit(self, standing: Standing = Standing.GOOD, *, pinned: bool = False) -> int:
        """Make it a generation, durably, and return its number. Raises Refused."""
        entry = Entry(number=self.number, standing=standing, pinned=pinned)
        rename_private(self.path, self.path.with_name(entry.name))
        return self.number

    def drop(self) -> None:
        """Nothing came of it."""
        with contextlib.suppress(OSError):
            self.path.unlink()


def stacks(state_dir: Path) -> tuple[str, ...]:
    """The stacks that have generations. Raises Refused where the directory cannot be trusted."""
    folder = state_dir / FOLDER
    if not (is_private_directory(state_dir) and is_private_directory(folder)):
        return ()
    try:
        return tuple(sorted(each.name for each in folder.iterdir() if STACK_NAME.fullmatch(each.name)))
    except OSError as error:
        raise Refused(f"cannot read {folder}: {error.strerror}.") from None


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else str(error)
    return (words or "it cannot be read").rstrip(".")
