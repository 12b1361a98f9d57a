"""Colour, where it is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass

_CODES: Mapping[str, str] = {
    "+": "32",
    "-": "31",
    "~": "33",
    "!": "35",
    "passed": "32",
    "failed": "1;31",
    "skipped": "33",
    "error": "1;31",
    "warning": "1;33",
    "bold": "1",
    "dim": "2",
}


@dataclass(frozen=True, slots=True)
class Style:
    """Paints words, or leaves them as they are."""

    color: bool = False

    def paint(self, name: str, words: str) -> str:
        """`words` in the colour called `name`."""
        return f"\x1b[{_CODES[name]}m{words}\x1b[0m" if self.color and words else words


PLAIN = Style()
