"""The files of a spec merged into one tree of plain data that knows where each part of it stands."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from netspec.diagnostics import Diagnostic, Place, Related
from netspec.spec.faults import Faults, shortened
from netspec.spec.places import Index, Path, Spot, index_of
from netspec.spec.reader import SHOWN_NAME, Content, read_content
from netspec.spec.source import SourceFile


@dataclass(slots=True)
class Tree:
    """The merged data of all files, and what is wrong with them so far.

    `left_out` are the paths of what could not be read: what follows from its absence is not to be reported.
    """

    data: dict[str, Any] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    left_out: set[Path] = field(default_factory=set)
    _homes: dict[Path, tuple[Content, Path]] = field(default_factory=dict)
    """Of each section and each of its entries: the file, and the path in that file."""
    _indexes: dict[str, Index] = field(default_factory=dict)

    def place(self, path: Path, *, on_key: bool = False) -> Place | None:
        """Where `path` stands; its nearest parent where it does not exist; None where no file has its section.

        The document as a whole begins where its first file does.
        """
        for length in (2, 1) if path else (0,):
            home = self._homes.get(path[:length])
            if home is not None:
                content, local = home
                spot = self._spot(content, (*local, *path[length:]))
                return spot.place(on_key=on_key) if spot else None
        return None

    def holds(self, path: Path) -> bool:
        """Whether the section is there, and the entry where the path names one."""
        return bool(path) and path[:2] in self._homes

    def give_name(self, name: Path, path: Path) -> None:
        """Let an entry be found under another name too."""
        if path in self._homes:
            self._homes[name] = self._homes[path]

    def add(self, content: Content) -> None:
        """Put one file's sections beside those of the files before it."""
        self._homes.setdefault((), (content, ()))
        for path in content.left_out:
            self.left_out.add(self._merged(path))
        for section, value in content.data.items():
            known = self.data.get(section)
            if section not in self.data:
                # A copy: what an anchor stands for is shared, and further files may add to the section.
                self.data[section] = value.copy() if isinstance(value, dict | list) else value
                self._homes[section,] = content, (section,)
                self._settle(content, section, value)
            elif isinstance(known, dict) and isinstance(value, dict):
                self._join(content, section, known, value)
            elif isinstance(known, list) and isinstance(value, list):
                self._settle(content, section, value, len(known))
                known.extend(value)
            elif not (section == "netspec" and known == value):
                self._twice(content, (section,), "NS0117", f'"{_name(section)}" stands in two files')

    def _merged(self, path: Path) -> Path:
        """A path of a file that is about to be added, in the tree: its lists are appended."""
        known = self.data.get(str(path[0])) if path else None
        match path:
            case (section, int(index), *rest) if isinstance(known, list):
                return (section, index + len(known), *rest)
            case _:
                return path

    def _join(self, content: Content, section: str, known: dict[str, Any], value: dict[str, Any]) -> None:
        for name, entry in value.items():
            if name in known:
                message = f'"{_name(name)}" stands in two files below {_name(section)}'
                self._twice(content, (section, name), "NS0110", message)
                continue
            known[name] = entry
            self._homes[section, name] = content, (section, name)

    def _settle(self, content: Content, section: str, value: object, offset: int = 0) -> None:
        if isinstance(value, dict):
            for name in value:
                self._homes[section, name] = content, (section, name)
        elif isinstance(value, list):
            for index in range(len(value)):
                self._homes[section, index + offset] = content, (section, index)

    def _twice(self, content: Content, path: Path, code: str, message: str) -> None:
        self.left_out.add(path)
        first, second = self.place(path, on_key=True), self._spot(content, path)
        related = (Related(first, "it stands here first"),) if first else ()
        place = second.place(on_key=True) if second else None
        self.faults.add(Diagnostic(code, message, place, "keep one", related=related))

    def _spot(self, content: Content, path: Path) -> Spot | None:
        """The spot of a path in a file. Sections and entries are known; for more the file is gone through again."""
        found = content.spots.get(path)
        if found is not None:
            return found
        file = content.file
        if file.name not in self._indexes:
            with without_collector():
                self._indexes[file.name] = index_of(file)
        return self._indexes[file.name].nearest(path)


def load(files: Iterable[SourceFile]) -> Tree:
    """Parse and merge files. What is wrong is in the tree's faults."""
    tree = Tree()
    with without_collector():
        for file in files:
            tree.add(read_content(file, tree.faults))
    return tree


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing made here is garbage, and looking for it costs two thirds of the time of a large spec."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _name(text: str) -> str:
    return shortened(text, SHOWN_NAME)
