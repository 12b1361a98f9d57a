"""What plain scalars mean: YAML 1.2 core, each number keeping the text that stood there."""

import re

from netspec.core.scalar import PlainFloat, PlainInt

LONGEST_NUMBER = 40
"""Characters; what is longer is no number of a network and stays text."""

Scalar = str | PlainInt | PlainFloat | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_BASES = {"0o": 8, "0x": 16}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Control characters, halves of surrogate pairs, what ends a line for some and not for others, and what turns the
# direction of the text that follows: what is read would not be what is shown.
_DECEPTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def plain(text: str) -> Scalar:
    """The value of a scalar that stands without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBERS or len(text) > LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return PlainInt.read(text, _BASES.get(text[:2], 10))
    return PlainFloat.read(text) if _FLOAT.fullmatch(text) else text


def deceptive(text: str) -> re.Match[str] | None:
    """The first character that a reader would not see as what it is."""
    return None if text.isascii() and text.isprintable() else _DECEPTIVE.search(text)


def named(character: str) -> str:
    """A character as people can look it up: `U+202E`."""
    return f"U+{ord(character):04X}"
