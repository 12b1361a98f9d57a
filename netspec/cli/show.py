"""`netspec show`: what a stack owns, as a tree."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.help import add
from netspec.cli.history import show_generation
from netspec.cli.output import write
from netspec.cli.saved import saved_plan_at, view_of
from netspec.cli.session import Session
from netspec.errors import NetspecError

if TYPE_CHECKING:
    from netspec.core.resource import Resource
    from netspec.engine.saved_plan import SavedPlan

SHOWN = 20
"""Objects that are listed where none has the name that was asked for."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        show,
        "Show what a stack owns on this host.",
        [
            ("netspec show", "everything of the stack `default`"),
            ("netspec show endpoint/redis", "one object"),
            ("netspec show plan.json", "what a saved plan would change"),
            ("netspec show 12", "a generation: who, when, and what it changed"),
            ("netspec show --stack shop --output json", "for a program"),
        ],
    )


def show(
    context: typer.Context,
    address: Annotated[
        str | None,
        typer.Argument(
            help="One object, such as endpoint/redis, the number of a generation, or a saved plan.",
            metavar="ADDRESS|FILE",
        ),
    ] = None,
) -> None:
    """Show what a stack owns on this host: bridges, endpoints, addresses, publications, sysctls.

    Of a number, that generation is shown; of a file that `netspec plan --out` has written, the plan as it was printed.
    The stack is that of --stack, else `default`.
    """
    from netspec.engine.parting import stacks_beside
    from netspec.report.topology import owned, render, show_document

    session: Session = context.obj
    if address is not None and address.isascii() and address.isdecimal():
        show_generation(session, int(address))
        return
    plan = saved_plan_at(address) if address else None
    if plan is not None:
        _show_plan(session, plan)
        return
    stack = session.options.stack or "default"
    observed = session.reconciler().observed(stack)
    resources = owned(observed, stack)
    if not resources:
        session.name_others(stacks_beside(stack, observed))
    shown = resources if address is None else _named(address, resources, stack)
    session.document(lambda: show_document(shown, stack))
    if not session.as_json:
        write(render(resources, stack, session.style(), address=address or ""))


def _show_plan(session: Session, plan: "SavedPlan") -> None:
    """A saved plan, whether or not it is stale by now."""
    from netspec.report.plan import render
    from netspec.report.plan_json import plan_document

    view = view_of(plan)
    session.document(lambda: plan_document(view, plan.warnings))
    if not session.as_json:
        write(render(view, session.style(), verbose=session.options.verbose))
    session.warn(plan.warnings)


def _named(address: str, resources: tuple["Resource", ...], stack: str) -> tuple["Resource", ...]:
    """What an address names. Raises NetspecError where it is nothing, with what there is instead."""
    from netspec.report.objects import object_of

    found = tuple(each for each in resources if address in (object_of(each), str(each.key())))
    if found:
        return found
    known = sorted({object_of(each) for each in resources})
    if not known:
        raise NetspecError(f"Stack {stack} owns nothing on this host.")
    near = get_close_matches(address, [*known, *(str(each.key()) for each in resources)], 1)
    hint = f"Did you mean {near[0]}?" if near else f"Its objects: {', '.join(known[:SHOWN])}{_rest(known)}."
    raise NetspecError(f'Stack {stack} has no object "{address}" on this host. {hint}')


def _rest(known: list[str]) -> str:
    return f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
