"""Colour, where it is wanted."""

import re
from collections.abc import Iterator, Mapping
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
_PAINT = re.compile(rf"(\x1b\[(?:{'|'.join(sorted({*_CODES.values(), '0'}))})m)")


def harmless(text: str) -> str:
    """Text that does to a terminal only what it shows, whoever named what it tells of; colours and lines stay."""
    return text if text.replace("\n", "").isprintable() else "".join(_shown(text))


def _shown(text: str) -> Iterator[str]:
    for number, part in enumerate(_PAINT.split(text)):
        ours = number % 2
        yield part if ours else "".join(_letter(each) for each in part)


def _letter(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]
