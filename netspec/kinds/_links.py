"""What all links have in common: their key, their mark, and names and MACs derived from a hash."""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from netspec.core.resource import Disruption, Key, Mark, Resource, identity, in_place
from netspec.kernel.operations import LinkDelete, LinkSet, Operation, SysctlWrite
from netspec.kernel.snapshot import LinkRow, Snapshot

PROMOTE_SECONDARIES = 20
"""IPV4_DEVCONF_PROMOTE_SECONDARIES (`linux/ip.h`): deleting an address leaves the others of its subnet."""
ROUTE_LOCALNET = 26
"""IPV4_DEVCONF_ROUTE_LOCALNET: 127/8 may be routed over the link; needed to publish on loopback."""
EUI64, NO_LINK_LOCAL = 0, 1
"""IN6_ADDR_GEN_MODE_EUI64 and _NONE (`linux/if_link.h`)."""
IPV6_MINIMUM_MTU = 1280
"""IPV6_MIN_MTU: below it a link has no IPv6, and nothing about IPv6 can be said of it."""

u8 = struct.Struct("B")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Resource):
    """A network interface. All sorts share the key class `link`, as in the kernel."""

    netns: str = identity()
    name: str = identity()
    alias: str | None = in_place(disruption=Disruption.NONE)
    group: int | None = in_place(disruption=Disruption.NONE)

    rank: ClassVar[int] = 3
    guarded: ClassVar[bool] = True

    def key(self) -> Key:
        """`link/NETNS/NAME`."""
        return Key("link", self.netns, self.name)

    def requires(self) -> Iterator[Key]:
        """Its namespace."""
        if self.netns:
            yield Key("netns", "", self.netns)

    def cascades(self) -> Iterator[Key]:
        """A namespace takes the links in it along, or hands them back to the host."""
        return self.requires()


def delete_link(old: Link) -> Iterator[Operation]:
    """Delete any link."""
    yield LinkDelete(netns=old.netns, name=old.name)


def stack_group(stack: str) -> int:
    """The link group of a stack: it marks a link from the moment of its creation, before it has an alias."""
    return 0x6E000000 | int.from_bytes(hashlib.sha256(stack.encode()).digest()[:3])


def mark_of(row: LinkRow, stack: str) -> Mark | None:
    """The mark of a link: its alias; else, where a creation was cut short or somebody wrote over it, its group."""
    mark = Mark.parse(row.alias)
    if mark is None and row.group == stack_group(stack):
        return Mark(stack, "")
    return mark


def origin_of(row: LinkRow) -> str:
    """The object of the spec that a host link which is not ours serves: the bridge that it is, or is a port of."""
    return f"bridge/{row.name if row.kind == 'bridge' else row.master}" if row.kind == "bridge" or row.master else ""


def marks(snapshot: Snapshot) -> Mapping[tuple[str, str], Mark | None]:
    """The mark that covers each (netns, link): the link's own, and inside a namespace of ours the namespace's.

    Far ends of our pairs have the marks of the near ends: several endpoints may share a namespace, be it ours or not.
    """
    spaces = {row.name: Mark.parse(row.alias) for row in snapshot.netns if row.attached is None}
    near = {row.peer: mark_of(row, snapshot.stack) for row in snapshot.links if not row.netns and row.peer}
    found = {}
    for row in snapshot.links:
        end = row.netns, row.name
        found[end] = (near.get(end) or spaces.get(row.netns)) if row.netns else mark_of(row, snapshot.stack)
    return found


def space_marks(snapshot: Snapshot) -> Mapping[str, Mark | None]:
    """The mark of each namespace, or of the name that we gave to one of others."""
    return {row.name: Mark.parse(row.attached.alias if row.attached else row.alias) for row in snapshot.netns}


def hashed_mac(*parts: str) -> str:
    """A locally administered unicast MAC that depends on nothing but `parts`."""
    digest = hashlib.sha256("\0".join(("mac", *parts)).encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def hashed_name(prefix: str, *parts: str) -> str:
    """A link name of `prefix` and 7 hex digits that depends on nothing but `parts`."""
    return prefix + hashlib.sha256("\0".join(("name", *parts)).encode()).hexdigest()[:7]


def address_mode(mtu: int | None, *, ipv6: bool) -> int | None:
    """How a link makes IPv6 addresses of its own: with IPv6 on the segment yes, without it no."""
    if mtu is not None and mtu < IPV6_MINIMUM_MTU:
        return None
    return EUI64 if ipv6 else NO_LINK_LOCAL


def wants_ipv6(mtu: int | None, *, ipv6: bool) -> bool | None:
    """Whether IPv6 must be on; None, no opinion, where the segment has none: nothing is assigned there."""
    return True if ipv6 and (mtu is None or mtu >= IPV6_MINIMUM_MTU) else None


def switch_ipv6(netns: str, link: str, on: bool | None) -> Iterator[SysctlWrite]:  # noqa: FBT001  a value, no mode
    """Have IPv6 on a link, whatever new links of its namespace have: engines and hosts switch it off for all."""
    if on is not None:
        key = f"net.ipv6.conf.{link.replace('.', '/')}.disable_ipv6"
        yield SysctlWrite(netns=netns, key=key, value="0" if on else "1")


def changed(old: Value | None, new: Value | None) -> Value | None:
    """The new value where it differs, else None: nothing to set."""
    return new if new != old else None


def link_set(wanted: LinkSet) -> Iterator[LinkSet]:
    """The operation, unless it sets nothing."""
    if wanted != LinkSet(netns=wanted.netns, name=wanted.name):
        yield wanted
