"""What on the host forbids a plan: found by looking, before anything is changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address, ip_network

from netspec.core.change import Action, Change
from netspec.core.plan import Plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State, owned_by
from netspec.diagnostics import Diagnostic, Place
from netspec.engine.foreign_routes import foreign_routes
from netspec.engine.lent_links import lent_links
from netspec.engine.observation import kind_of
from netspec.engine.overlaps import overlaps
from netspec.engine.renaming import NO_NAMES, Names
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Listener, Snapshot
from netspec.kinds.bridge import Bridge
from netspec.kinds.file import File
from netspec.kinds.inner_sysctl import InnerSysctl
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import NatTable
from netspec.kinds.netns import Netns
from netspec.kinds.other_link import OtherLink
from netspec.kinds.sysctl import Sysctl, shared_sysctls

PlaceOf = Callable[[str], Place | None]
"""Finds the place in the spec of an address like `endpoint/redis`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """All that the search for obstacles looks at."""

    kernel: Kernel
    stack: str
    plan: Plan
    desired: State
    observed: State
    snapshot: Snapshot
    place_of: PlaceOf
    inner: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What sysctls of namespaces are, or will be in new ones."""
    names: Names = NO_NAMES
    """What is renamed before anything else: the snapshot has the old names, all the rest the new ones."""


def obstacles(ground: Ground) -> tuple[Diagnostic, ...]:
    """Everything that is in the way of a plan, foreign objects first."""
    found = [
        *_foreign(ground),
        *_occupied(ground),
        *_overlaps(ground),
        *_busy_ports(ground),
        *_no_sysctl(ground),
        *_disputed(ground),
        *_lent(ground),
    ]
    found.extend(foreign_routes(ground.plan.changes, ground.desired, ground.place_of))
    return (*found, *_features(ground))


def _foreign(ground: Ground) -> Iterator[Diagnostic]:
    for change, before in _met(ground):
        yield _in_the_way(change.key, before, change.resource, ground)


def _met(ground: Ground) -> Iterator[tuple[Change, Resource]]:
    """Changes of what is not ours, and what that is."""
    ours = owned_by(ground.stack)
    for change in ground.plan.changes:
        before = change.before
        if before is not None and change.after is not None and before.guarded and not ours(before):
            yield change, before


def _occupied(ground: Ground) -> Iterator[Diagnostic]:
    """The far end of a new veth pair may be taken by a link that somebody put into a namespace of ours."""
    leaving = {change.key for change in ground.plan.changes if change.action in (Action.DELETE, Action.REPLACE)}
    for change in ground.plan.changes:
        if change.action not in (Action.CREATE, Action.REPLACE) or change.after is None:
            continue
        for key in change.after.provides():
            if key in ground.observed and key not in leaving:
                yield _in_the_way(key, ground.observed[key], change.after, ground)


def _in_the_way(key: Key, found: Resource, wanted: Resource, ground: Ground) -> Diagnostic:
    owner = f"it belongs to stack {found.mark.stack}" if found.mark else "netspec did not make it"
    unreadable = isinstance(found, Netns) and any(
        row.name == found.name and not row.readable for row in ground.snapshot.netns
    )
    if unreadable:
        owner = "it cannot be entered without CAP_SYS_ADMIN"
    kind = found.link_kind if isinstance(found, OtherLink) else ""
    alike = type(found) is type(wanted) or (kind and kind == type(wanted).__name__.lower())
    adoptable = alike and not unreadable and found.key() == wanted.key() and not isinstance(found, (File, NatTable))
    or_adopt = f"; `netspec adopt {wanted.owner}` takes it over" if adoptable else ""
    or_share = "; `existing: true` uses it as it is" if isinstance(found, Bridge) and type(wanted) is Bridge else ""
    return Diagnostic(
        "NS0401",
        f"{key} is in the way: {found.title() or key.kind}, and {owner}",
        ground.place_of(wanted.origin),
        hint=f"remove it, or choose another name{or_adopt if found.mark is None else ''}{or_share}",
        label=f"wanted by {wanted.origin}",
        address=wanted.origin,
    )


def _creations(ground: Ground) -> Iterator[tuple[Change, Resource]]:
    for change in ground.plan.changes:
        if change.action in (Action.CREATE, Action.REPLACE) and change.after is not None:
            yield change, change.after


def _overlaps(ground: Ground) -> Iterator[Diagnostic]:
    new = [each for _, each in _creations(ground)]
    # What a foreign link has stays or goes with it: it is enough to say that it is in the way.
    met = {change.key.name for change, _ in _met(ground) if change.key.kind == "link" and not change.key.netns}
    known = replace(ground.snapshot, named=ground.snapshot.named | met)
    for subnet, words, origin in overlaps(new, ground.stack, ground.observed, known):
        yield Diagnostic(
            "NS0402",
            f"the subnet {subnet} overlaps {words}",
            ground.place_of(origin),
            hint="choose another subnet, or remove what is in the way",
            label=f"wanted by {origin}",
            address=origin,
        )


def _busy_ports(ground: Ground) -> Iterator[Diagnostic]:
    new = [
        each
        for change, each in _creations(ground)
        if isinstance(each, NatElement) and each.set.startswith("publish") and change.action is Action.CREATE
    ]
    if not new:
        return
    listeners = ground.kernel.listeners()
    for publication in new:
        *listen, protocol, ports = publication.element.split(" . ")
        if publication.set.endswith("_lo"):
            listen = ["127.0.0.0/8"]
        first, _, last = ports.partition("-")
        run = range(int(first), int(last or first) + 1)
        version = ip_address(publication.value.partition(" ")[0]).version
        for each in listeners:
            if each.protocol == protocol and each.port in run and _meets(each, listen, version):
                yield _busy(publication, each, ground)
                break


def _meets(listener: Listener, listen: list[str], version: int) -> bool:
    """Whether a socket would lose connections to a publication of this IP version and listen address."""
    wildcard = listener.address.is_unspecified
    if listener.address.version != version and not (wildcard and isinstance(listener.address, IPv6Address)):
        return False
    if not listen or wildcard or listen[0].startswith('"'):
        # A resolver on 127.0.0.53, or ::1, is as local as it wants to be: it does lose its clients.
        # Which addresses a link will have is not for us to say.
        return True
    return listener.address in ip_network(listen[0])


def _busy(publication: NatElement, listener: Listener, ground: Ground) -> Diagnostic:
    who = f"process {listener.pid} ({listener.command})" if listener.pid else "a process"
    return Diagnostic(
        "NS0403",
        f"host port {listener.port}/{listener.protocol} is busy: {who} listens on {listener.address}",
        ground.place_of(publication.origin),
        hint="stop it, publish another host port, or bind the publication to one address",
        label=f"published for {publication.origin.partition('.')[0]}",
        address=publication.origin,
    )


def _no_sysctl(ground: Ground) -> Iterator[Diagnostic]:
    for _, each in _creations(ground):
        inside = isinstance(each, InnerSysctl) and (each.netns, each.name) not in ground.inner
        if inside or isinstance(each, Sysctl):
            yield Diagnostic(
                "NS0404",
                f"{'a new network namespace' if inside else 'this kernel'} has no sysctl {each.key().name}",
                ground.place_of(each.origin),
                hint=_feature_of(each.key().name),
                address=each.origin,
            )


def _disputed(ground: Ground) -> Iterator[Diagnostic]:
    """What another stack has set, and this one wants otherwise. What is as before all of them was set back by hand."""
    shared = shared_sysctls(ground.snapshot)
    for change in ground.plan.changes:
        before, after = change.before, change.after
        if not isinstance(before, Sysctl) or not isinstance(after, Sysctl) or before.name not in shared:
            continue
        if after.value is not None and before.value not in (after.value, shared[before.name].former):
            wanted, found = (" ".join((each.value or "").split()) for each in (after, before))
            yield Diagnostic(
                "NS0407",
                f"{after.name} cannot be {wanted}: {before.held_by()} has set it to {found}",
                ground.place_of(after.origin),
                hint="the host has one value for all: leave it to one stack, or agree on it",
                label=f"wanted by {after.origin}",
                address=after.origin,
            )


def _lent(ground: Ground) -> Iterator[Diagnostic]:
    for address, (code, message, hint) in lent_links(ground.plan, ground.desired, ground.snapshot):
        whole = address.partition(".ports[")[0]
        place = ground.place_of(address) or ground.place_of(whole)
        yield Diagnostic(code, message, place, hint=hint, address=whole)


def _feature_of(name: str) -> str:
    """What in the kernel would bring a sysctl."""
    needed = next((what for prefix, what in _FEATURES.items() if name.startswith(prefix)), "")
    spelling = "check the spelling; a module may have to be loaded first"
    return f"{spelling}: it comes with {needed}" if needed else spelling


_FEATURES = {
    "net.netfilter.": "connection tracking (nf_conntrack)",
    "net.ipv6.": "IPv6 (CONFIG_IPV6)",
    "net.mptcp.": "Multipath TCP (CONFIG_MPTCP)",
    "net.sctp.": "SCTP (sctp)",
    "net.mpls.": "MPLS (mpls_router)",
    "net.bridge.": "bridge filtering (br_netfilter)",
    "net.core.": "the host alone, mostly",
}
"""Kernel features by the keys that they bring."""


def _features(ground: Ground) -> Iterator[Diagnostic]:
    """Ask the kernel only for what nothing of ours already shows it to have."""
    present = {type(each) for each in ground.observed.values() if each.mark is not None}
    needed: dict[str, Resource] = {}
    for change in ground.plan.changes:
        for feature in _needs(change, present):
            needed.setdefault(feature, change.resource)
    for feature, words in ground.kernel.missing_features(needed).items() if needed else ():
        wanted = needed[feature]
        yield Diagnostic(
            "NS0405",
            f"this kernel lacks {feature}, which {wanted.origin} needs: {words}",
            ground.place_of(wanted.origin),
            hint="load or install the kernel module that has it",
            address=wanted.origin,
        )


def _needs(change: Change, present: set[type[Resource]]) -> Iterator[str]:
    after, before = change.after, change.before
    if after is None:
        return
    if change.action in (Action.CREATE, Action.REPLACE) and type(after) not in present:
        yield from kind_of(after).features
    has = set(kind_of(before).needs(before)) if type(before) is type(after) and before is not None else set()
    yield from (feature for feature in kind_of(after).needs(after) if feature not in has)
