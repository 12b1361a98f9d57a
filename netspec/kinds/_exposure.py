"""What an endpoint opens to others: which of its addresses its publications lead to, and by which elements."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netspec.core.elements import concat
from netspec.core.resource import Mark, Resource
from netspec.kernel.operations import Address
from netspec.kinds._intent import Attachment, Segment
from netspec.kinds._publish import PublishSpec, elements, routed_elements
from netspec.kinds.nat_element import element


@dataclass(frozen=True, slots=True)
class Target:
    """An address that publications lead to. `answers` is false where its answers would leave by another way."""

    address: Address
    segment: Segment
    answers: bool


def exposed(publication: PublishSpec, attachments: Iterable[Attachment], mark: Mark) -> Iterator[Resource]:
    """The elements of one publication, for each IP version that it and the endpoint have."""
    for target in targets(publication, tuple(attachments)):
        if target.segment.access == "routed":
            yield from routed_elements(publication, target.address, mark)
            continue
        yield from elements(publication, target.address, mark)
        if not target.answers:
            yield element(mark, f"return{target.address.version}", concat(target.address), comment="")


def targets(publication: PublishSpec, attachments: tuple[Attachment, ...]) -> Iterator[Target]:
    """One target for each IP version: where the endpoint has its default route, else the first outward address."""
    for version in (4, 6):
        if not publication.serves(version):
            continue
        found = [
            Target(interface.ip, each.segment, any(gateway.version == version for gateway in each.default_routes))
            for each in attachments
            for interface in each.addresses
            if interface.version == version and not interface.is_link_local
        ]
        if found:
            yield min(found, key=lambda target: (not target.answers, target.segment.internal))
