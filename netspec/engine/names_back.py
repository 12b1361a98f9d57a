"""The way back from renames: whatever has its new name, and is ours, gets its old one again. By looking."""

from collections.abc import Iterator

from netspec.core.plan import Plan, Rename, Step, Verb
from netspec.core.resource import Mark
from netspec.engine.journal import Entry
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Scope, Snapshot
from netspec.kinds._links import mark_of, space_marks


def names_back(kernel: Kernel, entry: Entry) -> Plan:
    """A plan of renames alone; without changes, as it is not shown. Raises KernelError."""
    return Plan(steps=tuple(_steps(entry, kernel.snapshot(Scope(stack=entry.stack)))))


def _steps(entry: Entry, snapshot: Snapshot) -> Iterator[Step]:
    links = {(row.netns, row.name): row for row in snapshot.links}
    spaces = space_marks(snapshot)
    names = {row.name: row.name for row in snapshot.netns if row.alive}
    for old, new in reversed(entry.renames):
        if old.kind == "netns":
            if new.name in names and _is_ours(spaces.get(new.name), entry):
                yield _step(Rename(new, old), entry)
                names[old.name] = names.pop(new.name)
            continue
        here = names.get(old.netns, old.netns)
        row = links.get((here, new.name))
        # Inside a namespace, the far end of a pair has no mark of its own.
        ours = row is not None and (bool(here) or _is_ours(mark_of(row, entry.stack), entry))
        if ours and (here, old.name) not in links:
            yield _step(Rename(new, old), entry)


def _step(rename: Rename, entry: Entry) -> Step:
    return Step(Verb.RENAME, rename.old, entry.before.get(rename.new), None, rename=rename)


def _is_ours(mark: Mark | None, entry: Entry) -> bool:
    return mark is not None and mark.stack == entry.stack
