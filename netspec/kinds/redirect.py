"""A redirection: all that a link receives goes through another link first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Resource, identity, in_place
from netspec.kernel.operations import Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kernel.traffic_operations import RedirectAdd, RedirectDelete
from netspec.kinds._contract import Kind
from netspec.kinds._links import mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Resource):
    """What `link` receives goes to `to`: an ingress qdisc, and one filter in it that is ours by its priority."""

    netns: str = identity()
    link: str = identity()
    to: str | None = in_place()

    rank: ClassVar[int] = 5
    deleting: ClassVar[Disruption] = Disruption.LIVE

    def key(self) -> Key:
        """`redirect/NETNS/LINK`."""
        return Key("redirect", self.netns, self.link)

    def requires(self) -> Iterator[Key]:
        """Both links."""
        yield Key("link", self.netns, self.link)
        if self.to:
            yield Key("link", self.netns, self.to)

    def cascades(self) -> Iterator[Key]:
        """The link takes it along; the other one would leave a filter that lets nothing through."""
        yield Key("link", self.netns, self.link)

    def title(self) -> str:
        """The other link."""
        return f"through {self.to}"


def observe(snapshot: Snapshot) -> Iterator[Redirect]:
    """Filters of our priority."""
    links = {row.name: row for row in snapshot.links if not row.netns}
    for row in snapshot.redirects:
        yield Redirect(mark=mark_of(links[row.link], snapshot.stack), netns="", link=row.link, to=row.to)


def create(new: Redirect) -> Iterator[Operation]:
    """Put the filter there."""
    yield RedirectAdd(netns=new.netns, link=new.link, to=new.to or "")


def update(_old: Redirect, new: Redirect) -> Iterator[Operation]:
    """Put another filter in its place."""
    yield from create(new)


def delete(old: Redirect) -> Iterator[Operation]:
    """Take the ingress qdisc away, and the filter with it."""
    yield RedirectDelete(netns=old.netns, link=old.link)


KIND = Kind(Redirect, observe, create, update, delete, features=("ingress",))
