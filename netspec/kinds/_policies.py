"""Policies resolved: which prefixes each is about, the sets that hold them, and the rules that look at the sets.

A policy is a rule for each IP version and hook where it applies; its addresses and ports are elements of the
rule's set, so that an endpoint which comes or goes changes no rule.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_network
from itertools import product
from typing import Any

from netspec.core.elements import PROTOCOLS as NAMES
from netspec.core.elements import concat
from netspec.core.judge import FORWARD, INPUT, OUTPUT, Reach, Ruling
from netspec.core.resource import Resource
from netspec.kernel.operations import Network
from netspec.kinds._contract import Expansion
from netspec.kinds._policy_specs import PROTOCOLS, PolicySpec
from netspec.kinds.nat_element import element

LONGEST = 120
"""Characters of a policy in short; nft takes 128 bytes in the comment of a counter."""
HOOKS = (FORWARD, INPUT, OUTPUT)
_SUFFIX = {FORWARD: "", INPUT: "_in", OUTPUT: "_out"}
_ALL: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is meant by names: prefixes of endpoints, bridges and subnets, by `endpoint/web` and the like."""

    known: Mapping[str, tuple[Network, ...]]

    def addresses(self, party: Network | str) -> tuple[Network, ...]:
        """The prefixes of a party; none for `host`, which has no fixed ones."""
        if not isinstance(party, str):
            return (party,)
        if party == "any":
            return _ALL
        return self.known.get(party) or next(
            (
                self.known[name]
                for each in ("endpoint", "bridge", "subnet")
                if (name := f"{each}/{party}") in self.known
            ),
            (),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the table: at `hook`, for one IP version, what is in its set gets `verdict`."""

    number: int
    hook: str
    version: int
    verdict: str
    counter: str
    words: str
    """The policy in short, the comment of its counter."""
    sources: tuple[Network, ...]
    targets: tuple[Network, ...]
    ports: tuple[tuple[int, int, int], ...]
    """Protocol, first and last port; empty for everything."""

    @property
    def set(self) -> str:
        """The name of its set: `policy1_in4`."""
        return f"policy{self.number}{_SUFFIX[self.hook]}{'_' if self.hook == FORWARD else ''}{self.version}"

    @property
    def shape(self) -> tuple[str, str, str, int, bool]:
        """What of it is text of the table, and not elements."""
        return (self.set, self.hook, f'counter name "{self.counter}" {self.verdict}', self.version, bool(self.ports))


def rules(specs: Sequence[PolicySpec], cast: Cast) -> Iterator[Rule]:
    """The rules of all policies, in order."""
    for number, spec in enumerate(specs, 1):
        traffic, counter, words = spec.traffic, counter_name(spec), in_short(spec)
        verdict = {"allow": "accept", "deny": "drop", "reject": "goto refuse"}[spec.action]
        for hook, version in product(HOOKS, (4, 6)):
            sources = _side(traffic.from_, cast, version, host=hook == OUTPUT)
            targets = _side(traffic.to, cast, version, host=hook == INPUT)
            ports = tuple(_ports(traffic.ports, version))
            if sources and targets and (ports or not traffic.ports):
                yield Rule(number, hook, version, verdict, counter, words, sources, targets, ports)


def counter_name(spec: PolicySpec) -> str:
    """The name of a policy's counter: it depends on what the policy says, so that its hits outlive its neighbours'."""
    said = spec.model_dump_json()
    return f"policy_{hashlib.sha256(said.encode()).hexdigest()[:10]}"


def in_short(spec: PolicySpec) -> str:
    """A policy in a line: `deny guest -> db 5432/tcp`."""
    traffic = spec.traffic
    parts = [", ".join(map(str, each)) for each in (traffic.from_, traffic.to, traffic.ports)]
    said = f"{spec.action} {parts[0]} -> {parts[1]} {parts[2]}".strip()
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def _side(parties: Sequence[Any], cast: Cast, version: int, *, host: bool) -> tuple[Network, ...]:
    """The prefixes of one side. Where that is the host, only `host`, `any` and prefixes written as such can be it."""
    found: list[Network] = []
    for party in parties:
        if host and party in ("host", "any"):
            found += _ALL
        elif not host or not isinstance(party, str):
            found += cast.addresses(party)
    return tuple(collapse_addresses(each for each in found if each.version == version))  # type: ignore[type-var]  # of one


def _ports(services: Sequence[Any], version: int) -> Iterator[tuple[int, int, int]]:
    """Runs of ports by protocol, joined where they touch: a set takes no overlap."""
    by_protocol: dict[int, list[tuple[int, int]]] = {}
    for service in services:
        for protocol in PROTOCOLS[service.protocol]:
            if protocol in (1, 58) and protocol != {4: 1, 6: 58}[version]:
                continue
            run = (0, 65535) if service.ports is None else (service.ports.first, service.ports.last)
            by_protocol.setdefault(protocol, []).append(run)
    for protocol, runs in sorted(by_protocol.items()):
        joined: list[tuple[int, int]] = []
        for first, last in sorted(runs):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        yield from ((protocol, first, last) for first, last in joined)


def elements(rule: Rule, expansion: Expansion) -> Iterator[Resource]:
    """What is in the set of a rule."""
    mark = expansion.mark(f"policies[{rule.number - 1}]")
    for source, target in product(rule.sources, rule.targets):
        if not rule.ports:
            yield element(mark, rule.set, concat(source, target))
        for protocol, first, last in rule.ports:
            run = str(first) if first == last else f"{first}-{last}"
            yield element(mark, rule.set, concat(source, target, NAMES[protocol], run))


def ruling(rule: Rule) -> Ruling:
    """A rule as the judge of living flows has it."""
    return Ruling(rule.hook, rule.verdict == "accept", Reach(rule.sources, rule.targets, rule.ports))
