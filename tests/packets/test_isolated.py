"""Single interfaces kept apart on a bridge where the others talk to each other."""

import os
from collections.abc import Iterator

import pytest

from tests.live.driving import edited
from tests.packets.lab import Lab
from tests.packets.surroundings import apply_in, check, filter_bridged, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

SPEC = """
netspec: 1
bridges:
  br0: {subnets: [172.17.0.0/24, "fd00:17::/64"], antispoof: false}
endpoints:
  a: {bridge: br0, addresses: [172.17.0.2, "fd00:17::2"], isolated: true}
  b: {bridge: br0, addresses: [172.17.0.3, "fd00:17::3"], isolated: true, publish: ["8000:80"]}
  c: {bridge: br0, addresses: [172.17.0.4, "fd00:17::4"]}
"""

APART = """
a    -> 172.17.0.3:80          blocked
b    -> 172.17.0.2:80          blocked
a    -> [fd00:17::3]:80        blocked
b    -> [fd00:17::2]:80        blocked
a    -> 172.17.0.4:80          c sees 172.17.0.2
c    -> 172.17.0.2:80          a sees 172.17.0.4
c    -> [fd00:17::3]:80        b sees fd00:17::4
host -> 172.17.0.2:80          a sees 172.17.0.1
remote -> 192.0.2.1:8000       b sees 192.0.2.9
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three siblings with servers."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name in "abc":
            lab.serve(name, 80)
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def test_isolated_interfaces_reach_all_but_each_other(lab: Lab, switch: int) -> None:
    """Over both IP versions, published or not; the host, the outside and other siblings are not concerned."""
    filter_bridged(lab, switch)
    check(lab, APART)


def test_it_changes_in_place(lab: Lab) -> None:
    """On the same links, both ways."""
    links = lab.command("ip -o link | grep -o '^[0-9]*: [^:@]*'")
    apply_in(lab, edited(SPEC, ('172.17.0.2, "fd00:17::2"], isolated: true', '172.17.0.2, "fd00:17::2"]')))
    for name in "ab":
        # What could not be resolved a moment ago is not asked for again at once.
        lab.command("ip neigh flush dev eth0 nud all", name)
    check(lab, "a -> 172.17.0.3:80  b sees 172.17.0.2\nb -> [fd00:17::2]:80  a sees fd00:17::3")
    apply_in(lab, SPEC)
    check(lab, "a -> 172.17.0.3:80  blocked")
    assert lab.command("ip -o link | grep -o '^[0-9]*: [^:@]*'") == links
