"""The names of the files of generations: number, what became of it, and whether it is pinned."""

import re
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"(?P<number>[1-9][0-9]{0,17})\.(?P<standing>good|pending|undone)(?P<pinned>\.pinned)?\.json")
_SET_ASIDE = re.compile(r"(?P<number>[1-9][0-9]{0,17})\..*\.damaged")


class Standing(StrEnum):
    """What became of a generation: it holds, its confirm window is open, or it was taken back."""

    GOOD = "good"
    PENDING = "pending"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A generation by its name. `pinned` where nothing but a rollback may follow until it is resumed."""

    number: int
    standing: Standing
    pinned: bool = False

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.number}.{self.standing}{'.pinned' if self.pinned else ''}.json"


def entry_of(name: str) -> Entry | None:
    """The generation that a file is of; None for another file."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    standing, pinned = Standing(found["standing"]), found["pinned"] is not None
    return Entry(number=int(found["number"]), standing=standing, pinned=pinned)


def set_aside_number(name: str) -> int | None:
    """The number of a generation that was set aside; None for another file."""
    found = _SET_ASIDE.fullmatch(name)
    return int(found["number"]) if found is not None else None
