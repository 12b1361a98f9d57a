"""Options that every command takes, before or after its name."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VALUED = (
    "--stack",
    "--output",
    "--json-into",
    "--color",
    "--state-dir",
    "--run-dir",
    "--lock-timeout",
    "--keep-generations",
)
FLAGS = ("--quiet", "-q", "--verbose", "-v")


class Output(StrEnum):
    """Form of what is printed."""

    TEXT = "text"
    JSON = "json"


class Color(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The common options, decided."""

    stack: str | None = None
    output: Output = Output.TEXT
    json_into: Path | None = None
    color: Color = Color.AUTO
    quiet: bool = False
    verbose: bool = False
    state_dir: Path = Path("/var/lib/netspec")
    run_dir: Path = Path("/run/netspec")
    lock_timeout: float = 30.0
    keep_generations: int = 50

    def colors(self, *, on_stderr: bool = False) -> bool:
        """Whether to colour a stream: a terminal that wants it, unless said otherwise (https://no-color.org)."""
        if self.color is not Color.AUTO:
            return self.color is Color.ALWAYS
        stream = sys.stderr if on_stderr else sys.stdout
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def host_name(environment: Mapping[str, str] = os.environ) -> str:
    """What this host is called."""
    return environment.get("NETSPEC_HOST") or os.uname().nodename


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move common options that stand after the command to the front, where the parser knows them.

    What follows `--` is somebody else's command line and stays as it is.
    """
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for word in remaining:
        if word == "--":
            return [*front, *rest, word, *remaining]
        name = word.partition("=")[0]
        if name in VALUED:
            front.append(word)
            if "=" not in word:
                front.extend([value] if (value := next(remaining, None)) is not None else [])
        elif word in FLAGS:
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]
