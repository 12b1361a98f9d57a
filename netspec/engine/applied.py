"""What the last apply wanted, as digests by key: tells drift of the kernel from a change of the spec.

And which files its spec had, so that one that was lost is not taken for a wish.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from netspec.core.resource import Key, Resource
from netspec.core.state import State
from netspec.engine.directories import private_directory, read_private, write_private
from netspec.errors import Refused


@dataclass(frozen=True, slots=True)
class Applied:
    """What is on record of the last apply: digest by key, and the names of the spec's files."""

    digests: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


NOTHING_APPLIED = Applied()


class AppliedRecord:
    """A file of the state directory for each stack. Losing it costs the word "drift", and the guard of lost files."""

    def __init__(self, state_dir: Path, stack: str) -> None:
        """`state_dir` is made by `prepare`."""
        self._state_dir = state_dir
        self._path = state_dir / f"applied-{stack}.json"

    def read(self) -> Applied:
        """Empty where nothing was recorded, or where it cannot be understood."""
        try:
            found = json.loads(read_private(self._path) or "{}")
        except (ValueError, RecursionError, Refused):
            return NOTHING_APPLIED
        return understood(found) or NOTHING_APPLIED

    def prepare(self) -> None:
        """Raises Refused where it could not be written later."""
        private_directory(self._state_dir)

    def write(self, desired: State, files: Iterable[str] = ()) -> None:
        """Record that all of `desired` is what the kernel now has; a full disk is no reason to fail."""
        self.keep(applied_of(desired, files))

    def drop(self, keys: Iterable[Key]) -> None:
        """What these are later is no drift: they are ours no more."""
        known, gone = self.read(), set(map(str, keys))
        self.keep(Applied({key: each for key, each in known.digests.items() if key not in gone}, known.files))

    def keep(self, wanted: Applied) -> None:
        """The same, for what `applied_of` gave."""
        if wanted != self.read():
            # The network is as it should be, whatever becomes of the word for its next change.
            with contextlib.suppress(Refused):
                write_private(self._path, json.dumps(document_of(wanted)))


def applied_of(desired: State, files: Iterable[str] = ()) -> Applied:
    """What is to be on record of a state, and of the files that it came from."""
    digests = {str(key): fingerprint(resource) for key, resource in desired.items()}
    return Applied(digests, tuple(PurePath(each).name for each in files))


def document_of(applied: Applied) -> dict[str, Any]:
    """It as JSON can hold it."""
    return {"digests": dict(applied.digests), "files": list(applied.files)}


def understood(found: Any) -> Applied | None:  # noqa: ANN401  whatever JSON holds
    """What `document_of` gave; None for anything else."""
    digests = found.get("digests") if isinstance(found, dict) else None
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(digests, dict) or not isinstance(files, list):
        return None
    if not all(isinstance(each, str) for each in (*digests.values(), *files)):
        return None
    return Applied(digests, tuple(files))


def fingerprint(resource: Resource) -> str:
    """16 hex digits over all fields of a resource."""
    return hashlib.sha256(repr(resource).encode()).hexdigest()[:16]


def drifted(keys: Iterable[Key], desired: State, applied: Mapping[str, str]) -> frozenset[Key]:
    """Those keys whose desired resource is what was applied last: the kernel has moved, not the spec."""
    known = ((key, applied.get(str(key))) for key in keys if key in desired) if applied else ()
    return frozenset(key for key, digest in known if digest is not None and digest == fingerprint(desired[key]))
