"""Look, plan, execute, verify. The one sequence behind plan, apply, destroy and watch."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from netspec.core.change import Change, diff
from netspec.core.consequence import Consequences
from netspec.core.plan import Plan, make_plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State, owned_by, provided, prunable
from netspec.diagnostics import Diagnostic
from netspec.engine.acceptance import Acceptance, accepted, insist
from netspec.engine.applied import NOTHING_APPLIED, AppliedRecord, drifted
from netspec.engine.approval import Sight, permitted
from netspec.engine.consequences import weigh
from netspec.engine.executor import NotConverged, Restoration, StepProgress, execute, restore, unwatched
from netspec.engine.guards import Removal, lost_files, removals
from netspec.engine.intent import Intent, nothing
from netspec.engine.journal import Entry, Journal, entry_of
from netspec.engine.leases import LeaseRecord, displaced
from netspec.engine.observation import observed_state
from netspec.engine.obstacles import Ground, obstacles
from netspec.engine.parting import bereaved
from netspec.engine.peers import Peer
from netspec.engine.presence import present_of
from netspec.engine.renaming import Names
from netspec.engine.report_failure import explained
from netspec.engine.safeguard import UNGUARDED, Safeguard, record_of
from netspec.errors import NetspecError, Refused
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import Scope, Snapshot
from netspec.kinds._forwarding import IMPLIED
from netspec.kinds._intent import Present
from netspec.kinds.inner_sysctl import fresh_name, recorded
from netspec.kinds.sysctl import former_sysctls, values_of_links


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan, what it was made from, what is in its way, and what is worth a warning.

    What is at the keys `aside` is not as desired, and none of this plan's business.
    """

    intent: Intent
    plan: Plan
    desired: State
    observed: State
    drift: frozenset[Key] = frozenset()
    consequences: Consequences = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    scope: Scope
    aside: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Recovery:
    """An interrupted apply that was undone."""

    entry: Entry
    restoration: Restoration


class Reconciler:
    """Works on one kernel, with a run directory for the journal and a state directory for the record."""

    def __init__(self, kernel: Kernel, run_dir: Path, state_dir: Path, peers: tuple[Peer, ...] = ()) -> None:
        """Directories are made when something is written. `peers` must not be locked out, whatever is intended."""
        self._peers = peers
        self._kernel = kernel
        self.state_dir = state_dir
        self.run_dir = run_dir
        self.journal = Journal(run_dir)

    def propose(self, intent: Intent) -> Proposal:
        """Look at the host and plan. Changes nothing.

        Raises SpecError for what the host's state shows of the spec, Stale where that is not what was approved,
        NetspecError where the host cannot be read.
        """
        snapshot, scope = self.look(intent)
        observed = observed_state(snapshot)
        leases = self._leases(intent.stack).read()
        present = self._with_new(intent, present_of(snapshot, observed, leases.held))
        wanted = intent.desire(present)
        sight = Sight(intent.stack, wanted, observed, present.references, intent.place_of)
        allowed = permitted(intent.approval, sight)
        plan = make_plan(allowed.changes)
        ground = Ground(
            kernel=self._kernel,
            stack=intent.stack,
            plan=plan,
            desired=wanted,
            observed=observed,
            snapshot=snapshot,
            place_of=intent.place_of,
            inner=present.inner,
        )
        applied = AppliedRecord(self.state_dir, intent.stack).read() if plan else NOTHING_APPLIED
        removal = Removal(intent.stack, plan, wanted, observed, intent.allowed_removal)
        guarded = removals(removal, lost_files(applied, intent.files)) if intent.desire is not nothing else ()
        remarks = intent.remarks(present) if displaced(present, wanted) else ()
        return Proposal(
            intent=intent,
            plan=plan,
            desired=wanted,
            observed=observed,
            drift=_own(plan.changes, drifted((change.key for change in plan.changes), wanted, applied.digests)),
            consequences=weigh(ground, (*self._peers, *intent.peers)) if plan else {},
            diagnostics=(*obstacles(ground), *guarded) if plan else (),
            warnings=(*leases.warnings, *allowed.warnings, *remarks, *bereaved(plan.changes, intent.stack, observed)),
            scope=scope,
            aside=allowed.aside,
        )

    def weighed(self, proposal: Proposal, observed: State, snapshot: Snapshot, names: Names) -> Proposal:
        """A move with what it does to traffic: `observed` has the new names, the snapshot the old ones."""
        ground = Ground(
            kernel=self._kernel,
            stack=proposal.intent.stack,
            plan=proposal.plan,
            desired=proposal.desired,
            observed=observed,
            snapshot=snapshot,
            place_of=proposal.intent.place_of,
            names=names,
        )
        return replace(proposal, consequences=weigh(ground, (*self._peers, *proposal.intent.peers)))

    def present(self, intent: Intent) -> Present:
        """What of the host decides what an intent comes to. Raises NetspecError where it cannot be read."""
        return self.present_in(self.look(intent)[0], intent)

    def present_in(self, snapshot: Snapshot, intent: Intent) -> Present:
        """Likewise, of a look that was taken."""
        leases = self._leases(intent.stack).read()
        return self._with_new(intent, present_of(snapshot, observed_state(snapshot), leases.held))

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """Those of `features` that the kernel lacks, each with its words."""
        return self._kernel.missing_features(features)

    def _with_new(self, intent: Intent, present: Present) -> Present:
        """With what sysctls of namespaces and interfaces will be that are still to be made."""
        missing = {place: fresh_name(place[1]) for place in intent.inner if place not in present.inner}
        unknown = {name for (netns, _), name in missing.items() if (netns, name) not in present.inner}
        try:
            fresh = self._kernel.fresh_sysctls(unknown) if unknown else {}
        except KernelError as error:
            raise NetspecError(f"The kernel cannot be read: {error.reason}.") from error
        values = {place: present.inner.get((place[0], name), fresh.get(name)) for place, name in missing.items()}
        told = {place: "\t".join(value.split()) for place, value in values.items() if value is not None}
        return replace(present, inner={**present.inner, **told})

    def settle(self, proposal: Proposal) -> tuple[Diagnostic, ...]:
        """Record what is as it shall be: its digests and addresses. Warnings of what matters and cannot be recorded."""
        AppliedRecord(self.state_dir, proposal.intent.stack).write(proposal.desired, proposal.intent.files)
        return self._leases(proposal.intent.stack).write(proposal.desired)

    def _leases(self, stack: str) -> LeaseRecord:
        return LeaseRecord(self.state_dir, stack)

    def carry_out(
        self,
        proposal: Proposal,
        progress: StepProgress = unwatched,
        accept: Acceptance = accepted,
        safeguard: Safeguard = UNGUARDED,
    ) -> tuple[Diagnostic, ...]:
        """Execute and verify a proposal, and record it; warnings of what did not matter. Raises what `enact` does."""
        held = self.enact(proposal, progress, accept, safeguard)
        # What may still be undone is on record once it is confirmed.
        return () if held else self.settle(proposal)

    def enact(
        self,
        proposal: Proposal,
        progress: StepProgress = unwatched,
        accept: Acceptance = accepted,
        safeguard: Safeguard = UNGUARDED,
    ) -> bool:
        """Execute and verify a proposal; on failure restore and verify that. Whether it may still be undone.

        Raises Refused where something is in the way, ApplyFailed or Interrupted where all was undone,
        NotRestored where something is left.
        """
        if proposal.diagnostics:
            raise Refused("Refused: nothing was changed.", diagnostics=proposal.diagnostics)
        AppliedRecord(self.state_dir, proposal.intent.stack).prepare()
        entry = entry_of(proposal.intent.stack, proposal.plan, proposal.observed)
        safeguard.begin(entry)
        self.journal.open(entry)
        try:
            execute(self._kernel, proposal.plan, progress)
            self._verify(proposal)
            insist(accept)
            held = safeguard.hold(lambda: record_of(proposal.desired, proposal.intent.files))
            # First of all: a journal that stays open undoes what was just verified.
            self.journal.close()
        except Exception as error:
            undone = self._undo(_whole(entry, proposal.observed), proposal.scope)
            raise explained(error, undone, proposal.intent.place_of) from error
        return held

    def recover(self) -> Recovery | None:
        """Undo what an apply that died has left; None where nothing is pending."""
        entry = self.journal.read()
        if entry is None:
            return None
        outcome = self._undo(entry, Scope(stack=entry.stack))
        if outcome.final and not outcome.complete:
            # What others took away meanwhile is not waited for: nobody could ever apply again.
            self.journal.close()
        return Recovery(entry, outcome)

    def undo(self, entry: Entry) -> Restoration:
        """Bring back what an apply that had ended well has changed."""
        return restore(self._kernel, entry, Scope(stack=entry.stack))

    def _undo(self, entry: Entry, scope: Scope) -> Restoration:
        outcome = restore(self._kernel, entry, scope)
        if outcome.complete:
            try:
                self.journal.close()
            except NetspecError as error:
                # It undoes nothing more: what it would put back is there.
                return replace(outcome, unclosed=error.message)
        return outcome

    def _verify(self, proposal: Proposal) -> None:
        """Raise NotConverged where something is still to do. The desired state is the one that was approved.

        Namespaces that no change was about are not read again: they were seen to be right a moment ago.
        """
        touched = {space for change in proposal.plan.changes for space in _spaces(change)} | {""}
        elsewhere = {key for key, wanted in proposal.desired.items() if not touched.issuperset(spaces_of(wanted))}
        elsewhere |= proposal.aside
        scope = replace(proposal.scope, netns=frozenset(touched)) if elsewhere else proposal.scope
        observed = observed_state(self._kernel.snapshot(scope))
        rest = make_plan(
            diff(
                _without(elsewhere, proposal.desired),
                _without(elsewhere, observed),
                prunable(proposal.intent.stack, proposal.desired),
            )
        )
        if rest:
            raise NotConverged(rest)

    def observed(self, stack: str) -> State:
        """What there is, and what of it is a stack's. Raises NetspecError where the host cannot be read."""
        return observed_state(self.look(Intent(stack=stack))[0])

    def look(self, intent: Intent) -> tuple[Snapshot, Scope]:
        """What an intent asks of the host, and in what scope. Raises NetspecError where it cannot be read."""
        # What every stack is likely to have changed is asked for at once: a second look is as dear as the first.
        keys = frozenset(("", key) for key in intent.sysctls | IMPLIED) | intent.inner
        scope = Scope(stack=intent.stack, sysctls=keys, references=intent.references, named=intent.links)
        try:
            snapshot = self._kernel.snapshot(scope)
            known = {("", key) for key in values_of_links(snapshot)} | scope.sysctls
            owed = ({("", key) for key in former_sysctls(snapshot)} | set(recorded(snapshot))) - known
            if not owed:
                return snapshot, scope
            # Values that the spec no longer names, but that we owe the host.
            scope = replace(scope, sysctls=scope.sysctls | owed)
            return self._kernel.snapshot(scope), scope
        except KernelError as error:
            raise NetspecError(f"The kernel cannot be read: {error.reason}.") from error


def _whole(entry: Entry, observed: State) -> Entry:
    """An entry with all that is ours, as others may have changed it meanwhile: the host shall be as before."""
    ours = owned_by(entry.stack)
    all_of_it = {key: each for key, each in observed.items() if ours(each) and each.lasting()}
    return replace(entry, before=all_of_it | dict(entry.before))


def _spaces(change: Change) -> Iterator[str]:
    for side in (change.before, change.after):
        if side is not None:
            yield from spaces_of(side)


def spaces_of(resource: Resource) -> Iterator[str]:
    """The namespaces in which a resource shows: the one it is, those of its key and of all that comes with it."""
    for key in provided(resource):
        yield key.name if key.kind == "netns" else key.netns


def _without(keys: Container[Key], state: State) -> State:
    return {key: resource for key, resource in state.items() if key not in keys}


def _own(changes: Iterable[Change], drift: frozenset[Key]) -> frozenset[Key]:
    """Drift without what only goes along with a change of the spec, as elements do with their table."""
    along = {f"goes with {each.key}" for each in changes if each.key not in drift}
    return drift - {each.key for each in changes if each.reason in along}
