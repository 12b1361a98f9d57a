"""How far an apply may go: limits of disruption, and of changes that may end the session they are made from."""

from collections.abc import Iterator

from netspec.core.change import Change
from netspec.core.consequence import Consequence, Limits
from netspec.core.resource import Disruption
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.reconciler import Proposal
from netspec.errors import Refused

WINDOW_OR_WORD = "add --confirm-within 90s, which undoes it unless confirmed, or --allow-lockout-risk"
BY_HAND = (
    "apply it by hand with --confirm-within 90s, which undoes it unless confirmed, or watch with --allow-lockout-risk"
)
WORD_ALONE = "add --allow-lockout-risk if there is another way in: nothing undoes it by itself"

_EFFECT = {
    Disruption.LIVE: "is changed in place",
    Disruption.RESET: "cuts established connections",
    Disruption.FLAP: "takes a link down and up",
    Disruption.REBUILD: "is deleted and made anew",
    Disruption.LOCKOUT_RISK: "may end this session",
}


def lockout_allowed(limits: Limits, *, window: bool) -> bool:
    """Whether changes may touch the way of this session: it was said, or `window` undoes them by itself."""
    return limits.lockout or window


def beyond(
    proposal: Proposal, limits: Limits, *, window: bool, way_out: str = WINDOW_OR_WORD
) -> tuple[Diagnostic, ...]:
    """What of a proposal the limits forbid: each object once for its level, each way that is touched."""
    found = [*_too_much(proposal, limits)]
    return (*found, *(() if lockout_allowed(limits, window=window) else _risks(proposal, Severity.ERROR, way_out)))


def check_within(proposal: Proposal, limits: Limits, *, window: bool, way_out: str = WINDOW_OR_WORD) -> None:
    """Raise Refused where something is in the way of a proposal, or it goes beyond the limits."""
    forbidden = (*proposal.diagnostics, *beyond(proposal, limits, window=window, way_out=way_out))
    if forbidden:
        raise Refused("Refused: nothing was changed.", diagnostics=forbidden)


def risks(proposal: Proposal) -> tuple[Diagnostic, ...]:
    """Warnings of what may end this session, for those who only look."""
    return tuple(_risks(proposal, Severity.WARNING, WINDOW_OR_WORD))


def _too_much(proposal: Proposal, limits: Limits) -> Iterator[Diagnostic]:
    worst: dict[str, tuple[Disruption, Change]] = {}
    for change in proposal.plan.changes:
        level = proposal.consequences[change.key].disruption
        name = _name(change)
        if level > limits.most and (name not in worst or level > worst[name][0]):
            worst[name] = level, change
    for name, (level, change) in worst.items():
        count = _counted(proposal.consequences[change.key])
        yield Diagnostic(
            "NS0620",
            f"{name} {_EFFECT[level]}{count}: that is {level}, and {limits.most} is the most that is allowed",
            proposal.intent.place_of(name),
            hint=f"allow it by --max-disruption {level}, or leave the change away",
            label=f"{change.key}",
            address=name,
            varying=count,
        )


def _risks(proposal: Proposal, severity: Severity, way_out: str) -> Iterator[Diagnostic]:
    told: set[tuple[str, str]] = set()
    for change in proposal.plan.changes:
        why, name = proposal.consequences[change.key].lockout, _name(change)
        if why and (name, why) not in told:
            told.add((name, why))
            yield Diagnostic(
                "NS0621",
                f"{change.key} may not be touched without a way back: {why}",
                proposal.intent.place_of(name),
                hint=way_out,
                label=f"{change.key}",
                severity=severity,
                address=name,
            )


def _name(change: Change) -> str:
    return change.resource.origin or str(change.key)


def _counted(consequence: Consequence) -> str:
    return f" ({len(consequence.cut)} now)" if consequence.cut else ""
