"""The plan that is running, on disk from before its first change until it is verified or undone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.core.change import Action, Change
from netspec.core.plan import Plan, Rename
from netspec.core.resource import STACK_NAME, Key, Resource
from netspec.core.state import State
from netspec.diagnostics import Diagnostic
from netspec.engine.directories import private_directory, read_private, remove_private, write_private
from netspec.errors import Refused
from netspec.kinds._encoding import Unreadable, decode, encode

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What to restore: for every key of a plan what was there before, None for nothing; and what it renames.

    `made` is what the plan makes of which only a record elsewhere says that it is ours: that may be lost meanwhile.
    """

    stack: str
    before: Mapping[Key, Resource | None]
    made: Mapping[Key, Resource] = field(default_factory=dict)
    renames: tuple[Rename, ...] = ()


class Journal:
    """One file in the run directory; like the kernel's network it does not outlive a reboot."""

    def __init__(self, run_dir: Path) -> None:
        """`run_dir` is made when something is written."""
        self._run_dir = run_dir
        self.path = run_dir / "journal.json"

    def open(self, entry: Entry) -> None:
        """Write and sync what a plan is about to change. Raises Refused where that cannot be written."""
        private_directory(self._run_dir)
        write_private(self.path, json.dumps({"format": FORMAT, **document_of(entry)}))

    def read(self) -> Entry | None:
        """The entry a crash has left, None where there is none. Raises Refused where it cannot be understood."""
        text = read_private(self.path)
        if text is None:
            return None
        try:
            return _parse(json.loads(text))
        except (ValueError, TypeError, LookupError, RecursionError, Unreadable) as error:
            damaged = Diagnostic(
                "NS0664",
                f"the journal {self.path} of an interrupted apply cannot be understood: {error}",
                hint="look at what is there with netspec show, then set it aside: netspec recover --discard",
            )
            raise Refused("Refused: nothing was changed.", diagnostics=[damaged]) from None

    def close(self) -> None:
        """The plan is done, or undone."""
        remove_private(self.path)


def entry_of(stack: str, plan: Plan, observed: State) -> Entry:
    """What a plan is about to change, as it is."""
    disturbed = {key for change in plan.changes for key in change.disturbs()} & observed.keys()
    before: dict[Key, Resource | None] = {key: observed[key] for key in sorted(disturbed)}
    before.update((change.key, _lasting(observed.get(change.key))) for change in plan.changes)
    made = {each.key: each.after for each in plan.changes if each.after is not None and _recorded(each)}
    return Entry(stack, before, made, plan.renames)


def _recorded(change: Change) -> bool:
    return change.action is Action.CREATE and any(change.resource.recorded_in())


def _lasting(resource: Resource | None) -> Resource | None:
    return resource if resource is not None and resource.lasting() else None


def document_of(entry: Entry) -> dict[str, Any]:
    """An entry as JSON can hold it."""
    return {
        "stack": entry.stack,
        "before": [[*key, encode(resource)] for key, resource in entry.before.items()],
        "made": [[*key, encode(resource)] for key, resource in entry.made.items()],
        "renames": [[list(old), list(new)] for old, new in entry.renames],
    }


def parsed(document: Any) -> Entry:  # noqa: ANN401  whatever JSON held
    """The entry in what `document_of` gave. Raises Unreadable, ValueError, TypeError and LookupError."""
    stack = document["stack"]
    # It becomes a part of names, and of what is said to nftables.
    if not isinstance(stack, str) or not STACK_NAME.fullmatch(stack):
        raise Unreadable("there is no stack of that name")
    before, made = _resources(document["before"]), _resources(document["made"])
    renames = tuple(Rename(_key(*old), _key(*new)) for old, new in document["renames"])
    if any(old.kind != new.kind or old.kind not in ("link", "netns") for old, new in renames):
        raise Unreadable("it renames what has no names")
    return Entry(stack, before, {key: each for key, each in made.items() if each is not None}, renames)


def _parse(document: Any) -> Entry:  # noqa: ANN401  likewise
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable("it is of another format")
    return parsed(document)


def _resources(rows: Any) -> dict[Key, Resource | None]:  # noqa: ANN401  likewise
    found = {_key(kind, netns, name): decode(value) for kind, netns, name, value in rows}
    for key, resource in found.items():
        if resource is not None and resource.key() != key:
            raise Unreadable(f"{key} is not the key of what stands there")
    return found


def _key(kind: object, netns: object, name: object) -> Key:
    return Key(str(kind), str(netns), str(name))
