"""How far a long apply has come, on standard error: one moving line on a terminal, a line per phase elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from netspec.cli.output import complain

SLOW = 1.0
"""Seconds after which an apply is worth reporting on."""


class Progress:
    """Called with steps done and steps known; prints nothing for what is over at once."""

    def __init__(self, *, quiet: bool) -> None:
        """`quiet` prints nothing at all."""
        self._quiet = quiet
        self._moving = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._shown = 0.0
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn and self._moving:
            complain("\r\x1b[K")

    def __call__(self, done: int, known: int) -> None:
        """Report, at most ten times a second on a terminal and every five seconds elsewhere."""
        now = time.monotonic()
        if self._quiet or not known or now - self._begun < SLOW or now - self._shown < (0.1 if self._moving else 5.0):
            return
        self._shown = now
        self._drawn = True
        line = f"netspec: {done} of {known} steps"
        complain(f"\r{line}\x1b[K" if self._moving else f"{line}\n")
