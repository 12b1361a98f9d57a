"""New subnets that meet what the host has already: routes, addresses, and other stacks' endpoints."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from netspec.core.resource import Resource
from netspec.core.state import State, owned_by
from netspec.kernel.operations import Interface, Network
from netspec.kernel.snapshot import Snapshot
from netspec.kinds.address import Address
from netspec.kinds.nat_element import NatElement
from netspec.kinds.route import MAIN, obstacle

LOOPBACK = "lo"


def overlaps(
    new: Iterable[Resource], stack: str, observed: State, snapshot: Snapshot
) -> Iterator[tuple[str, str, str]]:
    """Of each new subnet in the way: the subnet, what it overlaps, and who wants it (`bridge/docker0`)."""
    wanted = dict.fromkeys(_subnets(new))
    there = tuple(_there(stack, observed, snapshot)) if wanted else ()
    for subnet, origin in wanted:
        words = next((words for other, words in there if _meet(subnet, other)), "")
        if words:
            yield str(subnet), words, origin


def _subnets(new: Iterable[Resource]) -> Iterator[tuple[Network, str]]:
    """Each by itself, even where the host has no address in it."""
    for each in new:
        if isinstance(each, Address) and not each.netns:
            yield each.address.network, each.origin
        elif isinstance(each, NatElement) and each.set in ("own4", "own6"):
            yield ip_network(each.element.partition(" . ")[0]), each.origin


def _there(stack: str, observed: State, snapshot: Snapshot) -> Iterator[tuple[Network, str]]:
    """The networks that are somebody else's, each in words."""
    ours = owned_by(stack)
    links = {key.name for key, each in observed.items() if key.kind == "link" and not key.netns and ours(each)}
    for row in snapshot.routes:
        if not row.netns and row.to.prefixlen and row.table == MAIN and row.link not in links and not _local(row.to):
            yield row.to, f"a route of this host: {obstacle(row)}"
    for each in snapshot.addresses:
        if not each.netns and each.link not in links and not _local(each.address.network):
            yield _reach(each.link, each.address), f"an address of this host: {each.address} on {each.link}"
    for found in observed.values():
        if isinstance(found, Address) and found.netns and found.mark is not None and not ours(found):
            yield found.address.network, f"{found.origin} of stack {found.mark.stack}: {found.address}"


def _reach(link: str, address: Interface) -> Network:
    """All of an address' network; of one on `lo` the address alone."""
    return ip_network(address.ip) if link == LOOPBACK else address.network


def _local(network: Network) -> bool:
    """Prefixes that every host has on every link."""
    return network.is_loopback or (network.version == 6 and (network.is_link_local or network.is_multicast))


def _meet(first: Network, second: Network) -> bool:
    return first.version == second.version and first.overlaps(second)
