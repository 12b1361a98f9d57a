"""`netspec sandbox`: a spec built in throw-away namespaces, with a shell or a command inside. Needs no root."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.apply import bring_about
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.errors import NetspecError

if TYPE_CHECKING:
    from netspec.spec.document import Loaded


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sandbox")(sandbox)


def sandbox(
    context: typer.Context,
    path: PathArgument = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="After --: what to run inside; your shell unless said.", metavar="COMMAND"),
    ] = None,
) -> None:
    """Build a spec in a throw-away namespace and run a shell or COMMAND inside; everything goes when it ends."""
    from netspec.kernel.sandbox import run

    session: Session = context.obj
    loaded = session.load(path)
    inside = command or [os.environ.get("SHELL", "/bin/sh")]
    raise typer.Exit(run(lambda: _build_and_run(session, loaded, inside)))


def _build_and_run(session: Session, loaded: "Loaded", command: list[str]) -> int:
    """In the sandbox: apply what was loaded outside, then become the command; else the exit code of the failure."""
    from netspec.kernel.sandbox import become

    options = replace(
        session.options,
        quiet=not session.options.verbose,
        run_dir=Path(os.environ["NETSPEC_RUN_DIR"]),
        state_dir=Path(os.environ["NETSPEC_STATE_DIR"]),
    )
    within = Session(options)
    try:
        bring_about(within, within.intent(loaded), yes=True, question="")
    except NetspecError as error:
        within.fail(error)
        return error.exit_code
    return become(command)
