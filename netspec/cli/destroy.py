"""`netspec destroy`: remove all that a stack owns, restore what it changed."""

from typing import TYPE_CHECKING

import typer

from netspec.cli.apply import Request, YesOption, bring_about
from netspec.cli.help import add
from netspec.cli.limits import AllowLockoutOption, MaxDisruptionOption, limits
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.cli.windows import WaitOption, WithinOption, confirming

if TYPE_CHECKING:
    from netspec.engine.intent import Intent


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        destroy,
        "Remove all that a stack owns.",
        [
            ("netspec destroy", "the stack `default`"),
            ("netspec destroy --stack shop", "another one; its spec is not needed"),
            ("netspec destroy --yes web.yaml", "the stack that a spec names"),
        ],
    )


def destroy(
    context: typer.Context,
    path: PathArgument = None,
    *,
    yes: YesOption = False,
    max_disruption: MaxDisruptionOption = None,
    allow_lockout_risk: AllowLockoutOption = False,
    confirm_within: WithinOption = None,
    wait: WaitOption = False,
) -> None:
    """Remove all that a stack owns, and write back the sysctls it changed.

    PATH's stack is meant, else --stack, else `default`.
    """
    session: Session = context.obj
    intent = nothing_left(session, path)
    request = Request(
        limits=limits(max_disruption, lockout=allow_lockout_risk),
        yes=yes,
        question="Remove all of this?",
        verified=f"nothing of stack {intent.stack} is left",
        always=True,
        confirming=confirming(confirm_within, wait=wait, yes=yes),
    )
    bring_about(session, intent, request)


def nothing_left(session: Session, path: str | None) -> "Intent":
    """That nothing of a stack is left: that of the spec at PATH, whose protected peers stay so, else `--stack`'s."""
    from netspec.engine.generation_record import Source
    from netspec.engine.intent import Intent

    if path is None:
        return Intent(stack=session.options.stack or "default", source=Source)
    wanted = session.intent(session.load(path))
    return Intent(stack=wanted.stack, peers=wanted.peers, source=Source)
