"""The command line: parse, call, render, exit code. One file per command."""

from netspec.cli.entry import main

__all__ = ["main"]
