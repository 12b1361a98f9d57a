"""`netspec rollback`: apply the spec of an earlier generation again, and stay there until resumed."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.apply import Request, YesOption, bring_about
from netspec.cli.generations import Return, generations, intent_of
from netspec.cli.help import add
from netspec.cli.limits import AllowLockoutOption, MaxDisruptionOption, limits
from netspec.cli.plan import AllowRemovalOption
from netspec.cli.session import Session
from netspec.cli.windows import WaitOption, WithinOption, confirming
from netspec.errors import NetspecError

if TYPE_CHECKING:
    from netspec.engine.generations import Generation, Generations


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        rollback,
        "Go back to an earlier generation, and stay there.",
        [
            ("netspec rollback", "to what was there before the last change"),
            ("netspec rollback 12", "go back to it"),
            ("netspec resume", "and on again"),
        ],
    )


def rollback(
    context: typer.Context,
    generation: Annotated[
        int | None,
        typer.Argument(min=1, help="Its number; without it the last good one with another spec.", metavar="GENERATION"),
    ] = None,
    *,
    yes: YesOption = False,
    max_disruption: MaxDisruptionOption = None,
    allow_lockout_risk: AllowLockoutOption = False,
    allow_removal: AllowRemovalOption = 0,
    confirm_within: WithinOption = None,
    wait: WaitOption = False,
) -> None:
    """Apply the spec of an earlier generation again: planned, shown, asked, verified, and undone on failure.

    The stack is that of --stack, else `default`. It is suspended then: apply and watch change nothing until
    `netspec resume`.
    """
    session: Session = context.obj
    stack = session.options.stack or "default"
    store = generations(session, stack)
    target = store.read(generation) if generation is not None else before_the_last(store, stack)
    session.warn(store.warnings)
    number = target.entry.number
    request = Request(
        limits=limits(max_disruption, lockout=allow_lockout_risk),
        yes=yes,
        confirming=confirming(confirm_within, wait=wait, yes=yes),
        question=f"Go back to generation {number}?",
        verified=f"the kernel equals generation {number}",
        back=Return(to=number),
        always=True,
    )
    bring_about(session, replace(intent_of(session, target), allowed_removal=allow_removal), request)
    session.say(f"Stack {stack} stays at generation {number} until: netspec resume")


def before_the_last(store: "Generations", stack: str) -> "Generation":
    """The last good generation with another spec, older than what is there now. Raises NetspecError without one.

    Who goes back twice wants to go further back, and not to where it went wrong.
    """
    good = [each for each in store.listed() if each.entry.standing == "good"]
    if good:
        newest = good[-1]
        origin = newest.head.back_to or newest.entry.number
        for each in reversed(good):
            if each.entry.number < origin and each.head.spec_digest != newest.head.spec_digest:
                return store.read(each.entry.number)
    raise NetspecError(f"Stack {stack} has no earlier generation with another spec. See: netspec history")
