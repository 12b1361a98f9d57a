"""A qdisc at the root of a link: a token bucket, which holds what the link sends to a rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, carried, identity, in_place, replaces
from netspec.kernel.operations import Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kernel.traffic_operations import HANDLE, QdiscAdd, QdiscDelete, burst_of, kept_of_typed, typed_burst
from netspec.kinds._contract import Kind
from netspec.kinds._links import mark_of

LONGEST_WAIT = 20
"""The queue holds what passes in a twentieth of a second."""


class Rate(int):
    """A rate in bytes per second, which is printed as `tc` writes it: `20mbit`."""

    def __str__(self) -> str:
        bits = int(self) * 8
        units = ((10**9, "gbit"), (10**6, "mbit"), (10**3, "kbit"), (1, "bit"))
        return next(f"{bits // factor}{unit}" for factor, unit in units if not bits % factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qdisc(Resource):
    """A token bucket on `link`: `rate` in bytes per second, `burst` and `queue` in bytes."""

    netns: str = identity()
    link: str = identity()
    discipline: str = replaces(default="tbf")
    rate: int | None = in_place()
    burst: int | None = in_place()
    queue: int = carried(0)

    rank: ClassVar[int] = 4
    deleting: ClassVar[Disruption] = Disruption.LIVE
    guarded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """One that was read from a file says its rate as people do, too."""
        if self.rate is not None:
            object.__setattr__(self, "rate", Rate(self.rate))

    def key(self) -> Key:
        """`qdisc/NETNS/LINK`."""
        return Key("qdisc", self.netns, self.link)

    def requires(self) -> Iterator[Key]:
        """The link."""
        yield Key("link", self.netns, self.link)

    def cascades(self) -> Iterator[Key]:
        """A link takes its qdisc along."""
        return self.requires()

    def title(self) -> str:
        """The rate, in the largest unit that fits."""
        return f"limit {self.rate}" if self.rate else f"{self.discipline} qdisc"


def bucket(mark: Mark, link: str, rate: int, burst: int) -> Qdisc:
    """A token bucket, its burst in the form in which the kernel gives it back, whether netspec sets it or `tc`."""
    kept = burst_of(rate, kept_of_typed(rate, typed_burst(rate, burst)))
    return Qdisc(
        mark=mark, netns="", link=link, rate=rate, burst=kept, queue=min(burst + rate // LONGEST_WAIT, 0xFFFFFFFF)
    )


def observe(snapshot: Snapshot) -> Iterator[Qdisc]:
    """Those that somebody has put on host links; ours by the handle."""
    links = {row.name: row for row in snapshot.links if not row.netns}
    for row in snapshot.qdiscs:
        ours = row.major == HANDLE and row.link in links
        yield Qdisc(
            mark=mark_of(links[row.link], snapshot.stack) if ours else None,
            netns="",
            link=row.link,
            discipline=row.kind,
            rate=row.rate,
            burst=row.burst,
            queue=row.queue,
        )


def create(new: Qdisc) -> Iterator[Operation]:
    """Put it there; that of somebody else on a link of ours cannot be made again when the link is."""
    if new.discipline != "tbf" or new.mark is None:
        return
    yield QdiscAdd(netns=new.netns, link=new.link, rate=int(new.rate or 0), burst=new.burst or 0, queue=new.queue)


def update(_old: Qdisc, new: Qdisc) -> Iterator[Operation]:
    """Change it in place: no packet is lost."""
    yield from create(new)


def delete(old: Qdisc) -> Iterator[Operation]:
    """Take it away: the link sends as it likes."""
    yield QdiscDelete(netns=old.netns, link=old.link)


KIND = Kind(Qdisc, observe, create, update, delete, features=("tbf",))
