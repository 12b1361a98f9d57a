"""A sysctl inside the namespace of an endpoint; its former value is on record on the host."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from netspec.core.elements import mark as mark_number
from netspec.core.resource import Disruption, FieldRule, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Operation, SysctlWrite
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Finding, Kind, Place
from netspec.kinds._intent import Present
from netspec.kinds.nat_element import NatElement, digest_of, element
from netspec.kinds.sysctl import effect_of

_OF_LINK = re.compile(r"net\.(ipv4|ipv6)\.(conf|neigh)\.([^.]+)\.([^.]+)")
_OF_ALL = frozenset({"all", "default", "lo"})
"""Names below `conf` that every namespace has."""
_OURS = frozenset({"ipv4.promote_secondaries", "ipv6.addr_gen_mode", "ipv6.mtu"})
"""What netspec sets on the links of endpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerSysctl(Resource):
    """One value in one namespace. `former` is what it was before us; `link` the interface it is about.

    `followers` are keys that the kernel sets along with this one.
    """

    netns: str = identity()
    name: str = identity()
    value: str | None = in_place()
    former: str | None = carried()
    link: str = carried("")
    followers: tuple[str, ...] = carried(())

    rank: ClassVar[int] = 7

    def key(self) -> Key:
        """`sysctl/NETNS/NAME`."""
        return Key("sysctl", self.netns, self.name)

    def requires(self) -> Iterator[Key]:
        """Its namespace, and its interface."""
        yield Key("netns", "", self.netns)
        yield from self.cascades()

    def cascades(self) -> Iterator[Key]:
        """Those of an interface go with it."""
        if self.link:
            yield Key("link", self.netns, self.link)

    def recorded_in(self) -> Iterator[Key]:
        """The element with its former value, on the host."""
        if self.mark is not None:
            yield record(self.mark, self.netns, self.name, "").key()

    def disturbs(self) -> Iterator[Key]:
        """What follows it."""
        return (Key("sysctl", self.netns, name) for name in self.followers)

    def effect(self, rule: FieldRule, after: object) -> Disruption:
        """As on the host."""
        return effect_of(self.name, after) if rule.name == "value" else rule.disruption

    def farewell(self) -> Disruption:
        """That of writing back what was."""
        return effect_of(self.name, self.former)

    def title(self) -> str:
        """Name and value."""
        return f"{self.name} = {(self.value or '').replace(chr(9), ' ')}"


def link_of(name: str) -> str:
    """The interface that a key is about; empty for one that is about none."""
    found = _OF_LINK.fullmatch(name)
    return found[3].replace("/", ".") if found and found[3] not in _OF_ALL else ""


def fresh_name(name: str) -> str:
    """The key that says what a value is in a new namespace: of an interface, that from which it takes it."""
    return name if not link_of(name) else _OF_LINK.sub(r"net.\1.\2.default.\4", name)


def followers_of(name: str, others: Iterator[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Of some keys those that the kernel sets along with one (`inet_forward_change`, `addrconf_sysctl_disable`)."""
    leader = "net.ipv4.conf.all.forwarding" if name == "net.ipv4.ip_forward" else name
    found = _OF_LINK.fullmatch(leader)
    if not found or found[3] != "all":
        return ()
    wanted = [re.compile(rf"net\.{found[1]}\.conf\.(?!all\.)[^.]+\.{found[4]}")]
    if leader.startswith("net.ipv4") and found[4] == "forwarding":
        wanted.append(re.compile(r"net\.ipv4\.conf\.all\.accept_redirects"))
    return tuple(sorted(each for each in others if any(pattern.fullmatch(each) for pattern in wanted)))


def observe(snapshot: Snapshot) -> Iterator[InnerSysctl]:
    """The values asked for; ours are those on record."""
    former = recorded(snapshot)
    rows = [row for row in snapshot.sysctls if row.netns and row.value is not None]
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row.netns, []).append(row.key)
    for row in rows:
        known = former.get((row.netns, row.key))
        yield InnerSysctl(
            mark=Mark(snapshot.stack, f"endpoint/{row.netns}") if known is not None else None,
            netns=row.netns,
            name=row.key,
            value="\t".join((row.value or "").split()),
            former=known,
            link=link_of(row.key),
            followers=followers_of(row.key, tuple(names[row.netns])),
        )


def record(mark: Mark, netns: str, name: str, value: str) -> NatElement:
    """The element that keeps a former value. A comment has little room: the namespace is said by a digest."""
    number = int.from_bytes(hashlib.sha256(f"{netns}:{name}".encode()).digest()[:4])
    comment = f"{digest_of(netns)}:{name}={','.join(value.split())}"
    return element(mark, "former", mark_number(number), comment=comment)


def recorded(snapshot: Snapshot) -> Mapping[tuple[str, str], str]:
    """The former values on record, by namespace and key; of namespaces that are there."""
    names = {digest_of(row.name): row.name for row in snapshot.netns}
    found = {}
    for table in snapshot.tables:
        for row in table.elements:
            digest, colon, rest = row.comment.partition(":")
            if row.set == "former" and colon and digest in names:
                key, _, value = rest.partition("=")
                found[names[digest], key] = "\t".join(value.split(","))
    return found


def create(new: InnerSysctl) -> Iterator[Operation]:
    """Write it."""
    if new.value is not None:
        yield SysctlWrite(netns=new.netns, key=new.name, value=new.value)


def update(_old: InnerSysctl, new: InnerSysctl) -> Iterator[Operation]:
    """Write it."""
    yield from create(new)


def delete(old: InnerSysctl) -> Iterator[Operation]:
    """Write back what was."""
    if old.former is not None:
        yield SysctlWrite(netns=old.netns, key=old.name, value=old.former)


def wanted_inside(document: Any) -> frozenset[tuple[str, str]]:  # noqa: ANN401  the assembled document model
    """What must be known of namespaces before it can be decided what they are owed."""
    named = {(spec.space(name), key) for name, spec in document.endpoints.items() for key in spec.sysctls}
    return frozenset(named | {(netns, fresh_name(key)) for netns, key in named})


def expand_sysctls(values: Mapping[str, str], netns: str, mark: Mark) -> Iterator[InnerSysctl]:
    """One resource for each key."""
    for name, value in values.items():
        followers = followers_of(name, tuple(values))
        yield InnerSysctl(mark=mark, netns=netns, name=name, value=value, link=link_of(name), followers=followers)


def owed_inside(resources: list[Resource], present: Present) -> Iterator[NatElement]:
    """A record of what each value was before us, the same or not: what follows another one must be known as wanted."""
    for each in resources:
        if isinstance(each, InnerSysctl) and each.mark is not None:
            place = each.netns, each.name
            was = present.inner_former.get(place, present.inner.get(place))
            if was is not None:
                yield record(each.mark, each.netns, each.name, was)


def check_sysctls(endpoint: str, spec: Any) -> Iterator[Finding]:  # noqa: ANN401  an EndpointSpec
    """Keys that netspec sets itself, of interfaces that are not there, and of one thing twice."""
    interfaces = spec.all_interfaces()
    for name in spec.sysctls:
        where: Place = ("endpoints", endpoint, "sysctls", name)
        found = _OF_LINK.fullmatch(name)
        link = link_of(name)
        if found and link and f"{found[1]}.{found[4]}" in _OURS:
            hint = "netspec sets it; the interface has keys of its own for what can be chosen"
            yield Finding("NS0277", f"{name} is not set by hand", where, hint=hint, on_key=True)
        elif name == "net.ipv4.conf.all.forwarding":
            hint = "write net.ipv4.ip_forward"
            yield Finding("NS0277", f"{name} is another name of net.ipv4.ip_forward", where, hint=hint, on_key=True)
        elif name.startswith("net.bridge."):
            hint = "it concerns bridges, of which an endpoint has none"
            yield Finding("NS0277", f"{name} is never written by netspec", where, hint=hint, on_key=True)
        elif link and link not in interfaces:
            hint = f"its interfaces: {', '.join(interfaces) or 'none'}; and all, default and lo"
            yield Finding("NS0270", f'the endpoint has no interface "{link}"', where, hint=hint, on_key=True)


KIND = Kind(InnerSysctl, observe, create, update, delete)
