"""A port: the relation of a link to the bridge that is its master."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Key, Resource, carried, identity, in_place
from netspec.kernel.operations import Attributes, LinkSet, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import changed, mark_of, u8

HAIRPIN = 4
"""IFLA_BRPORT_MODE (`linux/if_link.h`): frames may leave by the port they came in."""
ISOLATED = 33
"""IFLA_BRPORT_ISOLATED: no frames between this port and others that are isolated."""
SETTABLE = frozenset({2, 3, 5, 6, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30, 31, 32})
"""The other IFLA_BRPORT_* numbers that can be set: kept, so that a port can be made again as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Resource):
    """`link` is enslaved to `bridge`, both in `netns`."""

    netns: str = identity()
    link: str = identity()
    bridge: str | None = in_place()
    hairpin: bool | None = in_place()
    isolated: bool | None = in_place()
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
            hairpin=_flag(row.port_data, HAIRPIN),
            isolated=_flag(row.port_data, ISOLATED),
            settings=tuple(sorted((n, v) for n, v in row.port_data.items() if n in SETTABLE)),
        )


def _flag(data: Mapping[int, bytes], number: int) -> bool:
    return data.get(number, b"\0")[0] == 1


def _flags(wanted: Iterable[tuple[int, bool | None]]) -> Attributes:
    return tuple((number, u8.pack(value)) for number, value in wanted if value is not None)


def create(new: Port) -> Iterator[Operation]:
    """Enslave the link; settings are those it had, where it is made again."""
    yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    # A new port has neither flag.
    flags = _flags(((HAIRPIN, new.hairpin or None), (ISOLATED, new.isolated or None)))
    if flags or new.settings:
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=(*flags, *new.settings))


def update(old: Port, new: Port) -> Iterator[Operation]:
    """Move the link to another bridge, or set a flag."""
    moved = new.bridge is not None and new.bridge != old.bridge
    if moved:
        yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    hairpin = new.hairpin if moved else changed(old.hairpin, new.hairpin)
    isolated = new.isolated if moved else changed(old.isolated, new.isolated)
    flags = _flags(((HAIRPIN, hairpin), (ISOLATED, isolated)))
    if flags:
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=flags)


def delete(old: Port) -> Iterator[Operation]:
    """Release the link."""
    yield LinkSet(netns=old.netns, name=old.link, master="")


KIND = Kind(Port, observe, create, update, delete)
