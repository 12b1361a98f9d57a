"""`netspec schema`: the JSON Schema of specs and of JSON output."""

from typing import Annotated

import typer

from netspec.cli.help import add
from netspec.cli.output import write
from netspec.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        schema,
        "Print a JSON Schema: of specs, or of JSON output.",
        [
            ("netspec schema >netspec.schema.json", "for an editor to complete and check specs"),
            ("netspec schema plan", "of `netspec plan --output json`"),
        ],
    )


def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="spec (unless said), plan, validate, show, history, generation, check, error or planfile.",
            metavar="NAME",
        ),
    ] = "spec",
) -> None:
    """Print a JSON Schema (draft-07): of specs, of saved plans, or of what a command prints as JSON."""
    from netspec.spec.schemas import schemas, text_of

    known = schemas()
    if name not in known:
        raise UsageError(f'there is no schema "{name}"; there are {", ".join(known)}.')
    write(text_of(known[name]))
