"""Confirm windows by the command on the real kernel: what survives being killed, who may confirm, what is refused."""

import errno
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from netspec.cli import main, windows
from netspec.cli.recover import end_holder
from netspec.cli.windows import duration
from netspec.engine import confirmation
from netspec.engine.generation_names import Standing
from netspec.engine.generations import Generations
from netspec.engine.window import Stage, Window, Windows
from netspec.errors import Refused, UsageError
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import Operation
from netspec.kernel.port import KernelError, Progress, no_progress
from tests.host_state import host_state
from tests.live.driving import apply, reconciler
from tests.live.guardians import PATIENCE, guardian, kill_guardian, none_left, until
from tests.live.specs import DOCKER0
from tests.live.typed import DEADLINE, command, environment, netspec
from tests.sandboxed import RUN_DIR, STATE_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

Here = Callable[..., tuple[int, str]]
"""Runs a command in this process."""

OTHER = "netspec: 1\nstack: other\nbridges: {br9: {subnets: [10.99.0.0/24]}}\n"
SOON = "1"
"""Seconds of a window whose end is waited for."""
LATE = "10m"
"""A window whose end does not come."""


@pytest.fixture
def host(fresh_netns: None) -> Iterator[None]:  # noqa: ARG001  it must be there first
    """A host of its own, without guardians in the end."""
    with none_left():
        yield


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """What is applied: the example."""
    path = tmp_path / "spec.yaml"
    path.write_text(DOCKER0, encoding="utf-8")
    return path


def begin(*words: str, session: bool = False) -> "subprocess.Popen[str]":
    """Start a command; `session` gives it one of its own, and a process group."""
    return subprocess.Popen(
        command(*words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=session,
    )


def stage(stack: str = "default") -> Stage | None:
    """How far the window of a stack is."""
    window = Windows(Path(RUN_DIR)).read(stack)
    return window.stage if window is not None else None


def over(stack: str = "default") -> bool:
    """Whether it was confirmed or undone."""
    return stage(stack) in (Stage.CONFIRMED, Stage.UNDONE)


def of_another_boot() -> None:
    """Make the window one of the time before the host was restarted."""
    path = Windows(Path(RUN_DIR)).path("default")
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "boot": "another"}), encoding="utf-8")


def expire(deadline: float = 0.0) -> None:
    """Bring the end of the window about, for those who look from now on."""
    path = Windows(Path(RUN_DIR)).path("default")
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "deadline": deadline}), encoding="utf-8")


def killed(process: "subprocess.Popen[str]", kill: Callable[[int, int], None]) -> None:
    """Kill it, and see it die of that."""
    kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(os.kill, id="the command", marks=pytest.mark.faults),
        pytest.param(os.killpg, id="its process group"),
    ],
)
def test_killed_the_end_comes_all_the_same(spec: Path, kill: Callable[[int, int], None]) -> None:
    """SIGKILL to the one who waits: the host is byte for byte as before, without any further command."""
    before = host_state()
    process = begin("apply", "--yes", "--wait", "--confirm-within", LATE, str(spec), session=True)
    until(lambda: stage() is Stage.PENDING)
    after = host_state()
    killed(process, kill)
    assert (after != before, host_state() == after, stage()) == (True, True, Stage.PENDING)

    expire()
    until(over)
    assert (stage(), host_state()) == (Stage.UNDONE, before)


def test_a_lost_session_loses_no_window(spec: Path) -> None:
    """The terminal goes, as with a connection: the command ends, the window stays, and somebody else confirms it."""
    child, controller = on_a_terminal("apply", "--confirm-within", LATE, str(spec))
    typed(controller, "[y/N]", "y\n")
    typed(controller, "Keep these changes? [y/n]", "")
    after = host_state()
    os.close(controller)
    ending = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert (ending, stage(), host_state() == after) == (-signal.SIGHUP, Stage.PENDING, True)
    assert netspec("confirm").code == 0
    assert (stage(), host_state() == after) == (Stage.CONFIRMED, True)


def on_a_terminal(*words: str) -> tuple[int, int]:
    """A command that leads a session, at a terminal of its own: its process, and the other end of the terminal."""
    controller, terminal = pty.openpty()
    child = os.fork()
    if not child:
        line = command(*words)
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        for stream in (0, 1, 2):
            os.dup2(terminal, stream)
        os.closerange(3, 256)
        os.execve(line[0], line, environment())  # noqa: S606  an argument list is what is wanted
    os.close(terminal)
    return child, controller


def typed(controller: int, prompt: str, answer: str) -> str:
    """Read from a terminal up to a prompt, then answer."""
    seen = ""
    reader = threading.Timer(PATIENCE, lambda: os.close(controller))
    reader.start()
    try:
        while prompt not in seen:
            seen += os.read(controller, 4096).decode()
    finally:
        reader.cancel()
    os.write(controller, answer.encode())
    return seen


@pytest.mark.parametrize(
    ("answer", "code", "ending"),
    [("y\n", 0, Stage.CONFIRMED), ("perhaps\nn\n", 7, Stage.UNDONE), ("\x03", 130, Stage.UNDONE)],
    ids=["yes", "no", "Control-C"],
)
def test_on_a_terminal_the_answer_decides(spec: Path, answer: str, code: int, ending: Stage) -> None:
    """It is asked for while the window is open; what is no answer is asked again."""
    before = host_state()
    child, controller = on_a_terminal("apply", "--confirm-within", LATE, str(spec))
    typed(controller, "[y/N]", "y\n")
    typed(controller, "Keep these changes? [y/n]", answer)
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(controller)

    assert (found, stage(), host_state() == before) == (code, ending, ending is Stage.UNDONE)


def test_without_a_guardian_the_next_command_undoes_first_and_says_so(spec: Path, tmp_path: Path) -> None:
    """Killed before the end; nobody is there to undo. `plan` only says it, an apply of another stack does it."""
    other = tmp_path / "other.yaml"
    other.write_text(OTHER, encoding="utf-8")
    apply(OTHER)
    before = host_state()
    assert netspec("apply", "--yes", "--confirm-within", LATE, str(spec)).code == 0
    after = host_state()
    kill_guardian()
    expire()

    planned = netspec("plan", str(other))
    assert "an apply of stack default was not confirmed in time" in planned.errors
    assert (host_state(), stage()) == (after, Stage.PENDING)
    done = netspec("apply", "--yes", str(other))
    assert (done.code, host_state(), stage()) == (0, before, Stage.UNDONE)
    assert "an apply of stack default was undone: nobody confirmed it in time" in done.errors


def test_a_guardian_that_was_killed_is_replaced_by_the_next_command(spec: Path) -> None:
    """Any that changes something, here recover: from then on the end comes by itself again."""
    before = host_state()
    assert netspec("apply", "--yes", "--confirm-within", LATE, str(spec)).code == 0
    first = guardian()
    kill_guardian()
    done = netspec("recover")
    assert (done.code, stage()) == (0, Stage.PENDING)
    assert "an apply of stack default is to be confirmed until" in done.errors
    assert guardian() not in (0, first)

    expire()
    until(over)
    assert (stage(), host_state()) == (Stage.UNDONE, before)


class Deadly(LinuxKernel):
    """Does half of what is asked, and then something happens to its process."""

    fate = signal.SIGKILL
    times = 1
    """How often: undoing executes as well."""

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """Half."""
        super().execute(operations[: len(operations) // 2], progress)
        if self.times:
            self.times -= 1
            os.kill(os.getpid(), self.fate)
        super().execute(operations[len(operations) // 2 :], progress)


def applied_by(kernel: type[LinuxKernel], *words: str, longest: float = confirmation.LONGEST_APPLY) -> int:
    """Run a command in a child, on a kernel of the test's; the child. After `longest` seconds it counts as stuck."""
    child = os.fork()
    if not child:
        try:
            import netspec.kernel.linux

            netspec.kernel.linux.LinuxKernel = kernel  # type: ignore[misc]  # in this child only
            confirmation.LONGEST_APPLY = longest
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            main(list(words))
        finally:
            os._exit(1)
    return child


def test_an_apply_that_is_killed_on_its_way_is_undone_at_once(spec: Path) -> None:
    """Its guardian does not wait for the end of a window that has not even begun."""
    before = host_state()
    child = applied_by(Deadly, "apply", "--yes", "--confirm-within", LATE, str(spec))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

    until(over)
    assert (stage(), host_state(), reconciler().journal.read()) == (Stage.UNDONE, before, None)


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.faults)], ids=["once", "for good"])
def test_an_apply_that_is_stuck_is_ended_and_undone(spec: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Stopped half-way, with the lock in its hands: it goes on only to undo, and is killed where it does not."""
    monkeypatch.setattr(Deadly, "fate", signal.SIGSTOP)
    monkeypatch.setattr(Deadly, "times", times)
    before = host_state()
    child = applied_by(Deadly, "apply", "--yes", "--confirm-within", SOON, str(spec), longest=2.0)
    os.waitpid(child, 0)

    until(over)
    assert (stage(), host_state(), reconciler().journal.read()) == (Stage.UNDONE, before, None)


def test_the_others_confirmation_ends_the_waiting(spec: Path) -> None:
    """With 0, and the guardian goes."""
    with begin("apply", "--yes", "--wait", "--confirm-within", LATE, str(spec)) as process:
        until(lambda: stage() is Stage.PENDING)
        after = host_state()
        assert netspec("confirm").code == 0
        process.communicate(timeout=DEADLINE)

    assert (process.returncode, host_state()) == (0, after)
    until(lambda: not guardian())


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.faults)])
def test_a_signal_to_the_one_who_waits_undoes(spec: Path, number: int) -> None:
    """130 and 143: whoever stops the command wants nothing of it."""
    before = host_state()
    with begin("apply", "--yes", "--wait", "--confirm-within", LATE, str(spec)) as process:
        until(lambda: stage() is Stage.PENDING)
        # It takes them over once it waits; before that they are the apply's.
        until(lambda: caught(process.pid, signal.SIGTERM))
        os.kill(process.pid, number)
        process.communicate(timeout=DEADLINE)

    assert (process.returncode, host_state(), stage()) == (128 + number, before, Stage.UNDONE)


def caught(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, and does not hold the lock any more."""
    # In this order: while it holds the lock, the handlers are those of the apply, which go with it.
    if Path(RUN_DIR, "lock").read_text(encoding="ascii"):
        return False
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(mask >> (number - 1) & 1)


def test_a_destroy_comes_back(spec: Path) -> None:
    """It is an apply like any other: unconfirmed, everything is there again."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    before = host_state()
    done = netspec("destroy", "--yes", "--wait", "--confirm-within", SOON)

    assert (done.code, host_state()) == (7, before)
    assert "The apply of stack default was undone: nobody confirmed it in time." in done.errors


@pytest.mark.parametrize("confirmed", [False, True], ids=["not confirmed", "confirmed"])
def test_a_saved_plan_is_undone_unless_it_is_confirmed(spec: Path, tmp_path: Path, confirmed: bool) -> None:
    """Like a spec; once undone, all is as it was made for, and it can be applied again."""
    plan = str(tmp_path / "plan.json")
    assert main(["plan", "--quiet", "--out", plan, str(spec)]) == 0
    spec.unlink()
    before = host_state()
    assert main(["apply", "--confirm-within", LATE, plan]) == 0
    after = host_state()
    assert (after != before, stage(), standings()) == (True, Stage.PENDING, [Standing.PENDING])

    if confirmed:
        assert main(["confirm"]) == 0
        assert (stage(), host_state() == after, standings()) == (Stage.CONFIRMED, True, [Standing.GOOD])
        return
    expire()
    until(over)
    assert (stage(), host_state(), standings()) == (Stage.UNDONE, before, [Standing.UNDONE])
    assert main(["apply", plan]) == 0
    assert host_state() == after


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Commands in this process, and without guardians: their code, and what they say on standard error."""
    monkeypatch.setattr(windows, "station", lambda _session, _window: None)
    monkeypatch.setenv("NO_COLOR", "1")

    def run_here(*words: str) -> tuple[int, str]:
        code = main(list(words))
        return code, capsys.readouterr().err

    return run_here


def test_confirm_undo_does_not_wait(spec: Path, here: Here) -> None:
    """And `confirm` afterwards says that it was undone, with 7, until the stack is applied again."""
    before = host_state()
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    assert here("confirm", "--undo") == (0, "")
    assert (host_state(), stage()) == (before, Stage.UNDONE)
    assert here("confirm") == (7, "netspec: The apply of stack default was undone: it was taken back.\n")
    assert here("confirm", "--undo") == (7, "netspec: The apply of stack default was undone: it was taken back.\n")


def test_nothing_to_confirm_is_said(spec: Path, here: Here) -> None:
    """1, whether there never was anything, it was confirmed before, or it was applied to stay."""
    nothing = "netspec: Nothing is to be confirmed: that is for netspec apply --confirm-within TIME.\n"
    assert here("confirm") == (1, nothing)
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    assert here("confirm") == (0, "")
    assert here("confirm") == (1, "netspec: Nothing is to be confirmed: stack default was confirmed before.\n")
    assert here("confirm", "--stack", "other") == (1, nothing.replace("Nothing", "Nothing of stack other"))


def test_which_of_several_is_asked_back(spec: Path, tmp_path: Path, here: Here) -> None:
    """64, with their names; `--stack` answers."""
    other = tmp_path / "other.yaml"
    other.write_text("netspec: 1\nstack: other\nendpoints: {lonely: {interfaces: {}}}\n", encoding="utf-8")
    for each in (spec, other):
        assert here("apply", "--yes", "--confirm-within", LATE, str(each))[0] == 0
    code, said = here("confirm")
    assert (code, "default, other" in said) == (64, True)
    assert here("confirm", "--stack", "other")[0] == 0
    assert (stage(), stage("other")) == (Stage.PENDING, Stage.CONFIRMED)
    assert here("confirm")[0] == 0


def standings() -> list[Standing]:
    """What became of the generations of the stack."""
    return [each.standing for each in Generations(Path(STATE_DIR), "default").entries()]


def test_a_generation_is_pending_until_it_is_decided(spec: Path, here: Here) -> None:
    """Good once it is confirmed, undone where it is undone; what is pending is not what a boot would bring."""
    good, pending, undone = Standing.GOOD, Standing.PENDING, Standing.UNDONE
    store = Generations(Path(STATE_DIR), "default")
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    assert (standings(), store.last_good()) == ([pending], None)
    assert (here("apply", "--boot")[0], here("confirm"), standings()) == (6, (0, ""), [good])

    assert here("destroy", "--yes", "--confirm-within", LATE)[0] == 0
    assert standings() == [good, pending]
    assert (here("confirm", "--undo")[0], standings()) == (0, [good, undone])
    assert here("destroy", "--yes", "--confirm-within", LATE)[0] == 0
    expire()
    assert (here("recover")[0], standings()) == (0, [good, undone, undone])
    last = store.last_good()
    assert last is not None
    assert last.entry.number == 1


def test_what_was_pending_at_a_reboot_is_undone(spec: Path, here: Here) -> None:
    """The run directory went with it: the boot brings what was good, and says of the other that it is no more."""
    assert here("apply", "--yes", str(spec))[0] == 0
    after = host_state()
    assert here("destroy", "--yes", "--confirm-within", LATE)[0] == 0
    Windows(Path(RUN_DIR)).path("default").unlink()
    assert here("apply", "--boot", "--quiet") == (0, "")
    assert (standings(), host_state()) == ([Standing.GOOD, Standing.UNDONE], after)


def test_what_may_be_undone_is_built_upon_by_nobody(spec: Path, here: Here, tmp_path: Path) -> None:
    """Neither by a boot of another stack, nor by letting go of what both have: forwarding here, lost meanwhile."""
    other = tmp_path / "other.yaml"
    other.write_text(OTHER, encoding="utf-8")
    assert here("apply", "--yes", str(other))[0] == 0
    run("sysctl -qw net.ipv4.ip_forward=0")
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    before = host_state()
    forget = ("forget", "--yes", "--stack", "other", "sysctl/net.ipv4.ip_forward")
    for words in (("apply", "--boot", "--stack", "other"), forget):
        code, said = here(*words)
        assert (code, "NS0661" in said) == (6, True), words
    assert host_state() == before


def test_an_apply_that_fails_leaves_no_generation(spec: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a window that could be confirmed."""
    monkeypatch.setattr("netspec.kernel.linux.LinuxKernel", Mute)
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 3
    assert (standings(), stage()) == ([], Stage.UNDONE)


def test_one_that_is_damaged_is_in_nobodys_way_who_names_another(spec: Path, here: Here) -> None:
    """6 without a name; with it the other one is confirmed."""
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    Windows(Path(RUN_DIR)).path("shop").write_text("{", encoding="utf-8")
    code, said = here("confirm")
    assert (code, "NS0663" in said) == (6, True)
    assert here("confirm", "--stack", "default") == (0, "")


def test_watch_waits_for_the_end(spec: Path) -> None:
    """It neither applies nor ends while the stack is to be confirmed; afterwards it does its work again."""
    assert netspec("apply", "--yes", "--confirm-within", LATE, str(spec)).code == 0
    after = host_state()
    spec.write_text(DOCKER0.replace("172.17.", "172.18."), encoding="utf-8")
    with begin("watch", "--interval", "0.2", str(spec)) as process:
        assert process.stderr is not None
        while "NS0660" not in process.stderr.readline():
            assert process.poll() is None
        assert host_state() == after
        assert netspec("confirm").code == 0
        until(lambda: "172.18.0.1/16" in run("ip -4 address show docker0"))
        process.terminate()
        process.communicate(timeout=DEADLINE)


def test_a_reboot_within_the_window_ends_it(spec: Path, here: Here) -> None:
    """`confirm` says so with 7, and puts nothing back that the kernel has forgotten."""
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    of_another_boot()
    after = host_state()
    code, said = here("confirm")

    assert (code, host_state()) == (7, after)
    assert "the host was restarted before it was confirmed" in said


def test_recover_says_what_it_did(spec: Path, here: Here) -> None:
    """Nothing; what was to be undone; and that it is to be confirmed."""
    before = host_state()
    assert here("recover") == (0, "")
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    code, said = here("recover")
    assert (code, "is to be confirmed until" in said) == (0, True)
    expire()
    assert here("recover") == (0, "netspec: an apply of stack default was undone: nobody confirmed it in time.\n")
    assert host_state() == before
    assert here("recover") == (0, "")


class Mute(LinuxKernel):
    """Undoes nothing."""

    def execute(self, _operations: Sequence[Operation], _progress: Progress = no_progress) -> None:
        """No."""
        raise KernelError(errno.EPERM, None)


def test_what_cannot_be_undone_is_listed_and_given_up_only_when_asked(
    spec: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 with everything that is left, as often as one tries; once the window is set aside one may go on."""
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    after = host_state()
    expire()
    monkeypatch.setattr("netspec.kernel.linux.LinuxKernel", Mute)
    for words in (("recover",), ("confirm",), ("apply", "--yes", str(spec)), ("destroy", "--yes")):
        code, said = here(*words)
        assert (code, "delete link/docker0" in said, "delete netns/redis" in said) == (4, True, True), said
    code, said = here("recover", "--discard")
    assert (code, "delete link/docker0" in said, "set aside as" in said) == (0, True, True)
    assert here("recover", "--discard") == (0, "")
    assert here("apply", "--yes", str(spec)) == (0, "")
    assert host_state() == after


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param("size=64k,nr_inodes=3", "No space left on device", id="full"),
        pytest.param("ro", "Read-only file system", id="read-only", marks=pytest.mark.faults),
    ],
)
def test_a_run_directory_that_takes_nothing_is_found_before_the_first_change(
    spec: Path, options: str, reason: str
) -> None:
    """6, and the host is as it was."""
    Path(RUN_DIR).mkdir(mode=0o700)
    run(f"mount -t tmpfs -o mode=0700,{options} tmpfs {RUN_DIR}")
    before = host_state()
    try:
        done = netspec("apply", "--yes", "--confirm-within", LATE, str(spec))
        assert (done.code, host_state()) == (6, before)
        assert reason in done.errors
    finally:
        run(f"umount {RUN_DIR}")


def test_a_disk_that_is_full_in_the_end_undoes_the_apply(
    spec: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3, with the reason, though that cannot be written either; nothing is to be confirmed or recovered."""
    before = host_state()

    write = Windows.write

    def full(found: Windows, window: Window) -> None:
        if window.stage is not Stage.OPENING:
            raise Refused("cannot write it: No space left on device.")
        write(found, window)

    monkeypatch.setattr(Windows, "write", full)
    code, said = here("apply", "--yes", "--confirm-within", LATE, str(spec))
    assert (code, "No space left on device" in said, host_state()) == (3, True, before)
    monkeypatch.undo()
    assert here("recover") == (0, "")
    assert (here("confirm")[0], host_state()) == (7, before)


def test_what_was_confirmed_stays_where_the_apply_had_died_when_it_was_done(spec: Path, here: Here) -> None:
    """Its journal was still there: neither `confirm` nor the next command takes it for an apply half-way."""
    assert here("apply", "--yes", "--confirm-within", LATE, str(spec))[0] == 0
    after = host_state()
    window = Windows(Path(RUN_DIR)).read("default")
    assert window is not None
    reconciler().journal.open(window.before)

    assert here("confirm") == (0, "")
    assert here("apply", "--yes", str(spec)) == (0, "")
    assert host_state() == after


HOLD = "import os, sys; from pathlib import Path; from netspec.engine.lock import exclusive\n"
HOLD += "with exclusive(Path(sys.argv[1]), 30): print('.', flush=True); sys.stdin.read()\n"


def test_who_keeps_the_lock_is_ended_and_nobody_else() -> None:
    """The one that holds it now; not one whose number stands there because it could not take it out any more."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, RUN_DIR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.read(1)
        end_holder(Path(RUN_DIR))
        assert holder.wait(DEADLINE) == -signal.SIGTERM

    with subprocess.Popen(["sleep", "600"]) as innocent:
        Path(RUN_DIR, "lock").write_text(f"{innocent.pid} netspec apply", encoding="ascii")
        end_holder(Path(RUN_DIR))
        assert innocent.poll() is None
        innocent.kill()
    Path(RUN_DIR, "lock").unlink()
    end_holder(Path(RUN_DIR))


@dataclass(frozen=True, slots=True)
class Race:
    """An apply that is confirmed at the very end of its window, again and again."""

    spec: Path
    before: str
    after: str

    def run(self, left: float) -> Stage | None:
        """Confirm with so many seconds left: 0 and applied, or 7 and as before. How it ended; then all is as before."""
        assert netspec("apply", "--yes", "--confirm-within", LATE, str(self.spec)).code == 0
        expire(time.clock_gettime(time.CLOCK_BOOTTIME) + left)
        code = netspec("confirm").code
        until(over)
        found = stage()
        expected = {0: (Stage.CONFIRMED, self.after), 7: (Stage.UNDONE, self.before)}
        assert (found, host_state()) == expected[code]
        if found is Stage.CONFIRMED:
            assert netspec("destroy", "--yes").code == 0
            assert host_state() == self.before
        return found


@pytest.fixture
def contest(spec: Path) -> Race:
    """One of the example."""
    before = host_state()
    assert netspec("apply", "--yes", str(spec)).code == 0
    after = host_state()
    assert netspec("destroy", "--yes").code == 0
    return Race(spec, before, after)


def test_confirming_at_the_end_is_one_or_the_other(contest: Race) -> None:
    """The lock decides, never both."""
    contest.run(0.4)


@pytest.mark.faults
def test_confirming_around_the_end_is_one_or_the_other(contest: Race) -> None:
    """From well after it until well before it: some are too late, and some are not."""
    found = {contest.run(step * 0.05) for step in range(40)}
    left = 2.0
    while Stage.CONFIRMED not in found and left < PATIENCE:
        left *= 2  # a busy machine takes as long to begin
        found.add(contest.run(left))
    assert found == {Stage.UNDONE, Stage.CONFIRMED}


@pytest.mark.parametrize(
    "text",
    ["0", "soon", "", "-5", "1d", "169h", "90 s 5", "9" * 30, "s", "1m-1s", "\u0661\u0662", "9\u0660s", "90\xa0"],
)
def test_times_that_are_none_are_refused(text: str) -> None:
    """64, with what may be written."""
    with pytest.raises(UsageError, match="90s, 5m, 1h30m"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h1m1", 3661), ("168h", 604800)]
)
def test_times_are_seconds_minutes_and_hours(text: str, seconds: int) -> None:
    """As people write them."""
    assert duration(text) == seconds


def test_waiting_needs_something_to_wait_for(spec: Path) -> None:
    """64."""
    done = netspec("apply", "--yes", "--wait", str(spec))

    assert (done.code, "add --confirm-within" in done.errors) == (64, True)
