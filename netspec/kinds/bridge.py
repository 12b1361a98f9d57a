"""A bridge: a layer-2 segment on the host, with its gateway addresses and its place in the filter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netspec.core.elements import concat, ifname
from netspec.core.resource import Disruption, Mark, Resource, carried, in_place
from netspec.kernel.operations import Announce, Attributes, LinkAdd, LinkSet, Operation
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._bridge_checks import check
from netspec.kinds._bridge_options import (
    NF_CALL,
    OPTIONS,
    OptionedLink,
    features_of,
    option_updates,
    options_for_birth,
    options_of,
)
from netspec.kinds._bridge_spec import BridgeSpec
from netspec.kinds._contract import Expansion, Kind, Section
from netspec.kinds._intent import Segment
from netspec.kinds._lent import existing_bridge, lent_addresses, lent_ports
from netspec.kinds._links import (
    PROMOTE_SECONDARIES,
    ROUTE_LOCALNET,
    address_mode,
    changed,
    delete_link,
    hashed_mac,
    link_set,
    mark_of,
    stack_group,
    switch_ipv6,
    u8,
    wants_ipv6,
)
from netspec.kinds._types import LinkName
from netspec.kinds.address import Address, broadcast_of
from netspec.kinds.nat_element import element
from netspec.kinds.sysctl import Sysctl

USUAL_MTU, PASSING_MTU = 1500, 1499
"""What a bridge is born with (ETH_DATA_LEN), and what it is given for a moment where that is wanted."""
SETTABLE = frozenset({8, 22, 24, *range(26, 36), 38, 42, 43, 44})
"""IFLA_BR_* numbers (`linux/if_link.h`) that no spec writes, kept so that a bridge can be made again as it was."""

_ACCESS = {"published": "goto published", "routed": "goto routed", "open": "accept", "internal": "drop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(OptionedLink):
    """A bridge link. `mtu` in bytes; `addr_gen_mode` is 1 where the bridge has no IPv6."""

    mac: str | None = in_place()
    mtu: int | None = in_place()
    addr_gen_mode: int | None = in_place()
    ipv6: bool | None = in_place()
    route_localnet: bool | None = in_place()
    promote_secondaries: bool | None = in_place()
    filtered: bool | None = in_place()
    """Whether bridged frames pass the rules for IP, whatever bridge-nf-call-iptables says of other bridges."""
    up: bool | None = in_place(disruption=Disruption.FLAP, harmless=(True,))
    exclusive: bool = carried(default=False)
    settings: Attributes = carried(())

    def evicts(self, other: Resource) -> bool:
        """An exclusive bridge has no ports but those of the spec."""
        return self.exclusive and other.key().kind == "port"

    def title(self) -> str:
        """What it is."""
        return "bridge"


def observe(snapshot: Snapshot) -> Iterator[Bridge]:
    """All bridges."""
    for row in snapshot.links_of("bridge"):
        yield Bridge(
            mark=mark_of(row, snapshot.stack) if not row.netns else None,
            netns=row.netns,
            name=row.name,
            alias=row.alias,
            group=row.group,
            mac=row.mac,
            mtu=row.mtu,
            addr_gen_mode=row.addr_gen_mode,
            ipv6=None if row.disabled6 is None else not row.disabled6,
            route_localnet=bool(row.conf4.get(ROUTE_LOCALNET)),
            promote_secondaries=bool(row.conf4.get(PROMOTE_SECONDARIES)),
            filtered=all(row.data.get(number, b"\0") == b"\1" for number in NF_CALL),
            up=row.up,
            **options_of(row.data),
            settings=tuple(sorted((n, v) for n, v in row.data.items() if n in SETTABLE)),
        )


def _needs(new: Bridge) -> Iterator[str]:
    """What its options need, and what bridged frames are filtered by."""
    yield from features_of(new)
    if new.filtered:
        yield "br-netfilter"


def _conf4(*, route_localnet: bool | None, promote_secondaries: bool | None) -> tuple[tuple[int, int], ...]:
    wanted = ((ROUTE_LOCALNET, route_localnet), (PROMOTE_SECONDARIES, promote_secondaries))
    return tuple((number, int(value)) for number, value in wanted if value is not None)


def _filtered(value: int | None) -> Attributes:
    return tuple((number, u8.pack(value)) for number in NF_CALL) if value is not None else ()


def create(new: Bridge) -> Iterator[Operation]:
    """Make it with its MAC, so that it never follows a port's, and set its MTU, for the same reason."""
    yield LinkAdd(
        netns=new.netns,
        name=new.name,
        kind="bridge",
        mac=new.mac,
        # What is set to what it is already is not taken for set.
        mtu=PASSING_MTU if new.mtu == USUAL_MTU else None,
        group=new.group,
        alias=new.alias,
        data=(*options_for_birth(new), *new.settings, *_filtered(True if new.filtered else None)),
    )
    # An MTU given at birth follows the smallest port; one that is set stays.
    yield LinkSet(
        netns=new.netns,
        name=new.name,
        mtu=new.mtu,
        addr_gen_mode=new.addr_gen_mode,
        conf4=_conf4(route_localnet=new.route_localnet, promote_secondaries=new.promote_secondaries),
    )
    yield from switch_ipv6(new.netns, new.name, new.ipv6)
    if new.up:
        yield LinkSet(netns=new.netns, name=new.name, up=True)


def update(old: Bridge, new: Bridge) -> Iterator[Operation]:
    """All of it changes in place."""
    yield from link_set(
        LinkSet(
            netns=new.netns,
            name=new.name,
            alias=changed(old.alias, new.alias),
            group=changed(old.group, new.group),
            mac=changed(old.mac, new.mac),
            mtu=changed(old.mtu, new.mtu),
            conf4=_conf4(
                route_localnet=changed(old.route_localnet, new.route_localnet),
                promote_secondaries=changed(old.promote_secondaries, new.promote_secondaries),
            ),
            kind="bridge" if new.filtered is not None and new.filtered != old.filtered else None,
            data=_filtered(changed(old.filtered, new.filtered)),
            up=changed(old.up, new.up),
        )
    )
    if changed(old.mac, new.mac) is not None:
        yield Announce(netns=new.netns, link=new.name)
    # In a message of its own: there may be no IPv6 to speak of until the MTU is set.
    mode = changed(old.addr_gen_mode, new.addr_gen_mode)
    yield from link_set(LinkSet(netns=new.netns, name=new.name, addr_gen_mode=mode))
    yield from switch_ipv6(new.netns, new.name, changed(old.ipv6, new.ipv6))
    yield from option_updates(old, new)


def expand(specs: Mapping[str, BridgeSpec], expansion: Expansion) -> Iterator[Resource]:
    """Each bridge with its gateway addresses, the filter's sets, and forwarding."""
    for name, spec in specs.items():
        segment = expansion.segments[f"bridge/{name}"]
        mark = expansion.mark(segment.address)
        if segment.existing:
            yield from existing_bridge(segment, spec, mark, filtered=segment.address in expansion.policed)
            yield from lent_addresses(segment, expansion.present, mark)
        else:
            yield _bridge(spec, segment, mark, filtered=segment.address in expansion.policed)
            yield from _addresses(segment, mark)
        yield from lent_ports(segment, spec, expansion.present, mark)
        yield from _forwarding(segment, expansion)
        yield from _filter(segment, expansion)


def _bridge(spec: BridgeSpec, segment: Segment, mark: Mark, *, filtered: bool) -> Bridge:
    return Bridge(
        mark=mark,
        netns="",
        name=segment.name,
        alias=str(mark),
        group=stack_group(mark.stack),
        mac=hashed_mac(mark.stack, segment.address) if spec.mac == "auto" else spec.mac,
        mtu=segment.mtu,
        addr_gen_mode=address_mode(segment.mtu, ipv6=segment.has(6)),
        ipv6=wants_ipv6(segment.mtu, ipv6=segment.has(6)),
        route_localnet=segment.publishes and segment.access != "routed",
        promote_secondaries=True,
        filtered=filtered,
        up=True,
        exclusive=spec.exclusive,
        **{option: getattr(spec, option) for option in OPTIONS},
    )


def _addresses(segment: Segment, mark: Mark) -> Iterator[Resource]:
    for pool in segment.pools:
        own = pool.own_address
        if own is not None:
            yield Address(mark=mark, netns="", link=segment.name, address=own, broadcast=broadcast_of(own))


def _forwarding(segment: Segment, expansion: Expansion) -> Iterator[Resource]:
    for version, name in ((4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding")):
        if segment.has(version):
            yield Sysctl(mark=expansion.mark(f"sysctl/{name}"), netns="", name=name, value="1")


def _filter(segment: Segment, expansion: Expansion) -> Iterator[Resource]:
    mark = expansion.mark(segment.address)
    name = ifname(segment.name)
    yield element(mark, "segments", name)
    yield element(mark, "same", concat(name, name))
    if segment.existing and not segment.internal:
        yield element(mark, "shared", name)
    yield element(mark, "within", concat(name, name), _within(segment))
    yield element(mark, "access", name, _ACCESS["internal" if segment.internal else segment.access])
    if segment.internal:
        yield element(mark, "internal", name)
    if segment.internal or segment.host_access == "closed":
        yield element(mark, "host_closed", name)
    for pool in segment.pools:
        yield element(mark, f"own{pool.version}", concat(pool.cidr, name))


def _within(segment: Segment) -> str:
    """What becomes of traffic between endpoints of the segment that passes the host."""
    return "goto published" if segment.port_isolation else "accept"


KIND = Kind(Bridge, observe, create, update, delete_link, features=("bridge",), needs=_needs)
SECTION: Any = Section(
    name="bridges",
    annotation=dict[LinkName, BridgeSpec],
    description="Layer-2 segments on the host, by link name.",
    expand=expand,
    check=check,
    object_kind="bridge",
    order=10,
)
