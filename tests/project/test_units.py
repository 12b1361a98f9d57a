"""The units for systemd in `contrib/systemd/` are what the documentation shows, and what systemd understands."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from netspec.cli.entry import app

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "contrib/systemd").glob("*.service"))
MOUNT_NAMESPACES = re.compile(
    r"^(Private(Tmp|Devices|Mounts)|Protect(System|Home|Kernel\w+|ControlGroups)|\w+Paths)=", re.MULTILINE
)
"""Settings that give a service mounts of its own: a network namespace that is mounted there is not seen outside."""


def name_of(unit: Path) -> str:
    """How a unit is called in test results."""
    return unit.name


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_a_unit_is_shown_as_it_is(unit: Path) -> None:
    """In a page that says how to install it."""
    shown = f"```ini\n{unit.read_text('utf-8')}```"

    assert any(shown in page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_a_unit_runs_a_command_that_exists_on_the_mounts_of_the_host(unit: Path) -> None:
    """And leaves namespaces where the host sees them."""
    text = unit.read_text("utf-8")
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(text)
    words = parsed["Service"]["ExecStart"].split()
    group = get_command(app)
    assert isinstance(group, TyperGroup)

    assert words[0] == "netspec"
    assert words[1] in group.commands
    assert MOUNT_NAMESPACES.findall(text) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    """With a program that is installed in the place of netspec."""
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text("utf-8").replace("ExecStart=netspec ", "ExecStart=/bin/echo "), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], check=False, capture_output=True, text=True, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if unit.name in line]

    assert said == []
