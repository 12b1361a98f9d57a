"""What the last apply wanted, as digests by key: tells drift of the kernel from a change of the spec."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from netspec.core.resource import Key, Resource
from netspec.core.state import State
from netspec.engine.directories import private_directory, read_private, write_private
from netspec.errors import Refused


class AppliedRecord:
    """A file of the state directory for each stack. Losing it costs nothing but the word "drift"."""

    def __init__(self, state_dir: Path, stack: str) -> None:
        """`state_dir` is made by `prepare`."""
        self._state_dir = state_dir
        self._path = state_dir / f"applied-{stack}.json"

    def read(self) -> Mapping[str, str]:
        """Digest by key. Empty where nothing was recorded, or where it cannot be understood."""
        try:
            found = json.loads(read_private(self._path) or "{}")
        except (ValueError, RecursionError, Refused):
            return {}
        if not isinstance(found, dict):
            return {}
        return {key: digest for key, digest in found.items() if isinstance(digest, str)}

    def prepare(self) -> None:
        """Raises Refused where it could not be written later."""
        private_directory(self._state_dir)

    def write(self, desired: State) -> None:
        """Record that all of `desired` is what the kernel now has; a full disk is no reason to fail."""
        known = self.read()
        wanted = {str(key): fingerprint(resource) for key, resource in desired.items()}
        if wanted != known:
            # The network is as it should be, whatever becomes of the word for its next change.
            with contextlib.suppress(Refused):
                write_private(self._path, json.dumps(wanted))


def fingerprint(resource: Resource) -> str:
    """16 hex digits over all fields of a resource."""
    return hashlib.sha256(repr(resource).encode()).hexdigest()[:16]


def drifted(keys: Iterable[Key], desired: State, applied: Mapping[str, str]) -> frozenset[Key]:
    """Those keys whose desired resource is what was applied last: the kernel has moved, not the spec."""
    known = ((key, applied.get(str(key))) for key in keys if key in desired) if applied else ()
    return frozenset(key for key, digest in known if digest is not None and digest == fingerprint(desired[key]))
