"""The sandbox: a private host for a command, for root and for an ordinary user, that leaves nothing behind."""

import contextlib
import ctypes
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netspec.errors import PrivilegeMissing
from netspec.kernel import sandbox, sandbox_refusal

pytestmark = pytest.mark.kernel

ROOT = 0
ORDINARY = 12345
PR_SET_DUMPABLE = 4
SYSTEM_TIMEOUT = 60.0


def become(uid: int) -> None:
    """Turn this process into `uid` without any privilege; it must be a forked child."""
    if uid == os.geteuid():
        return
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # A process that changed its user may not write its own uid_map until it executes something; this lets it.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    os.chdir("/")
    os.environ["HOME"] = "/nonexistent"


def in_child(uid: int, body: Callable[[], int]) -> tuple[int, str]:
    """`body` as user `uid` in a forked child: its exit code, and what it and its children wrote."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            code = 99
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                become(uid)
                code = body()
            except PrivilegeMissing as error:
                os.write(2, error.message.encode())
                code = error.exit_code
            finally:
                os._exit(code)
        code = ended(child)
        output.seek(0)
        return code, output.read().decode()


def ended(child: int) -> int:
    """The exit code of `child`; it is killed, and the test fails, if it does not end."""
    deadline = time.monotonic() + SYSTEM_TIMEOUT
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the sandbox did not end")


def appears(path: Path) -> str:
    """The content of `path` once it has any."""
    deadline = time.monotonic() + SYSTEM_TIMEOUT
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text(encoding="ascii")):
            return text
        time.sleep(0.01)
    pytest.fail(f"{path} did not appear")


def host_state() -> dict[str, object]:
    """What a sandbox could have spoiled: links, namespaces, mounts, and as root the firewall."""
    links = json.loads(subprocess.check_output(["ip", "-j", "link"], text=True))
    return {
        "links": [(link["ifindex"], link["ifname"], link.get("master"), link["flags"]) for link in links],
        "netns": subprocess.check_output(["ip", "netns"], text=True),
        "run": sorted(str(path) for path in Path("/run").glob("net*")),
        "mounts": [line.split()[1:3] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()],
        "nft": subprocess.check_output(["nft", "-s", "list", "ruleset"], text=True) if os.geteuid() == ROOT else "",
    }


@pytest.fixture(params=[ROOT, ORDINARY], ids=["root", "ordinary user"])
def uid(request: pytest.FixtureRequest) -> int:
    """Who makes the sandbox. Tests that run as an ordinary user themselves can only be that one."""
    wanted: int = request.param
    if os.geteuid() == ROOT:
        return wanted
    if wanted == ROOT:
        pytest.skip("the tests do not run as root, so a sandbox made by root cannot be tried")
    return os.geteuid()


def test_a_network_can_be_built_inside_and_the_host_does_not_change(uid: int) -> None:
    """Bridge, veth, namespace, nft and sysctl work as root's would; outside all is as before."""
    before = host_state()
    script = """
        set -e
        ip link add br0 type bridge
        ip netns add web
        ip link add v0 master br0 up type veth peer name eth0 netns web
        ip link set br0 up
        ip addr add 10.9.0.1/24 dev br0
        ip -n web addr add 10.9.0.2/24 dev eth0
        ip -n web link set eth0 up
        nft add table inet t
        echo 1 > /proc/sys/net/ipv4/ip_forward
        until [ "$(ip netns exec web cat /sys/class/net/eth0/operstate)" = up ]; do sleep 0.02; done
        echo up
        ls /run/netns
        ls /sys/class/net
        nft list tables
    """
    code, output = in_child(uid, lambda: sandbox.run(["sh", "-c", script]))

    assert (code, output.split()) == (0, ["up", "web", "br0", "lo", "v0", "table", "inet", "t"])
    assert host_state() == before


def test_the_inside_is_bare_and_ready(uid: int) -> None:
    """One interface, lo, up; an empty /run but for our directories; few processes; netspec's paths lead inside."""

    def look() -> int:
        links = json.loads(subprocess.check_output(["ip", "-j", "link"], text=True))
        found = {
            "links": [(each["ifname"], "UP" in each["flags"]) for each in links],
            "run": sorted(os.listdir("/run")),  # noqa: PTH208  names, not paths
            "uid": os.geteuid(),
            "parent": os.getppid(),
            "dirs": [os.environ["NETSPEC_RUN_DIR"], os.environ["NETSPEC_STATE_DIR"]],
            "writable": [os.access(os.environ[name], os.W_OK) for name in ("NETSPEC_RUN_DIR", "NETSPEC_STATE_DIR")],
        }
        os.write(1, json.dumps(found).encode())
        return 0

    code, output = in_child(uid, lambda: sandbox.run(look))

    assert (code, json.loads(output)) == (
        0,
        {
            "links": [["lo", True]],
            "run": ["etc", "netns", "netspec", "netspec-state"],
            "uid": 0,
            "parent": 1,
            "dirs": ["/run/netspec", "/run/netspec-state"],
            "writable": [True, True],
        },
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["/nonexistent/command"], 127),
        (["/etc"], 126),
    ],
)
def test_the_exit_code_of_a_command_comes_through(uid: int, command: list[str], code: int) -> None:
    """As a shell reports it: its own, 128 + n after a signal, 127 and 126 for what cannot be run."""
    assert in_child(uid, lambda: sandbox.run(command))[0] == code


def raise_exit(code: int | str | None) -> int:
    """Leave as a program does."""
    sys.exit(code)


def interrupted() -> int:
    """What ^C does to a function."""
    raise KeyboardInterrupt


def killed() -> int:
    """What the kernel's memory killer does to one."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda: 0, 0),
        (lambda: 65, 65),
        (lambda: raise_exit(4), 4),
        (lambda: raise_exit(None), 0),
        (lambda: raise_exit("words"), 1),
        (interrupted, 130),
        (killed, 137),
    ],
    ids=["0", "65", "exit 4", "exit", "exit words", "interrupt", "killed"],
)
def test_the_result_of_a_function_is_the_exit_code(uid: int, function: Callable[[], int], code: int) -> None:
    """Its return value, or how it left."""
    assert in_child(uid, lambda: sandbox.run(function))[0] == code


def test_an_exception_in_a_function_is_shown_and_fails(uid: int) -> None:
    """It cannot cross to the caller's process, so it is shown where it happened."""

    def fail() -> int:
        message = "seen by a person"
        raise ValueError(message)

    def shown() -> int:
        sys.stderr = os.fdopen(2, "w", closefd=False)
        return sandbox.run(fail)

    code, output = in_child(uid, shown)

    assert (code, output.splitlines()[-1]) == (1, "ValueError: seen by a person")


def test_a_function_can_hand_over_to_a_program(uid: int) -> None:
    """What the function wrote comes first; the program takes its place, so ^C and the exit code are the program's."""

    def hand_over() -> int:
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stdout.write(f"{os.getpid()} ")
        return sandbox.become(["sh", "-c", "echo $$; exit 6"])

    code, output = in_child(uid, lambda: sandbox.run(hand_over))

    assert (code, len(output.split()), len(set(output.split()))) == (6, 2, 1)


def test_what_the_caller_has_not_flushed_is_written_once(uid: int) -> None:
    """Three processes fork from the caller's buffers; none writes them again."""

    def buffered() -> int:
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stdout.write("before ")
        code = sandbox.run(lambda: sys.stdout.write("inside ") and 0)
        sys.stdout.write("after")
        sys.stdout.flush()
        return code

    assert in_child(uid, buffered) == (0, "before inside after")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_caller_reaches_the_command(uid: int, number: signal.Signals, tmp_path: Path) -> None:
    """The command decides what it means; here it ends in order, with a code of its own."""
    tmp_path.chmod(0o777)
    ready = tmp_path / "ready"
    script = f"trap 'exit 40' {number.name.removeprefix('SIG')}; echo $$ > {ready}; while :; do sleep 0.05; done"
    open_the_way(tmp_path)
    child = os.fork()
    if not child:
        code = 99
        try:
            become(uid)
            code = sandbox.run(["sh", "-c", script])
        finally:
            os._exit(code)
    appears(ready)
    os.kill(child, number)

    assert ended(child) == 40


def open_the_way(path: Path) -> None:
    """Let others pass through the private folders that pytest makes."""
    for parent in path.parents:
        if parent.owner() == "root" and parent.name.startswith("pytest-"):
            parent.chmod(0o711)


def sandboxed_by(uid: int, folder: Path, first: str, then: str) -> tuple[int, str]:
    """A process that runs a script in a sandbox, and the network namespace of that, once it has come to `then`."""
    folder.chmod(0o777)
    open_the_way(folder)
    ready = folder / "ready"
    child = os.fork()
    if not child:
        become(uid)
        os._exit(sandbox.run(["sh", "-c", f"{first} readlink /proc/self/ns/net > {ready}; {then}"]))
    return child, appears(ready).strip()


def test_when_the_caller_is_killed_all_of_it_ends(uid: int, tmp_path: Path) -> None:
    """Even from SIGKILL, and even what the command put in the background."""
    child, namespace = sandboxed_by(uid, tmp_path, "setsid sleep 301 &", "sleep 302")
    with held(namespace):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

        deadline = time.monotonic() + SYSTEM_TIMEOUT
        while (left := living_in(namespace)) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert left == []


@contextlib.contextmanager
def held(namespace: str) -> Iterator[None]:
    """A network namespace stays while we look: as soon as it is gone, another one may get its number."""
    for each in living_in(namespace):
        with contextlib.suppress(FileNotFoundError), Path(f"/proc/{each}/ns/net").open("rb") as kept:
            assert str(Path(f"/proc/self/fd/{kept.fileno()}").readlink()) == namespace
            yield
            return
    raise AssertionError("nobody lives there")


def living_in(namespace: str) -> list[str]:
    """The processes whose network namespace is `namespace`."""
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            if str(link.readlink()) == namespace:
                found.append(link.parts[2])
        except OSError:  # it ended meanwhile, or is not ours
            continue
    return found


def test_a_background_process_does_not_outlive_the_command(uid: int, tmp_path: Path) -> None:
    """The sandbox is the command's; process 1 ends with it and takes the rest along."""
    go = tmp_path / "go"
    waiting = f"until [ -e {go} ]; do sleep 0.02; done"
    child, namespace = sandboxed_by(uid, tmp_path, "setsid sleep 303 &", waiting)
    with held(namespace):
        assert len(living_in(namespace)) > 1
        go.touch()
        assert (ended(child), living_in(namespace)) == (0, [])


def test_signals_work_as_before_afterwards() -> None:
    """The caller's signal mask is its own again."""

    def masks() -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        sandbox.run(["true"])
        return int(signal.pthread_sigmask(signal.SIG_BLOCK, []) != before)

    assert in_child(os.geteuid(), masks)[0] == 0


def test_no_descriptor_is_left_open() -> None:
    """As many after as before."""

    def descriptors() -> int:
        before = os.listdir("/proc/self/fd")  # noqa: PTH208  names, not paths
        sandbox.run(["true"])
        return int(os.listdir("/proc/self/fd") != before)  # noqa: PTH208  likewise

    assert in_child(os.geteuid(), descriptors)[0] == 0


def test_an_interactive_shell_has_job_control() -> None:
    """On a terminal, bash inside puts jobs in the background without complaint, and ^C ends only its job."""
    pid, terminal = pty.fork()
    if not pid:
        code = 99
        try:
            code = sandbox.run(["bash", "--norc", "--noprofile", "-i"])
        finally:
            os._exit(code)
    output = b""
    try:
        for typed, answer in (
            (b"PS1='prompt\\#>'\n", b"prompt2>"),
            (b"sleep 304 & echo $(jobs | wc -l)-job\n", b"prompt3>"),
            (b"tr a-z A-Z\nready\n", b"READY"),  # a shell as the job would now and then miss the ^C
            (b"\x03", b"prompt4>"),
            (b"kill %1; echo c-$((3+3)); exit 9\n", b"c-6"),
        ):
            os.write(terminal, typed)
            output += read_until(terminal, answer)
        assert ended(pid) == 9
        assert b"\n1-job" in output.replace(b"\r", b"\n")
        assert b"no job control" not in output
    finally:
        os.close(terminal)


def read_until(terminal: int, answer: bytes) -> bytes:
    """What a terminal shows up to `answer`."""
    seen = b""
    deadline = time.monotonic() + SYSTEM_TIMEOUT
    while answer not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096)
    return seen


def test_where_namespaces_may_not_be_made_the_error_says_so() -> None:
    """The real refusal of a real kernel: in a sandbox whose limit is zero, none can be made within."""

    def forbid() -> int:
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
        return in_child_of_inside()

    def in_child_of_inside() -> int:
        libc = ctypes.CDLL(None)
        for capability in range(41):
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, so that exec gives none back
        command = f"import sys; sys.path[:] = {sys.path!r}\n" + REPORT
        return subprocess.run([sys.executable, "-c", command], check=False).returncode

    # In a user namespace the limit is its own, so that of the host stays as it is.
    code, output = in_child_with_user_namespace(forbid)

    assert code == PrivilegeMissing.exit_code, output
    assert output == (
        "A sandbox cannot be made here: unshare(CLONE_NEWUSER) was refused: No space left on device (ENOSPC). "
        "user.max_user_namespaces is 0. Allow it with `sysctl -w user.max_user_namespaces=10000`. "
        "Root (CAP_SYS_ADMIN with CAP_NET_ADMIN) needs no user namespace."
    )


REPORT = """
from netspec.errors import PrivilegeMissing
from netspec.kernel import sandbox
try:
    sandbox.run(["true"])
except PrivilegeMissing as error:
    print(error.message, end="", flush=True)
    sys.exit(error.exit_code)
"""


def in_child_with_user_namespace(body: Callable[[], int]) -> tuple[int, str]:
    """`body` in a sandbox that has a user namespace, also when the tests run as root."""

    def without_capabilities() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sandbox, "lacking", lambda *names: [*names])
            return sandbox.run(body)

    return in_child(os.geteuid(), without_capabilities)


@pytest.mark.parametrize(
    ("files", "number", "words"),
    [
        ({"sys/kernel/unprivileged_userns_clone": "0"}, 1, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            {"sys/kernel/apparmor_restrict_unprivileged_userns": "1"},
            13,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"sys/user/max_net_namespaces": "0"}, 28, "sysctl -w user.max_net_namespaces=10000"),
        ({"sys/user/max_user_namespaces": "9"}, 28, "is used up, or they are nested more than 32 deep: user.max_user_"),
        ({}, 22, "built without user namespaces (CONFIG_USER_NS)"),
        ({"self/ns/user": "", "self/status": "Seccomp:\t2\n"}, 1, "A seccomp filter is active"),
        ({"self/ns/user": "", "self/status": "Seccomp:\t0\n"}, 1, "may be in a chroot"),
        ({"self/ns/user": ""}, 12, "No setting that is known to forbid it does so."),
    ],
)
def test_each_refusal_has_its_reason(tmp_path: Path, files: dict[str, str], number: int, words: str) -> None:
    """By what the files below /proc say, for systems that the tests do not run on."""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")

    sentence = sandbox_refusal.reason(number, "unshare(CLONE_NEWUSER)", proc=tmp_path)

    assert words in sentence
    assert sentence.startswith("A sandbox cannot be made here: unshare(CLONE_NEWUSER) was refused: ")
    assert os.strerror(number) in sentence
