"""The SSH session that this process belongs to."""

import os
from collections.abc import Mapping
from pathlib import Path

_NAME = b"SSH_CONNECTION="
_DEEPEST = 64
"""Ancestors that are asked."""


def ssh_connection(environment: Mapping[str, str] = os.environ, proc: Path = Path("/proc")) -> str:
    """`SSH_CONNECTION`: client address and port, own address and port; empty where there is no such session.

    sudo and su drop it: then an ancestor still has it, where we may look.
    """
    found = environment.get("SSH_CONNECTION", "")
    pid = os.getppid() if not found else 0
    for _ in range(_DEEPEST):
        if found or pid <= 0:
            break
        found, pid = _of_process(pid, proc)
    return found


def _of_process(pid: int, proc: Path) -> tuple[str, int]:
    """What a process has of it, and its parent; empty and 0 where that cannot be read."""
    try:
        entries = (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        entries = []
    own = next((each for each in entries if each.startswith(_NAME)), _NAME)
    try:
        # The name of the program stands in brackets, and may hold any character.
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        parent = int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        parent = 0
    return own.removeprefix(_NAME).decode(errors="replace"), parent
