"""What tools can say about the sources: rules, layout, types, and that imports point inward."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT_LINTER = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]


def said(*command: str, cwd: Path = ROOT) -> str:
    """What a tool has to say; empty where it is content."""
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    return f"\n{done.stdout}{done.stderr}" if done.returncode else ""


def test_ruff_is_content() -> None:
    """Every rule but those that pyproject.toml excuses with a reason."""
    assert said(sys.executable, "-m", "ruff", "check", ".") == ""


def test_the_sources_are_laid_out_by_ruff() -> None:
    """`make format` makes it so."""
    assert said(sys.executable, "-m", "ruff", "format", "--check", ".") == ""


def test_types_are_strictly_right() -> None:
    """The package and its tests, as pyproject.toml says."""
    assert said(sys.executable, "-m", "mypy") == ""


def test_imports_point_inward() -> None:
    """All contracts of pyproject.toml; docs/architecture.md draws them."""
    assert said(*IMPORT_LINTER, "--no-cache") == ""


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("core/state.py", "import netspec.errors", "core imports only the standard library"),
        ("core/state.py", "import pydantic", "core imports only the standard library"),
        ("core/state.py", "import socket", "core, kinds and report are pure"),
        ("kinds/bridge.py", "import os", "core, kinds and report are pure"),
        ("kinds/bridge.py", "import netspec.kernel.port", "kinds and report know only plain values of the kernel"),
        ("kinds/bridge.py", "import netspec.engine", "cli > report, engine, spec > kinds > core"),
        ("spec/desired.py", "import netspec.engine", "cli > report, engine, spec > kinds > core"),
        ("kernel/port.py", "import netspec.kinds", "kernel knows nothing of kinds, plans and users"),
        ("engine/executor.py", "import pyroute2", "only kernel talks to the system's network"),
        ("engine/executor.py", "import ctypes", "only kernel talks to the system's network"),
        ("spec/desired.py", "import subprocess", "only kernel, cli and engine.gitops run processes"),
        ("engine/executor.py", "from pydantic import BaseModel", "only spec, kinds and the plan file know of pydantic"),
        ("engine/executor.py", "from rich import print", "only cli knows of typer, click and rich"),
        ("errors.py", "import typer", "only cli knows of typer, click and rich"),
        ("engine/executor.py", "import netspec.kernel.linux", "only cli and engine.watcher construct a real kernel"),
    ],
)
def test_each_import_contract_can_be_broken(tmp_path: Path, module: str, statement: str, contract: str) -> None:
    """A contract that nothing breaks would guard nothing: one wrong import in a copy is found, by name."""
    shutil.copytree(ROOT / "netspec", tmp_path / "netspec", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "netspec" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{statement}\n", encoding="utf-8")

    verdicts = said(*IMPORT_LINTER, "--no-cache", cwd=tmp_path)

    assert re.search(rf"^{re.escape(contract)} BROKEN\b", verdicts, re.MULTILINE), verdicts


def test_help_waits_for_nothing() -> None:
    """`netspec --help` loads neither the kernel package's libraries nor pydantic."""
    script = (
        "import sys\nfrom netspec.cli import main\n"
        "try:\n    sys.argv[1:] = ['--help']; main()\nexcept SystemExit: pass\n"
        "heavy = ('netspec.kernel.linux', 'nftables', 'pydantic', 'pyroute2', 'watchdog')\n"
        "print('loaded:', [name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)

    assert done.stdout.splitlines()[-1] == "loaded: []"
