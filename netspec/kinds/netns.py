"""A network namespace under `/run/netns`, as `ip netns add` makes it; our mark is the alias of its `lo`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, identity, in_place, replaces
from netspec.kernel.operations import LinkSet, NetnsAdd, NetnsDelete, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Netns(Resource):
    """A named network namespace. `alive` is false for a name with nothing mounted on it."""

    name: str = identity()
    alias: str | None = in_place(disruption=Disruption.NONE)
    lo_up: bool | None = in_place(default=True, disruption=Disruption.FLAP, harmless=(True,))
    alive: bool = replaces(default=True)

    rank: ClassVar[int] = 2
    guarded: ClassVar[bool] = True

    def key(self) -> Key:
        """`netns/NAME`."""
        return Key("netns", "", self.name)

    def lasting(self) -> bool:
        """A name that a crash or a reboot has left stands for nothing."""
        return self.alive

    def title(self) -> str:
        """What it is, for messages about one in the way."""
        return f"network namespace /run/netns/{self.name}"


def observe(snapshot: Snapshot) -> Iterator[Netns]:
    """All entries of `/run/netns` but the names that we gave to namespaces of others."""
    lo_up = {row.netns: row.up for row in snapshot.links if row.name == "lo"}
    for row in snapshot.netns:
        if row.attached is not None:
            continue
        alias = row.alias if row.alive else row.content.strip()
        mark = Mark.parse(alias)
        yield Netns(name=row.name, mark=mark, alias=alias, lo_up=lo_up.get(row.name, True), alive=row.alive)


def create(new: Netns) -> Iterator[Operation]:
    """A namespace is born with its `lo` up and its mark on it."""
    yield NetnsAdd(name=new.name, alias=new.alias or "")
    if new.lo_up is False:
        yield LinkSet(netns=new.name, name="lo", up=False)


def update(old: Netns, new: Netns) -> Iterator[Operation]:
    """Set the mark and `lo`."""
    yield LinkSet(netns=new.name, name="lo", alias=changed(old.alias, new.alias), up=changed(old.lo_up, new.lo_up))


def delete(old: Netns) -> Iterator[Operation]:
    """Unmount and remove the name."""
    yield NetnsDelete(name=old.name)


KIND = Kind(Netns, observe, create, update, delete, features=("netns",))
