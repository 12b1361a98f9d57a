"""An intermediate functional block: a link that what others receive is sent through, so that it can be shaped."""

from collections.abc import Iterator
from dataclasses import dataclass

from netspec.core.resource import Disruption, carried, in_place
from netspec.kernel.operations import LinkAdd, LinkSet, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import Link, changed, delete_link, link_set, mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ifb(Link):
    """An ifb link of ours."""

    mac: str | None = carried()
    up: bool | None = in_place(disruption=Disruption.FLAP, harmless=(True,))

    def title(self) -> str:
        """What it is."""
        return "link that shapes what is sent"


def observe(snapshot: Snapshot) -> Iterator[Ifb]:
    """Those of the host that carry a mark or are claimed; the ifb links of others are plain links to us."""
    for row in snapshot.links_of("ifb"):
        mark = mark_of(row, snapshot.stack)
        if not row.netns and (mark is not None or row.name in snapshot.claimed):
            yield Ifb(mark=mark, netns="", name=row.name, alias=row.alias, group=row.group, mac=row.mac, up=row.up)


def create(new: Ifb) -> Iterator[Operation]:
    """Make it, and bring it up: a link that is down lets nothing through."""
    yield LinkAdd(netns=new.netns, name=new.name, kind="ifb", mac=new.mac, group=new.group, alias=new.alias)
    if new.up:
        yield LinkSet(netns=new.netns, name=new.name, up=True)


def update(old: Ifb, new: Ifb) -> Iterator[Operation]:
    """Change it in place."""
    yield from link_set(
        LinkSet(
            netns=new.netns,
            name=new.name,
            alias=changed(old.alias, new.alias),
            group=changed(old.group, new.group),
            up=changed(old.up, new.up),
        )
    )


KIND = Kind(Ifb, observe, create, update, delete_link, features=("ifb",))
