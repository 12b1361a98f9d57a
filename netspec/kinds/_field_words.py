"""Values of fields as people say them: numbers that have names by these, and nothing as Python writes it."""

from collections.abc import Iterator, Mapping

from netspec.core.change import Change
from netspec.core.resource import Resource
from netspec.kernel.operations import NextHop
from netspec.kinds._routing_specs import SCOPES
from netspec.kinds.file import File
from netspec.kinds.route import TYPES, UNICAST, Route

_VALUES: Mapping[str, Mapping[int, str]] = {
    "addr_gen_mode": {0: "automatic", 1: "none"},
    "alive": {False: "dead", True: "alive"},
}
_OF_ROUTES: Mapping[str, Mapping[int, str]] = {
    "type": {UNICAST: "unicast", **TYPES},
    "scope": {number: name for name, number in SCOPES.items()},
    "mtu": {0: "none"},
}


def value_words(resource: Resource, name: str, value: object) -> str:
    """The value of a field of a resource, on one line."""
    known = _OF_ROUTES.get(name, {}) if isinstance(resource, Route) else _VALUES.get(name.removeprefix("peer_"), {})
    if isinstance(value, int) and value in known:
        return known[value]
    if isinstance(resource, File) and name == "mode" and isinstance(value, int):
        return f"{value:04o}"
    return _plain(value)


def moves_of(change: Change) -> Iterator[str]:
    """The fields of a change, by the names that JSON has, each from what to what it goes."""
    for each in change.fields:
        before, after = (value_words(change.resource, each.name, value) for value in (each.before, each.after))
        yield f"{each.name} {before} -> {after}"


def _plain(value: object) -> str:
    """A value by its type alone."""
    match value:
        case None | "" | ():
            return "none"
        case bool():
            return "on" if value else "off"
        case NextHop():
            ways = (f"via {value.via}" if value.via else "", f"dev {value.link}" if value.link else "")
            return " ".join(filter(None, (*ways, f"weight {value.weight}")))
        case tuple() | list() | frozenset():
            return ", ".join(_plain(each) for each in value)
        case bytes():
            return value.hex()
    return " ".join(str(value).split())
