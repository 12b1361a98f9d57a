"""What commands end with, and where their words go. Refusals, signals and crashes have tests in `tests/live`."""

import contextlib
import fcntl
import json
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from netspec import cli
from netspec.core.change import Action
from netspec.engine.reconciler import Reconciler
from netspec.errors import Interrupted, NotRestored, SourceUnreachable
from tests.cli.running import DEADLINE, SPEC, Done, command, environment, netspec
from tests.sandboxed import RUN_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

NO_SUCH_VALUE = "netspec: 1\nsysctls: {net.ipv4.ip_local_port_range: 60000 100}\n"
"""The spec is right, the kernel says no."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with some specs, which is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("netspec.yaml").write_text(SPEC, encoding="utf-8")
    Path("wrong.yaml").write_text("netspec: 1\nbridges: {br0: {mtu: 1}}\n", encoding="utf-8")
    Path("refused.yaml").write_text(NO_SUCH_VALUE, encoding="utf-8")
    return tmp_path


UNAPPLIED = [
    ("plan", 0),
    ("plan --detailed-exitcode", 2),
    ("plan wrong.yaml", 65),
    ("plan --stack other", 64),
    ("plan nothing-here.yaml", 65),
    ("apply", 64),
    ("apply wrong.yaml --yes", 65),
    ("apply refused.yaml --yes", 3),
    ("apply --yes --state-dir /dev/null/x", 6),
    ("apply --yes --run-dir /dev/null/x", 6),
    ("apply --yes --json-into /dev/null/x", 64),
    ("destroy", 0),
    ("destroy --yes wrong.yaml", 65),
    ("show", 0),
    ("show endpoint/web", 1),
    ("watch wrong.yaml", 65),
    ("commands", 0),
    ("commands wrong.yaml", 65),
    ("validate", 0),
    ("validate wrong.yaml", 65),
    ("schema", 0),
    ("schema no-such", 64),
    ("version", 0),
    ("sandbox wrong.yaml -- true", 65),
    ("sandbox refused.yaml -- true", 3),
    ("sandbox -- sh -c 'exit 42'", 42),
    ("lock --offline", 0),
]
APPLIED = [
    ("plan", 0),
    ("plan --detailed-exitcode", 0),
    ("apply", 0),
    ("apply --yes", 0),
    ("destroy", 64),
    ("destroy --yes", 0),
    ("show endpoint/web", 0),
    ("show endpoint/no-such", 1),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("line", "code"), UNAPPLIED)
def test_on_an_empty_host(line: str, code: int) -> None:
    """Nothing is read from standard input; the host is empty afterwards, too."""
    done = netspec(*shlex.split(line))

    assert (done.code, run("ip -o link").count("\n")) == (code, 1), done.err
    assert (done.err == "") == (code in (0, 2, 42)), done.err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("line", "code"), APPLIED)
def test_on_a_host_that_is_as_it_shall_be(line: str, code: int) -> None:
    """Likewise."""
    assert netspec("apply", "--yes", "--quiet") == Done(0, "", "")

    assert netspec(*shlex.split(line)).code == code


@pytest.mark.usefixtures("here")
def test_limits_and_guards_of_an_apply(capsys: pytest.CaptureFixture[str]) -> None:
    """6 as long as they forbid it, naming the way out; then it is done."""
    Path("slower.yaml").write_text(SPEC.replace("br0: {", "br0: {mtu: 1400, "), encoding="utf-8")
    Path("empty.yaml").write_text("netspec: 1\n", encoding="utf-8")
    lines = {
        "apply --yes": (0, ""),
        "apply --yes slower.yaml --max-disruption none": (6, "--max-disruption live"),
        "apply --yes slower.yaml --max-disruption live": (0, ""),
        "apply --yes empty.yaml": (6, "--allow-removal 6"),
        "apply --yes empty.yaml --allow-removal 5": (6, "--allow-removal 6"),
        "apply --yes empty.yaml --allow-removal 6": (0, ""),
    }
    for line, (code, way_out) in lines.items():
        assert cli.main(line.split()) == code, line
        assert way_out in capsys.readouterr().err
    assert run("ip -o link").count("\n") == 1


ENGINE = [
    (NotRestored("The undoing failed: link/br0 is left."), 4),
    (SourceUnreachable("The source does not answer."), 69),
    (Interrupted(2), 130),
    (Interrupted(15), 143),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("error", "code"), ENGINE, ids=str)
def test_what_the_engine_ends_with(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its words are printed, and nothing is claimed to be applied."""

    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(Reconciler, "carry_out", fail)

    assert cli.main(["apply", "--yes"]) == code
    printed = capsys.readouterr()
    assert str(error) in printed.err
    assert "Applied" not in printed.out


@pytest.mark.usefixtures("here")
def test_a_defect_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """1; what was being done, where the details are, and what becomes of the network."""
    monkeypatch.setattr(Reconciler, "propose", lambda *_arguments: 1 // 0)

    assert cli.main(["plan"]) == 1
    printed = capsys.readouterr().err.splitlines()
    details = Path(printed[1].split()[4].rstrip(";"))
    assert (
        printed[0]
        == "netspec: a defect in netspec stopped `netspec plan`: ZeroDivisionError: integer division or modulo by zero"
    )
    assert "ZeroDivisionError" in details.read_text(encoding="utf-8")
    assert "the next one undoes it first" in printed[2]
    details.unlink()


WITHOUT = ("setpriv", "--bounding-set=-all")
"""Root without a capability: what it runs has none."""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        *((line, 77) for line in ("apply --yes", "destroy --yes", "show", "commands", "watch", "lock")),
        *((line, 0) for line in ("validate", "schema", "version", "lock --offline")),
    ],
)
def test_without_privileges(line: str, code: int) -> None:
    """The missing one is named, and the way out."""
    done = _run([*WITHOUT, *command(*line.split())])

    assert done.code == code
    assert ("CAP_NET_ADMIN" in done.err, "as root" in done.err) == (code == 77, code == 77), done.err


@pytest.mark.usefixtures("here")
def test_a_plan_without_privileges() -> None:
    """Where the stack owns nothing it is made, and says what was not looked at, and how to be sure."""
    done = _run([*WITHOUT, *command("plan")])

    assert done.code == 0
    assert "nftables was not read: that needs CAP_NET_ADMIN" in done.err
    assert "run it as root to be sure" in done.err


@pytest.mark.parametrize(
    ("missing", "package"), [("libnftables.so.1", "libnftables1"), ("nftables.py", "python3-nftables")]
)
def test_without_the_library(here: Path, missing: str, package: str) -> None:
    """6, and the package is named. A broken file stands for a missing one."""
    shadow = here / "shadow"
    shadow.mkdir()
    (shadow / missing).write_text("raise ImportError\n" if missing.endswith(".py") else "", encoding="utf-8")
    before = environment()["PYTHONPATH"]
    done = _run(command("plan"), LD_LIBRARY_PATH=str(shadow), PYTHONPATH=f"{shadow}:{before}")

    assert (done.code, done.out, done.err.count("\n")) == (6, "", 1), done.err
    assert package in done.err


@pytest.mark.usefixtures("here")
def test_a_held_lock_is_waited_for() -> None:
    """And taken as soon as it is free."""
    directory = Path(RUN_DIR)
    directory.mkdir(mode=0o700)
    with (directory / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711 netspec apply other.yaml\n")
        lock.flush()
        refused = netspec("apply", "--yes", "--lock-timeout", "0.1")
        words = command("apply", "--yes", "--quiet")
        with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
            while not _has_open(waiting.pid, directory / "lock"):
                assert waiting.poll() is None, "it has not waited"
                time.sleep(0.01)
            fcntl.flock(lock, fcntl.LOCK_UN)
            said = waiting.communicate(timeout=DEADLINE)

    assert refused == Done(
        6,
        "",
        "netspec: process 4711 (netspec apply other.yaml) is applying on this host, "
        "and 0.1 s of waiting were not enough (--lock-timeout).\n",
    )
    assert (waiting.returncode, said) == (0, (b"", b""))


def _has_open(pid: int, path: Path) -> bool:
    """Whether a process has opened a file."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(each.readlink())
    return path in found


JSON = [
    ("validate", {"valid": True, "diagnostics": []}, 0),
    ("validate wrong.yaml", {"valid": False}, 65),
    ("plan", {"stack": "default", "host": "host"}, 0),
    ("plan --detailed-exitcode", {"stack": "default"}, 2),
    ("plan wrong.yaml", {}, 65),
    ("apply --yes", {"stack": "default"}, 0),
    ("apply", {}, 64),
    ("show", {"stack": "default", "objects": []}, 0),
    ("show endpoint/web", {}, 1),
    ("destroy --yes", {"changes": []}, 0),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("line", "parts", "code"), JSON)
def test_json_is_one_document_and_nothing_else(line: str, parts: dict[str, object], code: int) -> None:
    """On standard output, and the same in a file, whatever the command ends with."""
    done = netspec(*line.split(), "--output", "json", "--json-into", "copy.json")

    document = json.loads(done.out)
    assert done.code == code
    assert document["format_version"] == "1.0"
    assert {name: document[name] for name in parts} == parts
    assert json.loads(Path("copy.json").read_text(encoding="utf-8")) == document
    assert "error[" not in done.err


@pytest.mark.usefixtures("here")
def test_json_into_a_file_while_people_read() -> None:
    """The text is what it is without."""
    text = netspec("plan")

    assert netspec("plan", "--json-into", "plan.json") == text
    changes = json.loads(Path("plan.json").read_text(encoding="utf-8"))["changes"]
    assert {change["action"] for change in changes} == {str(Action.CREATE), str(Action.UPDATE)}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("line", ["apply --yes", "plan", "plan --detailed-exitcode", "validate", "destroy --yes"])
def test_quiet_says_nothing_of_success(line: str) -> None:
    """Neither on standard output nor on standard error."""
    done = netspec(*line.split(), "-q")

    assert (done.out, done.err) == ("", "")


COLOURS = [
    ("", {}, False),
    ("--color always", {}, True),
    ("--color always", {"NO_COLOR": "1"}, True),
    ("--color never", {"NETSPEC_COLOR": "always"}, False),
    ("", {"NETSPEC_COLOR": "always"}, True),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("options", "more", "coloured"), COLOURS)
def test_colour_only_where_it_is_wanted(options: str, more: dict[str, str], coloured: bool) -> None:
    """A pipe has none unless it was asked for."""
    out = netspec("plan", *options.split(), more=more).out
    err = netspec("plan", "wrong.yaml", *options.split(), more=more).err

    assert ("\x1b[" in out, "\x1b[" in err) == (coloured, coloured)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)]
)
def test_colour_on_a_terminal(more: dict[str, str], coloured: bool) -> None:
    """Unless the user has said that he wants none."""
    assert ("\x1b[" in _on_terminal(*command("plan"), **more)) == coloured


def _on_terminal(*words: str, **more: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = os.openpty()
    with subprocess.Popen(words, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        # Linux ends the reading of a terminal that nobody writes to any more with EIO.
        try:
            while read := os.read(ours, 4096):
                found += read
        except OSError:
            pass
        process.wait(timeout=DEADLINE)
    os.close(ours)
    return found.decode()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "code"),
    [("plan", 0), ("plan --detailed-exitcode", 2), ("show", 0), ("schema", 0), ("apply --yes", 0), ("commands", 0)],
)
def test_nobody_reads(line: str, code: int) -> None:
    """A closed pipe neither stops a command nor changes what it ends with: an apply is done."""
    reading, writing = os.pipe()
    os.close(reading)
    done = _run(command(*line.split()), stdout=writing)
    os.close(writing)

    assert (done.code, done.err) == (code, "")
    assert ("web" in run("ip netns list")) == line.startswith("apply")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("line", ["plan", "show", "schema", "apply --yes", "commands", "validate --expand", "version"])
def test_a_full_disk_takes_the_output(line: str) -> None:
    """1, and why; an apply whose plan cannot be shown changes nothing."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = _run(command(*line.split()), stdout=full.fileno())

    assert done == Done(1, "", "netspec: cannot write to standard output: No space left on device.\n")
    assert run("ip netns list") == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "code"), [("plan", 0), ("validate --expand", 0), ("plan missing.yaml", 65), ("plan --nonsense", 64)]
)
def test_a_full_disk_takes_the_complaints(line: str, code: int) -> None:
    """The exit code says it all the same, and it is not Python's own."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = _run(command(*line.split()), stderr=full.fileno())

    assert done.code == code
    assert "Traceback" not in done.out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("line", "code"), [("plan", 1), ("plan --detailed-exitcode", 1), ("plan missing.yaml", 65)])
def test_a_full_disk_takes_a_file_that_was_asked_for(line: str, code: int) -> None:
    """Whoever asked for it must not take an older one for it."""
    done = netspec(*line.split(), "--json-into", "/dev/full")

    assert done.code == code
    assert "netspec: cannot write /dev/full: No space left on device.\n" in done.err


UNNAMED = (
    "default; add table inet byshow",
    "default\nadd table inet byshow",
    "../default",
    "ä",
    "a" * 33,
    "",
    '"',
    ".",
)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", UNNAMED)
@pytest.mark.parametrize("line", ["show", "history", "destroy --yes", "recover", "plan"])
def test_what_cannot_name_a_stack(line: str, name: str) -> None:
    """It would stand in commands to nftables, and in names of files."""
    done = netspec("--stack", name, *line.split())

    assert done.code == 64
    assert done.err.endswith("cannot name a stack: use 1 to 32 letters, digits, '.', '_' and '-'.\n")
    if "byshow" in name:
        assert netspec(*line.split(), more={"NETSPEC_STACK": name}).code == 64
    assert run("nft list tables") == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_descriptors(closed: str) -> None:
    """They are nobody's ear, and no socket gets their number and our words."""
    line = shlex.join(command("apply", "--yes"))
    done = _run(["sh", "-c", f"exec {line} {closed}"])

    assert done.code == 0, done.err
    assert netspec("plan", "--detailed-exitcode").code == 0


def _run(words: list[str], stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **more: str) -> Done:
    done = subprocess.run(
        words,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in (done.stderr or ""), done.stderr
    return Done(done.returncode, done.stdout or "", done.stderr or "")
