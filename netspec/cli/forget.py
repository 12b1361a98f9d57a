"""`netspec forget`: let go of an object, and leave it as it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.apply import YesOption
from netspec.cli.help import add
from netspec.cli.ownership import Handover, check_known, choice, hand_over
from netspec.cli.session import Session
from netspec.errors import NetspecError

if TYPE_CHECKING:
    from netspec.engine.reconciler import Proposal, Reconciler

FORGETTABLE = ("bridge", "endpoint", "sysctl")


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        forget,
        "Let go of an object; it stays and works.",
        [
            ("netspec forget endpoint/redis", "it is nobody's then, and goes on"),
            ("netspec forget --stack shop bridge/front", "of another stack; its spec is not needed"),
        ],
    )


def forget(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="The object, such as endpoint/redis.", metavar="ADDRESS")],
    *,
    yes: YesOption = False,
) -> None:
    """Let go of a bridge, an endpoint or a sysctl: it stays as it is, and netspec looks after it no more.

    The stack is that of --stack, else `default`. A spec that still wants it then meets a foreign object.
    """
    session: Session = context.obj
    stack = session.options.stack or "default"
    if not address.startswith(tuple(f"{kind}/" for kind in FORGETTABLE)):
        raise NetspecError(f"{address} cannot be let go of: only bridges, endpoints and sysctls can.")
    hand_over(
        session,
        Handover(
            propose=lambda reconciler: _proposal(reconciler, stack, address),
            question=f"Let go of {address}? It stays as it is.",
            nothing=f"{address} holds nothing that could be let go of.",
            done=f"Let go of {address}",
            yes=yes,
        ),
    )


def _proposal(reconciler: "Reconciler", stack: str, address: str) -> "Proposal":
    from netspec.engine.ownership import forgetting, objects_of

    check_known([address], objects_of(reconciler, stack), f"Stack {stack} on this host")
    return forgetting(reconciler, stack, choice([address]))
