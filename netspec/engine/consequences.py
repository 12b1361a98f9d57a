"""What a plan does to traffic on this host as it is now: levels, flows that are cut, and the way of this session."""

from collections.abc import Mapping

from netspec.core.change import Action, Change
from netspec.core.consequence import Consequence
from netspec.core.resource import Disruption, Key
from netspec.engine.cuts import Sight, cut_by, is_counted
from netspec.engine.lockout import lockouts
from netspec.engine.obstacles import Ground
from netspec.engine.peers import Peer
from netspec.kinds.admission import Admission


def weigh(ground: Ground, peers: tuple[Peer, ...]) -> Mapping[Key, Consequence]:
    """The consequence of each change of a plan. Flows are read only where a change may cut some."""
    counted = [change for change in ground.plan.changes if is_counted(change)]
    flows = ground.kernel.flows() if counted else ()
    local = frozenset(row.address.ip for row in ground.snapshot.addresses if not row.netns)
    sight = Sight(flows or (), ground.observed, local)
    cut: dict[Key, frozenset[int] | None] = {
        change.key: None if flows is None else cut_by(change, sight) if flows else frozenset() for change in counted
    }
    risks = lockouts(ground, peers)
    return {
        change.key: _consequence(change, cut.get(change.key, frozenset()), risks.get(change.key, ""))
        for change in ground.plan.changes
    }


def _consequence(change: Change, cut: frozenset[int] | None, risk: str) -> Consequence:
    if risk:
        return Consequence(Disruption.LOCKOUT_RISK, cut, risk)
    return Consequence(_level(change, cut), cut)


def _level(change: Change, cut: frozenset[int] | None) -> Disruption:
    """Who may talk to whom changes with nearly everything; only the flows tell whether it became tighter."""
    if not isinstance(change.after, Admission):
        return change.disruption
    if cut is None:
        return Disruption.NONE if change.action is Action.CREATE else Disruption.RESET
    return Disruption.RESET if cut else min(change.disruption, Disruption.LIVE)
