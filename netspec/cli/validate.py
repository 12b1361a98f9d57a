"""`netspec validate`: check a spec without touching the kernel."""

from typing import Annotated

import typer

from netspec.cli.help import add
from netspec.cli.output import write
from netspec.cli.session import Session
from netspec.errors import SpecError

PathArgument = Annotated[
    str | None,
    typer.Argument(
        help="The spec: a file, a directory, or - for standard input. "
        "Without it: $NETSPEC_PATH, ./netspec.yaml, ./netspec or /etc/netspec.",
        metavar="PATH",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        validate,
        "Check a spec without touching the kernel.",
        [
            ("netspec validate", "the spec in this directory"),
            ("netspec validate --expand web.yaml", "with all defaults written out"),
            ("netspec validate --output json -", "from standard input, for a program"),
        ],
    )


def validate(
    context: typer.Context,
    path: PathArgument = None,
    *,
    expand: Annotated[
        bool, typer.Option("--expand", help="Print the long form: defaults written out, short forms spelled.")
    ] = False,
) -> None:
    """Check a spec without touching the kernel. All errors are reported together, each with its place.

    Ends with 65 where there is one. Needs no privileges.
    """
    session: Session = context.obj
    from netspec.spec.check import check

    try:
        loaded = session.load(path)
        check(loaded)
    except SpecError as error:
        _report(session, error)
        raise typer.Exit(error.exit_code) from None
    session.document(lambda: {"format_version": "1.0", "valid": True, "diagnostics": []})
    if expand and not session.as_json:
        import yaml

        from netspec.spec.document import expand_to_long_form

        write(yaml.safe_dump(expand_to_long_form(loaded.document), sort_keys=False))
        return
    session.say("The spec is valid.")


def _report(session: Session, error: SpecError) -> None:
    from netspec.report.diagnostics import as_json

    session.diagnostics(error.diagnostics)
    listed = [as_json(each) for each in error.diagnostics]
    session.document(lambda: {"format_version": "1.0", "valid": False, "diagnostics": listed})
    if not error.diagnostics:
        session.note(f"netspec: {error.message}")
