"""Routes of the fake kernel: what Linux checks of a next hop, and how it replaces and deletes."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address

from netspec.kernel.fake_addresses import MAIN, SCOPE_LINK, has_ipv6, local_addresses
from netspec.kernel.fake_host import NOWHERE, FakeLink, Hop, Host, Path, Space
from netspec.kernel.operations import Address, RouteAdd, RouteDelete

UNICAST = 1
WITHOUT_HOP = frozenset({6, 7, 8})
"""RTN_BLACKHOLE, _UNREACHABLE and _PROHIBIT."""
DEFAULT_METRIC6 = 1024
BOOT = 3
"""RTPROT_BOOT: what an IPv6 route gets that names no protocol."""


def add_route(host: Host, operation: RouteAdd) -> None:
    """RTM_NEWROUTE with NLM_F_CREATE|NLM_F_REPLACE: the first of equal destination, table and metric gives way."""
    space = host.space(operation.netns)
    is_ipv6 = operation.to.version == 6
    hops = tuple(_hops(host, operation))
    single = len(hops) == 1
    new = Path(
        via=hops[0].via if single else operation.via,
        link=hops[0].link if single else NOWHERE if hops else _hop(host, operation),
        metric=operation.metric or (DEFAULT_METRIC6 if is_ipv6 else 0),
        protocol=operation.protocol or (BOOT if is_ipv6 else 0),
        source=operation.source,
        type=operation.type,
        scope=0 if is_ipv6 else operation.scope,
        mtu=operation.mtu,
        onlink=operation.onlink and operation.type not in WITHOUT_HOP,
        hops=() if single else hops,
    )
    _check_source(host, operation)
    where = (operation.to, operation.table)
    paths = space.paths(where)
    present = next((path for path in paths if path.metric == new.metric), None)
    if new in paths and new != present:
        raise OSError(errno.EEXIST, "")
    if present is None:
        space.put_paths(where, (*paths, new))
    else:
        space.put_paths(where, tuple(new if path is present else path for path in paths))


def delete_route(host: Host, operation: RouteDelete) -> None:
    """RTM_DELROUTE; nothing if it is not there. What is 0 or None matches any, and the first match goes."""
    space = host.spaces.get(operation.netns)
    if space is None:
        return
    link = host.find(operation.netns, operation.link) if operation.link else None
    if operation.link and link is None:
        return
    where = (operation.to, operation.table)
    paths = space.paths(where)
    gone = next((path for path in paths if _matches(path, operation, link)), None)
    if gone is not None:
        space.put_paths(where, tuple(path for path in paths if path is not gone))


def _matches(path: Path, operation: RouteDelete, link: FakeLink | None) -> bool:
    return (
        operation.metric in (0, path.metric)
        and operation.protocol in (0, path.protocol)
        and (link is None or link.index in path.links)
    )


def _hops(host: Host, operation: RouteAdd) -> Iterator[Hop]:
    """Several next hops, each checked as if it were alone."""
    for hop in operation.nexthops:
        alone = replace(operation, via=hop.via, link=hop.link or None, nexthops=())
        yield Hop(via=hop.via, link=_hop(host, alone), weight=hop.weight)


def _hop(host: Host, operation: RouteAdd) -> int:
    """The index of the link a route leads over. Raises OSError as Linux refuses."""
    link = host.link(operation.netns, operation.link) if operation.link else None
    via = operation.via
    if operation.type in WITHOUT_HOP:
        if operation.to.version == 4 and (link or via):
            raise OSError(errno.EINVAL, "")
        return NOWHERE
    if link is None and via is None:
        raise OSError(errno.ENODEV, "")
    if link is not None:
        _check_link(operation, link)
    if via is None:
        return link.index if link else NOWHERE
    if operation.onlink and link is not None:
        return link.index
    if isinstance(via, IPv6Address):
        return _gateway6(host, operation, via, link)
    index = _on_link(host, operation, via, link)
    if index == NOWHERE or operation.scope >= SCOPE_LINK:
        raise OSError(errno.ENETUNREACH, "Nexthop has invalid gateway")
    return index


def _check_link(operation: RouteAdd, link: FakeLink) -> None:
    is_ipv6 = operation.to.version == 6
    if is_ipv6 and not has_ipv6(link):
        raise OSError(errno.ENODEV, "")
    if not link.up:
        raise OSError(errno.ENETDOWN, "Nexthop device is not up" if is_ipv6 else "Device for nexthop is not up")


def _gateway6(host: Host, operation: RouteAdd, via: IPv6Address, link: FakeLink | None) -> int:
    if via in local_addresses(host, operation.netns):
        raise OSError(errno.EINVAL, "Gateway can not be a local address")
    if via.is_link_local:
        if link is None:
            raise OSError(errno.EINVAL, "Egress device not specified")
        return link.index
    index = _on_link(host, operation, via, link)
    if index == NOWHERE:
        raise OSError(errno.EHOSTUNREACH, "")
    return index


def _on_link(host: Host, operation: RouteAdd, via: Address, link: FakeLink | None) -> int:
    """The link on which a gateway is a neighbour: that of the longest prefix without a gateway of its own."""
    space = host.space(operation.netns)
    found = NOWHERE
    longest = -1
    for index, length in _direct(space, via, {operation.table, MAIN}):
        if length > longest and (link is None or link.index == index):
            found, longest = index, length
    if found == NOWHERE and via.version == 4 and via in local_addresses(host, operation.netns):
        return _owner(host, operation.netns, via, link)
    return found


def _direct(space: Space, via: Address, tables: set[int]) -> list[tuple[int, int]]:
    return [
        (path.link, to.prefixlen)
        for (to, table), paths in space.routes.items()
        if table in tables and to.version == via.version and via in to
        for path in paths
        if path.via is None and path.link and path.type == UNICAST and (to.version == 6 or path.scope >= SCOPE_LINK)
    ]


def _owner(host: Host, netns: str, address: Address, link: FakeLink | None) -> int:
    for each in host.links.values():
        if each.netns == netns and any(held.address.ip == address for held in host.held(each)):
            return each.index if link is None or link is each else NOWHERE
    return NOWHERE


def _check_source(host: Host, operation: RouteAdd) -> None:
    source = operation.source
    if source is not None and source not in local_addresses(host, operation.netns):
        words = "Invalid source address" if source.version == 6 else "Invalid prefsrc address"
        raise OSError(errno.EINVAL, words)
