"""The entry point: options, commands, and the exit code of whatever happens."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from netspec import __version__
from netspec.cli import (
    adopt,
    apply,
    check,
    commands,
    confirm,
    destroy,
    forget,
    history,
    lock,
    move,
    plan,
    recover,
    resume,
    rollback,
    sandbox,
    schema,
    show,
    test,
    validate,
    version,
    watch,
)
from netspec.cli.help import listed
from netspec.cli.options import Color, Options, Output, hoist
from netspec.cli.output import complain, tell, write
from netspec.cli.session import Session, writable
from netspec.core.resource import STACK_NAME
from netspec.errors import Astray, NetspecError, UsageError

FAILED, USAGE = 1, 64
# The base class of all complaints about a command line, wherever typer keeps its click.
CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]
INTERRUPTED = 130

EXAMPLES = [
    ("netspec validate web.yaml", "is the spec right?"),
    ("netspec plan web.yaml", "what would change?"),
    ("netspec apply web.yaml", "do it, and verify it"),
    ("netspec show", "what is there now?"),
    ("netspec destroy", "take it away"),
    ("netspec sandbox web.yaml", "all that in a throw-away host, without root"),
]
EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 differences, 3 undone, 4 not undone, 6 refused, 8 a check failed, 64 usage, "
    "65 invalid spec."
)

app = typer.Typer(
    help="Make the network of this host what a text says: plan, apply, verify, undo.",
    epilog=f"{listed(EXAMPLES)}\n\nThe options above are taken before and after any command. {EXIT_CODES}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        write(f"netspec {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    *,
    stack: Annotated[
        str | None,
        typer.Option(
            envvar="NETSPEC_STACK", metavar="NAME", help="Whose objects are meant; that of the spec unless said."
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option(envvar="NETSPEC_OUTPUT", metavar="text|json", help="Form of standard output.")
    ] = Output.TEXT,
    json_into: Annotated[
        Path | None, typer.Option(envvar="NETSPEC_JSON_INTO", metavar="FILE", help="Write the JSON to a file, too.")
    ] = None,
    color: Annotated[
        Color,
        typer.Option(envvar="NETSPEC_COLOR", metavar="auto|always|never", help="When to colour; auto: on a terminal."),
    ] = Color.AUTO,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for, and errors.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name each kernel object in plans.")] = False,
    state_dir: Annotated[
        Path,
        # Who may not read it is told so by the command that needs it.
        typer.Option(envvar="NETSPEC_STATE_DIR", metavar="DIR", readable=False, help="Records that outlive a reboot."),
    ] = Path("/var/lib/netspec"),
    run_dir: Annotated[
        Path, typer.Option(envvar="NETSPEC_RUN_DIR", metavar="DIR", readable=False, help="Lock and journal.")
    ] = Path("/run/netspec"),
    lock_timeout: Annotated[
        float,
        typer.Option(envvar="NETSPEC_LOCK_TIMEOUT", min=0, metavar="SECONDS", help="Wait this long for another apply."),
    ] = 30.0,
    keep_generations: Annotated[
        int,
        typer.Option(
            envvar="NETSPEC_KEEP_GENERATIONS", min=1, metavar="N", help="Generations of a stack that are kept."
        ),
    ] = 50,
    _show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Decide the common options. Raises UsageError for a name that is none, and a file that cannot be written."""
    if stack is not None and not STACK_NAME.fullmatch(stack):
        raise UsageError(f"--stack \"{stack}\" cannot name a stack: use 1 to 32 letters, digits, '.', '_' and '-'.")
    if json_into is not None:
        writable(json_into)
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
            keep_generations=keep_generations,
        )
    )


COMMANDS = (
    *(validate, plan, apply, confirm, destroy, recover, show, watch, test, check, history, rollback, resume),
    *(adopt, forget, move),
    *(lock, schema, sandbox, commands, version),
)
for module in COMMANDS:
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code. No traceback ever reaches the user."""
    words = hoist(arguments)
    if not words:
        complain(_help())
        return USAGE
    try:
        return _obey(words)
    except CommandLineError as error:
        tell(f"netspec: {_complaint(error)}")
        return USAGE
    except Exception as error:  # noqa: BLE001  the last line of defence between users and tracebacks
        return _unforeseen(error, words)


def _obey(words: list[str]) -> int:
    """Run a command; the exit code of what it ends with on purpose."""
    context = None
    try:
        with typer.main.get_command(app).make_context("netspec", words) as context:
            context.command.invoke(context)
        code = 0
    except NetspecError as error:
        session = (context.obj if context is not None else None) or Session(Options())
        session.fail(error)
        return error.exit_code
    except typer.Exit as done:
        code = done.exit_code
    except Astray as error:
        tell(f"netspec: {error.message}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("netspec: interrupted; nothing was changed.\n")
        return INTERRUPTED
    unwritten = context is not None and context.obj is not None and context.obj.unwritten
    return FAILED if unwritten and code in (0, plan.DIFFERENT) else code


def _help() -> str:
    command = typer.main.get_command(app)
    with command.make_context("netspec", ["-h"], resilient_parsing=True) as context:
        return command.get_help(context) + "\n"


def _complaint(error: Exception) -> str:
    """What the parser says, and where to look."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "netspec"
    said = getattr(error, "format_message", lambda: str(error))()
    message = getattr(error, "message", "") or ""
    words = _uncapitalized(said.replace(message, _uncapitalized(message.removeprefix("Value error, "))).rstrip("."))
    return f"{words}{'' if words.endswith('?') else '.'} See: {path} --help"


def _uncapitalized(words: str) -> str:
    return words[:1].lower() + words[1:]


def _unforeseen(error: Exception, words: list[str]) -> int:
    """A defect of ours: what was being done, where the details are, how to report it."""
    import tempfile
    import traceback

    details = f"netspec {__version__}, Python {sys.version}\ncommand: {words}\n\n{traceback.format_exc()}"
    with tempfile.NamedTemporaryFile("w", prefix="netspec-", suffix=".txt", delete=False) as file:
        file.write(details)
    tell(
        f"netspec: a defect in netspec stopped `netspec {' '.join(words)}`: {type(error).__name__}: {error}\n"
        f"The details are in {file.name}; please report them with what you did.\n"
        "If an apply was running, the next one undoes it first."
    )
    return 1
