"""A Plan: changes, and the steps that make them in an order the kernel accepts.

The laws, each a property test:

1. *Stand on it only once it is there*: a step that makes something runs after the steps that make
   what it requires, and after those that make or change what it follows; and after those that delete
   what has provided the same: a name is free before it is taken again.
2. *Leave it before it goes*: a step whose *before* required something runs before that is deleted.
   What a resource provides besides itself changes by replacement only: else steps could wait for each other.
3. *What stands on a replaced resource is replaced* (`core.change`).
4. *Of what is free to go, deletes go first, then updates, then creates; ties by rank and key.* A kind
   that makes before it breaks has its creates first and its deletes last. Kinds that go together have all
   their steps in one run, before other kinds' deletes: what is one transaction is not cut.
5. *What is remembered is remembered first*: a record is there before the step it is about, and goes after it.
6. *What moves other things along moves first*: a step on what it disturbs comes after it.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from netspec.core.change import Action, Change
from netspec.core.resource import Key, Resource
from netspec.core.state import provided


class Verb(IntEnum):
    """What a step does; the numbers are law 4."""

    DELETE = 0
    UPDATE = 1
    CREATE = 2
    RENAME = 3
    """It goes on under another key. No plan orders such steps: they come before all others."""


class Rename(NamedTuple):
    """A living object goes on under another key, of the same class."""

    old: Key
    new: Key


@dataclass(frozen=True, slots=True)
class Step:
    """One ordered move. `implied` steps are done by the kernel with their parent's: shown, not sent."""

    verb: Verb
    key: Key
    before: Resource | None
    after: Resource | None
    implied: bool = False
    rename: Rename | None = None

    def __str__(self) -> str:
        return f"{'(' if self.implied else ''}{self.verb.name.lower()} {self.key}{')' if self.implied else ''}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes by key, and the steps in order; `renames` are those that the first steps make."""

    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    renames: tuple[Rename, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)


class PlanningError(Exception):
    """The steps cannot be ordered: a circle of requirements, which is a defect of a kind."""


Node = tuple[Key, Verb]


@dataclass(slots=True)
class _Graph:
    """Steps as nodes, and which must wait for which."""

    steps: dict[Node, Step] = field(default_factory=dict)
    makers: dict[Key, Node] = field(default_factory=dict)
    breakers: dict[Key, Node] = field(default_factory=dict)
    followers: dict[Node, set[Node]] = field(default_factory=dict)
    waiting: dict[Node, int] = field(default_factory=dict)

    def find(self, key: Key, verb: Verb) -> Node | None:
        """The step with that key and verb, where there is one."""
        return (key, verb) if (key, verb) in self.steps else None

    def put_before(self, first: Node | None, then: Node) -> None:
        """`then` waits for `first`."""
        if first is None or first == then:
            return
        followers = self.followers.setdefault(first, set())
        if then not in followers:
            followers.add(then)
            self.waiting[then] = self.waiting.get(then, 0) + 1


def make_plan(changes: tuple[Change, ...]) -> Plan:
    """Put changes in order. Raises PlanningError for a circle."""
    graph = _Graph()
    lost = _lost(changes)
    for change in changes:
        for step in _steps(change, lost):
            _add(graph, step)
    for node, step in graph.steps.items():
        _connect(graph, node, step)
    return Plan(changes, tuple(_ordered(graph)))


def _lost(changes: tuple[Change, ...]) -> Mapping[Key, Resource]:
    """All keys that some delete step takes away, with the resource that goes."""
    gone = (Action.DELETE, Action.REPLACE)
    return {
        key: change.before
        for change in changes
        if change.action in gone and change.before is not None
        for key in provided(change.before)
    }


def _implied(resource: Resource, lost: Mapping[Key, Resource]) -> bool:
    """Whether the kernel deletes it with its parent.

    Not so where it also stands on something that may go at another moment: it must have left that.
    """
    parents = set(resource.cascades())
    if not any(key in lost for key in parents):
        return False
    others = (lost[key] for key in resource.requires() if key in lost and key not in parents)
    return all(_roots(other, lost) <= _roots(resource, lost) for other in others)


def _roots(resource: Resource, lost: Mapping[Key, Resource]) -> frozenset[Key]:
    """The deletions that take a resource along, of which any does; its own where none does."""
    parents = [lost[key] for key in resource.cascades() if key in lost]
    if not parents:
        return frozenset({resource.key()})
    return frozenset[Key]().union(*(_roots(parent, lost) for parent in parents))


def _steps(change: Change, lost: Mapping[Key, Resource]) -> Iterator[Step]:
    if change.action in (Action.DELETE, Action.REPLACE):
        assert change.before is not None, "a deletion has a before"
        yield Step(Verb.DELETE, change.key, change.before, None, _implied(change.before, lost))
    if change.action in (Action.CREATE, Action.REPLACE):
        yield Step(Verb.CREATE, change.key, None, change.after)
    if change.action in (Action.UPDATE, Action.ADOPT, Action.FORGET):
        yield Step(Verb.UPDATE, change.key, change.before, change.after)


def _add(graph: _Graph, step: Step) -> None:
    node = (step.key, step.verb)
    graph.steps[node] = step
    if step.verb is Verb.DELETE and step.before is not None:
        graph.breakers.update(dict.fromkeys(provided(step.before), node))
    elif step.verb is Verb.CREATE and step.after is not None:
        graph.makers.update(dict.fromkeys(provided(step.after), node))


def _connect(graph: _Graph, node: Node, step: Step) -> None:
    if step.after is not None:
        for required in (*step.after.requires(), *step.after.follows()):
            graph.put_before(graph.makers.get(required), node)
        for followed in step.after.follows():
            graph.put_before(graph.find(followed, Verb.UPDATE), node)
        for key in provided(step.after):
            if key in graph.breakers and graph.makers.get(key) == node:
                graph.put_before(graph.breakers[key], node)
    if step.before is not None:
        for required in step.before.requires():
            breaker = graph.breakers.get(required)
            if breaker is not None:
                graph.put_before(node, breaker)
    _connect_sideways(graph, node, step)


def _connect_sideways(graph: _Graph, node: Node, step: Step) -> None:
    """Laws 5 and 6: what a resource does not stand on, and yet must not overtake."""
    resource = _resource_of(step)
    for record in resource.recorded_in():
        graph.put_before(graph.find(record, Verb.CREATE), node)
        if graph.find(record, Verb.DELETE) and not graph.find(record, Verb.CREATE):
            graph.put_before(node, (record, Verb.DELETE))
    sides = [side for side in (step.before, step.after) if side is not None]
    for source, _ in resource.swept_by():
        graph.put_before(graph.find(source, Verb.UPDATE), node)
    for disturbed in {key: None for side in sides for key in side.disturbs()}:
        for verb in Verb:
            if (disturbed, verb) in graph.steps:
                graph.put_before(node, (disturbed, verb))


def _resource_of(step: Step) -> Resource:
    found = step.after if step.after is not None else step.before
    assert found is not None, "a step has at least one side"
    return found


Priority = tuple[int, int, Key, Verb]


def _priority(step: Step) -> Priority:
    resource = _resource_of(step)
    phase = -1 if resource.together else -step.verb if resource.make_before_break else step.verb
    rank = -resource.rank if step.verb is Verb.DELETE else resource.rank
    return (phase, rank, step.key, step.verb)


def _ordered(graph: _Graph) -> Iterator[Step]:
    waiting: Mapping[Node, int] = graph.waiting
    ready = [_priority(step) for node, step in graph.steps.items() if not waiting.get(node)]
    heapq.heapify(ready)
    done = 0
    while ready:
        _, _, key, verb = heapq.heappop(ready)
        node = (key, verb)
        done += 1
        yield graph.steps[node]
        for follower in graph.followers.get(node, ()):
            graph.waiting[follower] -= 1
            if not graph.waiting[follower]:
                heapq.heappush(ready, _priority(graph.steps[follower]))
    if done < len(graph.steps):
        stuck = sorted(str(graph.steps[node]) for node in graph.steps if graph.waiting.get(node))
        raise PlanningError(f"these steps wait for each other: {', '.join(stuck)}")
