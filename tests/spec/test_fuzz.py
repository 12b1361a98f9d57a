"""Whatever a spec holds, it is a document or a SpecError, soon."""

import re
import time
from collections.abc import Sequence
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Diagnostic
from netspec.errors import SpecError
from netspec.report.diagnostics import as_json, render
from netspec.spec.check import check
from tests import specs
from tests.specs import loaded

SECONDS = 5
KEYS = re.findall(
    r"\S+",
    """netspec stack bridges subnets endpoints nat sysctls
    lan web s interfaces eth0 bridge address addresses publish mac mtu masquerade snat dnat netmap cidr gateway range
    reserve port to from listen protocol internal access auto none any""",
)
VALUES = re.findall(
    r"\S+",
    """1 0 -1 010 1e3 true no null ~ 10.1.0.0/24 10.1.0.2 10.1.0.2/24 fd00::/64 fd00::2 02:00:00:00:00:01 8080:80 80
    53:53/udp lan web s auto none any ula 70000 x y/z {} []""",
)
SYNTAX = [
    *"[]{}:,-?&*!|>'\"%@`#\n\t\\ ",
    ": ",
    "- ",
    "\n  ",
    "\n    ",
    "&a ",
    "*a",
    "!!str ",
    "<<",
    "---\n",
    "...\n",
    "\x00",
    "\u202e",
    "\ufeff",
]

texts = st.lists(st.sampled_from([*KEYS, *VALUES, *SYNTAX]) | st.text(max_size=3), max_size=40).map("".join)
values = st.recursive(
    st.sampled_from(VALUES).map(yaml.safe_load) | st.text(max_size=8) | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(st.sampled_from(KEYS[:7]), values, max_size=6)
mutations = st.tuples(
    st.sampled_from([specs.BASE, specs.DUAL, specs.PORTS, specs.SYSCTLS, specs.MANY]),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 6), st.sampled_from([*KEYS, *VALUES, *SYNTAX])), max_size=4
    ),
)
searching = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def judged(text: str) -> None:
    """Load, check, and show what is wrong."""
    start = time.process_time()
    said = _said(text)
    if said is not None:
        assert render(said, color=False)
        assert all(as_json(each)["code"].startswith("NS") for each in said)
    assert time.process_time() - start < SECONDS


def _said(text: str) -> Sequence[Diagnostic] | None:
    """What is wrong with a spec; None where it is valid."""
    try:
        check(loaded(text))
    except SpecError as error:
        return error.diagnostics
    return None


def slipped(text: str, slips: list[tuple[int, int, str]]) -> str:
    """A text with some of its characters replaced."""
    for at, length, inserted in slips:
        start = at % len(text)
        text = text[:start] + inserted + text[start + length :]
    return text


@searching
@given(texts)
def test_any_text(text: str) -> None:
    """Of the words and signs that mean something."""
    judged(text)


@searching
@given(documents)
def test_any_values(document: dict[str, Any]) -> None:
    """Values of any type in any place."""
    judged(yaml.safe_dump({"netspec": 1, **document}))


@searching
@given(mutations)
def test_specs_with_mistakes(mutation: tuple[str, list[tuple[int, int, str]]]) -> None:
    """A few slips in a good spec."""
    judged(slipped(*mutation))
