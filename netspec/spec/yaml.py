"""YAML 1.2 core as netspec takes it: no tags, no merge keys, no duplicate keys, and every node's place kept.

The parser is libyaml's; what plain scalars mean is decided here. Places cost nothing until one is asked for.
"""

import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netspec.core.scalar import PlainFloat, PlainInt
from netspec.diagnostics import Diagnostic, Place, Related
from netspec.errors import SpecError
from netspec.spec.source import SourceFile

DEEPEST = 64
MOST_NODES = 2_000_000
"""Nodes of all files after anchors are expanded; 100,000 endpoints have a million."""
LONGEST_NUMBER = 40

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Control characters, and those that turn the direction of what follows: what is read would not be what is shown.
_DECEPTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")

Path = Sequence[str | int]


class _Loader(yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader):  # type: ignore[misc]  # one of two classes
    """Composes nodes. Resolves nothing: tags of plain scalars are decided later, explicit ones are refused."""

    def resolve(self, kind: type[Node], value: str, implicit: Any) -> str:  # noqa: ANN401
        """Every untagged scalar keeps whether it was plain."""
        if kind is ScalarNode:
            return "plain" if implicit[0] else "quoted"
        return "collection"


@dataclass(slots=True)
class Tree:
    """The merged data of all files, and where each part of it stands."""

    data: dict[str, Any] = field(default_factory=dict)
    files: dict[str, SourceFile] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], tuple[str, Node, Node]] = field(default_factory=dict)
    """File, key node and value node, by the first one or two steps of a path."""

    def place(self, path: Path, *, on_key: bool = False) -> Place | None:
        """Where `path` stands; the nearest existing parent where it does not exist."""
        found: tuple[str, Node, Node] | None = None
        rest: Path = ()
        for length in (2, 1):
            found = self.origins.get(tuple(path[:length]))
            if found is not None:
                rest = path[length:]
                break
        if found is None:
            return None
        file, key, value = found
        for step in rest:
            below = _child(value, step)
            if below is None:
                break
            key, value = below
        return self._place(file, key if on_key else value)

    def _place(self, file: str, node: Node) -> Place:
        return place_of(self.files[file], node)


def place_of(file: SourceFile, node: Node) -> Place:
    """The place of a node; the caret spans it as far as its first line goes."""
    start, end = node.start_mark, node.end_mark
    lines = file.text.splitlines()
    text = lines[start.line] if start.line < len(lines) else ""
    one_line = end.line == start.line and isinstance(node, ScalarNode)
    width = max(1, end.column - start.column) if one_line else max(1, len(text.rstrip()) - start.column)
    return Place(file.name, start.line + 1, start.column + 1, width, text)


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def load(files: Iterable[SourceFile]) -> Tree:
    """Parse and merge files. Raises SpecError with everything that is wrong."""
    tree = Tree()
    wrong: list[Diagnostic] = []
    budget = [MOST_NODES]
    with _no_collector():
        for file in files:
            tree.files[file.name] = file
            _load_file(file, tree, wrong, budget)
    if wrong:
        raise SpecError("The spec is invalid.", diagnostics=wrong)
    return tree


@contextmanager
def _no_collector() -> Iterator[None]:
    """Nothing made here is garbage, and looking for it costs two thirds of the time of a large spec."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load_file(file: SourceFile, tree: Tree, wrong: list[Diagnostic], budget: list[int]) -> None:
    try:
        loader = _Loader(file.text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        wrong.append(_syntax(file, error))
        return
    except RecursionError:
        wrong.append(Diagnostic("NS0112", f"{file.name} nests deeper than {DEEPEST} levels"))
        return
    if not isinstance(root, MappingNode):
        where = Place(file.name, 1, 1) if root is None else place_of(file, root)
        wrong.append(Diagnostic("NS0107", "a spec is a mapping of sections", where, hint="begin with: netspec: 1"))
        return
    builder = _Builder(file, wrong, budget)
    data = builder.build(root, 0)
    if builder.sound:
        _merge(file, root, data, tree, wrong)


def _syntax(file: SourceFile, error: yaml.YAMLError) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    code, hint = "NS0106", ""
    if "single document" in str(getattr(error, "context", "")) or "but found another document" in str(problem):
        code, problem, hint = "NS0108", "a file holds one document", "put the second one into a file of its own"
    elif "\t" in str(problem) or "cannot start any token" in str(problem):
        hint = "YAML indents with spaces; quote what begins with a special character"
    if mark is None:
        return Diagnostic(code, f"this is not YAML: {problem}", Place(file.name, 1, 1), hint)
    lines = file.text.splitlines()
    text = lines[mark.line] if mark.line < len(lines) else ""
    place = Place(file.name, mark.line + 1, mark.column + 1, 1, text)
    message = str(problem) if code == "NS0108" else f"this is not YAML: {problem}"
    return Diagnostic(code, message, place, hint)


class _Builder:
    """Plain data of one file's nodes."""

    def __init__(self, file: SourceFile, wrong: list[Diagnostic], budget: list[int]) -> None:
        self._file = file
        self._wrong = wrong
        self._budget = budget
        self._open: set[int] = set()
        self.sound = True

    def build(self, node: Node, depth: int) -> Any:  # noqa: ANN401  YAML holds anything
        """The data of a node; None where it is refused, `sound` then being false."""
        self._budget[0] -= 1
        if self._budget[0] < 0:
            if self._budget[0] == -1:
                self._refuse("NS0113", f"anchors expand to more than {MOST_NODES} nodes", node)
            self.sound = False
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            return self._refuse("NS0111", "an anchor contains itself", node)
        if depth >= DEEPEST:
            return self._refuse("NS0112", f"this nests deeper than {DEEPEST} levels", node)
        if node.tag != "collection":
            return self._refuse("NS0109", f"tags are not taken: {_tag(node)}", node, "leave the tag away")
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.build(each, depth + 1) for each in node.value]
            return self._mapping(node, depth)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key, value in node.value:
            name = self._key(key)
            if name is None:
                continue
            if name in found:
                related = (Related(place_of(self._file, first[name]), "it stands here first"),)
                hint = "a key stands once: join the two"
                self._refuse("NS0110", f'the key "{name}" stands twice', key, hint, related)
                continue
            first[name] = key
            found[name] = self.build(value, depth + 1)
        return found

    def _key(self, key: Node) -> str | None:
        if not isinstance(key, ScalarNode):
            return self._refuse("NS0114", "a key is a single word, not a list or a mapping", key)
        if key.tag not in ("plain", "quoted"):
            return self._refuse("NS0109", f"tags are not taken: {_tag(key)}", key, "leave the tag away")
        if key.value == "<<" and key.tag == "plain":
            hint = "YAML 1.2 has none; repeat the keys, or use an anchor for a whole value"
            return self._refuse("NS0115", "merge keys are not taken", key, hint)
        name: str = key.value
        return self._text(name, key)

    def _scalar(self, node: ScalarNode) -> Any:  # noqa: ANN401
        text: str = node.value
        if node.tag == "quoted":
            return self._text(text, node)
        if node.tag != "plain":
            return self._refuse("NS0109", f"tags are not taken: {_tag(node)}", node, "leave the tag away")
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if text[0] in "+-.0123456789" and len(text) <= LONGEST_NUMBER:
            return _number(text)
        return self._text(text, node)

    def _text(self, text: str, node: Node) -> str | None:
        if text.isascii() and text.isprintable():
            return text
        match = _DECEPTIVE.search(text)
        if match is None:
            return text
        return self._refuse("NS0116", f"the text holds the invisible character U+{ord(match[0]):04X}", node)

    def _refuse(self, code: str, message: str, node: Node, hint: str = "", related: tuple[Related, ...] = ()) -> None:
        self.sound = False
        self._wrong.append(Diagnostic(code, message, place_of(self._file, node), hint, related=related))


def _tag(node: Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")


def _number(text: str) -> PlainInt | PlainFloat | str:
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return PlainInt.read(text, base)
    return PlainFloat.read(text) if _FLOAT.fullmatch(text) else text


def _merge(file: SourceFile, root: MappingNode, data: dict[str, Any], tree: Tree, wrong: list[Diagnostic]) -> None:
    """Put one file's sections beside those of the files before it."""
    for key, node in root.value:
        section, value = key.value, data[key.value]
        known = tree.data.get(section)
        if section not in tree.data:
            tree.data[section] = value
            tree.origins[section,] = (file.name, key, node)
            _note_entries(file, section, node, value, 0, tree)
        elif isinstance(known, dict) and isinstance(value, dict):
            _merge_entries(file, section, node, value, tree, wrong)
        elif isinstance(known, list) and isinstance(value, list):
            _note_entries(file, section, node, value, len(known), tree)
            known.extend(value)
        elif not (section == "netspec" and known == value):
            first = tree.place((section,), on_key=True)
            related = (Related(first, "it stands here first"),) if first else ()
            message = f'"{section}" stands in two files'
            wrong.append(Diagnostic("NS0117", message, place_of(file, key), "keep one", related=related))


def _merge_entries(
    file: SourceFile, section: str, node: MappingNode, value: dict[str, Any], tree: Tree, wrong: list[Diagnostic]
) -> None:
    for entry_key, entry_node in node.value:
        name = entry_key.value
        if name in tree.data[section]:
            first = tree.place((section, name), on_key=True)
            related = (Related(first, "it stands here first"),) if first else ()
            message = f'"{name}" stands in two files below {section}'
            wrong.append(Diagnostic("NS0110", message, place_of(file, entry_key), "keep one", related=related))
            continue
        tree.data[section][name] = value[name]
        tree.origins[section, name] = (file.name, entry_key, entry_node)


def _note_entries(file: SourceFile, section: str, node: Node, value: object, offset: int, tree: Tree) -> None:
    """Remember each entry's own file where a later file may add to the section."""
    if isinstance(node, MappingNode) and isinstance(value, dict):
        for key, entry in node.value:
            tree.origins[section, key.value] = (file.name, key, entry)
    elif isinstance(node, SequenceNode):
        for index, entry in enumerate(node.value):
            tree.origins[section, index + offset] = (file.name, entry, entry)
