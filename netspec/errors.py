"""Everything netspec raises on purpose, and the exit code each class ends with.

::

    NetspecError                 1   failed, and nothing was changed
    ├── SpecError               65   the spec is invalid; carries diagnostics
    ├── Stale                    5   what an approved plan was made from has changed; carries diagnostics
    ├── Refused                  6   something on the host is in the way; carries diagnostics
    │   └── Suspended            6   the stack was rolled back, and not resumed
    ├── PrivilegeMissing        77   names the capability
    ├── LibraryMissing           6   a system library is not installed; names the package
    ├── SourceUnreachable       69   a source or an engine cannot be reached
    ├── ApplyFailed              3   the apply failed and was undone, verified
    ├── NotRestored              4   the apply failed and something is left; says what
    ├── NotConfirmed             7   the confirm window ended; undone
    ├── Interrupted        130/143   a signal came; undone at a safe point
    └── UsageError              64   the command line makes no sense

    Astray                       4   no NetspecError: nothing may go on after it, undoing neither
"""

from collections.abc import Sequence

from netspec.diagnostics import Diagnostic


class NetspecError(Exception):
    """An error with a message for people; `exit_code` is what the command ends with."""

    exit_code = 1

    def __init__(self, message: str, *, diagnostics: Sequence[Diagnostic] = ()) -> None:
        """`message` is one or more sentences; `diagnostics` are shown before it."""
        super().__init__(message)
        self.message = message
        self.diagnostics = tuple(diagnostics)


class SpecError(NetspecError):
    """The spec is invalid. Nothing was read from the kernel."""

    exit_code = 65


class Stale(NetspecError):
    """What an approved plan was made from is no longer so. Nothing was changed."""

    exit_code = 5


class Refused(NetspecError):
    """Something on the host forbids the plan. Nothing was changed.

    `passes_in` is where that ends by itself after so many seconds, at the latest.
    """

    exit_code = 6

    def __init__(self, message: str, *, diagnostics: Sequence[Diagnostic] = (), passes_in: float | None = None) -> None:
        """As every error."""
        super().__init__(message, diagnostics=diagnostics)
        self.passes_in = passes_in


class Suspended(Refused):
    """The stack stays as it was rolled back to, until it is resumed."""


class PrivilegeMissing(NetspecError):
    """The process lacks a capability; the message names it."""

    exit_code = 77


class LibraryMissing(NetspecError):
    """A system library is not installed; the message names the package."""

    exit_code = 6


class SourceUnreachable(NetspecError):
    """A source of specs, or an engine, does not answer."""

    exit_code = 69


class ApplyFailed(NetspecError):
    """The kernel refused a step; everything was undone and that was verified."""

    exit_code = 3


class NotRestored(NetspecError):
    """The apply failed and could not be undone entirely; the message says what is left."""

    exit_code = 4


class NotConfirmed(NetspecError):
    """An apply was not confirmed; everything was undone and that was verified."""

    exit_code = 7


class Interrupted(NetspecError):
    """A signal asked us to stop; what had been done was undone."""

    def __init__(self, signal_number: int, message: str = "") -> None:
        """`signal_number` decides the exit code, as a shell would: 128 + n."""
        super().__init__(message or "Interrupted.")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class UsageError(NetspecError):
    """The command line makes no sense."""

    exit_code = 64


class Astray(BaseException):
    """The process is in a network namespace that is not its own, and cannot leave: whatever it did would hit another.

    Like a kill, it is made good by the next command, which finds the journal.
    """

    exit_code = 4

    def __init__(self, reason: str) -> None:
        """`reason` is the kernel's."""
        self.message = (
            f"cannot come back from a network namespace ({reason}). Nothing more was done: where a change had begun, "
            "the next apply or destroy undoes it first."
        )
        super().__init__(self.message)
