"""`netspec adopt`: take over what is there, as the spec has it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.apply import YesOption
from netspec.cli.help import add
from netspec.cli.ownership import Handover, check_known, choice, hand_over
from netspec.cli.session import Session

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler

ADOPTABLE = ("bridge", "endpoint")
_ADDRESS = re.compile(rf"({'|'.join(ADOPTABLE)})/.+")


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        adopt,
        "Take over what is there, without touching it.",
        [
            ("netspec adopt", "all that the spec names and that is there, but not ours"),
            ("netspec adopt web.yaml bridge/docker0", "one object of a spec"),
        ],
    )


def adopt(
    context: typer.Context,
    path: Annotated[str | None, typer.Argument(help="The spec, as elsewhere.", metavar="PATH")] = None,
    addresses: Annotated[
        list[str] | None,
        typer.Argument(
            help="Objects of the spec, such as bridge/docker0. All of them unless said.",
            metavar="ADDRESS...",
            show_default=False,
        ),
    ] = None,
    *,
    yes: YesOption = False,
) -> None:
    """Take over bridges and endpoints that are there already, as the spec has them. Only their marks are set.

    What the spec has otherwise is told: the next apply changes it. What that would have to rebuild is refused.
    """
    session: Session = context.obj
    where, meant = parted(path, addresses or [])
    loaded = session.load(where)
    document = loaded.document
    known = [f"bridge/{name}" for name, spec in document.bridges.items() if not spec.existing]
    known += [f"endpoint/{name}" for name in document.endpoints]
    check_known(meant, known, "The spec")
    intent = session.intent(loaded)
    hand_over(
        session,
        Handover(
            propose=lambda reconciler: _proposal(reconciler, intent, meant, known),
            question="Take these over? Nothing but their marks is set.",
            nothing="Nothing to adopt: there is nothing of this that is not ours.",
            done="Adopted",
            yes=yes,
            spec=intent,
        ),
    )


def is_address(word: str) -> bool:
    """Whether a word names an object, and no file."""
    return _ADDRESS.fullmatch(word) is not None and not Path(word).exists()


def parted(path: str | None, addresses: list[str]) -> tuple[str | None, list[str]]:
    """PATH, where it was given, and the addresses."""
    if path is not None and is_address(path):
        return None, [path, *addresses]
    return path, addresses


def _proposal(reconciler: "Reconciler", intent: "Intent", addresses: list[str], known: list[str]) -> "Proposal":
    from netspec.engine.ownership import adoption, present_of

    meant = addresses or present_of(reconciler, intent, known)
    return adoption(reconciler, intent, choice(meant))
