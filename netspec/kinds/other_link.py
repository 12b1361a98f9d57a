"""A link that no other kind knows, or that is not ours: never made, never changed, but seen when it is in the way."""

from collections.abc import Iterator
from dataclasses import dataclass

from netspec.core.resource import carried
from netspec.kernel.operations import Operation
from netspec.kernel.snapshot import LinkRow, Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import Link, delete_link, mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLink(Link):
    """A link as `ip link` names its kind; physical ones have none."""

    link_kind: str = carried("")

    def title(self) -> str:
        """Its kind."""
        return f"{self.link_kind or 'physical'} link"


def observe(snapshot: Snapshot) -> Iterator[OtherLink]:
    """What is no bridge, no marked ifb, and neither the marked end of a veth pair nor the far end of one."""
    pairs = {row.peer for row in snapshot.links_of("veth") if row.peer and _is_ours(row, snapshot)}
    for row in snapshot.links:
        ours = row.kind in ("veth", "ifb") and _is_ours(row, snapshot)
        if row.kind == "bridge" or ours or row.name == "lo" or (row.netns, row.name) in pairs:
            continue
        yield OtherLink(netns=row.netns, name=row.name, link_kind=row.kind)


def _is_ours(row: LinkRow, snapshot: Snapshot) -> bool:
    """Whether kinds of links know it for one of theirs."""
    return not row.netns and (mark_of(row, snapshot.stack) is not None or row.name in snapshot.claimed)


def create(_new: OtherLink) -> Iterator[Operation]:
    """Nothing: what went with a namespace of ours and was not ours cannot be made again."""
    return iter(())


def update(_old: OtherLink, _new: OtherLink) -> Iterator[Operation]:
    """Nothing: no field of it is compared."""
    return iter(())


KIND = Kind(OtherLink, observe, create, update, delete_link)
