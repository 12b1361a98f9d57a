"""Kernel objects and their fields in words of the spec."""

import re
from collections.abc import Mapping

from netspec.core.change import FieldChange
from netspec.core.resource import Resource
from netspec.kinds._field_words import value_words
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.altname import Altname
from netspec.kinds.bridge import Bridge
from netspec.kinds.link_field import LinkField
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import NatTable
from netspec.kinds.route import Route

_DERIVED = re.compile(
    r"(access|advertised[46]?|beside[46]?|beyond4|former|guarded_mac|guarded[46]?|limited|netmapped[46]"
    r"|netmap[46]_in|own[46]|return[46]|same|segments|shared|within)(_.+)?"
)
"""Sets whose elements follow from others or from the table: of interest where nothing else changes."""
_OUT = re.compile(r"(masquerade|snat)[46]_out")
_ROUTE_WORDS: Mapping[str, str] = {"link": "dev"}
_NAMES: Mapping[str, str] = {
    "addr_gen_mode": "IPv6 link-local",
    "alive": "namespace",
    "ipv6": "IPv6",
    "lo_up": "loopback",
    "netns": "namespace",
    "peer_name": "interface",
    "peer_netns": "namespace",
}
ACCESS = {"goto published": "published ports", "goto apart": "published ports", "goto routed": "routed"}
ACCESS |= {"accept": "open", "drop": "closed"}


def is_derived(resource: Resource) -> bool:
    """Whether it only follows from what else an object has."""
    if isinstance(resource, NatElement):
        return _DERIVED.fullmatch(resource.set) is not None
    return isinstance(resource, Admission)


def words_of(resource: Resource, *, several: bool = False) -> str:
    """A kernel object in a few words; with its interface where its endpoint has `several`."""
    match resource:
        case Bridge():
            return f"bridge {resource.name}"
        case Address():
            return f"address {resource.address}" + (f" on {resource.link}" if several else "")
        case LinkField() if resource.former is not None:
            return f"{resource.title()} -> {resource.former}"
        case NatElement():
            name, value = element_words(resource)
            return f"{name} -> {value}" if value else name
        case Route():
            straight = resource.link and not resource.via
            return f"{route_name(resource)} {f'dev {resource.link}' if straight else resource.title()}"
    return resource.title() or str(resource.key())


def element_words(element: NatElement) -> tuple[str, str]:
    """Name and value of an element of a set or map of nftables."""
    key = element.element.replace('"', "")
    value = re.sub(r"/(32|128)\b", "", element.value)
    family = re.sub(r"[46](_.+)?$", "", element.set)
    if element.set.startswith("policy"):
        source, target, *service = key.split(" . ")
        return f"{source} to {target} {'/'.join(reversed(service))}".strip(), ""
    if _OUT.fullmatch(element.set):
        key = key.replace(" . ", " out by ")
    match family:
        case "masquerade" | "snat" | "netmap":
            return f"{family} {key}", value
        case "routed":
            return f"open {key}", value
        case "access":
            return "access", ACCESS.get(value, value)
        case "within":
            return "between its endpoints", ACCESS.get(value, value)
    name, _, target = element.title().partition(" -> ")
    return name, target


def route_name(route: Route) -> str:
    """A route by where it leads: `default route`, `route to 10.0.0.0/8`."""
    name = "default route" if not route.to.prefixlen else f"route to {route.to}"
    return f"IPv6 {name}" if route.to.version == 6 and not route.to.prefixlen else name


def field_name(resource: Resource, field: FieldChange) -> str:
    """A field as people call it."""
    match resource:
        case Route():
            return route_name(resource)
        case Altname() | LinkField():
            return resource.label
        case NatElement():
            return element_words(resource)[0]
        case Admission():
            return resource.title()
        case NatTable():
            return f"nftables table {resource.family} {resource.name}"
    return _NAMES.get(field.name, _NAMES.get(plain := field.name.removeprefix("peer_"), plain))


def field_value(resource: Resource, field: FieldChange, value: object) -> str:
    """The value of a field as people say it."""
    if isinstance(resource, Admission):
        return "as before" if value == field.before else "as written"
    if isinstance(resource, NatElement) and field.name == "value":
        return _element_value(resource, str(value))
    return value_words(resource, field.name, value)


def field_move(resource: Resource, field: FieldChange) -> str:
    """From what to what a field goes; of a route, which is called by where it leads, with what it is that goes."""
    before, after = (field_value(resource, field, value) for value in (field.before, field.after))
    what = f"{_ROUTE_WORDS.get(field.name, field.name)} " if isinstance(resource, Route) else ""
    return f"{what}{before} -> {after}"


def _element_value(element: NatElement, value: str) -> str:
    if re.match(r"(access|within)", element.set):
        return ACCESS.get(value, value)
    return re.sub(r"/(32|128)\b", "", value).replace(" . ", " port ")
