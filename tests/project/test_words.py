"""Words that unfinished or badly named work leaves behind, and excuses without a reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THIS = Path(__file__)
SOURCES = ("netspec", "tests", "tools", "examples")
PROSE = ("docs", "README.md", "CHANGELOG.md", "Makefile", ".ci", "pyproject.toml")

UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|\b(not (yet )?implemented|for now|stub|stubbed|placeholder)\b",
    re.IGNORECASE,
)
BAD_NAMES = {"common", "helper", "helpers", "impl", "manager", "misc", "util", "utils"}
NOQA = re.compile(r"# (?P<code>noqa: [A-Z0-9, ]*[A-Z0-9]|noqa|type: ignore\[[^]]*\]|type: ignore)(?P<reason>.*)")
REASON = re.compile(r"\w{2,}")


def files(*tops: str) -> Iterator[Path]:
    """The text files below `tops`, but this one."""
    for top in tops:
        path = ROOT / top
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and each != THIS and "__pycache__" not in each.parts and not is_binary(each):
                yield each


def is_binary(path: Path) -> bool:
    """Whether it holds a zero byte, as no text does."""
    return b"\0" in path.read_bytes()


def lines(*tops: str) -> Iterator[tuple[str, str]]:
    """Each line of those files with its place."""
    for path in files(*tops):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def test_nothing_says_that_it_is_unfinished() -> None:
    """What is not done is not there, or an issue; never a remark in the sources."""
    found = [f"{place}: {line.strip()}" for place, line in lines(*SOURCES, *PROSE) if UNFINISHED.search(line)]

    assert found == []


def test_only_the_abstract_resource_leaves_work_to_others() -> None:
    """`Resource.key` has no general answer; everything else does what it says."""
    found = [place.split(":")[0] for place, line in lines(*SOURCES) if "NotImplementedError" in line]

    assert set(found) <= {"netspec/core/resource.py"}


def test_modules_are_named_for_what_they_hold() -> None:
    """A name that fits anything gathers everything."""
    found = [path for path in files(*SOURCES) if path.stem.strip("_") in BAD_NAMES or path.parent.name in BAD_NAMES]

    assert found == []


def test_every_excuse_has_a_reason() -> None:
    """`noqa` and `type: ignore` name the rule; the first of each sort in a file says why."""
    reasons: dict[tuple[str, str], tuple[str, bool]] = {}
    bare = []
    for place, line in lines("netspec", "tests"):
        if found := NOQA.search(line):
            code, reason = found["code"], found["reason"]
            if code in ("noqa", "type: ignore"):
                bare.append(f"{place}: {line.strip()}")
            reasons.setdefault((place.split(":")[0], code), (place, bool(REASON.search(reason))))

    assert bare == []
    assert [f"{place}: {code}" for (_, code), (place, given) in reasons.items() if not given] == []


@pytest.mark.parametrize(
    "line",
    [
        "# TODO later",
        "fixme",
        "it works for now",
        "a stub",
        "Not implemented yet",
        "not yet implemented",
        "placeholder",
    ],
)
def test_the_words_are_recognised(line: str) -> None:
    """In any case, anywhere in a line."""
    assert UNFINISHED.search(line)
