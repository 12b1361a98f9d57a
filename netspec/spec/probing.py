"""Checks of a document with their names resolved: from which namespace to which address each of them asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from netspec.kernel.operations import Address, Interface
from netspec.kernel.probes import PING, Probe, Service
from netspec.kinds._check_specs import HOST, CheckSpec
from netspec.kinds._checks import NOT_FROM_HERE, Check, Outside, Question
from netspec.kinds._contract import Finding
from netspec.kinds._exposure import targets
from netspec.kinds._intent import Attachment, Held, Segment
from netspec.kinds._publish import PublishSpec

LOOPBACK = IPv4Address("127.0.0.1")
Attachments = Mapping[str, tuple[Attachment, ...]]


def as_held(attachments: Attachments, held: Held) -> Attachments:
    """The same, but with the addresses that interfaces have now, where they have any."""
    return {
        name: tuple(replace(each, addresses=held.get((each.netns, each.interface), each.addresses)) for each in joined)
        for name, joined in attachments.items()
    }


@dataclass(frozen=True, slots=True)
class _Aim:
    """What a question is aimed at: the address to connect to, and who is to answer there."""

    address: Address
    words: str
    service: tuple[str, Address, int] | None = None
    """Namespace, address and port at which somebody is to listen."""
    segment: Segment | None = None
    """Of the endpoint that is to answer."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Knows a document, where its endpoints are attached, and what stands for the world outside, if anything does."""

    document: Any
    attachments: Attachments
    outside: Outside | None = None

    def checks(self) -> tuple[Check, ...]:
        """All checks of the document."""
        return tuple(self._check(number, spec) for number, spec in enumerate(self.document.checks))

    def findings(self) -> Iterator[Finding]:
        """The checks that can be asked over no IP version."""
        for each in self.checks():
            if not each.questions and not each.skipped:
                message = f"{each.spec.from_} and {each.spec.to} have no IP version in common to be asked over"
                hint = "give both an address of one family; an interface without a subnet has none"
                yield Finding("NS0320", message, ("checks", each.number), hint=hint)

    def _check(self, number: int, spec: CheckSpec) -> Check:
        if spec.is_outside and self.outside is None:
            return Check(number, spec, skipped=NOT_FROM_HERE)
        versions = (4, 6) if spec.family is None else (spec.family,)
        return Check(number, spec, tuple(question for each in versions for question in self._questions(spec, each)))

    def _questions(self, spec: CheckSpec, version: int) -> Iterator[Question]:
        """One, or none where the two sides do not both have this IP version."""
        sources = self._sources(spec, version)
        aim = self._aim(spec, version) if sources else None
        if aim is None:
            return
        service = None
        if aim.service is not None and spec.to.protocol != PING:
            netns, address, port = aim.service
            service = Service(netns=netns, address=address, port=port, protocol=spec.to.protocol)
        probe = Probe(
            netns=self._netns(spec),
            address=aim.address,
            protocol=spec.to.protocol,
            port=spec.to.port,
            source=sources[0],
            service=service,
            within=spec.within,
            tells_source=spec.source is not None,
        )
        yield Question(probe, aim.words, tuple(self._gateways(aim, version)))

    def _gateways(self, aim: _Aim, version: int) -> Iterator[Address]:
        """The addresses under which the host itself asks the target: on its segment, or towards the world outside."""
        if aim.segment is not None:
            yield from (pool.host for pool in aim.segment.pools if pool.host is not None and pool.version == version)
        elif self.outside is not None:
            yield from dict.fromkeys(addresses[version] for addresses in self.outside.uplinks.values())

    def _netns(self, spec: CheckSpec) -> str:
        if spec.is_outside:
            assert self.outside is not None, "such checks are skipped otherwise"
            return self.outside.netns
        return "" if spec.from_ == HOST else str(self.document.endpoints[spec.from_].space(spec.from_))

    def _sources(self, spec: CheckSpec, version: int) -> tuple[Address | None, ...]:
        """The address to connect from, None for the kernel's choice; nothing where there is none of the version."""
        if not isinstance(spec.from_, str):
            return (spec.from_,) if spec.from_.version == version else ()
        if spec.is_outside:
            assert self.outside is not None, "such checks are skipped otherwise"
            return (self.outside.remote[version],)
        return (None,) if spec.from_ == HOST or any(self._addresses(spec.from_, version)) else ()

    def _addresses(self, endpoint: str, version: int) -> Iterator[tuple[Interface, Attachment]]:
        for each in self.attachments.get(endpoint, ()):
            for address in each.addresses:
                if address.version == version and not address.is_link_local:
                    yield address, each

    def _aim(self, spec: CheckSpec, version: int) -> _Aim | None:
        party = spec.to.party
        if party == HOST:
            return self._at_host(spec, version)
        if isinstance(party, str):
            return self._at_endpoint(party, spec, version)
        if party.version != version:
            return None
        owner = self._owner(party)
        if owner is not None:
            return _Aim(party, f"endpoint/{owner[0]}", (owner[1].netns, party, spec.to.port), owner[1].segment)
        if self._is_host(party, spec):
            return replace(self._at_host(spec, version) or _Aim(party, "the host"), address=party)
        home = self._home(party, str(spec.from_))
        return _Aim(party, str(party), None if home is None else (home, party, spec.to.port))

    def _is_host(self, address: Address, spec: CheckSpec) -> bool:
        """Whether an address is one of this host as the client sees it."""
        if address.is_loopback:
            return bool(spec.from_ == HOST)
        own = {pool.host for joined in self.attachments.values() for each in joined for pool in each.segment.pools}
        outer = self.outside.uplinks.values() if self.outside else ()
        return address in own or any(address in each.values() for each in outer)

    def _home(self, address: Address, client: str = "") -> str | None:
        """The namespace of who stands in at a remote address; that of another router, where the client goes by it."""
        if self.outside is None or address not in self.outside.homes:
            return None
        gateways = [gateway for each in self.attachments.get(client, ()) for gateway in each.default_routes]
        near = any(address in pool.cidr for each in self.attachments.get(client, ()) for pool in each.segment.pools)
        ways = [self.outside.routers[each] for each in gateways if each in self.outside.routers and not near]
        return next(iter(ways), self.outside.homes[address])

    def _owner(self, address: Address) -> tuple[str, Attachment] | None:
        for name in self.attachments:
            for held, attachment in self._addresses(name, address.version):
                if held.ip == address:
                    return name, attachment
        return None

    def _at_endpoint(self, name: str, spec: CheckSpec, version: int) -> _Aim | None:
        """At the address on a segment that the client is on, too, else at the one where answers go by the host."""
        near = {each.segment.address for each in self.attachments.get(str(spec.from_), ())}
        found = list(self._addresses(name, version))
        if not found:
            return None
        address, attachment = min(
            found, key=lambda pair: (pair[1].segment.address not in near, not pair[1].default_routes)
        )
        service = (attachment.netns, address.ip, spec.to.port)
        return _Aim(address.ip, f"endpoint/{name}", service, attachment.segment)

    def _at_host(self, spec: CheckSpec, version: int) -> _Aim | None:
        published = list(self._published(spec, version)) if spec.to.protocol != PING else []
        if not published and spec.to.protocol != PING and any(self._published(spec, 10 - version)):
            return None
        listen = min((each for each, _ in published), key=lambda each: _preference(each, spec), default=None)
        address = self._host_address(spec, version, listen)
        if address is None:
            return None
        for publication, aim in published:
            if publication is listen:
                return replace(aim, address=address)
        # Services of the host are let stand in for where the client is one of ours; outside, only publications count.
        return _Aim(address, "the host", None if spec.is_outside else ("", address, spec.to.port))

    def _host_address(self, spec: CheckSpec, version: int, listen: PublishSpec | None) -> Address | None:
        if listen is not None and listen.address is not None:
            return listen.address
        if spec.is_outside:
            assert self.outside is not None, "such checks are skipped otherwise"
            link = str(listen.listen) if listen is not None and listen.is_somewhere else ""
            return self.outside.uplinks.get(link, self.outside.uplinks[""])[version]
        if spec.from_ == HOST and version == 4:
            return LOOPBACK
        joined = self.attachments.values() if spec.from_ == HOST else [self.attachments.get(str(spec.from_), ())]
        pools = (pool for attached in joined for each in attached for pool in each.segment.pools)
        return next((pool.host for pool in pools if pool.version == version and pool.host is not None), None)

    def _published(self, spec: CheckSpec, version: int) -> Iterator[tuple[PublishSpec, _Aim]]:
        """The publications of a port of the host, and where they lead."""
        for name, endpoint in self.document.endpoints.items():
            for each in endpoint.publish:
                if not _leads(each, spec):
                    continue
                for target in targets(each, self.attachments.get(name, ())):
                    if target.address.version == version and target.segment.access != "routed":
                        port = each.to.first + spec.to.port - each.port.first
                        where = (endpoint.space(name), target.address, port)
                        yield each, _Aim(target.address, f"endpoint/{name}", where, target.segment)
        for entry in self.document.nat.dnat:
            publication, target = entry.publication, entry.target
            if _leads(publication, spec) and target.version == version:
                port = publication.to.first + spec.to.port - publication.port.first
                home = self._home(target)
                yield publication, _Aim(target, str(target), None if home is None else (home, target, port))


def _leads(publication: PublishSpec, spec: CheckSpec) -> bool:
    """Whether a publication is of the port that a check is about."""
    ports = publication.port
    return publication.protocol == spec.to.protocol and ports.first <= spec.to.port <= ports.last


def _preference(publication: PublishSpec, spec: CheckSpec) -> int:
    """Which of several publications of one port a client is most likely to mean."""
    if publication.listen == "loopback":
        return 0 if spec.from_ == HOST else 3
    return 1 if not publication.is_somewhere else 2
