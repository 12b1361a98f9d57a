"""A file below `/etc/netns/NAME`, which `ip netns exec` shows inside the namespace in the place of the host's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, identity, in_place, replaces
from netspec.kernel.operations import FileDelete, FileWrite, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind

READABLE = 0o644
LET_GO = f"{Mark.PREFIX}:let go"
"""The first line of a file that a stack has let go of: it names none."""
HOSTS, RESOLVER = "hosts", "resolv.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class File(Resource):
    """The file `name` of the namespace `netns`; `text` without the line that is its mark.

    `sort` is `file`, or what stands there instead. One that is not `marked` and can be read is one that was let go of.
    """

    netns: str = identity()
    name: str = identity()
    text: str | None = in_place(disruption=Disruption.NONE)
    mode: int | None = in_place(READABLE, disruption=Disruption.NONE)
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    sort: str = replaces(default="file")

    rank: ClassVar[int] = 7
    replacing: ClassVar[Disruption] = Disruption.NONE
    deleting: ClassVar[Disruption] = Disruption.NONE
    guarded: ClassVar[bool] = True

    def key(self) -> Key:
        """`file/NETNS/NAME`."""
        return Key("file", self.netns, self.name)

    def title(self) -> str:
        """Where it is."""
        sort = "" if self.sort == "file" else f", a {self.sort}"
        return f"/etc/netns/{self.netns}/{self.name}{sort}"


def observe(snapshot: Snapshot) -> Iterator[File]:
    """All files that there are; ours are those with a mark."""
    for row in snapshot.files:
        mark = Mark.parse(row.mark)
        yield File(
            mark=mark,
            netns=row.netns,
            name=row.name,
            text=row.text,
            mode=row.mode,
            marked=mark is not None,
            sort=row.sort,
        )


def create(new: File) -> Iterator[Operation]:
    """Write it."""
    mark = LET_GO if new.marked is False else str(new.mark)
    yield FileWrite(netns=new.netns, name=new.name, mark=mark, text=new.text or "", mode=new.mode or READABLE)


def update(_old: File, new: File) -> Iterator[Operation]:
    """Put another one in its place."""
    yield from create(new)


def delete(old: File) -> Iterator[Operation]:
    """Remove it."""
    yield FileDelete(netns=old.netns, name=old.name)


KIND = Kind(File, observe, create, update, delete)
