"""A State: resources by key. The same type for what the spec wants and for what was observed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from netspec.core.resource import Key, Resource

State = Mapping[Key, Resource]

EMPTY: State = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two declarations of one key that cannot both hold."""

    first: Resource
    second: Resource


def merge(declarations: Iterable[Resource]) -> tuple[State, tuple[Contradiction, ...]]:
    """One State of all declarations. Equal ones (but for who asked) fold into the first; others contradict."""
    state: dict[Key, Resource] = {}
    contradictions = []
    for resource in declarations:
        known = state.setdefault(resource.key(), resource)
        if known is not resource and not same(known, resource):
            contradictions.append(Contradiction(known, resource))
    return MappingProxyType(state), tuple(contradictions)


def same(first: Resource, second: Resource) -> bool:
    """Whether two resources are the same in everything but their mark."""
    return type(first) is type(second) and first == replace(second, mark=first.mark)


def owned_by(stack: str) -> Callable[[Resource], bool]:
    """A predicate: does this observed resource carry the mark of `stack`?"""

    def owned(resource: Resource) -> bool:
        return resource.mark is not None and resource.mark.stack == stack

    return owned


def prunable(stack: str, desired: State) -> Callable[[Resource], bool]:
    """A predicate: may this observed resource, which is not wanted, be deleted?"""
    owned = owned_by(stack)

    def pruned(resource: Resource) -> bool:
        if owned(resource):
            return True
        holders = (desired.get(key) for key in resource.requires())
        return any(holder is not None and holder.evicts(resource) for holder in holders)

    return pruned


def dependents(states: Iterable[State]) -> Mapping[Key, tuple[Key, ...]]:
    """For each required key, the keys of the resources that stand on it, over all the states given."""
    found: dict[Key, dict[Key, None]] = {}
    for state in states:
        for key, resource in state.items():
            for required in resource.requires():
                found.setdefault(required, {})[key] = None
    return {required: tuple(keys) for required, keys in found.items()}


def provided(resource: Resource) -> Iterator[Key]:
    """The key of a resource and all further keys that come and go with it."""
    yield resource.key()
    yield from resource.provides()
