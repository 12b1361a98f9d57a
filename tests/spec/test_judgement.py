"""All that is wrong with a spec is said at once, and nothing that only follows from something else."""

import pytest

from netspec.diagnostics import Diagnostic, Place
from netspec.errors import SpecError
from netspec.spec.document import parse
from netspec.spec.faults import MOST_SHOWN, Faults
from netspec.spec.judgement import MANY
from netspec.spec.remainder import Remainder
from netspec.spec.source import SourceFile
from netspec.spec.tree import load
from tests.specs import loaded

EVERYTHING = """\
netspec: 1
bridges:
  lan: {subnets: [10.1.0.0/24], colour: red}
  dmz: {subnets: [10.4.0.0/24]}
  dmz: {}
  odd: {subnets: [10.2.0.0/24, 10.3.0.0/33, [10.5.0.0/24], 10.6.0.0/64]}
endpoints:
  web: {bridge: wan, addres: 10.1.0.7, mac: zz}
  db: {bridge: lan, address: 10.1.0.300}
  far: {bridge: lan, address: 10.9.0.4}
  two: {bridge: lan, publish: ["80:80"]}
  too: {bridge: lan, publish: ["80:81"]}
nat: {masquerade: [lan, nope]}
"""


def faults(*texts: str) -> list[str]:
    """What is wrong with a spec of these files: place and code."""
    try:
        parse(load([SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]))
    except SpecError as error:
        return [f"{_at(each.place)} {each.code}" for each in error.diagnostics]
    return []


def _at(place: Place | None) -> str:
    return f"{place.file[0]}:{place.line}:{place.column}" if place else "nowhere"


def test_faults_of_every_sort_show_together() -> None:
    """Of the syntax, of values, of references and of what addresses come to."""
    assert faults(EVERYTHING) == [
        "0:3:33 NS0154",
        "0:5:3 NS0110",
        "0:6:32 NS0125",
        "0:6:45 NS0120",
        "0:6:60 NS0125",
        "0:8:17 NS0221",
        "0:8:22 NS0154",
        "0:8:45 NS0127",
        "0:9:30 NS0124",
        "0:10:31 NS0206",
        "0:11:32 NS0301",
        "0:13:25 NS0230",
    ]


BRIDGE = "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24]}}\n"


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (
            "bridges: {lan: {subnets: [10.1.0.0/33]}}\nendpoints: {web: {bridge: lan, address: 10.1.0.9}}",
            ["0:2:27 NS0125"],
        ),
        (
            "bridges: {lan: {subnet: [10.1.0.0/24]}}\nendpoints: {web: {bridge: lan, address: 10.1.0.9}}",
            ["0:2:17 NS0154"],
        ),
        ("bridges: {lan: 5}\nendpoints: {web: {bridge: lan}}\nnat: {masquerade: [lan]}", ["0:2:16 NS0119"]),
        ("bridges: {all: {}}\nendpoints: {web: {bridge: all}}", ["0:2:11 NS0122", "0:3:27 NS0122"]),
        ("bridges: 5\nendpoints: {web: {bridge: lan}}", ["0:2:10 NS0119"]),
        ("subnets: {s: {cidr: x}}\nbridges: {lan: {subnets: [s]}}", ["0:2:21 NS0125"]),
        (
            "subnets: {s: {cidr: x}}\nbridges: {b: {subnets: [s]}}\nendpoints: {web: {bridge: b, address: 10.1.0.9}}",
            ["0:2:21 NS0125"],
        ),
        ("endpoints: {web: {bridg: lan}}", ["0:2:19 NS0154"]),
        ("endpoints: {web: {bridge: lan}}\nbridges: {lan: {}", ["0:3:10 NS0106"]),
        ("endpoints: {web: {bridge: lan, adress: x}}\nbridges: {lan: {}", ["0:2:32 NS0154", "0:3:10 NS0106"]),
        ("endpoints: {web: {<<: {bridge: lan}}}", ["0:2:19 NS0115"]),
        ("endpoints: {web: {? [bridge] : lan}}", ["0:2:21 NS0114"]),
        ("endpoints: {web: *nothing}", ["0:2:18 NS0111"]),
        ("endpoints: {web: !!str lan}", ["0:2:18 NS0109"]),
        ("endpoints: {web: {bridge: !!str lan}}\nbridges: {lan: {}}", ["0:2:27 NS0109"]),
        ("bridges: {lan: {}}\nendpoints: {web: {bridge: lan, publish: [{port: 80, to: x}]}}", ["0:3:57 NS0140"]),
        (
            "bridges: {b: {subnets: [10.1.0.0/24]}, b: {}}\nendpoints: {web: {bridge: b, address: 10.2.0.9}}",
            ["0:2:40 NS0110"],
        ),
    ],
)
def test_what_only_follows_is_not_said(spec: str, wanted: list[str]) -> None:
    """An object that is wrong by itself is there for those that name it."""
    assert faults(f"netspec: 1\n{spec}\n") == wanted


def test_files_are_judged_together() -> None:
    """A file that cannot be read takes nothing from what is said of the others, and asks for no sections."""
    others = (
        "endpoints: {web: {bridge: lan, colour: red}}\n",
        "bridges: [\n",
        "endpoints: {web: {}}\nnat: {masquerade: 1}\n",
    )

    assert faults(*others) == ["0:1:32 NS0154", "1:1:10 NS0106", "2:1:13 NS0110", "2:2:19 NS0119"]


def test_what_stands_in_two_files_may_be_the_other_one() -> None:
    """An address of the one that was dropped is no fault."""
    first, second = (
        "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24]}}\n",
        "bridges: {lan: {subnets: [10.2.0.0/24]}}\n",
    )

    assert faults(first, second, "endpoints: {web: {bridge: lan, address: 10.2.0.9}}\n") == ["1:1:11 NS0110"]


def test_a_fault_in_an_anchor_is_told_once() -> None:
    """However often it is used."""
    assert faults("netspec: 1\nbridges: {a: &x {mtu: 20}, b: *x, c: *x}\n") == ["0:2:23 NS0119"]


def test_what_is_told_already_is_not_counted_again() -> None:
    """Also where only the first hundred are kept."""
    found = Faults()
    found.extend(Diagnostic("NS0119", str(number)) for number in (*range(MOST_SHOWN), 0, MOST_SHOWN))

    assert (len(found.found), found.more) == (MOST_SHOWN, 1)
    assert found.error().message == "The spec is invalid. 1 further error is not shown."


def test_a_missing_version_hides_nothing() -> None:
    """The rest is judged as of version 1."""
    assert faults("endpoints: {web: {bridge: wan}}\n") == ["0:1:1 NS0151", "0:1:27 NS0221"]
    assert faults("netspec: 2\nendpoints: {web: {bridge: wan}}\n") == ["0:1:10 NS0119", "0:2:27 NS0221"]


@pytest.mark.parametrize("fault", ["bridge: no", "interfaces: {}, colour: red"])
def test_many_faults_are_counted(fault: str) -> None:
    """The first hundred are listed, and none is counted twice."""
    spec = "netspec: 1\nendpoints:\n" + "".join(f"  e{number}: {{{fault}}}\n" for number in range(MANY + 50))
    with pytest.raises(SpecError) as caught:
        loaded(spec)

    assert len(caught.value.diagnostics) == 100
    assert caught.value.message == f"The spec is invalid. {MANY - 50:,} further errors are not shown."


def test_a_valid_spec_is_judged_once() -> None:
    """What the remainder hands to the models is the data itself, not a copy."""
    tree = load([SourceFile("a.yaml", BRIDGE)])

    assert Remainder(tree.data).data() is tree.data


def test_paths_of_the_rest_lead_back() -> None:
    """Where entries of lists are left out, the others move up."""
    rest = Remainder({"a": [["x", "y"], 1, ["z", 2, {"k": 1}]]})
    for path in (("a", 1), ("a", 0, 0), ("a", 2, 0), ("a", 2, 2, "k")):
        rest.leave_out(path)

    assert rest.data() == {"a": [["y"], [2, {}]]}
    assert rest.original(("a", 0, 0)) == ("a", 0, 1)
    assert rest.original(("a", 1, 1, "k")) == ("a", 2, 2, "k")
