"""What an endpoint opens to others: which of its addresses its publications lead to, and by which elements."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netspec.core.elements import concat
from netspec.core.resource import Mark, Resource
from netspec.kernel.operations import Address, Network
from netspec.kinds._intent import Attachment, Segment
from netspec.kinds._publish import PublishSpec, elements, routed_elements
from netspec.kinds.nat_element import element


@dataclass(frozen=True, slots=True)
class Target:
    """An address that publications lead to.

    `answers` is false where its answers would leave by another way than through the host; to clients in `beside`
    they would, by another interface of the endpoint.
    """

    address: Address
    segment: Segment
    answers: bool
    beside: tuple[Network, ...] = ()


def exposed(
    publications: Iterable[tuple[PublishSpec, Mark]], attachments: tuple[Attachment, ...]
) -> Iterator[Resource]:
    """The elements of an endpoint's publications, for each IP version that they and it have."""
    opened: dict[Address, list[tuple[PublishSpec, Mark]]] = {}
    for publication, mark in publications:
        for target in targets(publication, attachments):
            if target.segment.access == "routed":
                opened.setdefault(target.address, []).append((publication, mark))
            else:
                yield from elements(publication, target.address, mark)
                yield from _return(target, mark)
    for address, entries in opened.items():
        yield from routed_elements(entries, address)


def _return(target: Target, mark: Mark) -> Iterator[Resource]:
    version = target.address.version
    if not target.answers:
        yield element(mark, f"return{version}", concat(target.address), comment="")
    for network in target.beside:
        yield element(mark, f"beside{version}", concat(network, target.address), comment="")


def targets(publication: PublishSpec, attachments: tuple[Attachment, ...]) -> Iterator[Target]:
    """One target for each IP version: where the host is the endpoint's gateway, else the first outward address."""
    for version in (4, 6):
        if not publication.serves(version):
            continue
        found = [
            Target(interface.ip, each.segment, _answers(each, version), tuple(_beside(interface.ip, each, attachments)))
            for each in attachments
            for interface in each.addresses
            if interface.version == version and not interface.is_link_local
        ]
        if found:
            yield min(found, key=lambda target: (not target.answers, target.segment.internal))


def _answers(attachment: Attachment, version: int) -> bool:
    """Whether the endpoint has its default route through the host here."""
    own = {pool.host for pool in attachment.segment.pools if pool.version == version}
    return any(gateway in own for gateway in attachment.default_routes)


def _beside(address: Address, attachment: Attachment, attachments: tuple[Attachment, ...]) -> Iterator[Network]:
    """The networks that the endpoint is on by other interfaces."""
    for each in attachments:
        if each is not attachment:
            yield from (pool.cidr for pool in each.segment.pools if pool.version == address.version)
