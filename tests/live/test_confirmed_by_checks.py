"""Confirm windows that checks confirm, and those of a rollback, by the command on the real kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.engine.window import Stage, Windows
from tests.live.guardians import none_left
from tests.live.typed import netspec
from tests.sandboxed import RUN_DIR

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

CHECKED = """
netspec: 1
bridges:
  lan: {{subnets: [10.44.0.0/24]}}
endpoints:
  a: {{bridge: lan}}
  b: {{bridge: lan}}
checks:
  - {{from: a, to: b:80, required: {required}}}
"""


@pytest.fixture
def host(fresh_netns: None) -> Iterator[None]:  # noqa: ARG001  it must be there first
    """A host of its own, without guardians in the end."""
    with none_left():
        yield


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """What is applied: two endpoints, and a check that is required."""
    path = tmp_path / "spec.yaml"
    path.write_text(CHECKED.format(required="true"), encoding="utf-8")
    return path


def stage() -> Stage | None:
    """How far the window is."""
    window = Windows(Path(RUN_DIR)).read("default")
    return window.stage if window is not None else None


def test_checks_that_pass_confirm_a_window(spec: Path) -> None:
    """Nobody has to come: the command stays until they pass, and ends with 0."""
    done = netspec("apply", "--yes", "--confirm-within", "10m", "--confirm-if-checks-pass", str(spec))

    assert (done.code, stage()) == (0, Stage.CONFIRMED), done.errors
    assert "Confirmed: the changes stay." in done.output


def test_checks_that_do_not_pass_let_it_end(spec: Path) -> None:
    """What the gate was told not to ask is asked for by the window: at its end all is undone, with 7."""
    text = spec.read_text(encoding="utf-8")
    spec.write_text(f"{text}policies:\n  - deny: {{from: a, to: b}}\n", encoding="utf-8")
    words = ("apply", "--yes", "--no-checks", "--confirm-within", "4", "--confirm-if-checks-pass", str(spec))
    done = netspec(*words)

    assert (done.code, stage()) == (7, Stage.UNDONE), done.errors
    assert "owns nothing" in netspec("show").output


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--confirm-if-checks-pass",), "add --confirm-within TIME"),
        (("--confirm-within", "9", "--confirm-if-checks-pass"), "no check with `required: true`"),
    ],
    ids=["no window", "nothing required"],
)
def test_what_cannot_confirm_is_a_wrong_command_line(spec: Path, words: tuple[str, ...], complaint: str) -> None:
    """64, and nothing has been changed."""
    spec.write_text(CHECKED.format(required="false"), encoding="utf-8")
    done = netspec("apply", "--yes", *words, str(spec))

    assert done.code == 64
    assert complaint in done.errors
    assert stage() is None


def test_a_rollback_that_nobody_confirms_suspends_nothing(spec: Path) -> None:
    """It is undone at its end, and the stack may be changed as before; one that is confirmed stays suspended."""
    assert netspec("apply", "--yes", "--quiet", str(spec)).code == 0
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("lan: {", "lan: {mtu: 1400, "), encoding="utf-8")
    assert netspec("apply", "--yes", "--quiet", str(spec)).code == 0

    undone = netspec("rollback", "--yes", "--wait", "--confirm-within", "1")
    assert undone.code == 7, undone.errors
    again = netspec("apply", "--yes", str(spec))
    assert (again.code, "No changes" in again.output) == (0, True), again.errors

    assert netspec("rollback", "--yes", "--confirm-within", "10m").code == 0
    assert netspec("confirm").code == 0
    suspended = netspec("apply", "--yes", str(spec))
    assert (suspended.code, "is suspended" in suspended.errors) == (6, True), suspended.errors
