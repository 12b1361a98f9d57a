"""`netspec check`: the checks of a spec on the live host, with real packets."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.gate import explainer_of, live_checks, live_prober, live_tracer
from netspec.cli.help import add
from netspec.cli.options import host_name
from netspec.cli.output import write
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument

if TYPE_CHECKING:
    from netspec.report.checks import CheckView

CHECK_FAILED = 8


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        check,
        "Ask the live host what the spec's checks say.",
        [
            ("netspec check", "the spec in this directory"),
            ("netspec check --trace", "tells what became of the packets of checks that fail"),
            ("netspec check --output json web.yaml", "for a program"),
        ],
    )


def check(
    context: typer.Context,
    path: PathArgument = None,
    *,
    trace: Annotated[
        bool, typer.Option("--trace", help="Follow the packets of checks that fail, and tell what became of them.")
    ] = False,
) -> None:
    """Ask the live host, with real packets, whether all is reachable that must be, and nothing that must not.

    Ends with 8 where a check fails. Has no lasting effect. Checks from outside are skipped.
    """
    from netspec.engine.checking import ask, explained
    from netspec.kernel.privileges import require
    from netspec.report.checks import CheckView

    session: Session = context.obj
    loaded = session.load(path)
    require("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_ADMIN")
    checks = live_checks(session, loaded)
    begun = time.monotonic()
    outcomes = ask(checks, live_prober(session))
    if trace:
        outcomes = explained(outcomes, live_prober(session), live_tracer(session), explainer_of(loaded))
    view = CheckView(
        host=host_name(),
        stack=loaded.document.stack,
        outcomes=outcomes,
        seconds=time.monotonic() - begun,
        place_of=loaded.place_of,
    )
    if not view.passed and not trace and not session.as_json:
        session.note("netspec: --trace tells what became of the packets.")
    show(session, view)


def show(session: Session, view: "CheckView") -> None:
    """Print what checks came to. Raises Exit where one failed."""
    from netspec.report.checks import render
    from netspec.report.checks_json import checks_document

    session.document(lambda: checks_document(view))
    if not session.as_json and not (session.options.quiet and view.passed):
        write(render(view, session.style()))
    if not view.passed:
        raise typer.Exit(CHECK_FAILED)
