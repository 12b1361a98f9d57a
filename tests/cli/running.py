"""netspec as a user runs it: a process of its own, on the host that the test is on."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE = 120
"""Seconds for a command, however busy the machine."""

SPEC = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
endpoints:
  web:
    bridge: br0
    addresses: [10.1.0.10, "fd00:1::10"]
    publish: ["8080:80", "5353:53/udp"]
  db: {bridge: br0}
nat: {masquerade: [br0]}
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command ended with, and what it printed."""

    code: int
    out: str
    err: str


def command(*words: str) -> list[str]:
    """The command line of netspec, by this interpreter."""
    return [sys.executable, "-m", "netspec", *words]


def environment(**more: str) -> dict[str, str]:
    """The test's own environment without options for netspec, except where its directories are."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "NETSPEC_PATH")}
    return {**kept, "PYTHONPATH": str(ROOT), "NETSPEC_HOST": "host", "TERM": "xterm", **more}


def netspec(*words: str, cwd: Path | None = None, stdin: str = "", more: Mapping[str, str] | None = None) -> Done:
    """Run one command to its end; `more` is further environment."""
    done = subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**(more or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)
