"""What git knows of a spec. The only code outside kernel and cli that runs a program."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from netspec.engine.generation_record import Commit

DEADLINE = 10
"""Seconds for git to answer; a repository on a dead network file system shall not hold up an apply."""

_HARDENED = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--literal-pathspecs")
"""A repository may be another's than ours: nothing that its configuration names is run."""
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_of(paths: Sequence[Path]) -> Commit | None:
    """The commit that files are in; dirty where one of them is not as in it. None without git or a work tree."""
    files = [Path(os.path.realpath(path)) for path in paths]
    if not files:
        return None
    folder = files[0].parent
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None or not _HASH.fullmatch(head.strip()):
        return None
    # What git cannot say, such as of a file outside of the repository, is not in the commit.
    state = _git(folder, "status", "--porcelain", "--untracked-files=all", "--ignored=matching", "--", *map(str, files))
    return Commit(head.strip(), dirty=state != "")


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails, is not installed, or does not answer."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *_HARDENED, *words],
            cwd=folder,
            env={**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
