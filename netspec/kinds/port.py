"""A port: the relation of a link to the bridge that is its master."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Key, Resource, carried, identity, in_place
from netspec.kernel.operations import Attributes, LinkSet, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import mark_of, u8

HAIRPIN = 4
"""IFLA_BRPORT_MODE (`linux/if_link.h`): frames may leave by the port they came in."""
SETTABLE = frozenset({2, 3, 5, 6, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30, 31, 32, 33})
"""The other IFLA_BRPORT_* numbers that can be set: kept, so that a port can be made again as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Resource):
    """`link` is enslaved to `bridge`, both in `netns`."""

    netns: str = identity()
    link: str = identity()
    bridge: str | None = in_place()
    hairpin: bool | None = in_place()
    settings: Attributes = carried(())

    rank: ClassVar[int] = 4

    def key(self) -> Key:
        """`port/NETNS/LINK`."""
        return Key("port", self.netns, self.link)

    def requires(self) -> Iterator[Key]:
        """The link and the bridge."""
        yield Key("link", self.netns, self.link)
        if self.bridge:
            yield Key("link", self.netns, self.bridge)

    def cascades(self) -> Iterator[Key]:
        """The kernel releases a port with its link and with its bridge."""
        return self.requires()

    def title(self) -> str:
        """The bridge."""
        return f"port of {self.bridge}"


def observe(snapshot: Snapshot) -> Iterator[Port]:
    """All bridge ports of the host namespace."""
    for row in snapshot.links:
        if row.netns or not row.master or row.port_kind != "bridge":
            continue
        yield Port(
            mark=mark_of(row, snapshot.stack),
            netns=row.netns,
            link=row.name,
            bridge=row.master,
            hairpin=row.port_data.get(HAIRPIN, b"\0")[0] == 1,
            settings=tuple(sorted((n, v) for n, v in row.port_data.items() if n in SETTABLE)),
        )


def create(new: Port) -> Iterator[Operation]:
    """Enslave the link; settings are those it had, where it is made again."""
    yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    hairpin = ((HAIRPIN, u8.pack(1)),) if new.hairpin else ()
    if hairpin or new.settings:
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=(*hairpin, *new.settings))


def update(old: Port, new: Port) -> Iterator[Operation]:
    """Move the link to another bridge, or set the flag."""
    moved = new.bridge is not None and new.bridge != old.bridge
    if moved:
        yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    if new.hairpin is not None and (moved or new.hairpin != old.hairpin):
        hairpin = (HAIRPIN, u8.pack(new.hairpin))
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=(hairpin,))


def delete(old: Port) -> Iterator[Operation]:
    """Release the link."""
    yield LinkSet(netns=old.netns, name=old.link, master="")


KIND = Kind(Port, observe, create, update, delete)
