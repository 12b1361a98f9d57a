"""The `policies` section: who may talk to whom across and within segments; the first match wins."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import Field

from netspec.core.resource import Resource
from netspec.kinds._contract import Expansion, Finding, Place, Section
from netspec.kinds._policies import elements
from netspec.kinds._policy_specs import EVERYTHING, SECTIONS, PolicySpec
from netspec.kinds.nat_element import element

MOST = 1000
"""Policies of a spec: each is a rule that a new connection may have to pass."""


def check(specs: Sequence[PolicySpec], document: Any) -> Iterator[Finding]:  # noqa: ANN401  the assembled model
    """Names are those of something, and of one thing only."""
    known = {
        "endpoint": frozenset(document.endpoints),
        "bridge": frozenset(document.bridges),
        "subnet": frozenset(document.subnets),
    }
    if len(specs) > MOST:
        hint = "join policies: `from`, `to` and `ports` take lists"
        yield Finding("NS0292", f"{len(specs)} policies are more than {MOST}", ("policies", MOST), hint=hint)
    for index, spec in enumerate(specs):
        traffic = spec.traffic
        for side, parties in (("from", traffic.from_), ("to", traffic.to)):
            for party in parties:
                if isinstance(party, str) and party not in EVERYTHING:
                    yield from _unclear(party, known, ("policies", index, spec.action, side))
        if (*traffic.from_, *traffic.to) == ("host", "host"):
            message = "what the host says to itself is not filtered"
            yield Finding("NS0293", message, ("policies", index, spec.action), hint="name an endpoint or a bridge")


def _unclear(party: str, known: dict[str, frozenset[str]], path: Place) -> Iterator[Finding]:
    section, slash, name = party.partition("/")
    meant = [section] if slash else [*SECTIONS]
    wanted = name if slash else party
    found = [each for each in meant if wanted in known[each]]
    if len(found) == 1:
        return
    if found:
        choices = " or ".join(f"{each}/{party}" for each in found)
        yield Finding("NS0291", f'"{party}" names more than one thing', path, hint=f"write {choices}")
        return
    close = get_close_matches(wanted, sorted(set().union(*(known[each] for each in meant))), n=1)
    hint = f'did you mean "{close[0]}"?' if close else "name an endpoint, a bridge, a subnet, a CIDR, host or any"
    yield Finding(
        "NS0290", f'there is no {section if slash else "endpoint, bridge or subnet"} "{wanted}"', path, hint=hint
    )


def expand(_specs: Sequence[PolicySpec], expansion: Expansion) -> Iterator[Resource]:
    """The elements of the rules' sets; the rules themselves are text of the table."""
    for rule in expansion.rules:
        yield from elements(rule, expansion)
    for segment in expansion.segments.values() if expansion.rules else ():
        for pool in segment.pools:
            yield element(expansion.mark(segment.address), f"inside{pool.version}", str(pool.cidr))


SECTION: Any = Section(
    name="policies",
    annotation=Annotated[tuple[PolicySpec, ...], Field(examples=[[{"deny": {"from": "guest", "to": "db"}}]])],
    description="Who may talk to whom, in order: the first match wins, and replies always pass.",
    expand=expand,
    check=check,
    default=tuple,
    order=40,
)
