"""`netspec lock`: writes the automatic addresses of a spec into `netspec.lock` beside it."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.help import add
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.counting import counted
from netspec.errors import PrivilegeMissing, SpecError

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.kinds._intent import Present


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        lock,
        "Write automatic addresses into netspec.lock.",
        [
            ("netspec lock", "what runs here keeps its addresses"),
            ("netspec lock --offline web.yaml", "for a spec that is applied elsewhere"),
        ],
    )


def lock(
    context: typer.Context,
    path: PathArgument = None,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not look at this host: for a spec that is applied elsewhere.")
    ] = False,
) -> None:
    """Write the automatic addresses of a spec into netspec.lock beside it; those that are there stay."""
    from netspec.kinds._intent import Present
    from netspec.spec.desired import desired
    from netspec.spec.lockfile import lock_path, write
    from netspec.spec.source import default_path

    session: Session = context.obj
    where = path if path is not None else default_path(os.environ)
    target = lock_path(where)
    loaded = session.load(where)
    intent = session.intent(loaded)
    present = Present() if offline else _present(session, intent)
    wanted = desired(loaded.document, present, loaded.lock)
    if wanted.findings:
        raise SpecError("The spec is invalid.", diagnostics=loaded.diagnostics(wanted.findings))
    session.warn(loaded.warnings(wanted.remarks))
    number = sum(map(len, wanted.automatic.values()))
    written = write(target, loaded.document.stack, wanted.automatic)
    addresses = f"{counted(number, 'automatic address')} of stack {loaded.document.stack}"
    session.say(f"Wrote {target}: {addresses}." if written else f"{target} is up to date: {addresses}.")


def _present(session: Session, intent: "Intent") -> "Present":
    """The host as it is: what runs already keeps its address."""
    try:
        return session.reconciler().present(intent)
    except PrivilegeMissing as error:
        raise PrivilegeMissing(f"{error.message} To lock without a look at this host: --offline.") from None
