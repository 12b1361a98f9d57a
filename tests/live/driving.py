"""netspec driven in process: a spec as text is planned, applied and destroyed on the host that this thread is in."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netspec.cli.options import Options
from netspec.cli.session import Session
from netspec.core.change import Action, Change
from netspec.engine.intent import Intent
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.kernel.linux import LinuxKernel
from netspec.report.diagnostics import render
from tests.sandboxed import RUN_DIR, STATE_DIR

PATIENCE = 60
"""Seconds for a script, which may wait for what the kernel does when it gets to it, such as removing namespaces."""
EXAMPLE = Path(__file__).parents[2] / "examples/docker0/spec.yaml"


def reconciler() -> Reconciler:
    """One on the kernel, with the directories of the session."""
    return Reconciler(LinuxKernel(), Path(RUN_DIR), Path(STATE_DIR))


def intent(spec: str) -> Intent:
    """What a spec wants."""
    session = Session(Options())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "spec.yaml"
        path.write_text(spec, encoding="utf-8")
        return session.intent(session.load(str(path)), allow_removal=1 << 20)


def propose(spec: str) -> Proposal:
    """The plan for a spec; AssertionError with what is in its way."""
    return _unhindered(intent(spec))


def plan(spec: str) -> list[str]:
    """The plan for a spec, a line for each kernel object."""
    return [line_of(change) for change in propose(spec).plan.changes]


def apply(spec: str) -> Proposal:
    """Bring a spec about; it is verified as the command verifies it. What was done."""
    return _carried_out(intent(spec))


def destroy(stack: str = "default") -> Proposal:
    """Remove a stack."""
    return _carried_out(Intent(stack=stack))


def line_of(change: Change) -> str:
    """`update link/docker0 mtu up`: the action, the key, and the fields that differ."""
    fields = [each.name for each in change.fields] if change.action is not Action.CREATE else []
    return " ".join([str(change.action), str(change.key), *fields])


def edited(spec: str, *edits: tuple[str, str]) -> str:
    """A spec with each second text in the place of the first, which must be there."""
    for old, new in edits:
        assert old in spec, f"{old!r} is not in the spec"
        spec = spec.replace(old, new)
    return spec


def _unhindered(wanted: Intent) -> Proposal:
    proposal = reconciler().propose(wanted)
    assert not proposal.diagnostics, render(proposal.diagnostics, color=False)
    return proposal


def _carried_out(wanted: Intent) -> Proposal:
    proposal = _unhindered(wanted)
    if proposal.plan:
        reconciler().carry_out(proposal)
    return proposal


def lines_of(text: str) -> Iterator[str]:
    """The lines of a table in a test, without empty ones and remarks."""
    return (line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))


def shell(script: str) -> None:
    """Run a script that must succeed."""
    done = subprocess.run(["sh", "-ec", script], check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
