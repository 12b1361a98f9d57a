"""`netspec sandbox`: a spec built in throw-away namespaces, with a shell or a command inside. Needs no root."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netspec.cli.apply import Request, bring_about
from netspec.cli.help import OF_COMMON_OPTIONS, Command, listed
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.errors import NetspecError, UsageError

if TYPE_CHECKING:
    from netspec.spec.document import Loaded

EXAMPLES = [
    ("netspec sandbox", "the spec in this directory, and your shell"),
    ("netspec sandbox web.yaml -- ip -n web address", "a command inside; it decides the exit code"),
    ("netspec sandbox -- sh -c 'netspec show'", "netspec itself works inside"),
]
_INSIDE = "netspec.cli.sandbox"


class SandboxCommand(Command):
    """A command line that ends in another one: what follows `--` is that, whatever stands before."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  the parser's own
        """Put the other command line aside."""
        if "--" in args:
            end = args.index("--")
            args, ctx.meta[_INSIDE] = args[:end], args[end + 1 :]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the command."""
    short, epilog = "Build a spec in throw-away namespaces, with a shell inside.", listed(EXAMPLES)
    app.command("sandbox", cls=SandboxCommand, short_help=short, epilog=f"{epilog}\n\n{OF_COMMON_OPTIONS}")(sandbox)


def sandbox(
    context: typer.Context,
    path: PathArgument = None,
    command: Annotated[
        list[str] | None, typer.Argument(help="What to run inside; your shell unless said.", metavar="-- COMMAND...")
    ] = None,
) -> None:
    """Build a spec in throw-away namespaces and run a shell or COMMAND inside. Everything goes when it ends.

    Needs no root where user namespaces are allowed, and never touches this machine's own network.
    """
    from netspec.kernel.sandbox import run

    if command:
        raise UsageError(f"write -- before the command: netspec sandbox {path} -- {' '.join(command)}")
    session: Session = context.obj
    loaded = session.load(path)
    inside = context.meta.get(_INSIDE) or [os.environ.get("SHELL", "/bin/sh")]
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
        bring_about(within, within.intent(loaded), Request(yes=True))
    except NetspecError as error:
        within.fail(error)
        return error.exit_code
    return become(command)
