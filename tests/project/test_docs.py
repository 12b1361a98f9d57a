"""The documentation is whole and true: all that a user can meet is in it, and what it names exists."""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.core
import typer.main

from netspec import errors, kinds
from netspec.cli.entry import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SKIPPED = {"build", "dist", "node_modules"}

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
FENCE = re.compile(r"^ *(?P<mark>```+|~~~+).*?^ *(?P=mark)", re.MULTILINE | re.DOTALL)
CODE = re.compile(FENCE.pattern + r"|(?<!`)`(?P<span>[^`\n]+)`(?!`)", re.MULTILINE | re.DOTALL)
SHELL = r"(?:^|[`$#;|&(]|\bsudo|\bthen|\bdo)[ \t]*"
OPTIONS = r"(?:[ \t]+--?[a-z][a-z-]*(?:=\S+)?)*"
NETSPEC = re.compile(rf"{SHELL}netspec{OPTIONS}[ \t]+(?P<name>[a-z][a-z-]*)\b", re.MULTILINE)
MAKE = re.compile(rf"{SHELL}make[ \t]+(?P<name>[a-z][a-z-]*)\b", re.MULTILINE)


@cache
def pages() -> dict[str, str]:
    """Every Markdown file of the project by its path from the top."""
    found = []
    for top, folders, names in os.walk(ROOT):
        # Not even entered: what others make there may go while it is looked at.
        folders[:] = [each for each in folders if not is_skipped(each)]
        found += [Path(top, each) for each in names if each.endswith(".md") and not is_skipped(each)]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(found)}


def is_skipped(name: str) -> bool:
    """Whether it is a product of building or of a test run, or hidden."""
    return name in SKIPPED or name.startswith((".", "pytest-cache-files-"))


@cache
def documentation() -> str:
    """All of docs/ as one text."""
    return "\n".join(text for name, text in pages().items() if name.startswith("docs/"))


def sources() -> Iterator[str]:
    """The text of each module of the package."""
    for path in sorted((ROOT / "netspec").rglob("*.py")):
        yield path.read_text(encoding="utf-8")


def all_in_sources(pattern: str) -> set[str]:
    """Every match in the package's sources."""
    return {match for text in sources() for match in re.findall(pattern, text)}


@cache
def command_line() -> typer.core.TyperGroup:
    """The whole command line, as its parser sees it."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group


def exit_codes() -> set[int]:
    """What a command can end with: 0, each error's code, signals, and the numbers that cli ends with itself."""
    found = {0, 130, 143}
    waiting = [errors.NetspecError]
    while waiting:
        each = waiting.pop()
        found.add(each.exit_code)
        waiting += each.__subclasses__()
    for path in (ROOT / "netspec/cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Exit", "Exit", "sys.exit"):
                literals = [*node.args, *(keyword.value for keyword in node.keywords)]
                found |= {each.value for each in literals if isinstance(each, ast.Constant) and type(each.value) is int}
    return found


def test_every_section_is_documented() -> None:
    """Each top-level key of a spec stands in docs/ as code."""
    missing = [each.name for each in kinds.sections() if not re.search(rf"`{each.name}:?`|^{each.name}:", *in_docs())]

    assert missing == []


def in_docs() -> tuple[str, re.RegexFlag]:
    """What `re.search` takes after its pattern to look for lines anywhere in docs/."""
    return documentation(), re.MULTILINE


def test_every_diagnostic_code_is_documented_and_the_other_way_round() -> None:
    """`netspec explain` and people look codes up there; a code that is gone from the sources is gone from docs/."""
    used = all_in_sources(r"\bNS\d{4}\b")
    told = set(re.findall(r"^#+ .*?\b(NS\d{4})\b", documentation(), re.MULTILINE))
    told |= set(re.findall(r"^\| *`?(NS\d{4})\b", documentation(), re.MULTILINE))

    assert (sorted(used - told), sorted(told - used)) == ([], [])


def test_every_exit_code_is_documented() -> None:
    """One row each in the reference."""
    page = pages().get("docs/reference/exit-codes.md", "")
    rows = [cell for row in re.findall(r"^\|([^|]*)\|", page, re.MULTILINE) for cell in re.findall(r"\d+", row)]

    assert exit_codes() - {int(cell) for cell in rows} == set()


def test_every_command_and_option_is_documented() -> None:
    """Each by the name that a user types."""
    missing = []
    for name, command in command_line().commands.items():
        if f"netspec {name}" not in documentation():
            missing.append(f"netspec {name}")
        long = [word for each in command.params for word in each.opts if word.startswith("--")]
        missing += [f"{name} {word}" for word in long if not is_word(word)]
    common = [word for each in command_line().params for word in each.opts if word.startswith("--")]
    missing += [word for word in common if not is_word(word)]

    assert missing == []


def is_word(option: str) -> bool:
    """Whether docs/ has it, and not only a longer one that begins alike."""
    return re.search(rf"(?<![\w-]){option}(?![\w-])", documentation()) is not None


def test_every_environment_variable_is_documented_and_the_other_way_round() -> None:
    """All of them begin with NETSPEC_."""
    pattern = r"\bNETSPEC_[A-Z_]*[A-Z]\b"

    assert all_in_sources(pattern) == set(re.findall(pattern, documentation()))


def code_of(text: str) -> str:
    """Only what stands as code in a page: fenced blocks, but of mere text, and spans; each from the start of a line."""
    code = (found["span"] or found.group(0) for found in CODE.finditer(text))
    return "\n".join(each for each in code if not each.lstrip(" ").startswith("```text"))


def test_the_map_has_all_of_the_engine_and_nothing_else() -> None:
    """Whoever looks for a module finds in docs/architecture.md what it belongs to."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("\n## The engine\n")[2].partition("\n\nCommands ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    drawn = sorted(set(re.findall(r"`(\w+)`", " ".join(rows))))

    assert sorted(path.stem for path in (ROOT / "netspec" / "engine").glob("[!_]*.py")) == drawn


def test_commands_that_are_mentioned_exist() -> None:
    """`netspec NAME` and `make NAME`, wherever code shows them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    unknown = []
    for name, text in pages().items():
        code = code_of(text)
        unknown += [f"{name}: netspec {word}" for word in NETSPEC.findall(code) if word not in command_line().commands]
        unknown += [f"{name}: make {word}" for word in MAKE.findall(code) if word not in targets]

    assert unknown == []


def anchors(text: str) -> set[str]:
    """What `#…` can point at: headings, as forges turn them into anchors, and ids that are written out."""
    titles = re.findall(r"^#+ +(.*?) *#*$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain} | set(
        re.findall(r"\b(?:id|name)=\"([^\"]+)\"", text)
    )


def broken_links(name: str, text: str) -> Iterator[str]:
    """The links of a page that lead nowhere in the project."""
    for found in LINK.finditer(CODE.sub("", text)):
        target = found["target"] or found["image"]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path
        if not page.exists() or (anchor and anchor not in anchors(page.read_text(encoding="utf-8") if path else text)):
            yield f"{name}: {target}"


def test_links_lead_somewhere() -> None:
    """Every relative link in every page, with its anchor."""
    broken = [each for name, text in pages().items() for each in broken_links(name, text)]

    assert broken == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[a](pyproject.toml) [b](#here)\n\n# Here\n", 0),
        ("[a](https://example.org/x) `[b](nowhere)`", 0),
        ("[a](nowhere.md)", 1),
        ("[a](#nowhere)\n\n# Here\n", 1),
        ("![a](nowhere.svg)", 1),
    ],
)
def test_broken_links_are_seen(text: str, count: int) -> None:
    """And those that are none are left alone."""
    assert len(list(broken_links("page.md", text))) == count
