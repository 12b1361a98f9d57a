"""Records of what was before us, as elements of our nftables table: the kernel is the only state."""

import hashlib
from collections.abc import Iterator, Mapping

from netspec.core.elements import mark as mark_number
from netspec.core.resource import Mark, Resource
from netspec.kernel.snapshot import Snapshot, TableRow
from netspec.kinds.nat_element import NatElement, element, table_name


def former_record(mark: Mark, name: str, value: str) -> NatElement:
    """The element that keeps a former value; `name` is a sysctl, `port/LINK`, `link/LINK/FIELD` or `address/…`."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return element(mark, "former", mark_number(number), comment=f"{name}={','.join(value.split())}")


def is_record(resource: Resource) -> bool:
    """Whether it keeps a former value."""
    return isinstance(resource, NatElement) and resource.set == "former"


def former_values(snapshot: Snapshot) -> Mapping[str, str]:
    """All that is recorded of the time before this stack, by name."""
    return dict(record for table in snapshot.tables for record in _records(table))


def values_beside(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """All that other stacks have on record: the stack, a name, and the former value."""
    for table in snapshot.beside:
        for name, value in _records(table):
            yield table.name.removeprefix(table_name("")), name, value


def _records(table: TableRow) -> Iterator[tuple[str, str]]:
    parted = (row.comment.partition("=") for row in table.elements if row.set == "former")
    return ((name, value) for name, sign, value in parted if sign)
