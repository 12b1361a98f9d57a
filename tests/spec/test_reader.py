"""What YAML means here, and that no text can do harm."""

import subprocess
import sys
import time
import tracemalloc
from typing import Any

import pytest

from netspec.core.scalar import PlainFloat, PlainInt
from netspec.spec import reader
from netspec.spec.places import DEEPEST, MOST_VALUES, index_of
from netspec.spec.reader import MOST_ALIASED
from netspec.spec.source import SourceFile
from netspec.spec.tree import Tree, load


def tree(text: str) -> Tree:
    """A text as a tree."""
    return load([SourceFile("a.yaml", text)])


def codes(text: str) -> list[str]:
    """The codes of what is wrong with a text by itself."""
    return [each.code for each in tree(text).faults.found]


def value(scalar: str) -> Any:  # noqa: ANN401  whatever YAML holds
    """What a scalar means."""
    found = tree(f"a: {scalar}\n")
    assert not found.faults
    return found.data["a"]


@pytest.mark.parametrize(
    "text",
    [
        "no", "No", "yes", "on", "OFF", "y", "n", "22:22", "1:2:3", "190:20:30", "02:42:ac:11:00:02", "10.0.0.1",
        "1.2.3", "10.1.0.0/24", "::1", "fd00::/8", "1_000", "1,000", "0b11", "0o8", "0xZZ", "+-1", "1e", "e3", ".",
        "..", "-a", "2026-01-01", "12:30:45", "0o", "0x", "nUll", "tRUE", "NaN", ".inf", "=", "--", "9" * 41,
    ],
)  # fmt: skip
def test_scalars_that_stay_text(text: str) -> None:
    """What YAML 1.1 took for booleans, times, dates and numbers is text."""
    assert value(text) == text
    assert type(value(text)) is str


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0", 0), ("7", 7), ("-7", -7), ("+7", 7), ("010", 10), ("0o10", 8), ("0x1F", 31), ("00", 0),
        ("1e3", 1000.0), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("-1.5E-2", -0.015), ("10.1", 10.1),
    ],
)  # fmt: skip
def test_scalars_that_are_numbers(text: str, wanted: float) -> None:
    """They remember how they were written, for where text is meant."""
    found = value(text)

    assert found == wanted
    assert isinstance(found, PlainInt if isinstance(wanted, int) else PlainFloat)
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("null", None), ("Null", None), ("~", None),
        ("", None), ('"true"', "true"), ("'1'", "1"), ('""', ""), ('"~"', "~"), ("|\n  1", "1\n"),
        (">-\n  a\n  b", "a b"),
        ('"\\x41\\u00e9"', "Aé"), ("'it''s'", "it's"), ("a # b", "a"), ("a#b", "a#b"), ("[1, a]", [1, "a"]),
        ("{b: 1}", {"b": 1}), ("{1: a, no: b, 010: c}", {"1": "a", "no": "b", "010": "c"}),
    ],
)  # fmt: skip
def test_other_values(text: str, wanted: object) -> None:
    """Quoted and block scalars are text, and keys always are."""
    assert value(text) == wanted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: !!str x", "NS0109"), ("a: !x {}", "NS0109"), ("a: !x []", "NS0109"), ("!x a: 1", "NS0109"),
        ("a: ! x", "NS0109"), ("a: !<tag:x> x", "NS0109"), ("a: 1\na: 1", "NS0110"),
        ('a: 1\n"a": 1', "NS0110"), ("a: {b: 1, b: 2}", "NS0110"),
        ("1: a\n01: b\n1: c", "NS0110"), ("<<: {a: 1}", "NS0115"), ("a: {<<: {b: 1}}", "NS0115"), ("a: *a", "NS0111"),
        ("a: &a [*a]", "NS0111"), ("a: &a {b: [*a]}", "NS0111"), ("? [a]\n: b", "NS0114"),
        ("a: &a x\n? *a\n: b", "NS0114"),
        ("a: 1\n---\nb: 2", "NS0108"), ("--- {}\n---\n", "NS0108"), ("[]", "NS0107"), ("x", "NS0107"), ("~", "NS0107"),
        ("--- |\n x", "NS0107"), ("a: \x07", "NS0116"), ("a: \x1b[31m", "NS0116"), ("a: \u202e", "NS0116"),
        ("a: \u2066", "NS0116"), ('a: "\\0"', "NS0116"), ('"\\e": 1', "NS0116"), ("# \x01\na: 1", "NS0116"),
        ('a: "\\N"', "NS0116"), ('a: "\\L"', "NS0116"), ('"\\P": 1', "NS0116"),
        ('a: "\\ud800"', "NS0106"), ("a:\n\tb: 1", "NS0106"), ("a: b: c", "NS0106"), ("a: 'x", "NS0106"),
        ("a: [", "NS0106"),
        ("%YAML 2.0\n--- {}", "NS0106"), ("# only this", "NS0105"), ("---\n...\n", "NS0107"),
    ],
)  # fmt: skip
def test_texts_that_are_refused(text: str, code: str) -> None:
    """Each with its code, and with one complaint."""
    assert codes(text) == [code]


WHERE = [
    "# x{}a: 2",
    "a: 1 # x{}",
    "a: x{}y",
    "a: 'x{}y'",
    'a: "x{}y"',
    "a: |\n  x{}  y",
    "a{}b: 1",
    "{}a: 1",
    "a: [x,{}y]",
]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\ufeff"])
@pytest.mark.parametrize("around", WHERE)
def test_no_text_is_hidden_by_what_moves_lines_or_columns(around: str, character: str) -> None:
    """A comment ends with its line, whatever a parser of YAML 1.1 takes for its end; no mark stands within a text."""
    text = f"b: 1\rc: 2\r\n\n{around.format(character)}\n"
    (found,) = tree(text).faults.found
    before = around[: around.index("{}")]

    assert found.code == "NS0116"
    assert f"the invisible character U+{ord(character):04X} stands here" in found.message
    assert found.hint == "remove it"
    assert found.place is not None
    assert found.place.line == 4 + before.count("\n")
    assert found.place.column == len(before.rpartition("\n")[2]) + 1


@pytest.mark.parametrize("space", ["\xa0", "\u1680", "\u2003", "\u200b", "\u202f", "\u205f", "\u2060", "\u3000"])
def test_only_spaces_tabs_and_line_ends_separate(space: str) -> None:
    """Other white space is text of the word that it touches, and moves no place."""
    assert tree(f"a: {space}x\nb:\n  {space}c: 1\n# {space}d: 2\n").data == {"a": f"{space}x", "b": {f"{space}c": 1}}
    assert str(tree(f"# {space}\ra: 1\r\nb: {space}x\n").place(("b",))) == "a.yaml:3:4"


def test_quoted_merge_signs_are_keys() -> None:
    """Only the plain one merges in YAML 1.1."""
    assert tree('"<<": 1\n').data == {"<<": 1}


def test_anchors_share_values() -> None:
    """Of a scalar, a list, a mapping and a key; an anchor may be set again."""
    text = "&k a: &v {x: &x [1]}\nb: *v\nc: *x\nd: *k\ne: &v 2\nf: *v\n"

    assert tree(text).data == {"a": {"x": [1]}, "b": {"x": [1]}, "c": [1], "d": "a", "e": 2, "f": 2}


def test_a_nest_as_deep_as_allowed() -> None:
    """And one level more; anchors count."""
    inner = DEEPEST - 1
    assert codes(f"a: {'[' * inner}{']' * inner}\n") == []
    assert codes(f"a: {'[' * DEEPEST}{']' * DEEPEST}\n") == ["NS0112"]
    assert codes(f"a: &a {'[' * 40}{']' * 40}\nb: {'[' * 40}*a{']' * 40}\n") == ["NS0112"]


def test_values_are_bounded() -> None:
    """Written ones and those that anchors add."""
    ten = "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert codes(f"a: &a [1]\n{ten}") == ["NS0113"]
    assert codes(f"a: &a [{', '.join('1' * 999)}]\nb: [{', '.join(['*a'] * (MOST_ALIASED // 1000))}]\n") == []
    assert codes(f"a: &a [{', '.join('1' * 999)}]\nb: [{', '.join(['*a'] * (MOST_ALIASED // 1000 + 1))}]\n") == [
        "NS0113"
    ]


HARMFUL = {
    "brackets": "[" * 100_000,
    "braces": "{" * 100_000,
    "nested mappings": "a: " + "{a: " * 50_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 50_000,
    "closed brackets": "a: " + "[" * 50_000 + "]" * 50_000,
    "anchors": "".join(f"a{n}: &a{n} [*a{n - 1}]\n" if n else "a0: &a0 []\n" for n in range(50_000)),
    "one long line": "a: " + "x" * 2_000_000,
    "a long key": "x" * 200_000 + ": 1\nb: [\n",
    "one key again and again": "a: 1\n" * 100_000,
    "quotes": "'" * 100_000,
    "wrong entries": "a: {b: !x 1}\n" * 20_000,
    "many line ends": "\n" * 1_000_000 + "a: [",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_texts_end_soon(name: str) -> None:
    """By a diagnostic or by data, in little time; the process lives. Places are asked for, as an error would."""
    start = time.process_time()
    found = tree(HARMFUL[name])
    index_of(SourceFile("a.yaml", HARMFUL[name])).nearest(("a", "a", "a", "a"))
    if found.faults:
        found.faults.error()

    assert time.process_time() - start < 10


def test_a_file_of_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count stops it; the real bound, two million, takes long to reach."""
    assert MOST_VALUES == 2_000_000
    monkeypatch.setattr(reader, "MOST_VALUES", 1_000)
    assert codes("a: [" + "1," * 997 + "]\n") == []
    found = tree("a: [" + "1," * 998 + "]\n")

    assert [each.code for each in found.faults.found] == ["NS0113"]
    assert found.data == {}


def test_a_bomb_takes_no_memory() -> None:
    """Anchors share what they stand for."""
    bomb = "a: &a [1]\n" + "".join(
        f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    tracemalloc.start()
    try:
        tree(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 1_000_000


@pytest.mark.slow
def test_it_works_without_libyaml() -> None:
    """PyYAML may have been built without it; the same tree and the same complaints come out."""
    script = (
        "import yaml; yaml.__with_libyaml__ = False\n"
        "from netspec.spec.source import SourceFile\nfrom netspec.spec.tree import load\n"
        "from netspec.spec import places\nassert places._Parser is yaml.BaseLoader\n"
        "texts = ['a: {b: [1, no]}\\nc: &x [2]\\nd: *x\\n', 'a: 1\\na: 2\\n', 'a: [\\n']\n"
        "texts += ['a: !x 1\\n', 'a:\\n\\tb: 1\\n']\n"
        "for text in texts:\n"
        "    tree = load([SourceFile('a.yaml', text)])\n"
        "    print(tree.data, [f'{each.place} {each.code}' for each in tree.faults.found])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout.splitlines() == [
        "{'a': {'b': [1, 'no']}, 'c': [2], 'd': [2]} []",
        "{'a': 1} ['a.yaml:2:1 NS0110']",
        "{} ['a.yaml:1:4 NS0106']",
        "{'a': '1'} ['a.yaml:1:4 NS0109']",
        "{} ['a.yaml:2:1 NS0106']",
    ]
