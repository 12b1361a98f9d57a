"""Permanent neighbours: what takes them away, and whose they are."""

from netspec.kernel.operations import (
    LinkAdd,
    LinkDelete,
    LinkSet,
    NeighborAdd,
    NeighborDelete,
    Operation,
    Peer,
    SysctlWrite,
)
from netspec.kernel.port import Kernel
from tests.kernel.contract.look import refusal, seen
from tests.kernel.contract.make import address

HOST: list[Operation] = [
    LinkAdd(name="v0", kind="veth", peer=Peer(netns="", name="v1")),
    LinkSet(name="v0", up=True),
    LinkSet(name="v1", up=True),
]
MAC = "02:aa:00:00:00:01"


def added(to: str, mac: str = MAC, protocol: int = 110, link: str = "v0") -> NeighborAdd:
    """A neighbour."""
    return NeighborAdd(link=link, address=address(to), mac=mac, protocol=protocol)


def neighbors(kernel: Kernel) -> list[str]:
    """All of them, sorted."""
    rows = seen(kernel).neighbors
    return sorted(f"{row.netns}:{row.link} {row.address} {row.mac} {row.protocol}" for row in rows)


BOTH: list[Operation] = [added("10.0.0.9"), added("2001:db8::9")]


def test_a_neighbor_is_made_changed_and_deleted(kernel: Kernel) -> None:
    """In place; deleting twice is fine, and so is deleting on a link that is not there."""
    kernel.execute([*HOST, *BOTH])
    made = neighbors(kernel)
    kernel.execute([added("10.0.0.9", "02:aa:00:00:00:02")])
    changed = neighbors(kernel)
    for _ in range(2):
        kernel.execute([NeighborDelete(link="v0", address=address(each)) for each in ("10.0.0.9", "2001:db8::9")])
    kernel.execute([NeighborDelete(link="gone", address=address("10.0.0.9"))])

    assert made == [f":v0 10.0.0.9 {MAC} 110", f":v0 2001:db8::9 {MAC} 110"]
    assert changed == [":v0 10.0.0.9 02:aa:00:00:00:02 110", f":v0 2001:db8::9 {MAC} 110"]
    assert neighbors(kernel) == []


def test_a_protocol_changes_but_never_to_none(kernel: Kernel) -> None:
    """Whoever says nothing of it leaves it."""
    kernel.execute([*HOST, added("10.0.0.9", protocol=0)])
    assert neighbors(kernel) == [f":v0 10.0.0.9 {MAC} 0"]
    kernel.execute([added("10.0.0.9", protocol=4), added("10.0.0.9", protocol=0)])
    assert neighbors(kernel) == [f":v0 10.0.0.9 {MAC} 4"]


def test_another_mac_of_the_link_takes_them_all(kernel: Kernel) -> None:
    """Also where it is the one that it has."""
    mac = LinkSet(name="v0", mac="02:aa:00:00:00:77")
    kernel.execute([*HOST, *BOTH, mac])
    assert neighbors(kernel) == []
    kernel.execute([*BOTH, mac])
    assert neighbors(kernel) == []


def test_going_down_takes_them_all(kernel: Kernel) -> None:
    """They do not come back."""
    kernel.execute([*HOST, *BOTH, LinkSet(name="v0", up=False), LinkSet(name="v0", up=True)])
    assert neighbors(kernel) == []


def test_other_changes_leave_them(kernel: Kernel) -> None:
    """MTU, group, and what happens to the far end."""
    kernel.execute([*HOST, *BOTH, LinkSet(name="v0", mtu=1400, group=7), LinkSet(name="v1", mac="02:aa:00:00:00:09")])
    assert len(neighbors(kernel)) == 2


def test_without_ipv6_there_are_none_of_it(kernel: Kernel) -> None:
    """They go with an MTU that is too small, and when IPv6 is switched off."""
    kernel.execute([*HOST, *BOTH, LinkSet(name="v0", mtu=1000)])
    assert neighbors(kernel) == [f":v0 10.0.0.9 {MAC} 110"]
    assert refusal(kernel, added("2001:db8::9")) == "EINVAL"
    kernel.execute([LinkSet(name="v0", mtu=1500), added("2001:db8::9")])
    kernel.execute([SysctlWrite(key="net.ipv6.conf.v0.disable_ipv6", value="1")])
    assert neighbors(kernel) == [f":v0 10.0.0.9 {MAC} 110"]


def test_a_link_takes_them_along(kernel: Kernel) -> None:
    """And a link that is down, or not there, has none."""
    kernel.execute([*HOST, *BOTH, LinkDelete(name="v0")])
    assert neighbors(kernel) == []
    assert refusal(kernel, added("10.0.0.9")) == "ENODEV"


def test_a_link_that_is_down_takes_some(kernel: Kernel) -> None:
    """They may be there before it comes up."""
    kernel.execute([LinkAdd(name="v0", kind="veth", peer=Peer(netns="", name="v1")), *BOTH])
    assert len(neighbors(kernel)) == 2
    kernel.execute([LinkSet(name="v0", up=True)])
    assert len(neighbors(kernel)) == 2
