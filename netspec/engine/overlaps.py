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
    subnets = tuple(subnet for subnet, _ in wanted)
    there = tuple(_there(subnets, stack, observed, snapshot)) if wanted else ()
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


def _there(
    subnets: tuple[Network, ...], stack: str, observed: State, snapshot: Snapshot
) -> Iterator[tuple[Network, str]]:
    """The networks of others that meet one of the subnets, each in words."""
    ours = owned_by(stack)
    links = {key.name for key, each in observed.items() if key.kind == "link" and not key.netns and ours(each)}
    links |= snapshot.named  # what an existing bridge has, it may have
    # A router has a million of them: first what is cheap and sorts out most.
    routes = (row for row in snapshot.routes if not row.netns and row.table == MAIN and row.to.prefixlen)
    for row in routes:
        if _meets_any(row.to, subnets) and row.link not in links and not _local(row.to):
            yield row.to, f"a route of this host: {obstacle(row)}"
    for each in (row for row in snapshot.addresses if not row.netns and row.link not in links):
        reach = _reach(each.link, each.address)
        if _meets_any(reach, subnets) and not _local(reach):
            yield reach, f"an address of this host: {each.address} on {each.link}"
    for found in observed.values():
        if isinstance(found, Address) and found.netns and found.mark is not None and not ours(found):
            yield found.address.network, f"{found.origin} of stack {found.mark.stack}: {found.address}"


def _reach(link: str, address: Interface) -> Network:
    """All of an address' network; of one on `lo` the address alone."""
    return ip_network(address.ip) if link == LOOPBACK else address.network


def _local(network: Network) -> bool:
    """Prefixes that every host has on every link."""
    return network.is_loopback or (network.version == 6 and (network.is_link_local or network.is_multicast))


def _meets_any(network: Network, subnets: tuple[Network, ...]) -> bool:
    return any(_meet(network, each) for each in subnets)


def _meet(first: Network, second: Network) -> bool:
    """Whether one contains the other; `overlaps` of ipaddress says the same, but slowly."""
    if first.version != second.version:
        return False
    rest = first.max_prefixlen - min(first.prefixlen, second.prefixlen)
    return int(first.network_address) >> rest == int(second.network_address) >> rest
