"""`netspec apply`: plan, ask, apply, verify; undo on failure."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.boot import bring_back
from netspec.cli.generations import Return, drafted, kept, remember
from netspec.cli.help import add
from netspec.cli.limits import AllowLockoutOption, MaxDisruptionOption, limits
from netspec.cli.plan import AllowRemovalOption, LockedOption, print_document, show_proposal
from netspec.cli.recovery import admitted
from netspec.cli.saved import approved, saved_plan_at, spec_of
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.cli.windows import (
    Confirming,
    IfChecksPassOption,
    WaitOption,
    WithinOption,
    announce,
    confirmed_by_checks,
    confirming,
    opening,
)
from netspec.core.consequence import Limits
from netspec.counting import counted
from netspec.engine.generation_names import Standing
from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.cli.gate import Gate
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler
    from netspec.engine.safeguard import Safeguard
    from netspec.engine.window import Window

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")]

NOT_AT_BOOT = (
    "confirm_within",
    "confirm_if_checks_pass",
    "wait",
    "max_disruption",
    "allow_removal",
    "locked",
    "replan_if_stale",
)
"""Options that `--boot` would not heed."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        apply,
        "Make the kernel equal the spec; undo all of it on failure.",
        [
            ("netspec apply", "plans, asks, applies, verifies"),
            ("netspec apply --yes --quiet web.yaml", "for scripts"),
            ("netspec apply plan.json", "exactly what `netspec plan --out plan.json` has shown"),
            ("netspec apply --boot", "what was there before the reboot"),
            ("netspec apply --confirm-within 90s", "undone unless confirmed in time"),
        ],
    )


def apply(
    context: typer.Context,
    path: PathArgument = None,
    *,
    yes: YesOption = False,
    locked: LockedOption = False,
    boot: Annotated[
        bool, typer.Option("--boot", help="Bring back the last good generation of every stack; ask nothing.")
    ] = False,
    max_disruption: MaxDisruptionOption = None,
    allow_lockout_risk: AllowLockoutOption = False,
    no_checks: Annotated[
        bool, typer.Option("--no-checks", help="Do not ask the spec's checks before and after.")
    ] = False,
    allow_removal: AllowRemovalOption = 0,
    confirm_within: WithinOption = None,
    wait: WaitOption = False,
    confirm_if_checks_pass: IfChecksPassOption = False,
    replan_if_stale: Annotated[
        bool, typer.Option("--replan-if-stale", help="Go on with what is left of a saved plan, if nothing is new.")
    ] = False,
) -> None:
    """Make the kernel equal the spec, look again to verify it, and undo all of it on failure.

    Asks first, on a terminal. Control-C stops at a safe point and undoes. What of the spec's checks passed before must
    pass afterwards, and what is required must pass. PATH may be a plan that `netspec plan --out` has saved: then
    exactly that is done, without asking, or nothing.
    """
    from netspec.cli.gate import Gate

    session: Session = context.obj
    if boot:
        _check_boot(context)
        bring_back(session, limits(None, lockout=allow_lockout_risk))
        return
    where = session.path_of(path)
    plan = saved_plan_at(where)
    if plan is not None:
        if locked:
            raise UsageError("--locked is for specs: a saved plan has its addresses.")
        intent, loaded = approved(session, plan, where, replan=replan_if_stale), spec_of(plan)
    elif replan_if_stale:
        raise UsageError("--replan-if-stale is for saved plans: a spec is planned anew anyway.")
    else:
        loaded = session.load(where, locked=locked)
        intent = session.intent(loaded, allow_removal=allow_removal)
    yes = yes or plan is not None
    asked = confirming(confirm_within, wait=wait, yes=yes)
    request = Request(
        limits=limits(max_disruption, lockout=allow_lockout_risk),
        yes=yes,
        verified="the kernel equals the spec" if plan is None else "the kernel is as planned",
        gate=Gate(session, loaded) if loaded.document.checks and not no_checks else None,
        confirming=confirmed_by_checks(asked, session, loaded) if confirm_if_checks_pass else asked,
    )
    bring_about(session, intent, request)


def _check_boot(context: typer.Context) -> None:
    """Raises UsageError where something is asked of a boot that it does not do: no window would be opened, say."""
    if context.params["path"] is not None:
        raise UsageError("--boot takes no PATH: it brings what the state directory holds.")
    for name in NOT_AT_BOOT:
        if context.params[name]:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"--boot and {option} do not go together: a boot asks nothing and limits nothing.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of an apply, beyond what shall be.

    `yes` where nobody is to be asked; `confirming` where all is undone unless confirmed in time; `back` is a way back
    to a generation; `always` goes on where the stack is suspended.
    """

    limits: Limits = field(default_factory=Limits)
    yes: bool = False
    back: Return | None = None
    always: bool = False
    question: str = "Apply these changes?"
    verified: str = "the kernel equals the spec"
    gate: "Gate | None" = None
    """What must hold afterwards, beyond that."""
    confirming: Confirming = field(default_factory=Confirming)


def bring_about(session: Session, intent: "Intent", request: Request) -> None:
    """The whole of apply and destroy: lock, recover, plan, ask, carry out."""
    from netspec.cli.waiting import await_end
    from netspec.engine.limits import check_within

    with session.changing() as reconciler:
        proposal = admitted(session, reconciler, intent, always=request.always)
        show_proposal(session, proposal)
        check_within(proposal, request.limits, window=request.confirming.needed)
        if not proposal.plan:
            session.warn(reconciler.settle(proposal))
            remember(session, proposal, request.back)
            print_document(session, proposal)
            return
        if not session.confirm(request.question, yes=request.yes):
            session.note("Nothing was changed.")
            raise typer.Exit(1)
        begun = time.monotonic()
        window = _carried_out(session, reconciler, proposal, request)
    elapsed = time.monotonic() - begun
    # Last: what fails prints a document of its own, and there is one at most.
    print_document(session, proposal)
    changes = counted(len(session.view(proposal).objects), "change")
    session.say(f"Applied {changes} in {elapsed:.2f} s. Verified: {request.verified}.")
    if window is not None and request.confirming.stays:
        await_end(session, reconciler, window, request.confirming)
    elif window is not None:
        announce(session, window)


def _carried_out(session: Session, reconciler: "Reconciler", proposal: "Proposal", request: Request) -> "Window | None":
    """Carry it out, and make it a generation; the window in which it is to be confirmed."""
    from netspec.engine.safeguard import UNGUARDED

    draft = drafted(session, proposal, request.back)
    standing = Standing.PENDING if request.confirming.needed else Standing.GOOD
    with (
        kept(session, draft, request.back, standing),
        opening(session, reconciler, request.confirming, draft.number) as safeguard,
    ):
        _watched(session, reconciler, proposal, request.gate, safeguard or UNGUARDED)
    return safeguard.window if safeguard is not None else None


def _watched(
    session: Session, reconciler: "Reconciler", proposal: "Proposal", gate: "Gate | None", safeguard: "Safeguard"
) -> None:
    from netspec.cli.progress import Progress
    from netspec.engine.acceptance import accepted
    from netspec.engine.interrupts import interruptible

    with Progress(quiet=session.options.quiet or session.as_json) as progress, interruptible(progress) as step:
        accept = gate.before(step) if gate is not None else accepted
        warnings = reconciler.carry_out(proposal, step, accept, safeguard)
    session.warn(warnings)
