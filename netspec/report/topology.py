"""What a stack owns, as a tree and as JSON: bridges, ports, endpoints, addresses, publications."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from netspec.core.resource import Resource
from netspec.core.state import State, owned_by
from netspec.kinds._encoding import encode
from netspec.kinds.address import Address
from netspec.kinds.bridge import Bridge
from netspec.kinds.link_field import LinkField
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import NatTable
from netspec.kinds.netns import Netns
from netspec.kinds.port import Port
from netspec.kinds.route import Route
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth
from netspec.report.objects import object_of
from netspec.report.style import PLAIN, Style
from netspec.report.words import is_derived, words_of

FORMAT_VERSION = "1.0"


def owned(state: State, stack: str) -> tuple[Resource, ...]:
    """The resources of a stack, in order of their keys."""
    ours = owned_by(stack)
    return tuple(resource for _, resource in sorted(state.items()) if ours(resource))


def show_document(resources: tuple[Resource, ...], stack: str) -> dict[str, Any]:
    """The document that `show --output json` prints."""
    objects: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        entry = {"address": str(resource.key()), **(encode(resource) or {})}
        objects.setdefault(object_of(resource), []).append(entry)
    listed = [{"address": address, "resources": entries} for address, entries in sorted(objects.items())]
    return {"format_version": FORMAT_VERSION, "stack": stack, "objects": listed}


def render(resources: tuple[Resource, ...], stack: str, style: Style = PLAIN, *, address: str = "") -> str:
    """A tree of bridges with their endpoints, then what stands beside them; or what `address` names, alone."""
    if not resources:
        return f"Stack {stack} owns nothing on this host.\n"
    lines = [style.paint("bold", f"stack {stack}")]
    branches = list(_Tree(resources).branches())
    if address:
        kernel_objects = (each for each in resources if address in (object_of(each), str(each.key())))
        found = [branch for branch in _all(branches) if branch.address == address]
        branches = found or [Branch(str(each.key()), words_of(each)) for each in kernel_objects]
    for number, branch in enumerate(branches):
        lines.extend(_drawn(branch, last=number == len(branches) - 1))
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Branch:
    """An object in a line, and the branches below it."""

    address: str
    words: str
    below: tuple["Branch", ...] = ()

    def __str__(self) -> str:
        return f"{self.address}  {self.words}".strip()


def _all(branches: Iterable[Branch]) -> Iterator[Branch]:
    """Branches with all below them."""
    for each in branches:
        yield each
        yield from _all(each.below)


def _drawn(branch: Branch, *, last: bool) -> Iterator[str]:
    yield ("└─ " if last else "├─ ") + str(branch)
    margin = "   " if last else "│  "
    for number, each in enumerate(branch.below):
        for drawn in _drawn(each, last=number == len(branch.below) - 1):
            yield margin + drawn


class _Tree:
    """The relations between a stack's resources, looked up once."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._all = resources
        self._addresses: dict[tuple[str, str], list[Address]] = {}
        self._routes: dict[tuple[str, str], list[Route]] = {}
        self._ports: dict[str, list[Port]] = {}
        self._published: dict[str, list[NatElement]] = {}
        for resource in resources:
            self._index(resource)
        self._veths = {each.name: each for each in resources if isinstance(each, Veth)}

    def _index(self, resource: Resource) -> None:
        match resource:
            case Address():
                self._addresses.setdefault((resource.netns, resource.link), []).append(resource)
            case Route():
                self._routes.setdefault((resource.netns, resource.link or ""), []).append(resource)
            case Port():
                self._ports.setdefault(resource.bridge or "", []).append(resource)
            case NatElement() if resource.set.startswith(("publish", "routed")):
                self._published.setdefault(object_of(resource), []).append(resource)

    def branches(self) -> Iterator[Branch]:
        """Bridges, then endpoints on none, then what stands beside them."""
        yield from self._bridges()
        yield from self._detached()
        yield from self._beside()

    def _bridges(self) -> Iterator[Branch]:
        """Each bridge with the endpoints on it."""
        for bridge in (each for each in self._all if isinstance(each, Bridge)):
            held = self._addresses.get(("", bridge.name), [])
            addresses = ", ".join(str(each.address) for each in held) or "no address"
            words = f"{addresses}  mtu {bridge.mtu}  {bridge.mac}{'' if bridge.up else '  DOWN'}"
            yield Branch(f"bridge/{bridge.name}", words, self._on(bridge.name))
        ours = {each.name for each in self._all if isinstance(each, Bridge)}
        lent = {each.link for each in self._all if isinstance(each, LinkField) and each.origin == f"bridge/{each.link}"}
        for name in sorted((lent | set(self._ports)) - ours):
            held = self._addresses.get(("", name), [])
            words = ", ".join(str(each.address) for each in held) or "no address of ours"
            yield Branch(f"bridge/{name}", f"{words}  existing", self._on(name))

    def _on(self, bridge: str) -> tuple[Branch, ...]:
        """Links of the host, and endpoints by name, numbers in them as numbers."""
        return tuple(sorted(map(self._port, self._ports.get(bridge, [])), key=_in_order))

    def _port(self, port: Port) -> Branch:
        pair = self._veths.get(port.link)
        if pair is None:
            return Branch(f"port/{port.link}", "")
        place = (pair.peer_netns, pair.peer_name)
        held = self._addresses.get(place, [])
        addresses = ", ".join(str(each.address) for each in held) or "no address"
        state = "" if pair.up and pair.peer_up else "DOWN"
        facts = [pair.peer_name, addresses, *self._ways(place), pair.peer_mac or "", state, f"(port {port.link})"]
        targets = {str(each.address.ip) for each in held}
        published = self._published.get(object_of(pair), [])
        return Branch(
            object_of(pair),
            "  ".join(filter(None, facts)),
            tuple(Branch("", words) for words, target in map(_publication, published) if target in targets),
        )

    def _ways(self, place: tuple[str, str]) -> Iterator[str]:
        """The default gateways, of both families, and other routes."""
        routes = sorted(self._routes.get(place, []), key=lambda each: each.to.version)
        gateways = [str(each.via or each.link) for each in routes if not each.to.prefixlen]
        if gateways:
            yield f"default via {', '.join(gateways)}"
        yield from (f"{each.to} via {each.via or each.link}" for each in routes if each.to.prefixlen)

    def _detached(self) -> Iterator[Branch]:
        """Endpoints on no bridge."""
        pairs = (self._veths.get(port.link) for ports in self._ports.values() for port in ports)
        joined = {pair.peer_netns for pair in pairs if pair is not None}
        for space in (each for each in self._all if isinstance(each, Netns)):
            if space.name not in joined:
                yield Branch(object_of(space), "no bridge")

    def _beside(self) -> Iterator[Branch]:
        """Translation of addresses, policies and sysctls."""
        translated = [each for each in self._all if isinstance(each, NatElement) and object_of(each) == "nat"]
        shown = tuple(dict.fromkeys(words_of(each) for each in translated if not is_derived(each)))
        if shown or any(isinstance(each, NatTable) for each in self._all):
            yield Branch("nat", "" if shown else "nothing is translated", tuple(Branch("", each) for each in shown))
        hits = [each for table in self._all if isinstance(table, NatTable) for each in table.counters]
        if hits:
            words = (f"{each.comment}  ({each.packets:,} new connections)" for each in hits)
            yield Branch("policies", "", tuple(Branch("", each) for each in words))
        for each in self._all:
            if isinstance(each, Sysctl):
                yield Branch(f"sysctl/{each.name}", f"{_spaced(each.value)}  (was {_spaced(each.former)})")


def _in_order(branch: Branch) -> tuple[bool, list[str | int], str]:
    parts = re.split(r"([0-9]+)", branch.address)
    return (
        not branch.address.startswith("port/"),
        [int(part) if part.isdigit() else part for part in parts],
        branch.words,
    )


def _publication(element: NatElement) -> tuple[str, str]:
    """What is open to others in words, and at which address."""
    if not element.set.startswith("routed"):
        return element.title(), element.value.partition(" ")[0]
    source, target, protocol, ports = element.element.split(" . ")
    everybody = source in ("0.0.0.0/0", "::/0")
    return f"open {ports}/{protocol}" + ("" if everybody else f" to {source}"), target


def _spaced(value: str | None) -> str:
    return " ".join((value or "").split())
