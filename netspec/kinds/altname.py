"""A further name of the end of a pair inside a namespace."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Resource, identity, in_place
from netspec.kernel.operations import AltnameAdd, AltnameDelete, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Altname(Resource):
    """`link` has the further name `name`. No name, first or further, is that of two links of a namespace."""

    netns: str = identity()
    name: str = identity()
    link: str | None = in_place()

    rank: ClassVar[int] = 4
    replacing: ClassVar[Disruption] = Disruption.LIVE
    deleting: ClassVar[Disruption] = Disruption.LIVE

    def key(self) -> Key:
        """`altname/NETNS/NAME`."""
        return Key("altname", self.netns, self.name)

    def requires(self) -> Iterator[Key]:
        """The link. It does not go with it by itself: the name is to be free before another link is called so."""
        if self.link:
            yield Key("link", self.netns, self.link)

    def provides(self) -> Iterator[Key]:
        """The name, which no link can have at the same time."""
        yield Key("link", self.netns, self.name)

    def title(self) -> str:
        """Both names."""
        return f"{self.label} of {self.link}"

    @property
    def label(self) -> str:
        """What it is called."""
        return f"altname {self.name}"


def observe(snapshot: Snapshot) -> Iterator[Altname]:
    """Those of the far ends of pairs that are ours or claimed."""
    named = [row for row in snapshot.links if row.altnames]
    if not named:
        return
    near = {row.peer: row for row in snapshot.links_of("veth") if not row.netns and row.peer}
    for row in named:
        pair = near.get((row.netns, row.name))
        mark = mark_of(pair, snapshot.stack) if pair is not None else None
        if pair is not None and (mark is not None or pair.name in snapshot.claimed):
            for name in row.altnames:
                yield Altname(mark=mark, netns=row.netns, name=name, link=row.name)


def create(new: Altname) -> Iterator[Operation]:
    """Give the name."""
    if new.link:
        yield AltnameAdd(netns=new.netns, link=new.link, name=new.name)


def update(old: Altname, new: Altname) -> Iterator[Operation]:
    """Take it from one link, and give it to another."""
    if old.link != new.link:
        yield from delete(old)
        yield from create(new)


def delete(old: Altname) -> Iterator[Operation]:
    """Take it away."""
    if old.link:
        yield AltnameDelete(netns=old.netns, link=old.link, name=old.name)


KIND = Kind(Altname, observe, create, update, delete)
