"""`netspec version`."""

import platform

import typer

from netspec import __version__


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("version")(version)


def version() -> None:
    """Print the versions of netspec, Python and the kernel."""
    typer.echo(f"netspec {__version__} (Python {platform.python_version()}, Linux {platform.release()})")
