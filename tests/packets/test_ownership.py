"""A connection goes on while what carries it changes hands, and names."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from netspec.core.resource import Resource
from netspec.engine.moving import moving
from netspec.engine.ownership import adoption, forgetting
from netspec.engine.reconciler import Proposal
from tests.live.driving import edited, intent, plan, reconciler
from tests.packets.lab import Lab
from tests.packets.surroundings import apply_in, host_with_neighbours
from tests.packets.talking import converse, goes_on, serve_echo, talking
from tests.packets.test_unbroken import SPEC

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

ALL = ("bridge/docker0", "endpoint/redis", "endpoint/web")
RENAMED = edited(SPEC, ("  redis:", "  cache:"))
BRIDGED = edited(RENAMED, ("docker0", "lan0"))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours; redis echoes at 6379 what it is sent."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        serve_echo(lab, "redis", "172.17.0.2")
        yield lab


def chosen(resource: Resource) -> bool:
    """What changes hands."""
    return resource.owner in ALL


def done(propose: Callable[[], Proposal]) -> None:
    """Carry out a proposal, as the command does."""
    proposal = propose()
    assert proposal.plan
    reconciler().enact(proposal)


def indexes(lab: Lab) -> list[str]:
    """The indexes of the host's links."""
    return lab.command("ip -o link show type bridge; ip -o link show type veth | cut -d: -f1 | sort").split("\n")[1:]


def test_a_connection_survives_what_changes_hands_and_names(lab: Lab) -> None:
    """Through a publication, from outside: let go of, taken back, its endpoint renamed, then its bridge."""
    before = indexes(lab)
    steps: dict[str, tuple[Callable[[], Proposal], str]] = {
        "forgotten": (lambda: forgetting(reconciler(), "default", chosen), ""),
        "adopted": (lambda: adoption(reconciler(), intent(SPEC), chosen), SPEC),
        "renamed": (lambda: moving(reconciler(), intent(RENAMED), "endpoint/redis", "endpoint/cache"), RENAMED),
        "on a renamed bridge": (
            lambda: moving(reconciler(), intent(BRIDGED), "bridge/docker0", "bridge/lan0"),
            BRIDGED,
        ),
    }
    with talking(lab, converse) as conversation:
        for name, (propose, spec) in steps.items():
            lab.run(partial(done, propose))
            assert goes_on(lab), f"{name}: the connection is silent"
            assert indexes(lab) == before, name
            if spec:
                assert lab.run(partial(plan, spec)) == [], name
        lab.command("touch /run/enough")
        assert conversation() > len(steps)
