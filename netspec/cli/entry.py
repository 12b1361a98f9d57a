"""The entry point: options, commands, and the exit code of whatever happens."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netspec import __version__
from netspec.cli import apply, commands, destroy, lock, plan, sandbox, schema, show, validate, version, watch
from netspec.cli.options import Color, Options, Output, hoist
from netspec.cli.session import Session
from netspec.errors import NetspecError

USAGE = 64
# The base class of all complaints about a command line, wherever typer keeps its click.
CommandLineError = typer.BadParameter.__mro__[2]
INTERRUPTED = 130

app = typer.Typer(
    help="Declarative networks for Linux hosts: plan, apply, verify, undo.",
    epilog="Common options are taken before and after the command. Exit codes: docs/reference/exit-codes.md.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:  # noqa: FBT001  typer calls it so
    if value:
        typer.echo(f"netspec {__version__}")
        raise typer.Exit


@app.callback()
def common(  # noqa: PLR0913, PLR0917  every one is an option of its own
    context: typer.Context,
    *,
    stack: Annotated[str | None, typer.Option(envvar="NETSPEC_STACK", help="Owner mark of what is meant.")] = None,
    output: Annotated[Output, typer.Option(envvar="NETSPEC_OUTPUT", help="text or json.")] = Output.TEXT,
    json_into: Annotated[
        Path | None, typer.Option(envvar="NETSPEC_JSON_INTO", help="Write JSON to a file, too.")
    ] = None,
    color: Annotated[Color, typer.Option(envvar="NETSPEC_COLOR", help="auto, always or never.")] = Color.AUTO,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what was asked for.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show kernel objects.")] = False,
    state_dir: Annotated[Path, typer.Option(envvar="NETSPEC_STATE_DIR", help="What outlives a reboot.")] = Path(
        "/var/lib/netspec"
    ),
    run_dir: Annotated[Path, typer.Option(envvar="NETSPEC_RUN_DIR", help="Lock and journal.")] = Path("/run/netspec"),
    lock_timeout: Annotated[
        float, typer.Option(envvar="NETSPEC_LOCK_TIMEOUT", min=0, help="Seconds to wait for another apply.")
    ] = 30.0,
    _show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Decide the common options."""
    context.obj = Session(
        Options(
            stack=stack,
            output=output,
            json_into=json_into,
            color=color,
            quiet=quiet,
            verbose=verbose,
            state_dir=state_dir,
            run_dir=run_dir,
            lock_timeout=lock_timeout,
        )
    )


for module in (validate, plan, apply, destroy, show, watch, lock, schema, sandbox, commands, version):
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. No traceback ever reaches the user."""
    words = hoist(arguments)
    session = Session(Options())
    try:
        command = typer.main.get_command(app)
        with command.make_context("netspec", words) as context:
            session = context.obj or session
            command.invoke(context)
    except NetspecError as error:
        session.fail(error)
        return error.exit_code
    except typer.Exit as done:
        return done.exit_code
    except CommandLineError as error:
        sys.stderr.write(f"netspec: {error}\n")
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("netspec: interrupted; nothing was changed.\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  the last line of defence between users and tracebacks
        return _unforeseen(error, words)
    return 0


def _unforeseen(error: Exception, words: list[str]) -> int:
    """A defect of ours: what was being done, where the details are, how to report it."""
    import tempfile
    import traceback

    details = f"netspec {__version__}, Python {sys.version}\ncommand: {words}\n\n{traceback.format_exc()}"
    with tempfile.NamedTemporaryFile("w", prefix="netspec-", suffix=".txt", delete=False) as file:
        file.write(details)
    sys.stderr.write(
        f"netspec: a defect in netspec stopped `netspec {' '.join(words)}`: {type(error).__name__}: {error}\n"
        f"The details are in {file.name}; please report them with what you did.\n"
        "If an apply was running, the next one undoes it first.\n"
    )
    return 1
