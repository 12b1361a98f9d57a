"""What is wrong with a spec, gathered until all of it can be shown at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from netspec.diagnostics import Diagnostic, Place
from netspec.errors import SpecError

MOST_SHOWN = 100
"""Diagnostics that are listed; the rest is counted."""
LONGEST = 300
"""Characters of a message or a hint; what a user wrote may be of any length."""


@dataclass(slots=True)
class Faults:
    """Diagnostics in the order in which they were found: the first hundred, and how many more there were."""

    found: dict[Diagnostic, None] = field(default_factory=dict)
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def full(self) -> bool:
        """Whether a further fault would only be counted."""
        return len(self.found) >= MOST_SHOWN

    def add(self, diagnostic: Diagnostic) -> None:
        """Take one more; the same one twice, as an anchor's content can be, counts once."""
        if max(len(diagnostic.message), len(diagnostic.hint)) > LONGEST:
            message, hint = shortened(diagnostic.message), shortened(diagnostic.hint)
            diagnostic = replace(diagnostic, message=message, hint=hint)
        if diagnostic in self.found:
            return
        if self.full:
            self.more += 1
        else:
            self.found[diagnostic] = None

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take several."""
        for each in diagnostics:
            self.add(each)

    def error(self) -> SpecError:
        """All of them as one error, in the order of the files' lines."""
        nowhere = Place("", 0, 0)
        ordered = sorted(self.found, key=lambda each: (each.place or nowhere, each.code))
        rest = {0: "", 1: " 1 further error is not shown."}.get(
            self.more, f" {self.more:,} further errors are not shown."
        )
        return SpecError(f"The spec is invalid.{rest}", diagnostics=ordered)


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text`, or its beginning and an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
