"""`netspec sandbox [PATH] [-- COMMAND]`: which words are the spec, and which are the command."""

import sys
from pathlib import Path

import pytest

from tests.cli.running import SPEC, Done, netspec

pytestmark = pytest.mark.kernel

LIST = ("sh", "-c", "ls /run/netns; exit 7")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a spec at its default place, and another one."""
    (tmp_path / "netspec.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("netspec: 1\nendpoints: {lone: {interfaces: {}}}\n", encoding="utf-8")
    return tmp_path


def test_what_stands_behind_the_dashes_is_the_command(here: Path) -> None:
    """Without a path the spec is at its default place; the exit code is the command's."""
    assert netspec("sandbox", "--", *LIST, cwd=here) == Done(7, "db\nweb\n", "")


def test_what_stands_before_the_dashes_is_the_spec(here: Path) -> None:
    """Likewise."""
    assert netspec("sandbox", "other.yaml", "--", *LIST, cwd=here) == Done(7, "lone\n", "")


def test_options_of_the_command_are_its_own(here: Path) -> None:
    """Even those that netspec knows, and further dashes."""
    done = netspec("sandbox", "--quiet", "--", "echo", "--output", "json", "--", "-q", cwd=here)

    assert done == Done(0, "--output json -- -q\n", "")


def test_without_a_command_it_is_the_shell(here: Path) -> None:
    """That of the variable SHELL, which reads standard input."""
    done = netspec("sandbox", cwd=here, stdin="ls /run/netns\n", more={"SHELL": "/bin/sh"})

    assert done == Done(0, "db\nweb\n", "")


def test_netspec_works_inside(here: Path) -> None:
    """It finds what was built, and has nothing to do."""
    script = 'python=$0; "$python" -m netspec plan'
    done = netspec("sandbox", "--", "sh", "-c", script, sys.executable, cwd=here)

    assert (done.code, done.out.partition(" (")[0]) == (0, "No changes. The kernel equals the spec")


def test_a_command_that_is_not_there(here: Path) -> None:
    """127, as in a shell."""
    done = netspec("sandbox", "--", "no-such-command", cwd=here)

    assert (done.code, done.out) == (127, "")
    assert "no-such-command" in done.err
