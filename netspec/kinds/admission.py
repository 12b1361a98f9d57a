"""Who may talk to whom, as a whole: when that changes, flows that are no longer let in are cut, and no others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.digest import digest
from netspec.core.elements import mark as mark_field
from netspec.core.judge import Judge, Reach, Ward
from netspec.core.resource import Disruption, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import ElementAdd, ElementDelete, FlowsCut, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._intent import Segment
from netspec.kinds._policies import Rule, ruling
from netspec.kinds.nat_element import JUDGED, table_key, table_name

_ONLY = mark_field(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission(Resource):
    """What of a stack judges flows, as a digest that the table keeps; `judge` is that in full."""

    netns: str = identity()
    table: str = identity()
    rules: str = in_place(disruption=Disruption.RESET)
    judge: Judge | None = carried(None)

    rank: ClassVar[int] = 2
    together: ClassVar[bool] = True
    replacing: ClassVar[Disruption] = Disruption.RESET
    deleting: ClassVar[Disruption] = Disruption.LIVE

    def key(self) -> Key:
        """`flows/NETNS/TABLE`."""
        return Key("flows", self.netns, self.table)

    def requires(self) -> Iterator[Key]:
        """The table that keeps the digest."""
        yield table_key(self.netns, self.table)

    def cascades(self) -> Iterator[Key]:
        """It goes with the table."""
        return self.requires()

    def title(self) -> str:
        """What it is."""
        return "who may talk to whom"


def admission(
    stack: str, segments: tuple[Segment, ...], rules: tuple[Rule, ...], routed: tuple[Reach, ...]
) -> Admission:
    """What a stack's spec lets in."""
    wards = tuple(
        Ward(
            networks=tuple(pool.cidr for pool in each.pools),
            access="internal" if each.internal else each.access,
            isolated=each.port_isolation,
            host_closed=each.host_access == "closed",
        )
        for each in segments
    )
    judge = Judge(tuple(ruling(each) for each in rules), wards, routed)
    return Admission(mark=Mark(stack, "nat"), netns="", table=table_name(stack), rules=digest(repr(judge)), judge=judge)


def observe(snapshot: Snapshot) -> Iterator[Admission]:
    """The digest in our table."""
    for table in snapshot.tables:
        for row in table.elements:
            if row.set == JUDGED:
                yield Admission(
                    mark=Mark(snapshot.stack, "nat"), netns=table.netns, table=table.name, rules=row.comment
                )


def create(new: Admission) -> Iterator[Operation]:
    """Keep the digest, and cut what it does not let in."""
    yield ElementAdd(netns=new.netns, table=new.table, set=JUDGED, key=_ONLY, comment=new.rules)
    if new.judge is not None:
        yield FlowsCut(netns=new.netns, judge=new.judge)


def update(old: Admission, new: Admission) -> Iterator[Operation]:
    """The same, with another digest."""
    yield from delete(old)
    yield from create(new)


def delete(old: Admission) -> Iterator[Operation]:
    """Forget the digest."""
    yield ElementDelete(netns=old.netns, table=old.table, set=JUDGED, key=_ONLY)


KIND = Kind(Admission, observe, create, update, delete)
