"""A port: the relation of a link to the bridge that is its master."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Attributes, LinkSet, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import mark_of
from netspec.kinds._port_options import PORT_OPTIONS
from netspec.kinds._records import former_record, former_values

SETTABLE = frozenset({12, 25, 28, 29, 30, 31})
"""IFLA_BRPORT_* numbers (`linux/if_link.h`) that no spec writes, kept so that a port can be made again as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Resource):
    """`link` is enslaved to `bridge`, both in `netns`.

    `lent` where the link is not ours: a record says that it was no port before us, and it is one no longer after us.
    """

    netns: str = identity()
    link: str = identity()
    bridge: str | None = in_place(disruption=Disruption.RESET)
    hairpin: bool | None = in_place(disruption=Disruption.RESET, harmless=(True,))
    isolated: bool | None = in_place(disruption=Disruption.RESET, harmless=(False,))
    learning: bool | None = in_place()
    flood: bool | None = in_place()
    mcast_flood: bool | None = in_place()
    bpdu_guard: bool | None = in_place()
    root_block: bool | None = in_place()
    fast_leave: bool | None = in_place()
    neigh_suppress: bool | None = in_place()
    proxy_arp: bool | None = in_place()
    cost: int | None = in_place()
    priority: int | None = in_place()
    lent: bool = carried(default=False)
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

    def recorded_in(self) -> Iterator[Key]:
        """The element that says that the link was no port."""
        if self.lent and self.mark is not None:
            yield former_record(self.mark, lent_name(self.link), "").key()

    def title(self) -> str:
        """The bridge."""
        return f"port {self.link}" if self.lent else f"port of {self.bridge}"


def lent_name(link: str) -> str:
    """What the record of a port on a link of somebody else is called."""
    return f"port/{link}"


def observe(snapshot: Snapshot) -> Iterator[Port]:
    """All bridge ports of the host namespace; those of links that are not ours are ours where a record says so."""
    recorded = former_values(snapshot)
    for row in snapshot.links:
        if row.netns or not row.master or row.port_kind != "bridge":
            continue
        lent = lent_name(row.name) in recorded
        options: dict[str, Any] = {name: option.read(row.port_data) for name, option in PORT_OPTIONS.items()}
        yield Port(
            mark=Mark(snapshot.stack, f"bridge/{row.master}") if lent else mark_of(row, snapshot.stack),
            netns=row.netns,
            link=row.name,
            bridge=row.master,
            lent=lent,
            settings=tuple(sorted((n, v) for n, v in row.port_data.items() if n in SETTABLE)),
            **options,
        )


def create(new: Port) -> Iterator[Operation]:
    """Enslave the link; settings are those it had, where it is made again."""
    yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    data = (*_told(new, _peculiar(new)), *new.settings)
    if data:
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=data)


def update(old: Port, new: Port) -> Iterator[Operation]:
    """Move the link to another bridge, or set options."""
    moved = new.bridge is not None and new.bridge != old.bridge
    if moved:
        yield LinkSet(netns=new.netns, name=new.link, master=new.bridge)
    changed = (name for name in PORT_OPTIONS if getattr(new, name) not in (None, getattr(old, name)))
    data = _told(new, _peculiar(new) if moved else changed)
    if data:
        yield LinkSet(netns=new.netns, name=new.link, port_kind="bridge", port_data=data)


def _peculiar(new: Port) -> Iterator[str]:
    """The options that a new port does not have by itself."""
    return (name for name, option in PORT_OPTIONS.items() if getattr(new, name) not in (None, option.default))


def _told(new: Port, names: Iterable[str]) -> Attributes:
    return tuple((PORT_OPTIONS[name].number, PORT_OPTIONS[name].pack(getattr(new, name))) for name in names)


def delete(old: Port) -> Iterator[Operation]:
    """Release the link."""
    yield LinkSet(netns=old.netns, name=old.link, master="")


KIND = Kind(Port, observe, create, update, delete)
