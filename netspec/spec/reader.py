"""One file's YAML as plain data: no tags, no merge keys, no duplicate keys, and bounds on everything.

Events are read in a loop rather than composed into nodes: composing recurses in C, and a hundred kilobytes of
brackets end the process. Anchors share their data, so their expansion is counted, never done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from netspec.diagnostics import Diagnostic, Place, Related
from netspec.spec.faults import Faults, shortened
from netspec.spec.places import DEEPEST, MOST_VALUES, NO_KEY, Event, Path, Spot, parser, place_of
from netspec.spec.scalars import deceptive, named, plain
from netspec.spec.source import SourceFile
from netspec.spec.syntax import TAGS, TOO_DEEP, doubtful, syntax_error

MOST_ALIASED = 200_000
"""Values that anchors add to a file where they are used."""
SHOWN_NAME = 60


@dataclass(slots=True)
class Content:
    """What a file holds, as far as it could be read. `spots` are the places of sections and of their entries.

    `left_out` are the paths of what could not be taken; the empty one is that of all that was not read.
    """

    file: SourceFile
    data: dict[str, Any] = field(default_factory=dict)
    spots: dict[Path, Spot] = field(default_factory=dict)
    left_out: set[Path] = field(default_factory=set)


class _Stop(Exception):
    """The rest of the file is not worth reading, or would not end."""


_SKIPPED = object()
"""Stands for a key whose value is thrown away."""
_OPEN = object()
"""Stands for the data of an anchor that is not at its end."""


@dataclass(slots=True)
class _Frame:
    """A collection whose end has not come. `keys` is None for a list; `size` and `height` count what is inside."""

    event: Event
    data: Any
    keys: dict[str, Event] | None
    key: Any = None
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    """The data an anchor stands for, with its size in values and its height in levels."""

    data: Any
    size: int = 1
    height: int = 0


def read_content(file: SourceFile, faults: Faults) -> Content:
    """The data of a file; what is wrong is added to `faults`."""
    return _Reader(file, faults).read()


class _Reader:
    """Takes events one by one; the frames are the way from the root to where it stands."""

    def __init__(self, file: SourceFile, faults: Faults) -> None:
        self._file = file
        self._faults = faults
        self._content = Content(file)
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._documents = 0
        self._values = 0
        self._aliased = 0
        self._takers: Mapping[type, Callable[[Event], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._mapping_start,
            yaml.SequenceStartEvent: self._sequence_start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }

    def read(self) -> Content:
        # With these the parser would read what is no part of the spec, or tell another place.
        for found in doubtful(self._file):
            self._fault(found)
        if () not in self._content.left_out:
            self._parse()
        return self._content

    def _parse(self) -> None:
        following, takers = parser(self._file.text).get_event, self._takers
        try:
            while (event := following()) is not None:
                taker = takers.get(type(event))
                if taker is not None:
                    taker(event)
            if not self._documents:
                place = Place(self._file.name, 1, 1)
                message = f"{self._file.name} holds nothing but comments"
                self._fault(Diagnostic("NS0105", message, place, "an empty spec is written: netspec: 1"))
        except yaml.YAMLError as error:
            opened = self._frames[-1].event if self._frames else None
            self._fault(syntax_error(self._file, error, opened))
            if self._frames:
                self._content.data = self._frames[0].data
        except _Stop:
            self._content.left_out.add(())

    def _document(self, event: Event) -> None:
        self._documents += 1
        if self._documents > 1:
            hint = "put the second one into a file of its own"
            self._refuse("NS0108", "a file holds one document, and here begins another", event, hint)
            raise _Stop

    def _scalar(self, event: Event) -> None:
        self._count()
        if event.tag is not None:
            self._tag(event)
        frame = self._frames[-1] if self._frames else None
        text: str = event.value
        if frame is not None and frame.keys is not None and frame.key is None:
            self._key(frame, event, text)
            return
        self._check_text(event, text)
        value = plain(text) if event.implicit[0] else text
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value)
        if frame is None:
            self._not_sections(event)
        else:
            self._put(frame, event, value)

    def _key(self, frame: _Frame, event: Event, name: str) -> None:
        assert frame.keys is not None, "only mappings have keys"
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(name)
        first: Event = frame.keys.setdefault(name, event)
        if first is not event:
            related = (Related(place_of(self._file, first), "it stands here first"),)
            message = f'the key "{shortened(name, SHOWN_NAME)}" stands twice'
            self._refuse("NS0110", message, event, "a key stands once: join the two", related)
            self._skip(frame, name)
        elif name == "<<" and event.implicit[0]:
            hint = "YAML 1.2 has none; repeat the keys, or use an anchor for a whole value"
            self._refuse("NS0115", "merge keys are not taken", event, hint)
            self._skip(frame, name)
        else:
            frame.key = name
            self._check_text(event, name)

    def _put(self, frame: _Frame, event: Event, value: object) -> None:
        frame.size += 1
        if frame.keys is None:
            frame.data.append(value)
            if len(self._frames) == 2:
                self._note(len(frame.data) - 1, event, event)
            return
        name, frame.key = frame.key, None
        if name is None:
            self._refuse("NS0114", "a key is a single word, not a list, a mapping or an anchor's", event)
            self._skip(frame, NO_KEY)
        elif name is not _SKIPPED:
            frame.data[name] = value
            if len(self._frames) <= 2:
                self._note(name, frame.keys[name], event)

    def _note(self, name: str | int, key: Event, value: Event) -> None:
        """Keep the place of a section or of one of its entries: most of what is asked for later."""
        path = (name,) if len(self._frames) == 1 else (self._frames[0].key, name)
        self._content.spots[path] = Spot(self._file, key, value)

    def _mapping_start(self, event: Event) -> None:
        if not self._frames:
            self._content.spots[()] = Spot(self._file, event, event)
        self._start(event, _Frame(event, {}, {}))

    def _sequence_start(self, event: Event) -> None:
        if not self._frames:
            self._not_sections(event)
        self._start(event, _Frame(event, [], None))

    def _start(self, event: Event, frame: _Frame) -> None:
        self._count()
        if event.tag is not None:
            self._tag(event)
        if len(self._frames) >= DEEPEST:
            self._too_deep(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(_OPEN)
        self._frames.append(frame)

    def _end(self, _event: Event) -> None:
        frame = self._frames.pop()
        if frame.event.anchor:
            self._anchors[frame.event.anchor] = _Anchored(frame.data, frame.size, frame.height)
        if not self._frames:
            self._content.data = frame.data
            return
        parent = self._frames[-1]
        parent.height = max(parent.height, frame.height + 1)
        parent.size += frame.size - 1
        self._put(parent, frame.event, frame.data)

    def _alias(self, event: Event) -> None:
        anchored = self._anchors.get(event.anchor)
        name = shortened(event.anchor, SHOWN_NAME)
        if anchored is None:
            self._refuse("NS0111", f"there is no anchor &{name} above this", event, f"write &{name} where it is set")
            anchored = _Anchored(None)
            self._leave_out()
        elif anchored.data is _OPEN:
            self._refuse("NS0111", f"the anchor &{name} contains itself", event)
            raise _Stop
        self._aliased += anchored.size
        if self._aliased > MOST_ALIASED:
            self._refuse("NS0113", f"anchors add more than {MOST_ALIASED:,} values to this file", event)
            raise _Stop
        # Events that stand nowhere else cannot be the root: the parser wants an anchor before its alias.
        if not self._frames:
            self._not_sections(event)
        if len(self._frames) + anchored.height > DEEPEST:
            self._too_deep(event)
        parent = self._frames[-1]
        parent.height = max(parent.height, anchored.height + 1)
        parent.size += anchored.size - 1
        self._put(parent, event, anchored.data)

    def _count(self) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            hint = "split it over several specs"
            message = f"{self._file.name} holds more than {MOST_VALUES:,} values"
            self._fault(Diagnostic("NS0113", message, Place(self._file.name, 1, 1), hint))
            raise _Stop

    def _too_deep(self, event: Event) -> None:
        self._refuse("NS0112", TOO_DEEP, event)
        raise _Stop

    def _not_sections(self, event: Event) -> None:
        self._refuse("NS0107", "a spec is a mapping of sections", event, "begin with: netspec: 1")
        raise _Stop

    def _tag(self, event: Event) -> None:
        name = shortened(str(event.tag).replace("tag:yaml.org,2002:", "!!"), SHOWN_NAME)
        self._refuse("NS0109", f"{TAGS}: {name}", event, "leave the tag away")
        self._leave_out()

    def _check_text(self, event: Event, text: str) -> None:
        match = deceptive(text)
        if match is not None:
            message = f"the text holds the invisible character {named(match[0])}"
            self._refuse("NS0116", message, event, "remove it")
            self._leave_out()

    def _skip(self, frame: _Frame, name: str) -> None:
        """Throw away the value of a key that follows."""
        frame.key = name
        self._leave_out()
        frame.key = _SKIPPED

    def _leave_out(self) -> None:
        """Remember the place that it is at."""
        path = (len(frame.data) if frame.keys is None else frame.key for frame in self._frames)
        self._content.left_out.add(tuple(path))

    def _fault(self, diagnostic: Diagnostic) -> None:
        """A fault after which nothing is read."""
        self._content.left_out.add(())
        self._faults.add(diagnostic)

    def _refuse(self, code: str, message: str, event: Event, hint: str = "", related: tuple[Related, ...] = ()) -> None:
        place = None if self._faults.full else place_of(self._file, event)
        self._faults.add(Diagnostic(code, message, place, hint, related=related))
