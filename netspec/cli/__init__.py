"""The command line: parse, call, render, exit code. One file per command."""

import gc
import sys

from netspec import __version__

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, by default that of the process, and return its exit code."""
    from netspec.cli.output import give_up_what_is_unsaid, open_missing_streams

    open_missing_streams()
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["--version"]:
        # Asked for by scripts and by installers: not worth importing a parser for.
        sys.stdout.write(f"netspec {__version__}\n")
        return 0
    from netspec.cli.entry import run

    # A command makes hardly any garbage, and looking for it takes a fifth of the time of a large plan.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return run(words)
    finally:
        give_up_what_is_unsaid()
        if collecting:
            gc.enable()
