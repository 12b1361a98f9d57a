"""Addresses of the fake kernel, and the connected routes that come and go with them.

Link-local IPv6 addresses and their routes, which Linux makes by itself when a link has a carrier, are left out.
"""

import errno
from collections.abc import Collection, Iterator
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from netspec.kernel.fake_host import Destination, FakeLink, Held, Host, Path
from netspec.kernel.operations import Address, AddressAdd, AddressDelete, Interface

IPV6_MINIMUM_MTU = 1280
PROMOTE_SECONDARIES = 20
MAIN = 254
KERNEL = 2
FROM_LOOPBACK = 1
SCOPE_LINK, SCOPE_HOST = 253, 254
CONNECTED_METRIC6 = 256

LOOPBACK4 = Held(address=ip_interface("127.0.0.1/8"), protocol=FROM_LOOPBACK, scope=SCOPE_HOST)
LOOPBACK6 = Held(address=ip_interface("::1/128"), protocol=FROM_LOOPBACK, scope=SCOPE_HOST)


def add_address(host: Host, operation: AddressAdd) -> None:
    """RTM_NEWADDR with NLM_F_CREATE|NLM_F_REPLACE."""
    link = host.link(operation.netns, operation.link)
    address = operation.address
    if isinstance(address, IPv6Interface):
        _check_ipv6(link)
    held = host.held(link)
    present = next((each for each in held if _same(each.address, address)), None)
    if present is not None:
        # Neither the prefix length of an IPv6 address nor the broadcast address of one that is there changes.
        fixed = "address-mark" in host.unsupported and address.version == 4
        renewed = present if fixed else replace(present, protocol=operation.protocol)
        host.addresses[link.index] = tuple(renewed if each is present else each for each in held)
        return
    is_ipv4 = isinstance(address, IPv4Interface)
    new = Held(
        address=address,
        broadcast=operation.broadcast if is_ipv4 else None,
        protocol=operation.protocol,
        scope=SCOPE_LINK if address.version == 6 and address.ip.is_link_local else 0,
        secondary=is_ipv4 and any(each.address.network == address.network for each in held),
    )
    host.addresses[link.index] = (*held, new)
    if link.up:
        _connect(host, link, new)


def delete_address(host: Host, operation: AddressDelete) -> None:
    """RTM_DELADDR; nothing if it is not there."""
    link = host.find(operation.netns, operation.link)
    held = host.held(link) if link else ()
    gone = next((each for each in held if each.address == operation.address), None)
    if link is None or gone is None:
        return
    host.addresses[link.index] = tuple(each for each in held if each is not gone)
    if isinstance(gone.address, IPv6Interface):
        _connected_gone6(host, link, gone.address)
        _sources_gone6(host, link, {gone.address.ip})
        return
    lost: set[Address] = {gone.address.ip}
    if not gone.secondary:
        lost |= _primary_gone(host, link, gone.address)
    _sources_gone4(host, link, lost)
    if not _of_version(host.held(link), 4):
        flush_routes(host, link, 4)


def local_addresses(host: Host, netns: str) -> set[Address]:
    """The addresses of links that are up."""
    links = [link for link in host.links.values() if link.netns == netns and link.up]
    return {held.address.ip for link in links for held in host.held(link)}


def came_up(host: Host, link: FakeLink) -> None:
    """Connected routes appear; loopback gets its addresses."""
    if link.name == "lo":
        held = host.held(link)
        missing = [each for each in (LOOPBACK4, LOOPBACK6) if each not in held]
        host.addresses[link.index] = (*missing, *held)
    for each in host.held(link):
        _connect(host, link, each)


def went_down(host: Host, link: FakeLink) -> None:
    """Routes over it go, and its IPv6 addresses too; its IPv4 addresses stay."""
    lose_ipv6(host, link)
    flush_routes(host, link, 4)
    forget_neighbors(host, link, 4)


def lose_ipv6(host: Host, link: FakeLink, *, gone: bool = False) -> None:
    """All that IPv6 has on a link goes: it is down, its MTU too small, or IPv6 disabled on it."""
    lost = _of_version(host.held(link), 6)
    host.addresses[link.index] = _of_version(host.held(link), 4)
    flush_routes(host, link, 6, gone=gone)
    forget_neighbors(host, link, 6)
    _sources_gone6(host, link, {each.address.ip for each in lost})


def flush_routes(host: Host, link: FakeLink, version: int, *, gone: bool = False) -> None:
    """Drop the routes of one IP version over a link; of several next hops one may be dead, but not `gone`."""
    space = host.space(link.netns)
    for where, paths in list(space.routes.items()):
        if where[0].version == version and any(link.index in path.links for path in paths):
            space.put_paths(where, tuple(_remaining(paths, link.index, gone=gone, whole=version == 4)))


def _remaining(paths: tuple[Path, ...], index: int, *, gone: bool, whole: bool) -> Iterator[Path]:
    """IPv4 drops a route as a whole, IPv6 its hop over the link that is gone."""
    for path in paths:
        hops = tuple(hop for hop in path.hops if hop.link != index)
        if index not in path.links or (hops and not gone):
            yield path
        elif hops and not whole:
            yield replace(path, hops=hops) if hops[1:] else replace(path, hops=(), via=hops[0].via, link=hops[0].link)


def forget_neighbors(host: Host, link: FakeLink, version: int) -> None:
    """Drop the neighbours of one IP version on a link."""
    kept = tuple(each for each in host.neighbors.get(link.index, ()) if each.address.version != version)
    host.neighbors[link.index] = kept


def has_ipv6(link: FakeLink) -> bool:
    """Whether a link can have IPv6 addresses and routes at all."""
    return link.mtu >= IPV6_MINIMUM_MTU and link.conf6.get("disable_ipv6", "0") == "0"


def _check_ipv6(link: FakeLink) -> None:
    if link.mtu < IPV6_MINIMUM_MTU:
        raise OSError(errno.EINVAL, "")
    if not has_ipv6(link):
        raise OSError(errno.EACCES, "ipv6: IPv6 is disabled on this device")


def _same(present: Interface, wanted: Interface) -> bool:
    """IPv6 addresses are told apart without their prefix length."""
    return present.ip == wanted.ip if wanted.version == 6 else present == wanted


def _of_version(held: tuple[Held, ...], version: int) -> tuple[Held, ...]:
    return tuple(each for each in held if each.address.version == version)


def _connect(host: Host, link: FakeLink, held: Held) -> None:
    """The connected route of an address, unless another one of its subnet has brought it."""
    connected = _connected(link, held.address)
    if held.secondary or connected is None:
        return
    where, path = connected
    space = host.space(link.netns)
    if path not in space.paths(where):
        space.put_paths(where, (*space.paths(where), path))


def _connected(link: FakeLink, address: Interface) -> tuple[Destination, Path] | None:
    where = (address.network, MAIN)
    if isinstance(address, IPv6Interface):
        if address.ip.is_loopback:
            return None
        return where, Path(link=link.index, protocol=KERNEL, metric=CONNECTED_METRIC6)
    if address.network.prefixlen == 32 or address.ip.is_loopback:
        return None
    return where, Path(link=link.index, protocol=KERNEL, source=address.ip, scope=SCOPE_LINK)


def _disconnect(host: Host, link: FakeLink, address: Interface) -> None:
    connected = _connected(link, address)
    if connected is not None:
        where, path = connected
        space = host.space(link.netns)
        space.put_paths(where, tuple(each for each in space.paths(where) if each != path))


def _primary_gone(host: Host, link: FakeLink, address: IPv4Interface) -> set[Address]:
    """The others of the subnet go too, or the first of them takes its place; those that went."""
    _disconnect(host, link, address)
    held = host.held(link)
    followers = [each for each in held if each.secondary and each.address.network == address.network]
    if not followers:
        return set()
    if _promotes(host, link):
        heir = replace(followers[0], secondary=False)
        host.addresses[link.index] = tuple(heir if each is followers[0] else each for each in held)
        if link.up:
            _connect(host, link, heir)
        return set()
    host.addresses[link.index] = tuple(each for each in held if each not in followers)
    return {each.address.ip for each in followers}


def _promotes(host: Host, link: FakeLink) -> bool:
    for_all = host.space(link.netns).sysctls.get("net.ipv4.conf.all.promote_secondaries", "0")
    return bool(link.conf4.get(PROMOTE_SECONDARIES)) or for_all != "0"


def _connected_gone6(host: Host, link: FakeLink, address: IPv6Interface) -> None:
    if all(each.address.network != address.network for each in host.held(link)):
        _disconnect(host, link, address)


def _sources_gone4(host: Host, link: FakeLink, gone: Collection[Address]) -> None:
    """Routes that would send from an address nobody has any more go."""
    lost = set(gone) - local_addresses(host, link.netns)
    space = host.space(link.netns)
    for where, paths in list(space.routes.items()) if lost else ():
        if where[0].version == 4 and any(path.source in lost for path in paths):
            space.put_paths(where, tuple(path for path in paths if path.source not in lost))


def _sources_gone6(host: Host, link: FakeLink, gone: Collection[Address]) -> None:
    """Routes over the link forget to send from an address that went."""
    space = host.space(link.netns)
    for where, paths in list(space.routes.items()) if gone else ():
        if where[0].version == 6 and any(link.index in path.links and path.source in gone for path in paths):
            cleared = (replace(path, source=None) if path.source in gone else path for path in paths)
            space.put_paths(where, tuple(cleared))
