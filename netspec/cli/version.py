"""`netspec version`."""

import platform

import typer

from netspec import __version__
from netspec.cli.help import add
from netspec.cli.output import write


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        version,
        "Print the versions of netspec, Python and the kernel.",
        [("netspec version", "for a report"), ("netspec --version", "the version of netspec alone")],
    )


def version() -> None:
    """Print the versions of netspec, Python and the kernel."""
    write(f"netspec {__version__} (Python {platform.python_version()}, Linux {platform.release()})\n")
