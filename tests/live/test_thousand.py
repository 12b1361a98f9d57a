"""A thousand endpoints over several bridges: made, found as they shall be, and gone without a trace."""

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, destroy, edited, plan
from tests.sandboxed import NETNS_DIR

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.usefixtures("fresh_netns")]

BRIDGES = 4
ENDPOINTS = 250

SPEC = "\n".join(
    [
        "netspec: 1",
        "bridges:",
        *(f"  br{number}: {{subnets: [10.{number}.0.0/16]}}" for number in range(BRIDGES)),
        "endpoints:",
        *(
            f'  e{bridge}-{number}: {{bridge: br{bridge}, publish: ["{10000 + bridge * ENDPOINTS + number}:80"]}}'
            for bridge in range(BRIDGES)
            for number in range(ENDPOINTS)
        ),
        "nat: {masquerade: [br0, br1, br2, br3]}\n",
    ]
)


def test_a_thousand_endpoints_come_stay_and_go() -> None:
    """After the apply there is nothing to do; one edit is one change; after destroying nothing is left."""
    before = host_state()

    apply(SPEC)
    assert len(list(NETNS_DIR.iterdir())) == BRIDGES * ENDPOINTS
    assert plan(SPEC) == []
    assert plan(edited(SPEC, ("10007:80", "10007:81"))) == ["update element/publish4 tcp . 10007 value"]
    destroy()

    assert host_state() == before
