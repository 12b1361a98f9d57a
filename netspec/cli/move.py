"""`netspec move`: another name for what lives."""

from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.adopt import is_address
from netspec.cli.apply import YesOption
from netspec.cli.help import add
from netspec.cli.limits import AllowLockoutOption, limits
from netspec.cli.ownership import Handover, check_known, hand_over
from netspec.cli.session import Session
from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        move,
        "Rename what lives, without rebuilding it.",
        [
            ("netspec move endpoint/web endpoint/www", "after it was renamed in the spec"),
            ("netspec move endpoint/web", "its host_name, interface or netns was"),
        ],
    )


def move(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help="The object as it is on the host, such as endpoint/web.", metavar="OLD")],
    new: Annotated[
        str | None, typer.Argument(help="What the spec calls it now; OLD unless said.", metavar="NEW")
    ] = None,
    path: Annotated[str | None, typer.Argument(help="The spec, as elsewhere.", metavar="PATH")] = None,
    *,
    yes: YesOption = False,
    allow_lockout_risk: AllowLockoutOption = False,
) -> None:
    """Rename a bridge or an endpoint that lives, as the spec has been changed. Its links and addresses stay up.

    Rename it in the spec first; then move it; then the plan is empty.
    """
    session: Session = context.obj
    if new is not None and path is None and not is_address(new):
        new, path = None, new
    target = new or old
    if not is_address(old) or not is_address(target) or old.partition("/")[0] != target.partition("/")[0]:
        raise UsageError(f"{old} cannot become {target}: name two bridges, or two endpoints.")
    intent = session.intent(session.load(path))
    hand_over(
        session,
        Handover(
            propose=lambda reconciler: _proposal(reconciler, intent, old, target),
            question=f"Rename {old}?" if old == target else f"Rename {old} to {target}?",
            nothing=f"Nothing to rename: {target} has the names that the spec gives it.",
            done=f"Moved {old}" if old == target else f"Moved {old} to {target}",
            yes=yes,
            spec=intent,
            limits=limits(None, lockout=allow_lockout_risk),
        ),
    )


def _proposal(reconciler: "Reconciler", intent: "Intent", old: str, target: str) -> "Proposal":
    from netspec.engine.moving import moving
    from netspec.engine.ownership import objects_of

    check_known([old], objects_of(reconciler, intent.stack), f"Stack {intent.stack} on this host")
    return moving(reconciler, intent, old, target)
