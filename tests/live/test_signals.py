"""Signals to the command while it changes the network: it undoes everything and ends with the shell's code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, reconciler
from tests.live.specs import DOCKER0
from tests.live.typed import DEADLINE, environment, netspec
from tests.sandboxed import NETNS_DIR, RUN_DIR

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

MANY = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/16]}}\nendpoints:\n" + "".join(
    f"  e{number}: {{bridge: br0}}\n" for number in range(20)
)
HALF_WAY = """
import signal
import sys
from netspec.cli import main
from netspec.kernel.linux import LinuxKernel

real = LinuxKernel.execute

def execute(self, operations, progress=lambda _done: None):
    def stopping(done):
        if done >= len(operations) // 2 and LinuxKernel.execute is not real:
            LinuxKernel.execute = real
            print("half-way", flush=True)
            sys.stdin.readline()
        progress(done)

    real(self, operations, stopping)

LinuxKernel.execute = execute
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
sys.exit(main(sys.argv[1:]))
"""
"""The command, which waits half-way through what it does, once: undoing is as it always is."""


def interrupted(spec: Path, number: int) -> tuple[int, str]:
    """Apply, and send the command a signal once it is half-way. Its code and its words."""
    with subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, "apply", "--yes", "--quiet", str(spec)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half-way\n"
        assert Path(RUN_DIR, "journal.json").exists()
        assert len(list(NETNS_DIR.iterdir())) > 2
        os.kill(process.pid, number)
        errors = process.communicate("\n", timeout=DEADLINE)[1]
    return process.returncode, errors


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Many endpoints, to be applied where the example is."""
    path = tmp_path / "spec.yaml"
    path.write_text(MANY, encoding="utf-8")
    apply(DOCKER0)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_apply_that_is_interrupted_is_undone(spec: Path, number: int) -> None:
    """130 and 143, as after any command that a signal ended; the host is byte for byte what it was."""
    before = host_state()

    code, errors = interrupted(spec, number)

    assert code == 128 + number
    assert "Interrupted at a safe point and undone: the host is as before." in errors
    assert host_state() == before
    assert reconciler().recover() is None


def test_after_a_kill_the_next_command_undoes_first_and_says_so(spec: Path) -> None:
    """Whatever the next command is about."""
    before = host_state()
    assert interrupted(spec, signal.SIGKILL)[0] == -signal.SIGKILL
    assert host_state() != before

    spec.write_text(DOCKER0, encoding="utf-8")
    done = netspec("apply", "--yes", str(spec))

    assert (done.code, host_state()) == (0, before)
    assert "an apply of stack default had been interrupted" in done.errors
