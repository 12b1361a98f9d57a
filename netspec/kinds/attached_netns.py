"""A network namespace that others have made and an endpoint joins: only its name under `/run/netns` is ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, identity, in_place, replaces
from netspec.kernel.operations import NetnsAttach, NetnsDelete, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedNetns(Resource):
    """A name for the namespace with `inode`, which was found at `path`; `started` is when the process there began."""

    name: str = identity()
    inode: int = replaces()
    alias: str | None = in_place(disruption=Disruption.NONE)
    path: str | None = in_place(disruption=Disruption.NONE)
    started: int | None = in_place(disruption=Disruption.NONE)

    rank: ClassVar[int] = 2
    deleting: ClassVar[Disruption] = Disruption.NONE
    guarded: ClassVar[bool] = True

    def key(self) -> Key:
        """`netns/NAME`, as that of a namespace we made."""
        return Key("netns", "", self.name)

    def title(self) -> str:
        """What it is a name for."""
        return f"/run/netns/{self.name} for {self.path}"


def observe(snapshot: Snapshot) -> Iterator[AttachedNetns]:
    """The names on record that still stand for the namespace they were given to."""
    for row in snapshot.netns:
        if row.attached is not None:
            alias, path, inode, started = row.attached
            mark = Mark.parse(alias)
            yield AttachedNetns(name=row.name, mark=mark, alias=alias, path=path, inode=inode, started=started)


def create(new: AttachedNetns) -> Iterator[Operation]:
    """Bind the name, and put it on record."""
    yield NetnsAttach(
        name=new.name, alias=new.alias or "", path=new.path or "", inode=new.inode, started=new.started or 0
    )


def update(_old: AttachedNetns, new: AttachedNetns) -> Iterator[Operation]:
    """Put on record whose it is and where it was found this time; the name stays bound."""
    yield from create(new)


def delete(old: AttachedNetns) -> Iterator[Operation]:
    """Take the name away; the namespace stays with those who made it."""
    yield NetnsDelete(name=old.name)


KIND = Kind(AttachedNetns, observe, create, update, delete, features=("netns",))
