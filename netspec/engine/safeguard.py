"""What goes along with an apply that may be undone after it was verified."""

from collections.abc import Callable, Iterable
from typing import Protocol

from netspec.core.state import State
from netspec.engine.applied import Applied, applied_of
from netspec.engine.journal import Entry
from netspec.engine.leases import leases_text

Record = Callable[[], tuple[Applied, str]]
"""Tells what was applied, and its leases: it takes a while with many objects."""


class Safeguard(Protocol):
    """Called before the first change, and when all is verified; it may stop the apply at both."""

    def begin(self, entry: Entry) -> None:
        """Nothing has been changed. Raises Refused where it must not be."""

    def hold(self, record: Record) -> bool:
        """What is applied is verified; `record` is what goes on record unless it may still be undone.

        True where it may. Raises Refused to undo it at once.
        """


class Unguarded:
    """The Safeguard of an apply that stays when it was verified."""

    def begin(self, _entry: Entry) -> None:
        """Nothing."""

    def hold(self, _record: Record) -> bool:
        """What is verified stays."""
        return False


UNGUARDED = Unguarded()


def record_of(desired: State, files: Iterable[str]) -> tuple[Applied, str]:
    """What a Record of a state, and of the files that it came from, tells."""
    return applied_of(desired, files), leases_text(desired)
