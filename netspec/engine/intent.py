"""What shall be: a spec, or nothing, as the reconciler takes it."""

from collections.abc import Callable
from dataclasses import dataclass

from netspec.core.state import EMPTY, State
from netspec.diagnostics import Diagnostic
from netspec.engine.approval import Approval
from netspec.engine.generation_record import Source
from netspec.engine.obstacles import PlaceOf
from netspec.engine.peers import Peer
from netspec.kernel.snapshot import Reference
from netspec.kinds._intent import Present


def nothing(_present: Present) -> State:
    """The desired state of those who want nothing of the stack left."""
    return EMPTY


def unremarkable(_present: Present) -> tuple[Diagnostic, ...]:
    """The remarks of those whose addresses never move."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What shall be.

    `desire` gives the desired state on a host as it is, and raises SpecError for what only that shows;
    `sysctls` are the keys it must know, `inner` those of namespaces; `references` are the namespaces of others, by
    endpoint; `links` the host's own links that it names; `place_of` finds places in the spec; `remarks` says why
    addresses move; `source` is the spec, asked for after `desire`: None where it is not known; `peers` must not be
    locked out either. `files` are the texts of the spec by name, `allowed_removal` how many objects may go where many
    do. With an `approval`, only what is in that is done.
    """

    stack: str
    desire: Callable[[Present], State] = nothing
    files: tuple[str, ...] = ()
    allowed_removal: int = 0
    sysctls: frozenset[str] = frozenset()
    inner: frozenset[tuple[str, str]] = frozenset()
    references: tuple[tuple[str, Reference], ...] = ()
    links: frozenset[str] = frozenset()
    place_of: PlaceOf = lambda _address: None
    remarks: Callable[[Present], tuple[Diagnostic, ...]] = unremarkable
    source: Callable[[], Source | None] = lambda: None
    peers: tuple[Peer, ...] = ()
    approval: Approval | None = None
