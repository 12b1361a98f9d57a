"""Files become one tree that knows where each part of it stands."""

import gc

import pytest

from netspec.diagnostics import Place
from netspec.report.diagnostics import render
from netspec.spec.places import DEEPEST, LONGEST_LINE, index_of
from netspec.spec.source import SourceFile
from netspec.spec.tree import Tree, load, without_collector

SITE = """\
netspec: 1
bridges:
  lan:
    subnets: [10.1.0.0/24, {cidr: &c 10.2.0.0/24}]
  dmz: &dmz {mtu: 1400, subnets: [*c]}
endpoints: {web: {publish: ["80:80"]}}
"""
MORE = """\
endpoints:
  db: &db {bridge: lan}
  copy: *db
rules: [{a: 1}, &r {b: {c: 2}}]
"""
LAST = "rules:\n  - {d: 1}\nendpoints: {far: {interfaces: {eth0: {bridge: lan}}}}\n"


def of(*texts: str) -> Tree:
    """The tree of files named a, b and c."""
    return load([SourceFile("abc"[number], text) for number, text in enumerate(texts)])


def test_files_are_joined() -> None:
    """Mappings are joined, lists appended, in the order of the files."""
    found = of(SITE, MORE, LAST)

    assert found.data == {
        "netspec": 1,
        "bridges": {
            "lan": {"subnets": ["10.1.0.0/24", {"cidr": "10.2.0.0/24"}]},
            "dmz": {"mtu": 1400, "subnets": ["10.2.0.0/24"]},
        },
        "endpoints": {
            "web": {"publish": ["80:80"]},
            "db": {"bridge": "lan"},
            "copy": {"bridge": "lan"},
            "far": {"interfaces": {"eth0": {"bridge": "lan"}}},
        },
        "rules": [{"a": 1}, {"b": {"c": 2}}, {"d": 1}],
    }
    assert not found.faults


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "a:1:1", "a:1:1"),
        (("netspec",), "a:1:1", "a:1:10"),
        (("bridges",), "a:2:1", "a:3:3"),
        (("bridges", "lan"), "a:3:3", "a:4:5"),
        (("bridges", "lan", "subnets"), "a:4:5", "a:4:14"),
        (("bridges", "lan", "subnets", 0), "a:4:15", "a:4:15"),
        (("bridges", "lan", "subnets", 1, "cidr"), "a:4:29", "a:4:35"),
        (("bridges", "lan", "subnets", 1, "gateway"), "a:4:28", "a:4:28"),
        (("bridges", "lan", "mtu"), "a:3:3", "a:4:5"),
        (("bridges", "wan"), "a:2:1", "a:3:3"),
        (("bridges", "dmz", "subnets", 0), "a:5:35", "a:5:35"),
        (("endpoints",), "a:6:1", "a:6:12"),
        (("endpoints", "web", "publish", 0), "a:6:29", "a:6:29"),
        (("endpoints", "db"), "b:2:3", "b:2:7"),
        (("endpoints", "db", "bridge"), "b:2:12", "b:2:20"),
        (("endpoints", "copy"), "b:3:3", "b:3:9"),
        (("endpoints", "copy", "bridge"), "b:2:12", "b:2:20"),
        (("endpoints", "far", "interfaces", "eth0", "bridge"), "c:3:39", "c:3:47"),
        (("rules", 1, "b", "c"), "b:4:25", "b:4:28"),
        (("rules", 2), "c:2:5", "c:2:5"),
        (("rules", 2, "d"), "c:2:6", "c:2:9"),
        (("nat",), None, None),
        (("nat", "masquerade"), None, None),
    ],
)
def test_places(path: tuple[str | int, ...], key: str | None, value: str | None) -> None:
    """Of keys and values, inside anchors too; of what is not there, the nearest parent."""
    found = of(SITE, MORE, LAST)
    on_key, on_value = found.place(path, on_key=True), found.place(path)

    assert (on_key and str(on_key), on_value and str(on_value)) == (key, value)


def test_files_are_gone_through_again_only_for_what_is_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places of sections and entries, which an apply asks for, are known from reading."""
    found = of(SITE, MORE)
    monkeypatch.setattr("netspec.spec.tree.index_of", None)

    assert str(found.place(("endpoints", "copy"), on_key=True)) == "b:3:3"
    with pytest.raises(TypeError):
        found.place(("endpoints", "db", "bridge"))


def test_what_a_tree_holds() -> None:
    """Sections and entries."""
    found = of(SITE, MORE)
    held = (("bridges",), ("bridges", "lan"), ("endpoints", "db", "x", 7), ("rules", 1))
    others = ((), ("nat",), ("bridges", "wan"), ("rules", 2), ("nat", "masquerade"))

    assert [found.holds(path) for path in held] == [True] * len(held)
    assert [found.holds(path) for path in others] == [False] * len(others)


def test_an_aliased_section_has_places() -> None:
    """They are those of what the alias stands for."""
    found = of("bridges: &all {lan: {mtu: 1400}}\nsubnets: *all\n", "subnets: {dmz: {}}\n")

    assert found.data["bridges"] == {"lan": {"mtu": 1400}}
    assert str(found.place(("subnets", "lan", "mtu"))) == "a:1:27"
    assert str(found.place(("subnets", "dmz"), on_key=True)) == "b:1:11"


def test_what_was_left_out_moves_along() -> None:
    """Where lists are appended, and of all files."""
    found = of("rules: [1, 2]\n", "rules: [{<<: 3}]\nbridges: {a: *b}\n", "rules: [\n")

    assert found.left_out == {("rules", 2, "<<"), ("bridges", "a"), ()}


def test_lines_that_are_too_long_are_not_carried_along() -> None:
    """Only the position is."""
    found = of(f"a: {{b: 1, c: {'x' * LONGEST_LINE}, d: 2}}\n").place(("a", "d"))

    assert found == Place("a", 1, LONGEST_LINE + 19)


def test_an_index_stays_within_the_bounds_of_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else a text holds."""
    deep = index_of(SourceFile("a", f"a: {'[' * 500}{']' * 500}\n"))
    monkeypatch.setattr("netspec.spec.places.MOST_VALUES", 10)
    long = index_of(SourceFile("a", f"a: [{'1, ' * 100}]\n"))

    assert max(map(len, deep.spots)) == DEEPEST
    assert len(long.spots) == 11


def test_what_stands_in_two_files() -> None:
    """Both places are shown."""
    found = of(
        "netspec: 1\nstack: a\nbridges: {lan: {}}\nrules: {}\n", "netspec: 1\nstack: a\nbridges: {lan: {}}\nrules: []\n"
    )

    assert (
        render(found.faults.error().diagnostics, color=False)
        == """\
error[NS0117]: "stack" stands in two files
  --> b:2:1
   | stack: a
   | ^^^^^
  --> a:2:1
   | stack: a
   | ----- it stands here first
  help: keep one

error[NS0110]: "lan" stands in two files below bridges
  --> b:3:11
   | bridges: {lan: {}}
   |           ^^^
  --> a:3:11
   | bridges: {lan: {}}
   |           --- it stands here first
  help: keep one

error[NS0117]: "rules" stands in two files
  --> b:4:1
   | rules: []
   | ^^^^^
  --> a:4:1
   | rules: {}
   | ----- it stands here first
  help: keep one

"""
    )


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_as_before(before: bool) -> None:
    """It rests while files are read, also where that fails."""
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with pytest.raises(ZeroDivisionError):
            _fail()
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()


def _fail() -> None:
    with without_collector():
        assert not gc.isenabled()
        raise ZeroDivisionError
