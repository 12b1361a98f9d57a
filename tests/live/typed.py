"""The command as a person types it, in a process of its own on the host that this thread is in."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str


def command(*words: str) -> list[str]:
    """`netspec WORDS`, of this source tree."""
    return [sys.executable, "-m", "netspec", *words]


def environment() -> dict[str, str]:
    """Where the sources are, and no colours."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def netspec(*words: str, prefix: tuple[str, ...] = ()) -> Outcome:
    """Run it to its end; `prefix` is a command that runs it."""
    done = subprocess.run(
        [*prefix, *command(*words)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=environment(),
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
