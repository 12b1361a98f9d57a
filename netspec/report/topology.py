"""What a stack owns, as a tree and as JSON: bridges, ports, endpoints, addresses, publications."""

from collections.abc import Iterator
from typing import Any

from netspec.core.resource import Resource
from netspec.core.state import State, owned_by
from netspec.kinds._encoding import encode
from netspec.kinds.address import Address
from netspec.kinds.bridge import Bridge
from netspec.kinds.nat_element import NatElement
from netspec.kinds.netns import Netns
from netspec.kinds.port import Port
from netspec.kinds.route import Route
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth
from netspec.report.objects import object_of
from netspec.report.style import PLAIN, Style

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


def render(resources: tuple[Resource, ...], stack: str, style: Style = PLAIN) -> str:
    """A tree of bridges with their endpoints, then what stands beside them."""
    if not resources:
        return f"Stack {stack} owns nothing on this host.\n"
    tree = _Tree(resources)
    lines = [style.paint("bold", f"stack {stack}")]
    branches = [*tree.bridges(), *tree.detached(), *tree.beside()]
    for number, branch in enumerate(branches):
        lines.extend(_drawn(branch, last=number == len(branches) - 1))
    return "\n".join(lines) + "\n"


Branch = tuple[str, list[Any]]
"""A line, and the branches below it."""


def _drawn(branch: Branch, *, last: bool) -> Iterator[str]:
    line, below = branch
    yield ("└─ " if last else "├─ ") + line
    margin = "   " if last else "│  "
    for number, each in enumerate(below):
        for drawn in _drawn(each, last=number == len(below) - 1):
            yield margin + drawn


class _Tree:
    """The relations between a stack's resources, looked up once."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._all = resources
        self._addresses: dict[tuple[str, str], list[str]] = {}
        self._routes: dict[tuple[str, str], list[str]] = {}
        self._ports: dict[str, list[Port]] = {}
        self._published: dict[str, list[NatElement]] = {}
        for resource in resources:
            self._index(resource)
        self._veths = {each.name: each for each in resources if isinstance(each, Veth)}

    def _index(self, resource: Resource) -> None:
        match resource:
            case Address():
                self._addresses.setdefault((resource.netns, resource.link), []).append(str(resource.address))
            case Route():
                via = (
                    f"default via {resource.via}" if not resource.to.prefixlen else f"{resource.to} via {resource.via}"
                )
                self._routes.setdefault((resource.netns, resource.link or ""), []).append(via)
            case Port():
                self._ports.setdefault(resource.bridge or "", []).append(resource)
            case NatElement() if resource.set.startswith("publish"):
                self._published.setdefault(object_of(resource), []).append(resource)

    def bridges(self) -> Iterator[Branch]:
        """Each bridge with the endpoints on it."""
        for bridge in (each for each in self._all if isinstance(each, Bridge)):
            addresses = ", ".join(self._addresses.get(("", bridge.name), [])) or "no address"
            state = "" if bridge.up else "  DOWN"
            line = f"bridge/{bridge.name}  {addresses}  mtu {bridge.mtu}  {bridge.mac}{state}"
            yield line, [self._port(port) for port in self._ports.get(bridge.name, [])]

    def _port(self, port: Port) -> Branch:
        pair = self._veths.get(port.link)
        if pair is None:
            return f"port {port.link}", []
        place = (pair.peer_netns, pair.peer_name)
        facts = [*self._addresses.get(place, []), *self._routes.get(place, [])]
        below: list[Branch] = [(each.title(), []) for each in self._published.get(object_of(pair), [])]
        line = f"{object_of(pair)}  {pair.peer_name}  {'  '.join(facts)}  {pair.peer_mac}  (port {port.link})"
        return line, list(below)

    def detached(self) -> Iterator[Branch]:
        """Endpoints on no bridge."""
        joined = {self._veths[port.link].peer_netns for ports in self._ports.values() for port in ports
                  if port.link in self._veths}  # fmt: skip
        for space in (each for each in self._all if isinstance(each, Netns)):
            if space.name not in joined:
                yield f"{object_of(space)}  no interface", []

    def beside(self) -> Iterator[Branch]:
        """Masquerading and sysctls."""
        for each in self._all:
            if isinstance(each, NatElement) and each.set.startswith("masquerade"):
                yield f"nat  {each.title()}", []
            elif isinstance(each, Sysctl):
                yield f"sysctl/{each.name} = {each.value}  (was {each.former})", []
