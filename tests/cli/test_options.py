"""Options on the command line, before and after the command, and in the environment: all arrive."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import typer
import typer.main
import yaml

from netspec.cli import entry
from netspec.cli.entry import app, run
from netspec.cli.options import FLAGS, VALUED, Options
from tests.cli.running import SPEC

VALUES = {
    "--stack": "shop",
    "--output": "json",
    "--json-into": "copy.json",
    "--color": "never",
    "--state-dir": "state",
    "--run-dir": "run",
    "--lock-timeout": "7.5",
    "--keep-generations": "3",
}

Parsed = Callable[..., Options]
"""What the common options of a command line come to."""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parsed:
    """The command itself does not run; the environment has nothing but what a test says."""
    monkeypatch.chdir(tmp_path)
    found: list[Options] = []

    def take(options: Options) -> None:
        found.append(options)
        raise typer.Exit

    monkeypatch.setattr(entry, "Session", take)

    def parse(*words: str, environment: Mapping[str, str] | None = None) -> Options:
        with monkeypatch.context() as patch:
            for option in VALUED:
                patch.delenv(variable(option), raising=False)
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            assert run(words) == 0
        return found.pop()

    return parse


def variable(option: str) -> str:
    """The variable of an option."""
    return f"NETSPEC_{option.removeprefix('--').replace('-', '_').upper()}"


def test_all_common_options_are_taken_behind_the_command_too() -> None:
    """Those that the parser knows, and no others."""
    common = {word for each in typer.main.get_command(app).params for word in each.opts}

    assert {*VALUED, *FLAGS} == set(VALUES) | {"--quiet", "-q", "--verbose", "-v"} == common - {"--version"}


@pytest.mark.parametrize("option", VALUED)
def test_a_common_option_is_taken_anywhere(option: str, parsed: Parsed) -> None:
    """Before the command, behind it, in one word or two; from the environment where the command line says nothing."""
    value = VALUES[option]
    wanted = parsed(option, value, "version")

    assert wanted != parsed("version")
    assert parsed("version", option, value) == wanted
    assert parsed("version", f"{option}={value}") == wanted
    assert parsed("version", environment={variable(option): value}) == wanted
    others = {"--output": "text", "--color": "always", "--lock-timeout": "1", "--keep-generations": "9"}
    environment = {variable(option): others.get(option, "other")}
    assert parsed("version", option, value, environment=environment) == wanted


@pytest.mark.parametrize(("option", "short"), [("--quiet", "-q"), ("--verbose", "-v")])
def test_a_flag_is_taken_anywhere(option: str, short: str, parsed: Parsed) -> None:
    """Long and short."""
    wanted = parsed(option, "version")

    assert wanted != parsed("version")
    assert [parsed(short, "version"), parsed("version", option), parsed("version", short)] == [wanted] * 3


@pytest.mark.usefixtures("fresh_netns")
@pytest.mark.kernel
def test_the_long_form_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `validate --expand` prints is a spec, its own long form, and leads to the same plan."""
    short, long = tmp_path / "short.yaml", tmp_path / "long.yaml"

    def said(*words: str) -> str:
        assert run(words) == 0
        return capsys.readouterr().out

    short.write_text(SPEC, encoding="utf-8")
    expanded = said("validate", "--expand", str(short))
    long.write_text(expanded, encoding="utf-8")

    assert yaml.safe_load(expanded) != yaml.safe_load(SPEC)
    assert yaml.safe_load(said("validate", "--expand", str(long))) == yaml.safe_load(expanded)
    plans = [json.loads(said("plan", "--output", "json", str(each)))["changes"] for each in (short, long)]
    for change in (change for plan in plans for change in plan):
        del change["source"]
    assert plans[0] == plans[1]


def test_the_interval_of_a_watch_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one option of a command that has a variable."""
    watch = typer.main.get_command(app).commands["watch"]  # type: ignore[attr-defined]  # it is a group
    monkeypatch.delenv("NETSPEC_INTERVAL", raising=False)
    assert watch.make_context("watch", []).params["interval"] == 30
    monkeypatch.setenv("NETSPEC_INTERVAL", "5")
    assert watch.make_context("watch", []).params["interval"] == 5
    assert watch.make_context("watch", ["--interval", "0.5"]).params["interval"] == 0.5
