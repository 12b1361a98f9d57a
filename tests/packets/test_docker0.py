"""The example, seen from outside: who reaches the published port, and as whom, and who does not."""

import os
from collections.abc import Iterator

import pytest

from tests.live.specs import DOCKER0
from tests.packets.lab import Lab, Probe
from tests.packets.surroundings import apply_in, check, destroy_in, filter_bridged, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

OTHER_STACK = """
netspec: 1
stack: other
bridges:
  apps0: {subnets: [172.18.0.0/16, "fd00:18::/64"]}
endpoints:
  stranger: {bridge: apps0, addresses: [172.18.0.2, "fd00:18::2"]}
"""
"""A second bridge on the host, of another stack, which is not masqueraded."""

REACH = """
# the published port: from a remote machine, the host, its loopback, a sibling, the endpoint itself, another bridge
remote   -> 192.0.2.1:6379       redis sees 192.0.2.9
remote   -> 192.0.2.77:6379      redis sees 192.0.2.9
host     -> 192.0.2.1:6379       redis sees 192.0.2.1
host     -> 172.17.0.1:6379      redis sees 172.17.0.1
host     -> 127.0.0.1:6379       redis sees 172.17.0.1
host     -> 127.7.7.7:6379       redis sees 172.17.0.1
client   -> 192.0.2.1:6379       redis sees 172.17.0.1 | redis sees 172.17.0.3
client   -> 172.17.0.1:6379      redis sees 172.17.0.1 | redis sees 172.17.0.3
redis    -> 192.0.2.1:6379       redis sees 172.17.0.1
redis    -> 172.17.0.1:6379      redis sees 172.17.0.1
stranger -> 192.0.2.1:6379       redis sees 172.18.0.2
stranger -> 172.17.0.1:6379      redis sees 172.18.0.2
stranger -> 172.18.0.1:6379      redis sees 172.18.0.2
# the endpoint's own address: open to the host and to siblings, and to nobody else, whatever routes there are
host     -> 172.17.0.2:6379      redis sees 172.17.0.1
client   -> 172.17.0.2:6379      redis sees 172.17.0.3
redis    -> 172.17.0.2:6379      redis sees 172.17.0.2
redis    -> 127.0.0.1:6379       redis sees 127.0.0.1
remote   -> 172.17.0.2:6379      blocked
stranger -> 172.17.0.2:6379      blocked
# a port that redis serves and nobody has published, and one that nobody serves
remote   -> 192.0.2.1:6380       refused
host     -> 127.0.0.1:6380       refused
client   -> 172.17.0.1:6380      refused
client   -> 172.17.0.2:6380      redis sees 172.17.0.3
remote   -> 172.17.0.2:6380      blocked
stranger -> 172.17.0.2:6380      blocked
host     -> 172.17.0.2:6381      refused
# TCP is published; UDP of the same number is not
remote   -> 192.0.2.1:6379/udp   refused
host     -> 127.0.0.1:6379/udp   refused
client   -> 172.17.0.2:6379/udp  redis sees 172.17.0.3
remote   -> 172.17.0.2:6379/udp  blocked
# the host's own services are reached as ever
remote   -> 192.0.2.1:6000       host sees 192.0.2.9
client   -> 172.17.0.1:6000      host sees 172.17.0.3
# outward under the host's address; between bridges not at all; who is not masqueraded keeps its address
redis    -> 192.0.2.9:7777       remote sees 192.0.2.1
client   -> 192.0.2.9:7777/udp   remote sees 192.0.2.1
stranger -> 192.0.2.9:7777       remote sees 172.18.0.2
stranger -> [2001:db8::9]:7777   remote sees fd00:18::2
redis    -> 172.18.0.2:9000      blocked
# nobody reaches the loopback of the host by routes of his own
intruder -> 198.51.100.1:6379    redis sees 198.51.100.9
intruder from 198.51.100.9 -> 127.0.0.1:6379      blocked
intruder from 198.51.100.9 -> 127.0.0.1:6000      blocked
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The example and another stack on a host with neighbours, and servers everywhere."""
    with host_with_neighbours() as lab:
        apply_in(lab, DOCKER0)
        apply_in(lab, OTHER_STACK)
        for name, port in (("redis", 6379), ("redis", 6380), ("stranger", 9000), ("", 6000)):
            lab.serve(name, port)
        lab.wait_for(Probe("", "fd00:18::2", 9000))
        yield lab


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
def test_who_reaches_the_example_and_as_whom(lab: Lab, switch: int) -> None:
    """The published port is open to all, with the client's address where the way back allows; nothing else is."""
    filter_bridged(lab, switch)
    check(lab, REACH)


def test_after_destroy_nobody_gets_in_and_the_other_stack_still_works() -> None:
    """What is left of a publication would show as something that hangs rather than refuses."""
    with host_with_neighbours() as lab:
        apply_in(lab, OTHER_STACK)
        apply_in(lab, DOCKER0)
        lab.serve("redis", 6379)
        lab.serve("stranger", 9000)
        check(lab, "remote -> 192.0.2.1:6379  redis sees 192.0.2.9")
        destroy_in(lab)

        check(
            lab,
            """
            remote   -> 192.0.2.1:6379       refused
            host     -> 127.0.0.1:6379       refused
            host     -> 172.18.0.2:9000      stranger sees 172.18.0.1
            stranger -> 192.0.2.9:7777       remote sees 172.18.0.2
            remote   -> 172.18.0.2:9000      blocked
            """,
        )
