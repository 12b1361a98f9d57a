"""What stands for the world around a host while a spec is tried on a throw-away one: as operations, and in words.

The world outside lives in one namespace: a remote machine, and the addresses outside that the spec's checks and
translations name. Its way back to private addresses ends there, as on the Internet: who is not translated gets no
answer. The remote machine alone has a route to everything behind the host, like a neighbour with bad intentions.
Each link of the host that is a port of a bridge leads to a namespace of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from itertools import count
from typing import Any

from netspec.kernel.operations import (
    Address,
    AddressAdd,
    Interface,
    LinkAdd,
    LinkSet,
    NetnsAdd,
    Operation,
    Peer,
    RouteAdd,
    RuleAdd,
)
from netspec.kinds._checks import Outside
from netspec.kinds._intent import Attachment

NETNS = "netspec-outside"
_WIRES = {4: ip_network("198.18.0.0/15"), 6: ip_network("2001:2::/48")}
"""Set aside for measuring between networks (RFC 2544, RFC 5180)."""
_WIRE_LENGTH = {4: 24, 6: 64}
_EVERYWHERE = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_UNREACHABLE = 7
"""RTN_UNREACHABLE."""
_TABLE = 100
_ALIAS = "netspec stands in"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The document as it is tried, what makes its surroundings, how checks find them, and what they stand for."""

    document: Any
    operations: tuple[Operation, ...]
    outside: Outside
    assumptions: tuple[str, ...]


def surroundings(document: Any, attachments: Mapping[str, tuple[Attachment, ...]]) -> Surroundings:  # noqa: ANN401  the assembled model
    """What a document needs around it, its endpoints being attached like this on an empty host."""
    return _Builder(document, attachments).build()


class _Builder:
    def __init__(self, document: Any, attachments: Mapping[str, tuple[Attachment, ...]]) -> None:  # noqa: ANN401
        self._document = document
        self._pools = list(_pools(document, attachments))
        self._owned = {each.ip for joined in attachments.values() for one in joined for each in one.addresses}
        self._operations: list[Operation] = [NetnsAdd(name=NETNS, alias=_ALIAS)]
        self._assumptions: list[str] = []
        self._homes: dict[Address, str] = {}
        self._routers: dict[Address, str] = {}

    def build(self) -> Surroundings:
        """Wires first, then who answers at their far ends."""
        uplinks = self._uplinks()
        remote = {version: address + 1 for version, address in uplinks[""].items()}
        self._remote(remote, uplinks[""])
        self._host_links()
        strangers = list(self._strangers())
        for address in strangers:
            self._homes[address] = NETNS
            self._operations.append(AddressAdd(netns=NETNS, link="lo", address=_alone(address)))
        if strangers:
            self._assumptions.append(f"{', '.join(map(str, strangers))}: a stand-in outside answers there")
        self._assumptions.append("services: a stand-in listens wherever a check expects a port to be open or blocked")
        document = self._without_others()
        outside = Outside(netns=NETNS, remote=remote, uplinks=uplinks, homes=self._homes, routers=self._routers)
        return Surroundings(document, tuple(self._operations), outside, tuple(self._assumptions))

    def _uplinks(self) -> dict[str, Mapping[int, Address]]:
        """A wire for each link that the spec leads traffic out by or listens on; the first has the default route."""
        found: dict[str, Mapping[int, Address]] = {}
        taken = {*self._document.bridges, *(port for each in self._document.bridges.values() for port in each.ports)}
        named = dict.fromkeys(link for link in _named_links(self._document) if link not in taken)
        wires = {version: self._wires(version) for version in (4, 6)}
        for link in named or (self._free_name(taken),):
            self._wire(link, NETNS)
            networks = [next(wires[version]) for version in (4, 6)]
            for network in networks:
                for netns, number in (("", 1), (NETNS, 2)):
                    address = ip_interface((network[number], network.prefixlen))
                    self._operations.append(AddressAdd(netns=netns, link=link, address=address))
            found[link] = {network.version: network[1] for network in networks}
            if "" not in found:
                found[""] = found[link]
                self._default_routes(link, networks)
        for listened in self._listened():
            self._operations.append(AddressAdd(link=next(iter(found)), address=_alone(listened)))
        links = ", ".join(each for each in found if each)
        self._assumptions.append(f"outside: a stand-in beyond {links}, to which the host's default route leads")
        return found

    def _free_name(self, taken: set[str]) -> str:
        """A name for a link of which the spec says nothing."""
        endpoints = self._document.endpoints.values()
        ends = {each.host_name for endpoint in endpoints for each in endpoint.all_interfaces().values()}
        return next(name for number in count() if (name := f"uplink{number}") not in taken | ends)

    def _default_routes(self, link: str, networks: list[IPv4Network | IPv6Network]) -> None:
        for network in networks:
            everywhere = _EVERYWHERE[network.version]
            self._operations.append(RouteAdd(to=everywhere, via=network[2], link=link))
            self._operations.append(RouteAdd(netns=NETNS, to=everywhere, via=network[1], link=link))
            self._operations.append(RouteAdd(netns=NETNS, to=everywhere, via=network[1], link=link, table=_TABLE))

    def _remote(self, remote: Mapping[int, Address], host: Mapping[int, Address]) -> None:
        for network in _PRIVATE:
            self._operations.append(RouteAdd(netns=NETNS, to=network, type=_UNREACHABLE))
        others = [each.from_ for each in self._document.checks if not isinstance(each.from_, str)]
        for address in dict.fromkeys(others):
            self._operations.append(AddressAdd(netns=NETNS, link="lo", address=_alone(address)))
        for address in dict.fromkeys((*remote.values(), *others)):
            # Its neighbours on the wire are found by the main table: the host's own addresses are among them.
            self._operations.append(
                RuleAdd(
                    netns=NETNS,
                    version=address.version,
                    priority=_TABLE,
                    source=_alone(address).network,
                    table=_TABLE,
                )
            )
        for version, address in host.items():
            wire = ip_network((address, _WIRE_LENGTH[version]), strict=False)
            link = next(each.link for each in self._operations if isinstance(each, AddressAdd))
            self._operations.append(RouteAdd(netns=NETNS, to=wire, link=link, table=_TABLE, scope=253))

    def _host_links(self) -> None:
        """Bridges of others, and links of the host that are ports."""
        for name, bridge in self._document.bridges.items():
            if bridge.existing:
                self._operations.append(LinkAdd(name=name, kind="bridge", up=True))
                self._assumptions.append(f"bridge {name}: an empty one stands for the host's own")
            for port in bridge.ports:
                netns = f"netspec-{port}"
                self._operations.append(NetnsAdd(name=netns, alias=_ALIAS))
                self._wire(port, netns)
                self._assumptions.append(f"{port}: a wire to a stand-in for a machine stands for the host's link")
                self._neighbours(name, port, netns)

    def _neighbours(self, bridge: str, port: str, netns: str) -> None:
        """Who is named in the bridge's subnets and is neither the host nor an endpoint is at the end of its first wire.

        The host is their way out, as far as it has an address there; a router leads to all that is named outside.
        """
        pools = [pool for name, pool in self._pools if name == bridge]
        routers = [pool.gateway for pool in pools if pool.gateway is not None and pool.gateway != pool.host]
        there: dict[int, Any] = {}
        for address in dict.fromkeys((*routers, *self._named())):
            pool = next((each for each in pools if address in each.cidr), None)
            if pool is None or address in (pool.host, *self._owned, *self._homes):
                continue
            self._homes[address] = netns
            there[address.version] = pool
            self._operations.append(AddressAdd(netns=netns, link=port, address=pool.interface(address)))
            self._assumptions.append(f"{address}: the stand-in beyond {port} answers there")
        for router in (each for each in routers if self._homes.get(each) == netns):
            self._routers[router] = netns
            strangers = (each for each in self._strangers() if each.version == router.version)
            self._operations += [AddressAdd(netns=netns, link="lo", address=_alone(each)) for each in strangers]
        for version, pool in there.items():
            if pool.host is not None:
                self._operations.append(RouteAdd(netns=netns, to=_EVERYWHERE[version], via=pool.host, link=port))

    def _named(self) -> list[Address]:
        """The addresses that checks and translations name."""
        named = [each.to.party for each in self._document.checks if not isinstance(each.to.party, str)]
        return list(dict.fromkeys((*named, *(each.target for each in self._document.nat.dnat))))

    def _strangers(self) -> Iterator[Address]:
        """Those of them that are nowhere in the spec."""
        own = set(self._listened())
        for address in self._named():
            inside = any(address in pool.cidr for _, pool in self._pools)
            if not inside and address not in own and not address.is_loopback:
                yield address

    def _listened(self) -> Iterator[Address]:
        """The addresses of the host at which something is published, but for those that it will have anyway."""
        hosts = {pool.host for _, pool in self._pools}
        entries = [each for endpoint in self._document.endpoints.values() for each in endpoint.publish]
        for entry in (*entries, *self._document.nat.dnat):
            listen = entry.listen
            if isinstance(listen, str) or listen.is_unspecified or listen.is_loopback or listen in hosts:
                continue
            yield listen

    def _without_others(self) -> Any:  # noqa: ANN401
        """The document with namespaces of its own where it joins those of others."""
        endpoints = dict(self._document.endpoints)
        for name, endpoint in endpoints.items():
            reference = endpoint.netns.reference if endpoint.netns else None
            if reference is not None:
                endpoints[name] = endpoint.model_copy(update={"netns": None})
                self._assumptions.append(f"endpoint/{name}: a namespace of its own stands for that of {reference}")
        return self._document.model_copy(update={"endpoints": endpoints})

    def _wire(self, link: str, netns: str) -> None:
        self._operations.append(LinkAdd(name=link, kind="veth", up=True, peer=Peer(netns=netns, name=link)))
        self._operations.append(LinkSet(netns=netns, name=link, up=True))

    def _wires(self, version: int) -> Iterator[IPv4Network | IPv6Network]:
        """Subnets for wires that meet nothing of the spec."""
        for network in _WIRES[version].subnets(new_prefix=_WIRE_LENGTH[version]):
            if not any(pool.version == version and pool.cidr.overlaps(network) for _, pool in self._pools):
                yield network


def _alone(address: Address) -> Interface:
    return ip_interface((address, address.max_prefixlen))


def _pools(document: Any, attachments: Mapping[str, tuple[Attachment, ...]]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    for joined in attachments.values():
        for each in joined:
            for pool in each.segment.pools:
                yield each.segment.name, pool
    for name, bridge in document.bridges.items():
        for choice in bridge.subnets:
            if isinstance(choice, str):
                yield name, document.subnets[choice].pool(choice)
            else:
                yield name, choice.pool()


def _named_links(document: Any) -> Iterator[str]:  # noqa: ANN401
    entries = [each for endpoint in document.endpoints.values() for each in endpoint.publish]
    for each in (*entries, *document.nat.dnat):
        if isinstance(each.listen, str) and each.listen not in ("any", "loopback"):
            yield each.listen
    for entry in (*document.nat.masquerade, *document.nat.snat):
        if entry.out is not None:
            yield entry.out
