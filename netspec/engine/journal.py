"""The plan that is running, on disk from before its first change until it is verified or undone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.core.plan import Plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State
from netspec.engine.directories import private_directory, read_private, remove_private, write_private
from netspec.errors import Refused
from netspec.kinds._encoding import Unreadable, decode, encode

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What to restore: for every key of a plan what was there before, None for nothing."""

    stack: str
    before: Mapping[Key, Resource | None]


class Journal:
    """One file in the run directory; like the kernel's network it does not outlive a reboot."""

    def __init__(self, run_dir: Path) -> None:
        """`run_dir` is made when something is written."""
        self._run_dir = run_dir
        self.path = run_dir / "journal.json"

    def open(self, stack: str, plan: Plan, observed: State) -> Entry:
        """Write and sync what a plan is about to change. Raises Refused where that cannot be written."""
        disturbed = {key for change in plan.changes for key in change.disturbs()} & observed.keys()
        before: dict[Key, Resource | None] = {key: observed[key] for key in sorted(disturbed)}
        before.update((change.key, change.before) for change in plan.changes)
        document = {
            "format": FORMAT,
            "stack": stack,
            "before": [[key.kind, key.netns, key.name, encode(resource)] for key, resource in before.items()],
        }
        private_directory(self._run_dir)
        write_private(self.path, json.dumps(document))
        return Entry(stack, before)

    def read(self) -> Entry | None:
        """The entry a crash has left, None where there is none. Raises Refused where it cannot be understood."""
        text = read_private(self.path)
        if text is None:
            return None
        try:
            return _parse(json.loads(text))
        except (ValueError, TypeError, KeyError, RecursionError, Unreadable) as error:
            raise Refused(
                f"the journal {self.path} of an interrupted apply cannot be understood ({error}). "
                "Nothing was changed. Look at what is there with `netspec show`, then remove the file."
            ) from None

    def close(self) -> None:
        """The plan is done, or undone."""
        remove_private(self.path)


def _parse(document: Any) -> Entry:  # noqa: ANN401  whatever JSON held
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable("it is of another format")
    before = {Key(str(kind), str(netns), str(name)): decode(value) for kind, netns, name, value in document["before"]}
    return Entry(str(document["stack"]), before)
