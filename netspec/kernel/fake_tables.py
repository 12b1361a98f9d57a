"""nftables of the fake kernel: tables as text, their declared sets, and elements."""

import errno
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from netspec.core.digest import digest
from netspec.kernel.fake_host import Host, Table
from netspec.kernel.nfttext import NftOperation, render
from netspec.kernel.operations import ElementAdd, ElementDelete, TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import ElementRow

_DECLARED = re.compile(r"^\t(set|map) (\S+) \{\n((?:\t\t.*\n)*)\t\}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Declared:
    """A set or map that the text of a table declares."""

    is_map: bool
    interval: bool


@lru_cache(maxsize=64)
def declared(text: str) -> dict[str, Declared]:
    """The sets and maps in the text of a table, by name."""
    return {
        name: Declared(is_map=sort == "map", interval="interval" in body)
        for sort, name, body in _DECLARED.findall(text)
    }


@lru_cache(maxsize=64)
def _checked(operation: TableAdd) -> Table:
    render([operation])
    return Table(text=operation.text, written=digest(operation.text))


def transact(host: Host, operations: Sequence[NftOperation]) -> None:
    """Do all of it or nothing. Raises KernelError with the operation that was refused."""
    places = {(operation.netns, *_table_of(operation)) for operation in operations}
    before = {place: host.spaces[place[0]].tables.get(place[1:]) for place in places if place[0] in host.spaces}
    # Tables are values: the transaction works on copies, and the refused one leaves what was.
    for place, table in before.items():
        if table is not None:
            host.spaces[place[0]].tables[place[1:]] = replace(table, elements=dict(table.elements))
    for operation in operations:
        try:
            _run(host, operation)
        except (OSError, KernelError) as error:
            _put_back(host, before)
            if isinstance(error, KernelError):
                raise
            raise KernelError(error.errno or errno.EIO, operation, error.strerror or "") from None


def _table_of(operation: NftOperation) -> tuple[str, str]:
    name = operation.name if isinstance(operation, TableAdd | TableDelete) else operation.table
    return operation.family, name


def _put_back(host: Host, before: Mapping[tuple[str, str, str], Table | None]) -> None:
    for place, table in before.items():
        tables = host.spaces[place[0]].tables
        if table is None:
            tables.pop(place[1:], None)
        else:
            tables[place[1:]] = table


def _run(host: Host, operation: NftOperation) -> None:
    match operation:
        case TableAdd():
            checked = _checked(operation)
            host.space(operation.netns).tables[_table_of(operation)] = replace(checked, elements={})
        case TableDelete():
            space = host.spaces.get(operation.netns)
            if space is not None:
                space.tables.pop(_table_of(operation), None)
        case ElementAdd():
            _add_element(host, operation)
        case ElementDelete():
            _delete_element(host, operation)


def _add_element(host: Host, operation: ElementAdd) -> None:
    render([operation])
    table = host.space(operation.netns).tables.get(_table_of(operation))
    home = declared(table.text).get(operation.set) if table else None
    if table is None or home is None:
        raise OSError(errno.ENOENT, "")
    if home.is_map != bool(operation.value):
        raise OSError(errno.EINVAL, "")
    where = (operation.set, operation.key)
    present = table.elements.get(where)
    if present is not None:
        if present.value != operation.value:
            raise OSError(errno.EEXIST, "")
        return
    if home.interval:
        _check_overlap(table, operation)
    table.elements[where] = ElementRow(
        set=operation.set, key=operation.key, value=operation.value, comment=operation.comment
    )


def _delete_element(host: Host, operation: ElementDelete) -> None:
    render([operation])
    space = host.spaces.get(operation.netns)
    table = space.tables.get(_table_of(operation)) if space else None
    if table is not None:
        table.elements.pop((operation.set, operation.key), None)


def _check_overlap(table: Table, operation: ElementAdd) -> None:
    new = [_interval(part) for part in operation.key.split(" . ")]
    for name, key in table.elements:
        if name != operation.set:
            continue
        old = [_interval(part) for part in key.split(" . ")]
        if all(one[0] <= other[1] and other[0] <= one[1] for one, other in zip(new, old, strict=True)):
            raise OSError(errno.EEXIST, "")


@lru_cache(maxsize=4096)
def _interval(part: str) -> tuple[int, int]:
    """First and last value of one field of a key: a prefix, a range, a number, an address or a word."""
    if part.startswith('"'):
        return _point(part), _point(part)
    if "/" in part:
        network = ip_network(part)
        return int(network.network_address), int(network.broadcast_address)
    first, _, last = part.partition("-")
    return _point(first), _point(last or first)


def _point(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return int(ip_address(text))
    except ValueError:
        return int.from_bytes(text.encode())
