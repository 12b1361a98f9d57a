"""Kinds put to work: a snapshot decoded into a State, steps turned into operations."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from netspec.core.plan import Rename, Step, Verb
from netspec.core.resource import Key, Resource
from netspec.core.state import State
from netspec.kernel.operations import LinkSet, NetnsRename, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds import kinds
from netspec.kinds._contract import Kind


def observed_state(snapshot: Snapshot) -> State:
    """All resources that the kinds see in a snapshot, foreign ones too."""
    found: dict[Key, Resource] = {}
    for kind in kinds():
        for resource in kind.observe(snapshot):
            found[resource.key()] = resource
    return MappingProxyType(found)


@cache
def _table() -> dict[type[Resource], Kind]:
    return {kind.resource: kind for kind in kinds()}


def kind_of(resource: Resource) -> Kind:
    """The kind that moves a resource."""
    return _table()[type(resource)]


def operations_of(step: Step) -> tuple[Operation, ...]:
    """What one step asks of the kernel; nothing where the kernel does it by itself."""
    if step.implied:
        return ()
    if step.rename is not None:
        return (renaming(step.rename, getattr(step.before, "alias", None) or ""),)
    match step.verb, step.before, step.after:
        case Verb.DELETE, Resource() as before, _:
            return tuple(kind_of(before).delete(before))
        case Verb.CREATE, _, Resource() as after:
            return tuple(kind_of(after).create(after))
        case Verb.UPDATE, Resource() as before, Resource() as after:
            return tuple(kind_of(after).update(before, after))
        case _:
            raise AssertionError(f"a step without its sides: {step}")


def renaming(rename: Rename, alias: str) -> Operation:
    """What gives a living link or namespace another name; `alias` is its mark."""
    old, new = rename
    if old.kind == "netns":
        return NetnsRename(name=old.name, rename=new.name, alias=alias)
    return LinkSet(netns=old.netns, name=old.name, rename=new.name)


def _aftermath(step: Step, made: Mapping[Key, Resource | None]) -> tuple[Operation, ...]:
    """What an implied deletion leaves to do, where what it goes with is made again."""
    before = step.before
    if before is None or not any(ground in made for ground in before.cascades()):
        return ()
    return tuple(kind_of(before).aftermath(before, made.get(step.key)))


class Program:
    """The operations of a sequence of steps, each remembering the step it came from."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """`steps` in the order of the plan."""
        self.steps: tuple[Step, ...] = tuple(steps)
        operations: list[Operation] = []
        self._ends: list[int] = []
        made = {step.key: step.after for step in self.steps if step.verb is Verb.CREATE}
        for step in self.steps:
            operations.extend(_aftermath(step, made) if step.implied else operations_of(step))
            self._ends.append(len(operations))
        self.operations: Sequence[Operation] = tuple(operations)

    def step_of(self, operation: Operation | None) -> Step | None:
        """The first step that asked for an operation; None for one that no step asked for."""
        for step, begin, end in zip(self.steps, (0, *self._ends), self._ends, strict=False):
            if operation is not None and operation in self.operations[begin:end]:
                return step
        return None

    def steps_done(self, operations: int) -> int:
        """How many steps are complete when the first `operations` are."""
        return bisect_right(self._ends, operations)
