"""What specs make of a host, compared whole, and that nothing of it stays."""

import os
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.described import describe
from tests.live.driving import apply, destroy, edited, plan
from tests.live.specs import ALL, DOCKER0, STACKS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

EXPECTED = Path(__file__).parent / "expected/docker0.txt"
UPDATE = bool(os.environ.get("UPDATE_EXPECTED"))
HOW = "Is the text wrong? UPDATE_EXPECTED=1 writes what the kernel has into it. Then read the difference."


def test_the_example_makes_exactly_this() -> None:
    """Links with all that we say of them, ports, addresses, routes, nftables, sysctls and namespaces."""
    apply(DOCKER0)
    found = describe()
    if UPDATE:
        EXPECTED.write_text(found, encoding="utf-8")

    assert found == EXPECTED.read_text(encoding="utf-8"), HOW


@pytest.mark.parametrize("name", ALL)
def test_after_apply_there_is_nothing_to_do_and_after_destroy_nothing_is_left(name: str) -> None:
    """The host is byte for byte what it was; between, a second apply has nothing to do."""
    before = host_state()

    apply(ALL[name])
    built = host_state()
    assert plan(ALL[name]) == []
    destroy(STACKS[name])

    assert built != before
    assert host_state() == before


def test_the_same_spec_makes_the_same_host_again() -> None:
    """Nothing depends on chance: names, MACs and addresses of a second life are those of the first."""
    states = []
    for _ in range(2):
        apply(ALL["several networks"])
        states.append(host_state())
        destroy(STACKS["several networks"])

    assert states[0] == states[1]


def test_a_host_that_had_its_own_sysctls_gets_them_back() -> None:
    """Also those that the spec changed twice, and those whose value the spec shares."""
    spec = ALL["several networks"]
    before = host_state()

    apply(spec)
    apply(edited(spec, ("accept_redirects: 0", "accept_redirects: 1"), ("20000 40000", "30000 40000")))
    apply(edited(spec, ("  net.ipv4.ip_local_port_range: 20000 40000\n", "")))
    assert "ip_local_port_range = 32768\t60999" in host_state()
    destroy(STACKS["several networks"])

    assert host_state() == before


def test_removing_everything_from_a_spec_is_destroying() -> None:
    """An empty spec of the same stack leaves nothing either."""
    before = host_state()

    apply(DOCKER0)
    apply("netspec: 1\n")

    assert host_state() == before
