"""Processes that outlive the one that starts them: what they hold on to, where systemd keeps them, how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.kernel.background import SPARED, Task, end, start, systemd_runs_here, unit
from netspec.kernel.references import start_of

PATIENCE = 60

TELL = """
import os, sys, time
facts = {
    "parent": os.getppid(),
    "session": os.getsid(0) == os.getpid(),
    "group": os.getpgid(0),
    "directory": os.getcwd(),
    "descriptors": [os.readlink(f"/proc/self/fd/{each}") for each in (0, 1, 2)],
    "more": sorted(int(each) for each in os.listdir("/proc/self/fd") if int(each) > 2),
    "spared": int(open("/proc/self/oom_score_adj").read()),
    "blocked": open("/proc/self/status").read().split("SigBlk:")[1].split()[0],
    "environment": sorted(os.environ),
    "pid": os.getpid(),
}
with open(sys.argv[1] + ".new", "w") as file:
    file.write(repr(facts))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def until(true: Callable[[], object]) -> None:
    """Wait for something. AssertionError where it does not come."""
    limit = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < limit, "it did not come"
        time.sleep(0.01)


def task(*words: str) -> Task:
    """A task of a name."""
    return Task("netspec-test", "a test", words, {"PYTHONPATH": "/somewhere"})


@pytest.mark.skipif(systemd_runs_here(), reason="a unit would be made of it")
def test_it_holds_on_to_nothing_and_outlives_its_group(tmp_path: Path) -> None:
    """Started by a process that is killed with its whole group: it lives, and has nothing of it."""
    out = tmp_path / "facts"
    program = (
        "import os, sys; from netspec.kernel.background import Task, start\n"
        "held = os.open('/', os.O_RDONLY); os.set_inheritable(held, True)\n"
        f"start(Task('t', 't', (sys.executable, '-c', sys.argv[1], {str(out)!r}), {{'A': 'b'}}))\n"
        "os.killpg(0, 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, TELL], start_new_session=True, cwd=tmp_path) as starter:
        starter.wait(PATIENCE)
    assert starter.returncode == -signal.SIGKILL
    until(out.exists)
    facts = eval(out.read_text(encoding="utf-8"))  # noqa: S307  written by our own child
    try:
        assert Path(f"/proc/{facts['pid']}").exists()
        assert facts["parent"] != starter.pid
        assert facts["group"] not in (starter.pid, os.getpgid(0))
        assert (facts["directory"], facts["descriptors"]) == ("/", ["/dev/null"] * 3)
        assert len(facts["more"]) <= 1  # the folder that it has just listed
        assert facts["blocked"].strip("0") == ""
        assert facts["spared"] in (SPARED, int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii")))
        assert {"A", "PATH"} <= set(facts["environment"]) <= {"A", "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}
    finally:
        os.kill(facts["pid"], signal.SIGKILL)


@pytest.mark.skipif(systemd_runs_here(), reason="a unit would be made of it")
def test_what_cannot_be_started_is_an_error() -> None:
    """With the system's own words."""
    with pytest.raises(FileNotFoundError):
        start(task("/nowhere/at/all"))


def test_a_unit_is_restarted_where_it_is_killed_and_leaves_nothing() -> None:
    """The whole command line; what is in it is what systemd-run(1) knows."""
    assert unit(task("/usr/bin/python3", "-m", "netspec")) == [
        "systemd-run",
        "--quiet",
        "--collect",
        "--no-ask-password",
        "--unit=netspec-test",
        "--description=a test",
        "--service-type=exec",
        "--property=Restart=on-failure",
        "--property=RestartSec=1",
        "--property=StartLimitIntervalSec=0",
        "--property=RestartPreventExitStatus=4",
        f"--property=OOMScoreAdjust={SPARED}",
        "--setenv=PYTHONPATH=/somewhere",
        "--",
        "/usr/bin/python3",
        "-m",
        "netspec",
    ]


def test_systemd_elsewhere_is_not_asked(tmp_path: Path) -> None:
    """The session is in namespaces of its own: a unit of the machine's systemd would be on another host."""
    assert systemd_runs_here(str(tmp_path)) is False
    assert systemd_runs_here(str(tmp_path / "nothing")) is False


SYSTEMD_RUN = """\
#!/bin/bash
printf '%s\\n' "$@" >>"$RECORD"
[ -z "$REFUSES" ] || exit 1
while [ "$1" != -- ]; do
  case "$1" in --setenv=*) export "${1#--setenv=}" ;; esac
  shift
done
shift
setsid "$@" </dev/null >/dev/null 2>&1 &
"""
"""What systemd-run does, as far as it matters, and a record of it."""


PROCESS_ONE = f"timeout -s KILL {PATIENCE} unshare --mount --pid --fork --mount-proc --kill-child".split()
"""Runs a command as process 1, in the namespaces of the session."""


@pytest.mark.kernel
@pytest.mark.parametrize("refuses", ["", "yes"], ids=["a unit", "detached, where systemd refuses"])
def test_where_systemd_runs_it_is_asked(tmp_path: Path, refuses: str) -> None:
    """Process 1 is in our namespaces, and the system was booted with systemd; it is ours to ask."""
    record, out = tmp_path / "record", tmp_path / "out"
    script = tmp_path / "systemd-run"
    script.write_text(SYSTEMD_RUN, encoding="utf-8")
    script.chmod(0o755)
    program = (
        "import sys; from netspec.kernel.background import Task, start\n"
        f"start(Task('netspec-test', 't', ('/bin/sh', '-c', 'echo $A >{out}'), {{'A': 'b'}}))\n"
    )
    outer = f'mkdir -p /run/systemd/system && {sys.executable} -c "$1"; while [ ! -s {out} ]; do sleep 0.01; done'
    subprocess.run(
        [*PROCESS_ONE, "sh", "-c", outer, "sh", program],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "RECORD": str(record), "REFUSES": refuses},
        check=True,
    )
    asked = record.read_text(encoding="utf-8").splitlines()
    assert (out.read_text(encoding="utf-8"), asked[0], asked[-4:-1]) == ("b\n", "--quiet", ["--", "/bin/sh", "-c"])
    Path("/run/systemd/system").rmdir()


@pytest.fixture
def stubborn() -> "subprocess.Popen[bytes]":
    """A process that does not end when it is asked to."""
    words = "import signal, time; signal.signal(15, signal.SIG_IGN); print('.', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def test_who_does_not_end_is_killed(stubborn: "subprocess.Popen[bytes]") -> None:
    """After the grace, and also where it is stopped."""
    stubborn.send_signal(signal.SIGSTOP)
    end(stubborn.pid, start_of(stubborn.pid), 0.2)
    assert stubborn.wait(PATIENCE) == -signal.SIGKILL


def test_who_is_stopped_hears_it_first() -> None:
    """SIGTERM is enough for one that listens."""
    process = subprocess.Popen(["sleep", "600"])
    process.send_signal(signal.SIGSTOP)
    end(process.pid, start_of(process.pid), 30)
    assert process.wait(PATIENCE) == -signal.SIGTERM


def test_a_number_that_was_given_again_is_left_alone() -> None:
    """The process of that number began at another time; or there is none."""
    process = subprocess.Popen(["sleep", "600"])
    end(process.pid, start_of(process.pid) - 1, 0)
    assert process.poll() is None
    process.kill()
    process.wait()
    end(process.pid, 1, 0)
