"""What goes along with an apply that may be undone after it was verified."""

from typing import Protocol

from netspec.engine.applied import Applied
from netspec.engine.journal import Entry


class Safeguard(Protocol):
    """Called before the first change, and when all is verified; it may stop the apply at both."""

    def begin(self, entry: Entry) -> None:
        """Nothing has been changed. Raises Refused where it must not be."""

    def hold(self, applied: Applied, leases: str) -> bool:
        """What is applied is verified; it and its leases go on record unless it may still be undone.

        True where it may. Raises Refused to undo it at once.
        """


class Unguarded:
    """The Safeguard of an apply that stays when it was verified."""

    def begin(self, _entry: Entry) -> None:
        """Nothing."""

    def hold(self, _applied: Applied, _leases: str) -> bool:
        """What is verified stays."""
        return False


UNGUARDED = Unguarded()
