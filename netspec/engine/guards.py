"""Guards: what removes much, or may do so by mistake, is refused unless as many objects are allowed to go."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from netspec.core.change import Action
from netspec.core.plan import Plan
from netspec.core.resource import Resource
from netspec.core.state import State, owned_by
from netspec.counting import counted
from netspec.diagnostics import Diagnostic
from netspec.engine.applied import Applied

FEW = 3
"""As many objects may always go: of a small stack they soon are more than a quarter."""
EVERYTHING = 1 << 62
"""As many may go as there are: what is brought back was wanted by somebody before."""
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Removal:
    """A plan, what it was made from, and how many objects are allowed to go."""

    stack: str
    plan: Plan
    desired: State
    observed: State
    allowed: int

    @property
    def owned(self) -> frozenset[str]:
        """The objects that the stack has now."""
        ours = owned_by(self.stack)
        return _objects(each for each in self.observed.values() if ours(each))

    @property
    def gone(self) -> frozenset[str]:
        """Those of them that the spec does not want."""
        return self.owned - _objects(self.desired.values())

    @property
    def losing(self) -> frozenset[str]:
        """Those that lose something, at least."""
        deleted = (change.resource for change in self.plan.changes if change.action is Action.DELETE)
        return _objects(each for each in deleted if each.mark is not None) | self.gone


def removals(removal: Removal, lost: tuple[str, ...]) -> Iterator[Diagnostic]:
    """What forbids a removal; `lost` are files that the spec had when it was applied last. The first reason is told."""
    if all(change.action is not Action.DELETE for change in removal.plan.changes):
        return
    owned, gone = removal.owned, removal.gone
    if owned and not removal.desired and len(gone) > removal.allowed:
        number = counted(len(gone), "object")
        yield _refusal("NS0710", f"the spec is empty, and {number} of stack {removal.stack} would go", gone)
    elif lost and len(removal.losing) > removal.allowed:
        names = ", ".join(lost[:SHOWN])
        lose = f"{counted(len(removal.losing), 'object')} would lose something"
        why = f"the spec has fewer files than at the last apply, without {names}, and {lose}"
        yield _refusal("NS0711", why, removal.losing)
    elif len(gone) > max(removal.allowed, FEW) and len(gone) * 4 > len(owned):
        part = f"{len(gone)} of the {len(owned)} objects"
        yield _refusal("NS0712", f"{part} of stack {removal.stack} would go, more than a quarter", gone)


def lost_files(applied: Applied, files: tuple[str, ...]) -> tuple[str, ...]:
    """The files of the last apply that are missing, where there are fewer than there were."""
    known = {PurePath(each).name for each in files}
    return tuple(each for each in applied.files if each not in known) if 0 < len(files) < len(applied.files) else ()


def _objects(resources: Iterable[Resource]) -> frozenset[str]:
    """The objects of the spec that resources are parts of; what the table has for itself is none."""
    return frozenset(each.owner for each in resources if each.owner and not each.owner.startswith("element/"))


def _refusal(code: str, why: str, objects: frozenset[str]) -> Diagnostic:
    number = len(objects)
    names = ", ".join(sorted(objects)[:SHOWN]) + (f" and {number - SHOWN} more" if number > SHOWN else "")
    hint = f"if that is meant, add --allow-removal {number}; netspec destroy takes the whole stack away"
    return Diagnostic(code, f"{why}: {names}", hint=hint)
