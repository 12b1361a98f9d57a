"""What we know of names under `/run/netns` that we gave to namespaces of others: a small file for each.

Such a namespace carries no mark of ours, and the file that its name covers cannot be read.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from netspec.kernel.snapshot import AttachedRow

LEDGER = "/run/netspec/attached"


class Ledger:
    """A directory with a file for each name."""

    def __init__(self, directory: str) -> None:
        """It is made when something is written."""
        self._directory = Path(directory)

    def read(self) -> Mapping[str, AttachedRow]:
        """All that is on record, by name; what cannot be understood is not."""
        try:
            paths = list(self._directory.iterdir())
        except (FileNotFoundError, PermissionError):
            return {}
        rows = ((path.name, _parsed(path)) for path in paths if not path.name.startswith("."))
        return {name: row for name, row in rows if row is not None}

    def has(self, name: str) -> bool:
        """Whether a name is on record."""
        return (self._directory / name).exists()

    def write(self, name: str, row: AttachedRow) -> None:
        """Put a name on record, whole or not at all. Raises OSError."""
        self._directory.mkdir(0o700, parents=True, exist_ok=True)
        draft = self._directory / f".{name}"
        text = {"alias": row.alias, "path": row.path, "inode": row.inode, "started": row.started}
        draft.write_text(json.dumps(text), encoding="utf-8")
        draft.replace(self._directory / name)

    def forget(self, name: str) -> None:
        """Take a name off, and the directory with the last. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            (self._directory / name).unlink()
            with contextlib.suppress(OSError):
                self._directory.rmdir()


def _parsed(path: Path) -> AttachedRow | None:
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        return AttachedRow(str(text["alias"]), str(text["path"]), int(text["inode"]), int(text["started"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
