"""The text of nftables transactions, rendered from operations, and of listings, taken apart. No I/O.

Nothing but names, keys, values and comments of a known shape gets into a transaction: whatever could
end a command and begin another is refused here, whoever wrote it.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from netspec.core.elements import PROTOCOLS
from netspec.kernel.operations import ElementAdd, ElementDelete, TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import CounterRow, ElementRow

NftOperation = TableAdd | TableDelete | ElementAdd | ElementDelete

COMMENT_LIMIT = 128
"""The most bytes nft takes in the comment of an element."""

FAMILIES = frozenset({"inet", "ip", "ip6", "bridge", "arp", "netdev"})
NUMBERS = {name: str(number) for number, name in PROTOCOLS.items()}
NAMES = {str(number): name for number, name in PROTOCOLS.items()}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,254}")
_FIELD = r'(?:[0-9A-Za-z_:./-]+|"[!#-)+-.0-\[\]-~]{1,15}")'  # a link's name: printable, but for space " * / \
_CONCAT = re.compile(rf"{_FIELD}(?: \. {_FIELD})*")
_VERDICT = re.compile(r"(?:jump|goto) [A-Za-z][A-Za-z0-9_.-]*")
_COMMENT = re.compile(r'[^"\x00-\x1f\x7f]*')
_QUOTED = re.compile(r'"[^"]*"')
_LISTED = re.compile(
    r'(?P<key>(?:"[^"]*"|[^\s",]+)(?: \. (?:"[^"]*"|[^\s",]+))*)'
    r'(?P<options>(?: (?:"[^"]*"|(?!: )[^\s",]+))*)'
    r'(?: : (?P<value>(?:"[^"]*"|[^",])+?))?\s*(?:,\s*|$)'
)
_COUNTER = re.compile(r'^\tcounter (\S+) \{\n(?:\t\tcomment "([^"]*)"\n)?\t\tpackets (\d+) bytes (\d+)\n', re.MULTILINE)
_LISTED_COMMENT = re.compile(r' comment "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Transaction:
    """Text for libnftables, and for each of its lines the operation it stands for."""

    text: str
    owners: tuple[NftOperation, ...]

    def owner(self, line: int) -> NftOperation:
        """The operation behind a line, counted from 1."""
        return self.owners[min(max(line, 1), len(self.owners)) - 1]


def render(operations: Sequence[NftOperation]) -> Transaction:
    """One transaction that does all of it in order. Raises KernelError(EINVAL) for what cannot be said safely."""
    lines: list[str] = []
    owners: list[NftOperation] = []
    for line, owner in _lines(operations):
        lines.append(line)
        owners.append(owner)
    return Transaction("\n".join(lines) + "\n", tuple(owners))


def _lines(operations: Sequence[NftOperation]) -> Iterator[tuple[str, NftOperation]]:
    for sort, run in groupby(operations, key=type):
        if sort is ElementAdd or sort is ElementDelete:
            yield from _element_lines("add" if sort is ElementAdd else "delete", run)
            continue
        for operation in run:
            assert isinstance(operation, TableAdd | TableDelete)
            yield from _table_lines(operation)


def _table_lines(operation: TableAdd | TableDelete) -> Iterator[tuple[str, NftOperation]]:
    table = _table(operation, operation.name)
    if isinstance(operation, TableDelete):
        yield f"delete table {table}", operation
        return
    yield f"add table {table}", operation
    yield f"delete table {table}", operation
    for line in _one_table(operation).splitlines():
        yield line, operation


def _element_lines(verb: str, run: Iterator[NftOperation]) -> Iterator[tuple[str, NftOperation]]:
    """One command for each set: sets do not see each other, so their order within a run is free."""
    by_set: dict[tuple[str, str, str], list[tuple[str, NftOperation]]] = {}
    for each in run:
        assert isinstance(each, ElementAdd | ElementDelete)
        by_set.setdefault((each.family, each.table, each.set), []).append((_element(each), each))
    for (_, table, name), elements in by_set.items():
        first = elements[0][1]
        if not _NAME.fullmatch(name):
            raise _refusal(first, f"The name of a set cannot be {name!r}.")
        yield f"{verb} element {_table(first, table)} {name} {{", first
        last = len(elements) - 1
        for number, (text, operation) in enumerate(elements):
            yield text if number == last else f"{text},", operation
        yield "}", first


def _element(operation: ElementAdd | ElementDelete) -> str:
    if not _CONCAT.fullmatch(operation.key):
        raise _refusal(operation, f"The key of an element cannot be {operation.key!r}.")
    key = _by_number(operation.key)
    if isinstance(operation, ElementDelete):
        return key
    value, comment = operation.value, operation.comment
    if value and not (_CONCAT.fullmatch(value) or _VERDICT.fullmatch(value)):
        raise _refusal(operation, f"The value of an element cannot be {value!r}.")
    if not _COMMENT.fullmatch(comment) or len(comment.encode()) > COMMENT_LIMIT:
        raise _refusal(operation, f"The comment of an element cannot be {comment!r}.")
    said = f' comment "{comment}"' if comment else ""
    return f"{key}{said} : {_by_number(value)}" if value else f"{key}{said}"


def _by_number(text: str) -> str:
    """Protocols by number: nft would look their names up in /etc/protocols, which small systems lack."""
    if not text.islower():
        return text
    return " . ".join(NUMBERS.get(field, field) for field in text.split(" . "))


def _table(operation: NftOperation, name: str) -> str:
    if operation.family not in FAMILIES:
        raise _refusal(operation, f"There is no nftables family {operation.family!r}.")
    if not _NAME.fullmatch(name):
        raise _refusal(operation, f"The name of a table cannot be {name!r}.")
    return f"{operation.family} {name}"


def _one_table(operation: TableAdd) -> str:
    """The text, once it is sure that it defines this one table and holds no further command."""
    lines = operation.text.strip("\n").split("\n")
    depth = 0
    closed = len(lines)
    for number, line in enumerate(lines):
        bare = _QUOTED.sub("", line)
        depth += bare.count("{") - bare.count("}")
        if depth <= 0:
            closed = number + 1
            break
    if lines[0] != f"table {_table(operation, operation.name)} {{" or closed != len(lines) or lines[-1] != "}":
        raise _refusal(operation, f"The text of table {operation.name} must define that table and nothing else.")
    return operation.text


def _refusal(operation: NftOperation, words: str) -> KernelError:
    return KernelError(errno.EINVAL, operation, words)


def parse_listing(listing: str) -> tuple[str, tuple[ElementRow, ...]]:
    """What `nft -s list table` prints, cut into what `nft -s -t list table` would print, and the elements."""
    terse: list[str] = []
    rows: list[ElementRow] = []
    block: list[str] | None = None
    name, types = "", ()  # type: str, tuple[str, ...]
    for line in listing.splitlines():
        if block is None and not line.startswith("\t\telements = {"):
            terse.append(line)
            words = line.split()
            if words[:1] in (["set"], ["map"]):
                name, types = words[1], ()
            elif words[:1] == ["type"]:
                types = tuple(line.strip().removeprefix("type ").split(" : ")[0].split(" . "))
            continue
        block = [] if block is None else block
        block.append(line)
        if line.endswith(" }"):
            body = "\n".join(block).strip().removeprefix("elements = {").removesuffix("}").strip()
            rows.extend(_rows(name, types, body))
            block = None
    return "\n".join(terse) + "\n", tuple(rows)


def parse_counters(listing: str) -> tuple[CounterRow, ...]:
    """The named counters that `nft list counters` prints."""
    return tuple(
        CounterRow(name=name, comment=comment, packets=int(packets), bytes=int(size))
        for name, comment, packets, size in _COUNTER.findall(listing)
    )


def with_counts(text: str, counters: Iterable[CounterRow]) -> str:
    """The text of a table whose counters go on from where they are."""
    for each in counters:
        head = f'\tcounter {each.name} {{\n\t\tcomment "{each.comment}"\n'
        text = text.replace(head, f"{head}\t\tpackets {each.packets} bytes {each.bytes}\n")
    return text


def _rows(name: str, types: tuple[str, ...], body: str) -> Iterator[ElementRow]:
    protocol = types.index("inet_proto") if "inet_proto" in types else None
    for found in _LISTED.finditer(body):
        key, options, value = found["key"], found["options"], found["value"]
        if protocol is not None:
            fields = key.split(" . ")
            fields[protocol] = NAMES.get(fields[protocol], fields[protocol])
            key = " . ".join(fields)
        comment = _LISTED_COMMENT.search(options) if options else None
        yield ElementRow(set=name, key=key, value=value or "", comment=comment[1] if comment else "")
