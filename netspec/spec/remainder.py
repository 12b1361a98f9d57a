"""What is left of a spec when its faults are left out, so that the rest of it can still be judged."""

from collections.abc import Iterable, Iterator
from typing import Any

from netspec.kinds._contract import Finding
from netspec.spec.places import Path


class Remainder:
    """Plain data without some of its paths. Paths are those of the whole data, but where said otherwise.

    Whatever was left out makes a hole; what others say of a hole, or of what names its entry, follows from it.
    """

    def __init__(self, data: dict[str, Any], holes: Iterable[Path] = ()) -> None:
        self._whole = data
        self._out: set[Path] = set()
        self._above_out: set[Path] = set()
        self._holes: set[Path] = set()
        self._above_holes: set[Path] = set()
        for hole in holes:
            self._note_hole(hole)

    def data(self) -> dict[str, Any]:
        """The rest, as a copy as far as needed; the version of the format is put in where it is missing."""
        found: dict[str, Any] = self._without(self._whole, ())
        return {"netspec": 1, **found} if () in self._out else found

    def original(self, path: Path) -> Path:
        """The path in the whole data of a path in the rest: entries of lists that are gone are counted again."""
        found: Path = ()
        here: Any = self._whole
        for step in path:
            at = step
            if isinstance(here, list) and isinstance(step, int) and found in self._above_out:
                kept = [index for index in range(len(here)) if (*found, index) not in self._out]
                at = kept[step] if step < len(kept) else step
            found = (*found, at)
            here = _below(here, at)
        return found

    def leave_out(self, path: Path, *, matters: bool = True) -> bool:
        """Take away what stands at `path`, or its nearest parent. False where that is gone already."""
        here: Any = self._whole
        found: Path = ()
        for step in path:
            if not _has(here, step):
                break
            found, here = (*found, step), _below(here, step)
        if matters:
            self._note_hole(found)
        if found in self._out:
            return False
        self._out.add(found)
        self._above_out.update(_above(found))
        return True

    def surrounds_hole(self, path: Path) -> bool:
        """Whether something at or below `path` was left out: what is said of it as a whole may follow from that."""
        return path in self._holes or path in self._above_holes

    def follows(self, findings: Iterable[Finding]) -> Iterator[bool]:
        """Of each finding between entries, whether it may be only because something was left out."""
        touched = self._touched() if self._holes else set()
        for each in findings:
            if each.missing:
                yield any(_related(path, hole) for path in each.missing for hole in self._holes)
            else:
                yield any(path[:2] in touched for path in (each.path, *(path for path, _ in each.related)))

    def _note_hole(self, hole: Path) -> None:
        self._holes.add(hole)
        self._above_holes.update(_above(hole))

    def _touched(self) -> set[Path]:
        """The entries with holes, and those that name one of them, or name one that does."""
        words = {entry: frozenset(_words(value)) for entry, value in _entries(self._whole)}
        touched = {hole[:2] for hole in self._holes}
        names = {entry[1] for entry in touched if len(entry) > 1}
        while names:
            reached = {entry for entry, said in words.items() if entry not in touched and said & names}
            touched |= reached
            names = {entry[1] for entry in reached}
        return touched

    def _without(self, value: Any, path: Path) -> Any:  # noqa: ANN401  whatever YAML held
        if path not in self._above_out:
            return value
        if isinstance(value, dict):
            kept = ((name, each) for name, each in value.items() if (*path, name) not in self._out)
            return {name: self._without(each, (*path, name)) for name, each in kept}
        if isinstance(value, list):
            kept = ((index, each) for index, each in enumerate(value) if (*path, index) not in self._out)
            return [self._without(each, (*path, index)) for index, each in kept]
        return value


def _entries(data: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for section, value in data.items():
        if isinstance(value, dict):
            for name, entry in value.items():
                yield (section, name), entry


def _words(value: Any) -> Iterator[str]:  # noqa: ANN401
    """All strings in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _words(each)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each)


def _has(value: Any, step: str | int) -> bool:  # noqa: ANN401
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _below(value: Any, step: str | int) -> Any:  # noqa: ANN401
    return value[step] if _has(value, step) else None


def _above(path: Path) -> Iterator[Path]:
    return (path[:length] for length in range(len(path)))


def _related(path: Path, hole: Path) -> bool:
    """Whether one lies within the other."""
    shared = min(len(path), len(hole))
    return path[:shared] == hole[:shared]
