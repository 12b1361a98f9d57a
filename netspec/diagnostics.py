"""A Diagnostic: what is wrong, where, and the way out. A value; nothing prints here."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is: an error forbids going on, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A point in a spec; `line` and `column` count from 1. `width` is how many columns the caret spans."""

    file: str
    line: int
    column: int
    width: int = 1
    text: str = ""
    """The whole source line, for showing it; empty when it is not known."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that belongs to the same trouble, with a few words of its own."""

    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong.

    `code` is stable (`NS0301`); `message` is one terse sentence in the user's words; `address`
    names the object (`endpoint/redis`); `label` stands behind the caret; `varying` is the part of the message that may
    be another one at the next look, as a count.
    """

    code: str
    message: str
    place: Place | None = None
    hint: str = ""
    label: str = ""
    related: tuple[Related, ...] = ()
    severity: Severity = Severity.ERROR
    address: str = ""
    varying: str = ""

    def lasting(self) -> "Diagnostic":
        """The same without what varies: equal for what is wrong in the same way at two looks."""
        return replace(self, message=self.message.replace(self.varying, ""), varying="") if self.varying else self
