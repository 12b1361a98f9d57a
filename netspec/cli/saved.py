"""Saved plans, as commands write, find, show and apply them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli.generations import with_commit
from netspec.cli.options import host_name
from netspec.cli.session import Session
from netspec.diagnostics import Diagnostic
from netspec.errors import Stale, UsageError

if TYPE_CHECKING:
    from netspec.core.state import State
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal
    from netspec.engine.saved_plan import Origin, SavedPlan
    from netspec.kinds._intent import Present
    from netspec.report.plan import PlanView
    from netspec.spec.document import Loaded


def here() -> "Origin":
    """This host, and its present boot."""
    from netspec.engine.saved_plan import Origin
    from netspec.kernel.boot import boot_id

    return Origin(host_name(), boot_id())


def check_target(path: Path) -> None:
    """Find out before anything is done whether a plan may be saved there. Raises UsageError."""
    from netspec.engine import planfile_place

    planfile_place.check_target(path)


def save(session: Session, proposal: "Proposal", path: Path) -> None:
    """Put a plan with nothing in its way into a file, and say what it is good for."""
    from netspec.engine.planfile import write
    from netspec.engine.saved_plan import saved

    write(path, saved(proposal, with_commit(proposal.intent.source()), here()))
    session.say(f"Saved. To do exactly this: netspec apply {path}")


def saved_plan_at(path: str) -> "SavedPlan | None":
    """The plan that is saved at `path`; None for a spec, or for nothing. Raises Refused for a damaged one."""
    from netspec.engine.planfile import read

    return None if path == "-" else read(Path(path))


def spec_of(plan: "SavedPlan") -> "Loaded":
    """The spec that a saved plan was made from, as it was then; an empty one where it is not known, or all goes."""
    from netspec.spec.document import document_in
    from netspec.spec.source import SourceFile

    source = plan.source
    if source is None or not source.files:
        return document_in((SourceFile("", f"netspec: 1\nstack: {plan.stack}\n"),), "")
    return document_in(tuple(SourceFile(name, text) for name, text in source.files), source.lock)


def view_of(plan: "SavedPlan") -> "PlanView":
    """A saved plan, ready to be rendered as it was when it was made."""
    from netspec.report.plan import PlanView

    return PlanView(
        host=plan.origin.host,
        stack=plan.stack,
        plan=plan.plan,
        desired=plan.desired,
        observed=plan.observed,
        drift=plan.drift,
        consequences=plan.consequences,
        place_of=plan.place_of,
    )


def approved(session: Session, plan: "SavedPlan", path: str, *, replan: bool) -> "Intent":
    """What a saved plan wants of this host. Raises UsageError for another stack, Stale for another host or boot."""
    stack = session.options.stack or plan.stack
    if stack != plan.stack:
        raise UsageError(f"--stack {stack}, but the plan is of stack {plan.stack}.")
    _is_of_this_host(plan, path)
    intent = plan.intent(replan=replan)

    def desire(present: "Present") -> "State":
        # Under the lock: who waited for it may hold a plan that was withdrawn meanwhile.
        again = saved_plan_at(path)
        if again is None or again.digest != plan.digest:
            raise Stale(f"{path} has changed while netspec waited for the lock: nothing was changed.")
        return intent.desire(present)

    return replace(intent, desire=desire)


def _is_of_this_host(plan: "SavedPlan", path: str) -> None:
    host, boot = here()
    if plan.origin.host != host:
        message = f"{path} was made on {plan.origin.host}, and this is {host}"
    elif plan.origin.boot != boot:
        message = f"{path} was made before this host was started"
    else:
        return
    hint = "a plan is for the host, and the boot, that it was made on: plan again"
    raise Stale("The plan is stale: nothing was changed.", diagnostics=[Diagnostic("NS0604", message, hint=hint)])
