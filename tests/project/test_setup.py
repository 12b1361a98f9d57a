"""`tools/setup` finds what is missing, installs it as root, and otherwise says what to type."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("basename", "cat", "dirname", "env", "ls", "mktemp", "rm", "sort", "touch", "tr")
TESTED_WITH = ("bash", "conntrack", "ip", "nft", "setpriv", "sysctl", "unshare")
"""What tests call but strace; the PATH of a machine has all of it, wherever it lies here."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout, and a PATH of few commands: all that setup needs, but neither strace nor apt-get."""

    checkout: Path

    def command(self, name: str, script: str) -> None:
        """Put a command on the PATH."""
        path = self.checkout / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def setup(self, purpose: str) -> subprocess.CompletedProcess[str]:
        """Run tools/setup."""
        environment = {"PATH": str(self.checkout / "bin"), "HOME": str(self.checkout)}
        command = [str(self.checkout / "tools/setup"), purpose]
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    def log(self) -> list[str]:
        """What the commands have noted."""
        path = self.checkout / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Everything is installed but strace; the virtual environment is there and fresh."""
    for directory in ("bin", "tools", ".venv/bin"):
        (tmp_path / directory).mkdir(parents=True)
    shutil.copy(ROOT / "tools/setup", tmp_path / "tools/setup")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    os.utime(tmp_path / "pyproject.toml", (0, 0))
    for name in (*TOOLS, *TESTED_WITH):
        found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found, name
        (tmp_path / "bin" / name).symlink_to(found)
    machine = Machine(tmp_path)
    machine.command("python3", f'exec {sys.executable} "$@"')
    shutil.copy(tmp_path / "bin/python3", tmp_path / ".venv/bin/python")
    for purpose in ("run", "test"):
        (tmp_path / f".venv/.installed-{purpose}").touch()
    return machine


def be_root_with_apt(machine: Machine, script: str) -> None:
    """Let the PATH have an apt-get that notes its arguments and then does `script`."""
    machine.command("id", "echo 0")
    machine.command("apt-get", f'echo "$@" >> {machine.checkout}/log\n{script}')


def test_it_does_nothing_where_nothing_is_missing(machine: Machine) -> None:
    """Running netspec needs no strace; no package and no Python is asked for, no word is said."""
    be_root_with_apt(machine, "exit 1")

    done = machine.setup("run")

    assert (done.returncode, done.stdout, done.stderr, machine.log()) == (0, "", "", [])


def test_it_tells_an_ordinary_user_what_to_type(machine: Machine) -> None:
    """It installs nothing then, and fails."""
    machine.command("id", "echo 1000")
    machine.command("apt-get", f'echo "$@" >> {machine.checkout}/log')

    done = machine.setup("test")

    assert (done.returncode, done.stdout, machine.log()) == (1, "", [])
    assert "    sudo apt-get update && sudo apt-get install --no-install-recommends strace\n" in done.stderr


def test_it_names_what_is_missing_where_there_is_no_apt(machine: Machine) -> None:
    """Other distributions have other names; Debian's are a start."""
    done = machine.setup("test")

    assert done.returncode == 1
    assert "missing on this system, by the names of Debian's packages: strace\n" in done.stderr


def test_root_gets_what_is_missing(machine: Machine) -> None:
    """Only that, without recommendations, and with one line of report."""
    be_root_with_apt(machine, "echo chatter")

    done = machine.setup("test")

    assert (done.returncode, done.stdout) == (0, "")
    assert "chatter" not in done.stderr
    assert machine.log()[-1].endswith("install --no-install-recommends strace")


def test_a_failed_installation_is_tried_again_after_an_update(machine: Machine) -> None:
    """Old lists name files that have gone from the mirror."""
    be_root_with_apt(machine, f'case "$*" in *update) touch {machine.checkout}/updated ;; *) exit 100 ;; esac')

    done = machine.setup("test")

    assert done.returncode != 0
    assert [line.split()[3] for line in machine.log()][-3:] == ["install", "update", "install"]


def test_a_failure_is_shown_and_ends_it(machine: Machine) -> None:
    """What apt-get said is then worth reading."""
    be_root_with_apt(machine, "echo E: no such mirror; exit 100")

    done = machine.setup("test")

    assert done.returncode != 0
    assert "E: no such mirror" in done.stderr
