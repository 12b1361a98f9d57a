"""Help, and complaints about command lines, are for people."""

import re

import pytest
import typer.main

from netspec.cli.entry import app
from tests.cli.running import Done, netspec

COMMANDS = [each.name or "" for each in app.registered_commands]

SCHEMAS = "spec, plan, validate, show, history, generation, check, error, planfile"


def help_of(*words: str) -> str:
    """What `--help` prints; it ends well and complains of nothing."""
    done = netspec(*words, "--help", more={"COLUMNS": "80"})
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_its_usage_what_it_does_and_how_it_is_typed(name: str) -> None:
    """Arguments by their names alone; no types of Python; an example that the parser takes."""
    text = help_of(name)

    assert text.startswith(f"Usage: netspec {name} [OPTIONS]")
    assert not re.search(r"<\w|\[\[|str\]", text)
    assert f"\n    netspec {name}" in text or f"\n    netspec --{name}" in text
    assert "netspec --help" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_command_lines_that_the_parser_takes(name: str) -> None:
    """Each option in them exists."""
    group = typer.main.get_command(app)
    known = {word for each in group.params for word in each.opts}
    known |= {word for each in group.commands[name].params for word in each.opts}  # type: ignore[attr-defined]  # it is a group
    lines = re.findall(r"^    (netspec \S.*?)(?:  |$)", help_of(name), re.MULTILINE)
    used = {word for line in lines for word in re.split(" -- | [|] ", line)[0].split() if re.match("--?[a-z]", word)}

    assert used - known == set()


def test_the_list_of_commands_is_whole_sentences() -> None:
    """None of them is cut off."""
    text = help_of()

    assert "..." not in text.partition("Commands:")[2]
    assert [name for name in COMMANDS if f"\n  {name} " not in text] == []


def test_the_usage_of_sandbox_shows_where_a_command_goes() -> None:
    """Behind the dashes."""
    assert help_of("sandbox").startswith("Usage: netspec sandbox [OPTIONS] [PATH] [-- COMMAND...]\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("aply", "netspec: no such command 'aply'. Did you mean 'apply'? See: netspec --help\n"),
        ("plan --frob", "netspec: no such option: --frob. See: netspec plan --help\n"),
        ("plan a b", "netspec: got unexpected extra argument(s) (b). See: netspec plan --help\n"),
        ("--stack", "netspec: option '--stack' requires an argument. See: netspec --help\n"),
        (
            "test --annotations x",
            (
                "netspec: invalid value for '--annotations': 'x' is not one of 'auto', 'github', 'gitlab', 'none'. "
                "See: netspec test --help\n"
            ),
        ),
        (
            "--output x plan",
            (
                "netspec: invalid value for '--output' (env var: 'NETSPEC_OUTPUT'): 'x' is not one of 'text', 'json'. "
                "See: netspec --help\n"
            ),
        ),
        (
            "plan --max-disruption x",
            (
                "netspec: invalid value for '--max-disruption': 'x' is not one of 'none', 'live', 'reset', 'flap', "
                "'rebuild', 'lockout-risk'. See: netspec plan --help\n"
            ),
        ),
        (
            "--keep-generations 0 plan",
            (
                "netspec: invalid value for '--keep-generations' (env var: 'NETSPEC_KEEP_GENERATIONS'): "
                "input should be greater than or equal to 1. See: netspec --help\n"
            ),
        ),
        ("-q", "netspec: missing command. See: netspec --help\n"),
        ("schema frob", f'netspec: there is no schema "frob"; there are {SCHEMAS}.\n'),
        ("sandbox a.yaml ls", "netspec: write -- before the command: netspec sandbox a.yaml -- ls\n"),
        ("watch -", "netspec: watch needs a file or a directory: standard input does not change.\n"),
    ],
)
def test_a_wrong_command_line_is_met_with_what_is_wrong_and_where_to_look(line: str, words: str) -> None:
    """64, and nothing on standard output."""
    assert netspec(*line.split()) == Done(64, "", words)


@pytest.mark.parametrize(
    ("line", "named"), [("--output xml plan", "'xml'"), ("--lock-timeout soon plan", "--lock-timeout")]
)
def test_a_wrong_value_is_named_with_its_option(line: str, named: str) -> None:
    """In whatever words the parser has."""
    done = netspec(*line.split())

    assert (done.code, done.out) == (64, "")
    assert named in done.err
    assert line.split(maxsplit=1)[0] in done.err


def test_nothing_is_met_with_help() -> None:
    """But it is no success."""
    done = netspec()

    assert (done.code, done.out) == (64, "")
    assert done.err == help_of()
