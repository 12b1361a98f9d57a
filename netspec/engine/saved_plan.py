"""A saved plan: what was proposed, to be kept, and applied later exactly as it stands.

It holds all that carrying it out needs, so that the spec may be gone by then: the changes with both their sides, what
they were made from, the rest of what is wanted, and the places in the spec for messages.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from netspec import __version__
from netspec.core.consequence import Consequences
from netspec.core.plan import Plan
from netspec.core.resource import Key
from netspec.core.state import State
from netspec.diagnostics import Diagnostic, Place
from netspec.engine.approval import Approval, Read, read_for
from netspec.engine.generation_record import Source
from netspec.engine.intent import Intent
from netspec.engine.peers import Peer
from netspec.engine.reconciler import Proposal
from netspec.kernel.snapshot import Reference


class Origin(NamedTuple):
    """Where a plan was made: the name of the host, and the kernel's name of its present boot."""

    host: str
    boot: str


class Sources(NamedTuple):
    """What must be read of the host: sysctls by namespace, namespaces of others by endpoint, links by name."""

    sysctls: tuple[tuple[str, str], ...] = ()
    references: tuple[tuple[str, Reference], ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan as it was proposed. `source` is its spec, for generations; `digest` is that of the whole file."""

    version: str = __version__
    origin: Origin
    stack: str
    plan: Plan
    drift: frozenset[Key]
    desired: State
    read: Read
    sources: Sources
    places: Mapping[str, Place] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    source: Source | None = None
    peers: tuple[Peer, ...] = ()
    consequences: Consequences = field(default_factory=dict)
    digest: str = ""

    @property
    def observed(self) -> State:
        """What was there, as far as the plan knows: what it was made from, and what was as it is wanted."""
        changing = {change.key for change in self.plan.changes}
        there = {key: resource for key, resource in self.desired.items() if key not in changing}
        return there | {key: resource for key, resource in self.read.items() if resource is not None}

    def place_of(self, address: str) -> Place | None:
        """The place in the spec, as it was, of what a change is for."""
        return self.places.get(address)

    def intent(self, *, replan: bool) -> Intent:
        """What the plan wants of the host, and nothing else; `replan` as in Approval."""
        sysctls = frozenset(self.sources.sysctls)
        return Intent(
            stack=self.stack,
            desire=lambda _present: self.desired,
            sysctls=frozenset(key for netns, key in sysctls if not netns),
            inner=frozenset(each for each in sysctls if each[0]),
            references=self.sources.references,
            links=frozenset(self.sources.links),
            place_of=self.place_of,
            source=lambda: self.source,
            peers=self.peers,
            files=() if self.source is None else tuple(name for name, _ in self.source.files),
            allowed_removal=sys.maxsize,  # What goes was looked at.
            approval=Approval(changes=self.plan.changes, read=self.read, replan=replan),
        )


def saved(proposal: Proposal, source: Source | None, origin: Origin) -> SavedPlan:
    """A proposal with nothing in its way, to be written; `source` is the spec, and the commit that it was in then."""
    scope = proposal.scope
    return SavedPlan(
        origin=origin,
        stack=proposal.intent.stack,
        plan=proposal.plan,
        drift=proposal.drift,
        desired=proposal.desired,
        read=read_for(proposal.plan.changes, proposal.observed),
        sources=Sources(tuple(sorted(scope.sysctls)), scope.references, tuple(sorted(scope.named))),
        places=dict(_places(proposal)),
        warnings=proposal.warnings,
        source=source,
        peers=proposal.intent.peers,
        consequences=proposal.consequences,
    )


def _places(proposal: Proposal) -> Iterator[tuple[str, Place]]:
    """The places of all that a message may be about: what wants each resource, and the object around it."""
    place_of = proposal.intent.place_of
    origins = {each.origin for each in proposal.desired.values()}
    for address in sorted({address for origin in origins for address in (origin, origin.partition(".publish[")[0])}):
        place = place_of(address) if address else None
        if place is not None:
            yield address, place
