"""Policies of a document with their names resolved: rules, and what they mean for segments."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from netspec.core.elements import PROTOCOLS
from netspec.core.judge import FORWARD, Reach
from netspec.core.resource import Resource
from netspec.kernel.operations import Network
from netspec.kinds._contract import Finding
from netspec.kinds._intent import Attachment, Segment
from netspec.kinds._policies import Cast, Rule, rules
from netspec.kinds.admission import Admission, admission
from netspec.kinds.nat_element import NatElement

_NUMBERS = {name: number for number, name in PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class Policing:
    """The rules of all policies, and the segments within which one of them holds."""

    rules: tuple[Rule, ...]
    policed: frozenset[str]
    void: tuple[Finding, ...] = ()
    """Policies that no packet can match."""


def policing(
    document: Any,  # noqa: ANN401  the assembled document model
    segments: Mapping[str, Segment],
    attachments: Mapping[str, tuple[Attachment, ...]],
) -> Policing:
    """What the policies of a document come to."""
    if not document.policies:
        return Policing((), frozenset())
    known: dict[str, tuple[Network, ...]] = {}
    for name, joined in attachments.items():
        known[f"endpoint/{name}"] = tuple(ip_network(each.ip) for one in joined for each in one.addresses)
    for address, segment in segments.items():
        known[address] = tuple(pool.cidr for pool in segment.pools)
        known.update((f"subnet/{pool.name}", (pool.cidr,)) for pool in segment.pools)
    cast = Cast(known)
    found = tuple(rules(document.policies, cast))
    policed = frozenset(name for name, segment in segments.items() if _within(segment, found))
    return Policing(found, policed, tuple(_void(document.policies, cast, {each.number for each in found})))


def _void(policies: Sequence[Any], cast: Cast, numbers: set[int]) -> Iterator[Finding]:
    """Who reads a policy takes it to do something: one that is about no IP version says so."""
    for number, spec in enumerate(policies, 1):
        if number not in numbers:
            sides = (("from", spec.traffic.from_), ("to", spec.traffic.to))
            hint = "; ".join(f"`{name}` has {_versions(parties, cast)}" for name, parties in sides)
            yield Finding(
                "NS0330", "no traffic can match this policy", ("policies", number - 1, spec.action), hint=hint
            )


def _versions(parties: Sequence[Any], cast: Cast) -> str:
    if any(party in ("host", "any") for party in parties):
        return "IPv4 and IPv6 addresses"
    found = sorted({each.version for party in parties for each in cast.addresses(party)})
    return f"{' and '.join(f'IPv{each}' for each in found)} addresses" if found else "no address"


def _within(segment: Segment, found: Iterable[Rule]) -> bool:
    """Whether a rule is about traffic between two endpoints of one segment."""
    networks = [pool.cidr for pool in segment.pools]
    return any(
        rule.hook == FORWARD and _meet(rule.sources, networks) and _meet(rule.targets, networks) for rule in found
    )


def _meet(some: Iterable[Network], networks: Iterable[Network]) -> bool:
    others = list(networks)
    return any(each.version == other.version and each.overlaps(other) for each in some for other in others)


def admission_of(stack: str, segments: Iterable[Segment], found: Policing, resources: Iterable[Resource]) -> Admission:
    """What judges flows that are on their way when the spec changes."""
    routed = tuple(
        _reach(each) for each in resources if isinstance(each, NatElement) and each.set in ("routed4", "routed6")
    )
    return admission(stack, tuple(segments), found.rules, routed)


def _reach(opened: NatElement) -> Reach:
    source, target, protocol, ports = opened.element.split(" . ")
    first, _, last = ports.partition("-")
    run = (_NUMBERS[protocol], int(first), int(last or first))
    return Reach((ip_network(source),), (ip_network(target),), (run,))
