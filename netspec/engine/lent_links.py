"""What forbids the use of links that are not ours: that they are not there, are taken, or would lose something."""

from collections.abc import Iterator, Mapping

from netspec.core.change import Change
from netspec.core.plan import Plan
from netspec.core.state import State
from netspec.kernel.snapshot import LinkRow, Snapshot
from netspec.kinds._links import mark_of
from netspec.kinds.link_field import LinkField
from netspec.kinds.port import Port

Words = tuple[str, str, str]
"""Code, message and hint."""


def lent_links(plan: Plan, desired: State, snapshot: Snapshot) -> Iterator[tuple[str, Words]]:
    """All of it, each with the address of the object that wants the link."""
    rows = {row.name: row for row in snapshot.links if not row.netns}
    yield from _bridges(desired, rows, snapshot.stack)
    for change in plan.changes:
        if isinstance(change.after, Port) and change.after.lent:
            for words in _port(change, change.after, rows, snapshot):
                yield _address(change.after, desired), words


def _bridges(desired: State, rows: Mapping[str, LinkRow], stack: str) -> Iterator[tuple[str, Words]]:
    """Existing bridges are there, are bridges, and are not our own."""
    seen: set[str] = set()
    for each in desired.values():
        if not isinstance(each, LinkField) or each.origin != f"bridge/{each.link}" or each.link in seen:
            continue
        seen.add(each.link)
        row = rows.get(each.link)
        mark = mark_of(row, stack) if row is not None else None
        if row is None or row.kind != "bridge":
            what = f"{each.link} is a {row.kind or 'physical'} link" if row is not None else "there is no such link"
            hint = "leave `existing` away, and netspec makes the bridge"
            yield each.origin, ("NS0431", f"bridge/{each.link} is not there already: {what}", hint)
        elif mark is not None and mark.stack == stack:
            message = f"bridge/{each.link} was made by this stack: it is not somebody else's"
            yield each.origin, ("NS0431", message, "leave `existing` away")


def _port(change: Change, port: Port, rows: Mapping[str, LinkRow], snapshot: Snapshot) -> Iterator[Words]:
    row = rows.get(port.link)
    if row is None:
        yield "NS0432", f"there is no link {port.link} to be a port of {port.bridge}", _known(rows, snapshot)
        return
    before = change.before
    if isinstance(before, Port) and (before.bridge == port.bridge or before.mark is not None):
        return
    taken = _taken(row, rows, snapshot.stack)
    if taken:
        yield "NS0433", f"{port.link} cannot be a port of {port.bridge}: {taken}", "release it, or choose another link"
        return
    lost = " and ".join(_lost(row, snapshot))
    if lost:
        hint = f"move it to {port.bridge} first: nothing that arrives at a port reaches what the port itself holds"
        yield "NS0434", f"{port.link} holds {lost}, and would lose it as a port of {port.bridge}", hint


def _address(port: Port, desired: State) -> str:
    """Where a list of ports names it; a mapping has no such place, and the bridge stands for it."""
    beside = [each for each in desired.values() if isinstance(each, Port) and each.lent and each.bridge == port.bridge]
    return f"{port.origin}.ports[{[each.link for each in beside].index(port.link)}]"


def _known(rows: Mapping[str, LinkRow], snapshot: Snapshot) -> str:
    ends = (row for name, row in rows.items() if name != "lo" and not row.master and not any(_lost(row, snapshot)))
    free = sorted(row.name for row in ends if not _taken(row, rows, snapshot.stack))
    return f"links that could be: {', '.join(free[:8])}" if free else "this host has no link that could be one"


def _taken(row: LinkRow, rows: Mapping[str, LinkRow], stack: str) -> str:
    """Why a link cannot become a port; empty where it can."""
    mark = mark_of(row, stack)
    if mark is not None:
        return f"it is a link of stack {mark.stack}"
    if row.kind == "bridge":
        return "it is a bridge itself"
    master = rows.get(row.master)
    held = mark_of(master, stack) if master is not None else None
    if row.master and (held is None or held.stack != stack):
        return f"{row.master} has it already"
    return ""


def _lost(row: LinkRow, snapshot: Snapshot) -> Iterator[str]:
    """What a link holds that it could not use as a port."""
    for address in snapshot.addresses:
        if not address.netns and address.link == row.name and not address.address.is_link_local:
            yield str(address.address)
    for route in snapshot.routes:
        if not route.netns and route.link == row.name and not route.to.prefixlen:
            yield f"the default route of IPv{route.to.version}"
