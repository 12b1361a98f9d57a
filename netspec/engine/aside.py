"""Files that are in the way, out of it."""

import os
from pathlib import Path

from netspec.engine.directories import sync_directory
from netspec.errors import NetspecError


def set_aside(path: Path) -> Path:
    """Give a file a name at which nobody looks for it, for a person who wants to see it; that name."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.aside-{number}")):
        number += 1
    try:
        path.rename(aside)
        sync_directory(path.parent)
    except OSError as error:
        raise NetspecError(f"cannot set {path} aside: {error.strerror}.") from None
    return aside
