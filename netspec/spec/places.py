"""Where things stand in a file: places of parser events, and an index of a file's paths that is made when asked for."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from netspec.diagnostics import Place
from netspec.spec.source import SourceFile

LONGEST_LINE = 10_000
"""Characters of a line that a Place carries; of longer ones only the position is told."""
DEEPEST = 64
"""Levels of lists and mappings inside each other, anchors expanded."""
MOST_VALUES = 2_000_000
"""Values in a file; 100,000 endpoints have a million."""

Event = Any
"""An event of libyaml's parser or of the one in Python; both have marks with index, line and column."""
Path = tuple[str | int, ...]
NO_KEY = "\0"
"""The step to what stands below a list, a mapping or an alias in the place of a key."""

# What YAML 1.2 takes for the end of a line; str.splitlines takes more.
_BREAK = re.compile("[\r\n]")


# The same in Python, and slower, where PyYAML was built without libyaml.
_Parser = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


def parser(text: str) -> Any:  # noqa: ANN401  either parser; neither has types
    """Gives the events of a text by `get_event`, None after the last. Raises yaml.YAMLError, then and there."""
    return _Parser(text)


def place_at(file: SourceFile, mark: Any, width: int = 0) -> Place:  # noqa: ANN401  a mark of either parser
    """The place of a mark; the caret spans `width` columns, or all that follows on the line."""
    start = mark.index - mark.column
    end = _BREAK.search(file.text, mark.index)
    stop = end.start() if end else len(file.text)
    if stop - start > LONGEST_LINE:
        return Place(file.name, mark.line + 1, mark.column + 1)
    line = file.text[start:stop]
    rest = len(line.rstrip()) - mark.column
    return Place(file.name, mark.line + 1, mark.column + 1, max(1, min(width or rest, rest)), line)


def place_of(file: SourceFile, event: Event) -> Place:
    """The place of an event; the caret spans a scalar, or a collection's first line."""
    start, end = event.start_mark, event.end_mark
    spans = isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and start.line == end.line
    return place_at(file, start, end.index - start.index if spans else 0)


@dataclass(frozen=True, slots=True)
class Spot:
    """One value of a file: the event of its key (of itself in a list), and its own."""

    file: SourceFile
    key: Event
    value: Event

    def place(self, *, on_key: bool = False) -> Place:
        """Where the value stands, or its key."""
        return place_of(self.file, self.key if on_key else self.value)


@dataclass(slots=True)
class Index:
    """All paths of one file. `aliases` lead from where an anchor is used to where it was set."""

    spots: dict[Path, Spot] = field(default_factory=dict)
    aliases: dict[Path, Path] = field(default_factory=dict)

    def nearest(self, path: Path) -> Spot | None:
        """The spot of a path, or of its nearest parent that exists; inside an anchor, where that was set."""
        here: Path = ()
        found = self.spots.get(here)
        for step in path:
            here = (*self.aliases.get(here, here), step)
            below = self.spots.get(here)
            if below is None:
                return found
            found = below
        return found


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come; `key` waits for its value; lists count in `length`."""

    path: Path
    is_mapping: bool
    key: Event = None
    length: int = 0


def index_of(file: SourceFile) -> Index:
    """The index of a file, as far as it can be read and stays within the bounds of a spec."""
    found = Index()
    anchors: dict[str, Path] = {}
    opened: list[_Open] = []
    try:
        following = parser(file.text).get_event
        while (event := following()) is not None:
            if isinstance(event, yaml.CollectionEndEvent):
                opened.pop()
            elif isinstance(event, yaml.NodeEvent):
                _note(found, file, event, opened, anchors)
            if len(opened) > DEEPEST or len(found.spots) > MOST_VALUES:
                break
    except yaml.YAMLError:
        pass  # reading it has said so
    return found


def _note(found: Index, file: SourceFile, event: Event, opened: list[_Open], anchors: dict[str, Path]) -> None:
    parent = opened[-1] if opened else None
    if parent is not None and parent.is_mapping and parent.key is None:
        parent.key = event
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open((*parent.path, NO_KEY), isinstance(event, yaml.MappingStartEvent)))
        return
    path: Path = ()
    key = event
    if parent is not None and parent.is_mapping:
        path, key, parent.key = (*parent.path, getattr(parent.key, "value", NO_KEY)), parent.key, None
    elif parent is not None:
        path = (*parent.path, parent.length)
        parent.length += 1
    # Of a key that stands twice the first counts, as it does for the data.
    found.spots.setdefault(path, Spot(file, key, event))
    if isinstance(event, yaml.AliasEvent):
        found.aliases.setdefault(path, anchors.get(str(event.anchor), path))
    elif event.anchor:
        anchors[event.anchor] = path
    if isinstance(event, yaml.CollectionStartEvent):
        opened.append(_Open(path, isinstance(event, yaml.MappingStartEvent)))
