"""A veth pair: one end on the host, the other inside a namespace, created there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from netspec.core.resource import Disruption, Key, carried, in_place, replaces
from netspec.kernel.operations import Announce, LinkAdd, LinkSet, Operation, Peer
from netspec.kernel.snapshot import LinkRow, Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import PROMOTE_SECONDARIES, Link, changed, delete_link, link_set, mark_of, switch_ipv6

USUAL_QUEUE = 1000
"""DEFAULT_TX_QUEUE_LEN (`include/net/pkt_sched.h`): that of a new link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Veth(Link):
    """A veth pair, known by its host end; `peer_*` is the end inside the namespace.

    `mtu` in bytes; `addr_gen_mode` is IN6_ADDR_GEN_MODE_*: 1 where the link has no IPv6.
    """

    peer_netns: str = replaces()
    peer_name: str = replaces()
    mac: str | None = in_place()
    peer_mac: str | None = in_place()
    mtu: int | None = in_place()
    peer_mtu: int | None = in_place()
    up: bool | None = in_place(disruption=Disruption.FLAP, harmless=(True,))
    peer_up: bool | None = in_place(disruption=Disruption.FLAP, harmless=(True,))
    addr_gen_mode: int | None = in_place()
    peer_addr_gen_mode: int | None = in_place()
    peer_ipv6: bool | None = in_place()
    promote_secondaries: bool | None = in_place()
    """Of the end inside the namespace."""
    peer_txqlen: int | None = in_place()
    peer_promisc: bool | None = in_place()
    peer_allmulti: bool | None = in_place()
    txqlen: int | None = carried()

    def requires(self) -> Iterator[Key]:
        """Its namespaces."""
        yield from Link.requires(self)
        if self.peer_netns:
            yield Key("netns", "", self.peer_netns)

    def cascades(self) -> Iterator[Key]:
        """Nothing takes it along at once: a namespace is torn down later than its deletion returns."""
        return iter(())

    def provides(self) -> Iterator[Key]:
        """The end inside the namespace comes and goes with it."""
        yield Key("link", self.peer_netns, self.peer_name)

    def title(self) -> str:
        """Both ends."""
        return f"veth pair to {self.peer_name} in {self.peer_netns}"


def observe(snapshot: Snapshot) -> Iterator[Veth]:
    """The pairs whose host end carries a mark or is claimed; the ends of others are plain links to us."""
    ends = {(row.netns, row.name): row for row in snapshot.links_of("veth")}
    for (netns, _), row in ends.items():
        mark = mark_of(row, snapshot.stack)
        if netns or (mark is None and row.name not in snapshot.claimed):
            continue
        # A far end that lies where we cannot look is not where the spec wants it.
        netns_of_peer, name_of_peer = row.peer or ("?", "?")
        peer = ends.get((netns_of_peer, name_of_peer), LinkRow(netns=netns_of_peer, name=name_of_peer, index=0))
        yield Veth(
            mark=mark,
            netns=netns,
            name=row.name,
            alias=row.alias,
            group=row.group,
            mac=row.mac,
            mtu=row.mtu,
            up=row.up,
            addr_gen_mode=row.addr_gen_mode,
            txqlen=row.txqlen,
            peer_netns=peer.netns,
            peer_name=peer.name,
            peer_mac=peer.mac,
            peer_mtu=peer.mtu,
            peer_up=peer.up,
            peer_addr_gen_mode=peer.addr_gen_mode,
            peer_ipv6=None if peer.disabled6 is None else not peer.disabled6,
            peer_txqlen=peer.txqlen,
            peer_promisc=peer.promisc,
            peer_allmulti=peer.allmulti,
            promote_secondaries=bool(peer.conf4.get(PROMOTE_SECONDARIES)),
        )


def create(new: Veth) -> Iterator[Operation]:
    """Make the pair with its far end in place, say how it does IPv6, and bring both ends up."""
    peer = Peer(netns=new.peer_netns, name=new.peer_name, mac=new.peer_mac, mtu=new.peer_mtu, group=new.group)
    yield LinkAdd(
        netns=new.netns,
        name=new.name,
        kind="veth",
        mac=new.mac,
        mtu=new.mtu,
        group=new.group,
        alias=new.alias,
        txqlen=new.txqlen,
        peer=peer,
    )
    # Before the link is up, or it gets a link-local address in the meantime.
    if new.addr_gen_mode:
        yield LinkSet(netns=new.netns, name=new.name, addr_gen_mode=new.addr_gen_mode)
    if new.peer_addr_gen_mode or new.promote_secondaries:
        yield LinkSet(
            netns=new.peer_netns,
            name=new.peer_name,
            addr_gen_mode=new.peer_addr_gen_mode,
            conf4=((PROMOTE_SECONDARIES, 1),) if new.promote_secondaries else (),
        )
    yield from switch_ipv6(new.peer_netns, new.peer_name, new.peer_ipv6)
    fresh = replace(new, peer_txqlen=USUAL_QUEUE, peer_promisc=False, peer_allmulti=False)
    yield from _inner(fresh, new)
    if new.peer_up:
        yield LinkSet(netns=new.peer_netns, name=new.peer_name, up=True)
    if new.up:
        yield LinkSet(netns=new.netns, name=new.name, up=True)


def update(old: Veth, new: Veth) -> Iterator[Operation]:
    """Change either end in place."""
    yield from link_set(
        LinkSet(
            netns=new.netns,
            name=new.name,
            alias=changed(old.alias, new.alias),
            group=changed(old.group, new.group),
            mac=changed(old.mac, new.mac),
            mtu=changed(old.mtu, new.mtu),
            up=changed(old.up, new.up),
        )
    )
    promote = changed(old.promote_secondaries, new.promote_secondaries)
    yield from link_set(
        LinkSet(
            netns=new.peer_netns,
            name=new.peer_name,
            mac=changed(old.peer_mac, new.peer_mac),
            mtu=changed(old.peer_mtu, new.peer_mtu),
            conf4=((PROMOTE_SECONDARIES, int(promote)),) if promote is not None else (),
            up=changed(old.peer_up, new.peer_up),
        )
    )
    if changed(old.peer_mac, new.peer_mac) is not None:
        yield Announce(netns=new.peer_netns, link=new.peer_name)
    yield from _inner(old, new)
    # In messages of their own: there may be no IPv6 to speak of until the MTU is set.
    mode = changed(old.addr_gen_mode, new.addr_gen_mode)
    yield from link_set(LinkSet(netns=new.netns, name=new.name, addr_gen_mode=mode))
    mode = changed(old.peer_addr_gen_mode, new.peer_addr_gen_mode)
    yield from link_set(LinkSet(netns=new.peer_netns, name=new.peer_name, addr_gen_mode=mode))
    yield from switch_ipv6(new.peer_netns, new.peer_name, changed(old.peer_ipv6, new.peer_ipv6))


def _inner(old: Veth, new: Veth) -> Iterator[Operation]:
    """Queue and flags of the end inside the namespace."""
    yield from link_set(
        LinkSet(
            netns=new.peer_netns,
            name=new.peer_name,
            txqlen=changed(old.peer_txqlen, new.peer_txqlen),
            promisc=changed(old.peer_promisc, new.peer_promisc),
            allmulti=changed(old.peer_allmulti, new.peer_allmulti),
        )
    )


KIND = Kind(Veth, observe, create, update, delete_link, features=("veth",))
