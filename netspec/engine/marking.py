"""A host as it would look if objects had another mark: rows of a snapshot with marks set, or taken away. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from netspec.core.resource import Key, Mark
from netspec.kernel.snapshot import (
    AddressRow,
    ElementRow,
    FileRow,
    LinkRow,
    NeighborRow,
    NetnsRow,
    RouteRow,
    Snapshot,
    TableRow,
)
from netspec.kinds import file, nat_element
from netspec.kinds._contract import PROTOCOL
from netspec.kinds._links import stack_group
from netspec.kinds.address import address_key
from netspec.kinds.route import route_key

STATIC = 4
"""RTPROT_STATIC: what a person has set."""
NO_PROTOCOL, NO_GROUP = 0, 0

Marks = Mapping[Key, Mark | None]
"""The mark that each object is to have; None for none."""


def marked(snapshot: Snapshot, marks: Marks) -> Snapshot:
    """The same host, but for the marks of some objects. Records of what is no longer owed go with theirs.

    Rules are marked by their namespace: the protocol number of a living one cannot be changed.
    """
    return replace(
        snapshot,
        netns=tuple(_netns(row, marks) for row in snapshot.netns),
        links=tuple(_link(row, marks) for row in snapshot.links),
        addresses=tuple(_address(row, marks) for row in snapshot.addresses),
        routes=tuple(_route(row, marks) for row in snapshot.routes),
        neighbors=tuple(_neighbor(row, marks) for row in snapshot.neighbors),
        files=tuple(_file(row, marks) for row in snapshot.files),
        tables=tuple(replace(table, elements=tuple(_elements(table, marks))) for table in snapshot.tables),
    )


def _netns(row: NetnsRow, marks: Marks) -> NetnsRow:
    key = Key("netns", "", row.name)
    if key not in marks:
        return row
    alias = str(marks[key] or "")
    if row.attached is not None:
        return replace(row, attached=row.attached._replace(alias=alias))
    return replace(row, alias=alias)


def _link(row: LinkRow, marks: Marks) -> LinkRow:
    key = Key("link", row.netns, row.name)
    if key not in marks:
        return row
    mark = marks[key]
    return replace(row, alias=str(mark or ""), group=stack_group(mark.stack) if mark else NO_GROUP)


def _address(row: AddressRow, marks: Marks) -> AddressRow:
    key = address_key(row.netns, row.link, row.address)
    return replace(row, protocol=PROTOCOL if marks[key] else NO_PROTOCOL) if key in marks else row


def _route(row: RouteRow, marks: Marks) -> RouteRow:
    key = route_key(row.netns, row.to, row.table, row.metric)
    return replace(row, protocol=PROTOCOL if marks[key] else STATIC) if key in marks else row


def _neighbor(row: NeighborRow, marks: Marks) -> NeighborRow:
    key = Key("neighbor", row.netns, f"{row.link}/{row.address}")
    # To no protocol at all the kernel brings none without a moment in which it is not there.
    return replace(row, protocol=PROTOCOL if marks[key] else STATIC) if key in marks else row


def _file(row: FileRow, marks: Marks) -> FileRow:
    key = Key("file", row.netns, row.name)
    return replace(row, mark=str(marks[key] or file.LET_GO)) if key in marks else row


def _elements(table: TableRow, marks: Marks) -> Iterator[ElementRow]:
    for row in table.elements:
        key = Key("element", table.netns, f"{row.set} {row.key}")
        if key not in marks:
            yield row
        elif marks[key] is not None:
            yield replace(row, comment=row.comment.removeprefix(nat_element.LET_GO))
        elif row.set != "former":
            yield replace(row, comment=nat_element.LET_GO + row.comment)
