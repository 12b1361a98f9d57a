"""Two applies at once: one after the other, each whole; whoever will not wait is told who is at it."""

import subprocess
from pathlib import Path

import pytest

from tests import tally
from tests.live.driving import edited, reconciler
from tests.live.driving import intent as wanted
from tests.live.specs import DOCKER0
from tests.live.typed import DEADLINE, command, environment

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

CHANGED = edited(DOCKER0, ("172.17.0.", "172.18.0."), ("6379:6379", "6380:6379"), ("client:", "other:"))


@pytest.mark.tallied
def test_two_commands_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """Both succeed, and the host is what one of them wants: never a part of each."""
    running = []
    for name, spec in (("one", DOCKER0), ("two", CHANGED)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(spec, encoding="utf-8")
        words = command("apply", "--yes", "--quiet", "--lock-timeout", str(DEADLINE), str(path))
        running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()))
    said = [each.communicate(timeout=2 * DEADLINE)[1] for each in running]

    assert [(each.returncode, words) for each, words in zip(running, said, strict=True)] == [(0, b""), (0, b"")]
    assert reconciler().recover() is None
    left = [len(reconciler().propose(wanted(spec)).plan.changes) for spec in (DOCKER0, CHANGED)]
    assert left.count(0) == 1
    tally.count("two applies at once", "Linux", "applied")
    tally.count("two applies at once", "Linux", "applied")
