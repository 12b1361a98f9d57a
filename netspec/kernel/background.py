"""Processes that outlive the one that starts them, its session and its whole process group."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from netspec.kernel.references import start_of

SPARED = -900
"""Our word to the kernel's search for memory: look elsewhere first."""
FOR_GOOD = 4
"""The exit code of one that has tried for long enough."""
SHARED = ("net", "mnt")
"""Namespaces in which a unit has to be where we are."""
DEADLINE = 20
"""Seconds that systemd-run may take."""


@dataclass(frozen=True, slots=True)
class Task:
    """What shall run: a name for it, its command line, and the environment that it needs beyond PATH."""

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


def start(task: Task) -> None:
    """Start it as a transient unit where systemd runs this host, else detached. Raises OSError."""
    if not (systemd_runs_here() and _as_unit(task)):
        _detached(task)


def systemd_runs_here(booted: str = "/run/systemd/system") -> bool:
    """Whether a unit of systemd would live in our namespaces, and we may start one."""
    if os.geteuid() != 0 or not Path(booted).is_dir() or shutil.which("systemd-run") is None:
        return False
    try:
        return all(Path("/proc/self/ns", name).readlink() == Path("/proc/1/ns", name).readlink() for name in SHARED)
    except OSError:
        return False


def unit(task: Task) -> list[str]:
    """The command line that makes a transient unit of it: started again where it is killed, gone where it ends."""
    words = ["systemd-run", "--quiet", "--collect", "--no-ask-password", f"--unit={task.name}"]
    words += [f"--description={task.title}", "--service-type=exec"]
    words += ["--property=Restart=on-failure", "--property=RestartSec=1", "--property=StartLimitIntervalSec=0"]
    words += [f"--property=RestartPreventExitStatus={FOR_GOOD}", f"--property=OOMScoreAdjust={SPARED}"]
    words += [f"--setenv={name}={value}" for name, value in task.environment.items()]
    return [*words, "--", *task.command]


def _as_unit(task: Task) -> bool:
    try:
        done = subprocess.run(
            unit(task), check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _detached(task: Task) -> None:
    """Fork twice: the second child is nobody's, leads no session, and so never gets a terminal."""
    environment = {**_kept(os.environ), **task.environment}
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            if not os.fork():
                _become(task.command, environment, writer)
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as failure:
        number = failure.read()
    if number:
        raise OSError(int(number), os.strerror(int(number)), task.command[0])


def _become(command: tuple[str, ...], environment: Mapping[str, str], report: int) -> None:
    """Hold on to nothing: no directory, no terminal, no descriptor, no blocked signal. Reports an errno."""
    try:
        os.chdir("/")
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        # All others are closed by exec: Python makes them so, the pipe `report` too.
        os.closerange(3, report)
        os.closerange(report + 1, os.sysconf("SC_OPEN_MAX"))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(SPARED), encoding="ascii")
        os.execve(command[0], command, environment)  # noqa: S606  our own interpreter, as an argument list
    except OSError as error:
        os.write(report, str(error.errno).encode())
        os._exit(127)


def _kept(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in environment}


def end(pid: int, started: int, grace: float) -> None:
    """Ask a process to end, and make it where it has not after `grace` seconds. Nothing where it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # What we hold is one process now; whether the right one, its start tells.
        if start_of(pid) != started:
            return
        for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if number != signal.SIGTERM and select.select([descriptor], [], [], grace)[0]:
                return
    finally:
        os.close(descriptor)


def holds(pid: int, path: Path) -> bool:
    """Whether a process holds the lock (flock) of a file, as far as it can be seen."""
    with contextlib.suppress(OSError):
        wanted = path.stat()
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                told = Path(f"/proc/{pid}/fdinfo/{each.name}").read_text(encoding="ascii", errors="replace")
                if os.path.samestat(each.stat(), wanted) and "FLOCK" in told:
                    return True
    return False
