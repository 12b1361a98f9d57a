"""Who may talk to whom, as values: what the rules of our table decide, for flows that have been let in before.

The rules judge the first packet of a flow. When they become tighter, what is on its way is judged once more, here.
"""

from collections.abc import Container
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

ICMP = frozenset({1, 58})
FORWARD, INPUT, OUTPUT = "forward", "input", "output"


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as the filter sees its first packet: addresses and ports after translation of the destination."""

    protocol: int
    source: Address
    destination: Address
    port: int
    translated: bool
    """Whether its destination was translated."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Some traffic: `ports` are protocol, first and last port; empty for all. No `protocol` 0."""

    sources: tuple[Network, ...]
    targets: tuple[Network, ...]
    ports: tuple[tuple[int, int, int], ...] = ()

    def has(self, flow: Flow) -> bool:
        """Whether a flow is of it."""
        return (
            any(flow.source in each for each in self.sources)
            and any(flow.destination in each for each in self.targets)
            and (
                not self.ports
                or any(flow.protocol == p and first <= flow.port <= last for p, first, last in self.ports)
            )
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """One policy where it applies: on the way through, to, or from the host."""

    hook: str
    allow: bool
    reach: Reach


@dataclass(frozen=True, slots=True)
class Ward:
    """A segment, and what holds for it where no policy says otherwise. `access` as in the spec, or `internal`."""

    networks: tuple[Network, ...]
    access: str
    isolated: bool
    host_closed: bool


@dataclass(frozen=True, slots=True)
class Judge:
    """All of it: policies in order, then the defaults of segments. `routed` is open at endpoints' own addresses."""

    rulings: tuple[Ruling, ...]
    wards: tuple[Ward, ...]
    routed: tuple[Reach, ...] = ()

    def admits(self, flow: Flow, local: Container[Address]) -> bool:
        """Whether a flow would be let in today; `local` holds the host's own addresses. True for what is not ours."""
        here, there = (each in local or each.is_loopback for each in (flow.source, flow.destination))
        source = None if here else self._ward(flow.source)
        target = None if there else self._ward(flow.destination)
        if source is None and target is None:
            return True
        hook = OUTPUT if here else INPUT if there else FORWARD
        for ruling in self.rulings:
            if ruling.hook == hook and ruling.reach.has(flow):
                return ruling.allow
        if hook == OUTPUT:
            return True
        if hook == INPUT:
            return source is None or not source.host_closed or flow.protocol in ICMP
        return self._passes(flow, source, target)

    def _ward(self, address: Address) -> Ward | None:
        return next((each for each in self.wards if any(address in network for network in each.networks)), None)

    def _passes(self, flow: Flow, source: Ward | None, target: Ward | None) -> bool:
        if source is not None and source is target:
            return not source.isolated or flow.translated
        if source is not None and source.access == "internal":
            return False
        if target is None or target.access == "open":
            return True
        if target.access == "routed":
            return flow.protocol in ICMP or any(each.has(flow) for each in self.routed)
        return target.access == "published" and flow.translated
