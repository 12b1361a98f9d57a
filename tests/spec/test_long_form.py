"""The long form that `validate --expand` prints: fed with it, it prints the same bytes."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netspec.errors import SpecError
from netspec.spec.check import check
from netspec.spec.document import expand_to_long_form
from tests.spec.test_fuzz import mutations, searching, slipped
from tests.spec.test_schemas import BRIDGE, SHORT, valid_specs
from tests.specs import loaded


def expanded(text: str) -> str:
    """The long form of a spec. Raises SpecError."""
    found = loaded(text)
    check(found)
    return yaml.safe_dump(expand_to_long_form(found.document), sort_keys=False)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in valid_specs()])
def test_of_every_spec_that_is_written_down(text: str) -> None:
    """Every example, every block of the documentation, every spec of the tests."""
    try:
        once = expanded(text)
    except SpecError:  # a part of a spec, or one that needs its host
        return

    assert expanded(once) == once


@pytest.mark.parametrize("text", SHORT)
def test_of_every_short_form(text: str) -> None:
    """Each is spelled once."""
    once = expanded(BRIDGE + text)

    assert expanded(once) == once


@searching
@given(mutations)
def test_of_specs_with_slips(mutation: tuple[str, list[tuple[int, int, str]]]) -> None:
    """As far as they are valid."""
    try:
        once = expanded(slipped(*mutation))
    except SpecError:
        return

    assert expanded(once) == once


KEYS = [
    "mtu: 1400", "isolated: true", "default_route: 7", "allmulti: true", "txqueuelen: 7", "mac: auto",
    "limit: {egress: 1.5mbit, burst: 99999b}",
]  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Endpoints of both forms with publications and replicas, and checks with times."""
    lines = [BRIDGE, "endpoints:", "  none: {interfaces: {}}"]
    for number in range(draw(st.integers(0, 3))):
        replicas = draw(st.none() | st.integers(1, 4))
        first = 8000 + 1000 * number
        ports = [first + 100 * each for each in range(draw(st.integers(0, 3)))]
        publish = ", ".join(f"{port}-{port + (replicas or 3) - 1}:{port}" for port in ports)
        publish = publish if replicas else ", ".join(f"{port}:80" for port in ports)
        keys = ", ".join(["bridge: lan", *draw(st.lists(st.sampled_from(KEYS), unique=True))])
        if draw(st.booleans()):
            keys = f"interfaces: {{eth0: {{{keys}}}}}"
        more = f", replicas: {replicas}" if replicas else ""
        lines.append(f"  e{number}: {{publish: [{publish}], {keys}{more}}}")
    waits = draw(st.lists(st.integers(100_000, 60_000_000), max_size=3))
    lines += [
        "checks:" if waits else "",
        *(f"  - {{from: host, to: ping none, within: {each / 1000}ms}}" for each in waits),
    ]
    return "\n".join(lines)


@searching
@given(documents())
def test_of_endpoints_and_checks(text: str) -> None:
    """Replicas are taken apart, interfaces and publications stand where they stand again, times are exact."""
    once = expanded(text.replace("ping none", "198.51.100.1:80"))

    assert expanded(once) == once
