"""nftables through libnftables, in process: run one atomic transaction, list our table.

A table is judged by what the kernel lists, since rules read back differ from rules written. Right after
loading one, its listing is digested and kept, with the digest of what was loaded, as the comment of the one
element of its set `fingerprint`. Whoever changes a chain, a rule or a set later on changes the listing.
"""

import ctypes
import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from netspec.core.digest import digest
from netspec.core.elements import mark
from netspec.errors import LibraryMissing, PrivilegeMissing
from netspec.kernel.nfttext import (
    NftOperation,
    Transaction,
    parse_counters,
    parse_listing,
    render,
    with_counts,
)
from netspec.kernel.operations import ElementAdd, ElementDelete, TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import CounterRow, TableRow

FINGERPRINT = "fingerprint"
"""The set of a table that holds its digests; tables without it have none."""

RECORDS = "former"
"""The set of a table that holds former values."""

_COUNTED = "\n\tcounter "
"""In the text of a table that has named counters."""

_LOCATED = re.compile(r"^(?:/proc/self/fd/\d+:(?P<line>\d+):\d+-\d+: |netlink: )?Error: (?P<words>.*)$", re.MULTILINE)
_DIGESTS = re.compile(r"written=([0-9a-f]{16}) read=([0-9a-f]{16})")
_STACK_TABLE = re.compile(r"^table inet (netspec-[A-Za-z0-9._-]{1,32}) \{$", re.MULTILINE)
_RULE = re.compile(r"^\t\t(?P<text>.*) # handle (?P<handle>\d+)$", re.MULTILINE)
_STRERROR = {os.strerror(number): number for number in sorted(errno.errorcode, reverse=True)}
_LIBRARY_WORDS = {
    "element does not exist": errno.ENOENT,
    "interval overlaps with an existing one": errno.EEXIST,
    "conflicting intervals specified": errno.EEXIST,
}
"""What libnftables finds out by itself, without an errno of the kernel."""


class Nftables:
    """A connection to the nftables of the network namespace in which it was opened."""

    def __init__(self) -> None:
        """Raises LibraryMissing where libnftables or its Python module is not installed."""
        self._library = _open()
        self._library.set_stateless_output(True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back, so that the namespace can go."""
        self._library = None

    def transact(self, operations: Sequence[NftOperation]) -> None:
        """Do all of it, in order, in one transaction of the kernel, or nothing.

        Deleting what is not there is no error. Raises KernelError with the operation that was refused.
        """
        if not operations:
            return
        counting = self._counting(operations)
        try:
            self._load(render(counting))
        except KernelError as error:
            present = self._without_absent(counting) if error.number == errno.ENOENT else counting
            if len(present) == len(operations):
                raise
            if present:
                self._load(render(present))
        self._keep_fingerprints(operations)

    def table(self, netns: str, family: str, name: str) -> TableRow | None:
        """Our table, or None; `netns` only labels the row. Raises KernelError, PrivilegeMissing."""
        listing = self._list(f"table {family} {name}")
        if listing is None:
            return None
        text, elements = parse_listing(listing)
        said = [_DIGESTS.fullmatch(row.comment) for row in elements if row.set == FINGERPRINT]
        rows = tuple(row for row in elements if row.set != FINGERPRINT)
        return TableRow(
            netns=netns,
            family=family,
            name=name,
            text=text,
            written=_written(text, said),
            elements=rows,
            counters=self._counters(family, name) if _COUNTED in text else (),
        )

    def records(self, except_for: str) -> Iterator[TableRow]:
        """What other stacks have on record, a row for each that has anything. Raises KernelError."""
        # It names all tables and reads no more of them; to list tables, the library reads every element of the host.
        names = {found[1] for found in _STACK_TABLE.finditer(self._list("flowtables inet") or "")}
        for name in sorted(names - {except_for}):
            listing = self._list(f"set inet {name} {RECORDS}")
            elements = parse_listing(listing)[1] if listing is not None else ()
            if elements:
                yield TableRow(netns="", family="inet", name=name, text="", elements=elements)

    def rules(self, family: str, table: str, chain: str) -> dict[int, str]:
        """The rules of a chain, as text by handle; none where there is no such chain."""
        self._library.set_handle_output(True)
        try:
            code, listing, _ = self._library.cmd(f"list chain {family} {table} {chain}")
        finally:
            self._library.set_handle_output(False)
        return {} if code else {int(each["handle"]): each["text"] for each in _RULE.finditer(str(listing))}

    def _counters(self, family: str, name: str) -> tuple[CounterRow, ...]:
        """The named counters of a table; none where there is no such table."""
        self._library.set_stateless_output(False)
        try:
            code, listing, _ = self._library.cmd(f"list counters table {family} {name}")
        finally:
            self._library.set_stateless_output(True)
        return () if code else parse_counters(str(listing))

    def _counting(self, operations: Sequence[NftOperation]) -> Sequence[NftOperation]:
        """The same operations, but that the counters of a table which is replaced go on from where they are."""
        return [
            replace(each, text=with_counts(each.text, self._counters(each.family, each.name)))
            if isinstance(each, TableAdd) and _COUNTED in each.text
            else each
            for each in operations
        ]

    def _load(self, transaction: Transaction) -> None:
        """From a file in memory, for only of files does the library say in which line it stumbled."""
        descriptor = os.memfd_create("netspec.nft")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(transaction.text.encode())
            code, _, said = self._library.cmd(f'include "/proc/self/fd/{descriptor}"')
        finally:
            os.close(descriptor)
        if code:
            number, words, line = _error(said)
            raise KernelError(number, transaction.owner(line), words)

    def _list(self, what: str) -> str | None:
        """A listing, None of what is not there."""
        code, listing, said = self._library.cmd(f"list {what}")
        if not code:
            return str(listing)
        number, words, _ = _error(said)
        if number == errno.ENOENT:
            return None
        if number == errno.EPERM:
            raise PrivilegeMissing("Reading nftables needs the capability CAP_NET_ADMIN.")
        raise KernelError(number, None, words)

    def _without_absent(self, operations: Sequence[NftOperation]) -> list[NftOperation]:
        """The same operations but for deletions of what will not be there when their turn comes."""
        tables: dict[tuple[str, str], set[tuple[str, str]] | None] = {}  # None: no such table
        kept: list[NftOperation] = []
        for each in operations:
            where = (each.family, each.name if isinstance(each, TableAdd | TableDelete) else each.table)
            if where not in tables:
                tables[where] = self._keys(*where)
            keys = tables[where]
            match each:
                case TableAdd():
                    tables[where] = set()
                case TableDelete():
                    tables[where] = None
                    if keys is None:
                        continue
                case ElementAdd() if keys is not None:
                    keys.add((each.set, each.key))
                case ElementDelete():
                    if keys is None or (each.set, each.key) not in keys:
                        continue
                    keys.discard((each.set, each.key))
            kept.append(each)
        return kept

    def _keys(self, family: str, name: str) -> set[tuple[str, str]] | None:
        listing = self._list(f"table {family} {name}")
        return None if listing is None else {(row.set, row.key) for row in parse_listing(listing)[1]}

    def _keep_fingerprints(self, operations: Sequence[NftOperation]) -> None:
        """Digest the tables just loaded as they are listed now."""
        last = {(each.family, each.name): each for each in operations if isinstance(each, TableAdd | TableDelete)}
        loaded = {where: each for where, each in last.items() if isinstance(each, TableAdd)}
        prints = []
        for (family, name), operation in loaded.items():
            if f"\tset {FINGERPRINT} {{" not in operation.text:
                continue
            self._library.set_terse_output(True)
            try:
                listing = self._list(f"table {family} {name}")
            finally:
                self._library.set_terse_output(False)
            if listing is None:
                raise KernelError(errno.EIO, operation, "the table is not there right after it was loaded")
            comment = f"written={digest(operation.text)} read={digest(listing)}"
            prints.append(ElementAdd(family=family, table=name, set=FINGERPRINT, key=mark(1), comment=comment))
        if prints:
            self._load(render(prints))


def _written(text: str, said: Sequence["re.Match[str] | None"]) -> str:
    """The digest of what was loaded; of the listing itself where no fingerprint was kept."""
    seen = digest(text)
    if not said:
        return seen
    return next((found[1] for found in said if found and seen in (found[1], found[2])), "")


def _error(said: str) -> tuple[int, str, int]:
    """Errno, words beyond the errno's own, and line, of what the library printed."""
    found = _LOCATED.search(said)
    words = found["words"].removeprefix("Could not process rule: ") if found else said.strip()
    line = int(found["line"] or 1) if found else 1
    parts = [words, words.split(": ")[-1], words.split(";")[0], words.split(" (")[0]]
    for part in parts:
        number = _STRERROR.get(part) or _LIBRARY_WORDS.get(part)
        if number:
            return number, words.removesuffix(os.strerror(number)).removesuffix(": "), line
    return errno.EINVAL, words, line


def _open() -> Any:  # noqa: ANN401  the module ships no types
    """A library context. Its socket never waits: an answer that does not come is EAGAIN at once, not a hang."""
    try:
        import nftables  # noqa: PLC0415  a plan without nftables must not need the library
    except ImportError:
        raise LibraryMissing(
            "The Python module nftables is not installed. Install the package python3-nftables "
            "(Debian, Ubuntu, Fedora), or `pip install pip-nftables`."
        ) from None
    try:
        # By itself first: the module's own object complains when it goes half-made.
        ctypes.CDLL("libnftables.so.1")
        return nftables.Nftables()
    except OSError:
        raise LibraryMissing(
            "The library libnftables.so.1 is not installed. Install the package libnftables1 "
            "(`apt install libnftables1` on Debian and Ubuntu; it is in the package nftables elsewhere)."
        ) from None
