"""Standard output, where it may be a pipe that nobody reads any more, a full disk, or not there at all."""

import contextlib
import os
import sys
from typing import TextIO

from netspec.errors import NetspecError
from netspec.report.style import harmless


def open_missing_streams() -> None:
    """A descriptor of the three that was closed before we started leads nowhere from now on.

    Else the next file or socket would get its number, and our words.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  as long as we live
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def write(text: str) -> None:
    """Print text. Nobody reads it: that is no failure, and no reason to stop. Raises NetspecError."""
    try:
        sys.stdout.write(harmless(text))
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
    except OSError as error:
        _to_nowhere(sys.stdout)
        raise NetspecError(f"cannot write to standard output: {error.strerror}.") from None


def tell(text: str) -> None:
    """Print a line on standard error, at once."""
    complain(f"{harmless(text)}\n")


def complain(text: str) -> None:
    """Print text on standard error. Where that takes none, the exit code has to do; it may take some later."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def give_up_what_is_unsaid() -> None:
    """What standard error has not taken in the end is nobody's: Python would end with a code of its own for it."""
    try:
        sys.stderr.flush()
    except OSError:
        _to_nowhere(sys.stderr)


def printable(text: str) -> str:
    """Words of others on one line, that nothing in them can move a cursor."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _to_nowhere(stream: TextIO) -> None:
    """What follows, and what is still in the buffer, goes to nobody."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
