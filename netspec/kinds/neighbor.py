"""A neighbour that needs no asking: the MAC of an address, set for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Resource, carried, identity, in_place
from netspec.kernel.operations import Address, NeighborAdd, NeighborDelete, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import PROTOCOL, Kind
from netspec.kinds._links import marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor(Resource):
    """`address` on `link` has the MAC `mac`; `marked` where it carries our NDA_PROTOCOL.

    `pair` is the host end of the veth pair that `link` is the far end of; empty where there is none.
    """

    netns: str = identity()
    link: str = identity()
    address: Address = identity()
    mac: str | None = in_place()
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    protocol: int = carried(PROTOCOL)
    pair: str = carried("")

    rank: ClassVar[int] = 6
    deleting: ClassVar[Disruption] = Disruption.LIVE

    def key(self) -> Key:
        """`neighbor/NETNS/LINK/ADDRESS`."""
        return Key("neighbor", self.netns, f"{self.link}/{self.address}")

    def requires(self) -> Iterator[Key]:
        """The link."""
        yield Key("link", self.netns, self.link)

    def cascades(self) -> Iterator[Key]:
        """The kernel drops neighbours with their link."""
        return self.requires()

    def swept_by(self) -> Iterator[tuple[Key, str]]:
        """The kernel forgets all neighbours of a link whose MAC is set."""
        yield (Key("link", "", self.pair), "peer_mac") if self.pair else (Key("link", self.netns, self.link), "mac")

    def title(self) -> str:
        """The MAC."""
        return f"at {self.mac}"


def observe(snapshot: Snapshot) -> Iterator[Neighbor]:
    """All that somebody set for good."""
    if not snapshot.neighbors:
        return
    marked_links = marks(snapshot)
    pairs = {row.peer: row.name for row in snapshot.links if row.peer is not None and not row.netns}
    for row in snapshot.neighbors:
        mine = row.protocol == PROTOCOL
        yield Neighbor(
            mark=marked_links.get((row.netns, row.link)) if mine else None,
            netns=row.netns,
            link=row.link,
            address=row.address,
            mac=row.mac,
            marked=mine,
            protocol=row.protocol,
            pair=pairs.get((row.netns, row.link), "") if row.netns else "",
        )


def create(new: Neighbor) -> Iterator[Operation]:
    """Set it, whatever was learned."""
    protocol = PROTOCOL if new.marked else new.protocol
    yield NeighborAdd(netns=new.netns, link=new.link, address=new.address, mac=new.mac or "", protocol=protocol)


def update(old: Neighbor, new: Neighbor) -> Iterator[Operation]:
    """Set it in place; only to no protocol at all there is no way but over its removal."""
    if not new.marked and not new.protocol:
        yield from delete(old)
    yield from create(new)


def delete(old: Neighbor) -> Iterator[Operation]:
    """Remove it; from then on its MAC is asked for."""
    yield NeighborDelete(netns=old.netns, link=old.link, address=old.address)


KIND = Kind(Neighbor, observe, create, update, delete)
