"""A sysctl under `net.`; its former value is kept in our nftables table, and written back when we leave."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, WithJsonSchema

from netspec.core.resource import Disruption, FieldRule, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Operation, SysctlWrite
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Expansion, Finding, Kind, Section
from netspec.kinds._intent import Present
from netspec.kinds._links import mark_of
from netspec.kinds._records import former_record, former_values
from netspec.kinds._types import text, wrong

FOLLOWERS: Mapping[str, Mapping[str, bool]] = {
    "net.ipv4.ip_forward": {"net.ipv4.conf.all.accept_redirects": False, "net.ipv4.conf.default.forwarding": True},
    "net.ipv6.conf.all.forwarding": {"net.ipv6.conf.default.forwarding": True},
}
"""What the kernel sets along with forwarding, to the same value or to the opposite (`inet_forward_change`)."""
IMPLIED = frozenset({*FOLLOWERS, *(name for followers in FOLLOWERS.values() for name in followers)})
"""Those that a spec may concern without naming them."""
_OF_LINKS = re.compile(r"net\.(ipv[46])\.conf\.(?!(?:all|default)\.)[^.]+\.forwarding")
"""`forwarding` of single links, which the kernel sets along too."""
_LEADERS = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}
FORWARDING = frozenset(_LEADERS.values())
"""Those that decide whether the host forwards at all, by family."""
_FORWARDING = 1
"""IPV4_DEVCONF_FORWARDING (`linux/ip.h`)."""
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,16}")
"""The kernel takes it, and prints decimal numbers."""
_CUTTING = re.compile(r"net\.ipv[46]\.(conf\.[^.]+\.forwarding|ip_forward)=0|net\.ipv6\.conf\.[^.]+\.disable_ipv6=1")
"""Values that stop what passes, or a whole family."""
_KEY = re.compile(r"net(\.[A-Za-z0-9_@-]+|\.[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+)+")


def sysctl_key(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    """A full key below `net.`, dotted as `sysctl` prints it."""
    key = text(value)
    if not _KEY.fullmatch(key) or ".." in key:
        raise wrong(
            "NS0128",
            f'"{key}" is not a sysctl that netspec sets',
            "write a full key below net., like net.ipv4.ip_forward",
        )
    return key


def sysctl_value(value: Any) -> str:  # noqa: ANN401
    """A value, its white space as the kernel prints it: numbers parted by one tab."""
    if isinstance(value, bool):
        raise wrong("NS0129", "true and false are no values of a sysctl", "write 1 or 0")
    words = text(value).split()
    if not words:
        raise wrong("NS0129", "a sysctl needs a value", "write a number, or several in quotes")
    return "\t".join(str(int(word, 16)) if _HEXADECIMAL.fullmatch(word) else word for word in words)


SysctlKey = Annotated[
    str, BeforeValidator(sysctl_key), WithJsonSchema({"type": "string", "pattern": f"^{_KEY.pattern}$"})
]
SysctlValue = Annotated[
    str, BeforeValidator(sysctl_value), WithJsonSchema({"type": ["string", "number"], "examples": [1]})
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(Resource):
    """One value in one namespace. `former` is what it was before us, where we have changed it.

    A wanted `value` of None is no opinion: it is only kept in mind that we owe the host the former one.
    `followers` are keys of single links that the kernel sets along with this one.
    """

    netns: str = identity()
    name: str = identity()
    value: str | None = in_place()
    former: str | None = carried()
    followers: tuple[str, ...] = carried(())

    rank: ClassVar[int] = 7

    def key(self) -> Key:
        """`sysctl/NETNS/NAME`."""
        return Key("sysctl", self.netns, self.name)

    def requires(self) -> Iterator[Key]:
        """Its namespace."""
        if self.netns:
            yield Key("netns", "", self.netns)

    def recorded_in(self) -> Iterator[Key]:
        """The element with its former value, on the host."""
        if self.mark is not None and not self.netns:
            yield former_record(self.mark, self.name, "").key()

    def disturbs(self) -> Iterator[Key]:
        """What follows it."""
        return (Key("sysctl", self.netns, name) for name in (*FOLLOWERS.get(self.name, ()), *self.followers))

    def effect(self, rule: FieldRule, after: object) -> Disruption:
        """It stops what passes, or is heard by what comes next alone."""
        return effect_of(self.name, after) if rule.name == "value" else rule.disruption

    def farewell(self) -> Disruption:
        """That of writing back what was."""
        return effect_of(self.name, self.former)

    def title(self) -> str:
        """The value."""
        return "remembered" if self.value is None else f"= {self.value}"


def effect_of(name: str, value: object) -> Disruption:
    """What giving a sysctl this value does to traffic."""
    return Disruption.RESET if _CUTTING.fullmatch(f"{name}={value}") else Disruption.LIVE


def observe(snapshot: Snapshot) -> Iterator[Sysctl]:
    """The values asked for, and those of links that differ from their leader's; ours are those on record."""
    former = former_sysctls(snapshot)
    asked = [row for row in snapshot.sysctls if row.value is not None and not row.netns]
    values = {(row.netns, row.key): "\t".join((row.value or "").split()) for row in asked}
    for name, value in values_of_links(snapshot).items():
        if name in former or value != values.get(("", _leader(name)), value):
            values.setdefault(("", name), value)
    led = [(_leader(name), name) for netns, name in values if not netns and _OF_LINKS.fullmatch(name)]
    for (netns, name), value in values.items():
        known = former.get(name) if not netns else None
        yield Sysctl(
            mark=Mark(snapshot.stack, f"sysctl/{name}") if known is not None else None,
            netns=netns,
            name=name,
            value=value,
            former=known,
            followers=tuple(follower for leader, follower in led if leader == name and not netns),
        )


def values_of_links(snapshot: Snapshot) -> Mapping[str, str]:
    """`forwarding` of each link of the host that this stack has not made, by key."""
    found = {}
    for row in snapshot.links:
        mark = mark_of(row, snapshot.stack)
        if row.netns or (mark is not None and mark.stack == snapshot.stack):
            continue
        name = row.name.replace(".", "/")
        if _FORWARDING in row.conf4:
            found[f"net.ipv4.conf.{name}.forwarding"] = str(row.conf4[_FORWARDING])
        if row.forwarding6 is not None:
            found[f"net.ipv6.conf.{name}.forwarding"] = str(row.forwarding6)
    return found


def former_sysctls(snapshot: Snapshot) -> Mapping[str, str]:
    """The values that host sysctls had before this stack, by key."""
    return {
        name: "\t".join(value.split(",")) for name, value in former_values(snapshot).items() if name.startswith("net.")
    }


def owed(values: Mapping[str, str | None], present: Present) -> Mapping[str, str]:
    """What the host is to get back when we leave, by key, where host sysctls are to have `values`.

    That is what a value was before us, where it was another one or would not come back with its leader.
    """
    returning = dict(_followers(values, present))
    due = {}
    for name in dict.fromkeys((*values, *(name for name in returning if _leader(name) in values))):
        # Once we have switched the leader, what the follower is now is the kernel's doing.
        untouched = returning.get(name) if _leader(name) in present.former else present.sysctls.get(name)
        was = present.former.get(name, untouched)
        stays = was == values.get(name, was) and was == returning.get(name, was)
        if was is not None and (name in present.former or not stays):
            due[name] = was
    return due


def _followers(values: Mapping[str, str | None], present: Present) -> Iterator[tuple[str, str]]:
    """What followers will be again once their leaders, which we have switched or shall switch, are switched back."""
    for leader, followers in FOLLOWERS.items():
        was = present.former.get(leader, present.sysctls.get(leader))
        if was is not None and (leader in present.former or values.get(leader, was) != was):
            for name, same in followers.items():
                yield name, was if same else str(int(was == "0"))
            for name in present.sysctls:
                if _OF_LINKS.fullmatch(name) and _leader(name) == leader:
                    yield name, was


def _leader(name: str) -> str:
    of_a_link = _OF_LINKS.fullmatch(name)
    if of_a_link:
        return _LEADERS[of_a_link[1]]
    return next((leader for leader, followers in FOLLOWERS.items() if name in followers), "")


def create(new: Sysctl) -> Iterator[Operation]:
    """Write it."""
    if new.value is not None:
        yield SysctlWrite(netns=new.netns, key=new.name, value=new.value)


def update(_old: Sysctl, new: Sysctl) -> Iterator[Operation]:
    """Write it."""
    yield from create(new)


def delete(old: Sysctl) -> Iterator[Operation]:
    """Write back what was."""
    if old.former is not None:
        yield SysctlWrite(netns=old.netns, key=old.name, value=old.former)


def check(specs: Mapping[str, str], _document: Any) -> Iterator[Finding]:  # noqa: ANN401
    """Bridging's netfilter switches are the host's: netspec works with either value and writes neither."""
    for name in specs:
        if name.startswith("net.bridge."):
            yield Finding(
                "NS0210",
                f"{name} is never written by netspec",
                ("sysctls", name),
                hint="it concerns every bridge of the host; netspec works with 0 and with 1",
                on_key=True,
            )


def expand(specs: Mapping[str, str], expansion: Expansion) -> Iterator[Resource]:
    """One resource for each key."""
    for name, value in specs.items():
        yield Sysctl(mark=expansion.mark(f"sysctl/{name}"), netns="", name=name, value=value)


KIND = Kind(Sysctl, observe, create, update, delete)
SECTION: Any = Section(
    name="sysctls",
    annotation=dict[SysctlKey, SysctlValue],
    description="Kernel parameters of the host below `net.`, by full key.",
    expand=expand,
    check=check,
    object_kind="sysctl",
    order=40,
)
