"""A sysctl under `net.`; its former value is kept in our nftables table, and written back when we leave."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BeforeValidator, WithJsonSchema

from netspec.core.resource import Disruption, FieldRule, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Operation, SysctlWrite
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Expansion, Finding, Kind, Section
from netspec.kinds._forwarding import FOLLOWERS, OF_LINKS, leader_of, led
from netspec.kinds._intent import Present
from netspec.kinds._links import mark_of
from netspec.kinds._records import former_record, former_values, values_beside
from netspec.kinds._types import text, wrong

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
    `followers` are keys of single links that the kernel sets along with this one. `holders` are other stacks that have
    it on record: it stays for them. `kept` are values that others have given to what follows it.
    """

    netns: str = identity()
    name: str = identity()
    value: str | None = in_place()
    former: str | None = carried()
    followers: tuple[str, ...] = carried(())
    holders: tuple[str, ...] = carried(())
    kept: tuple[tuple[str, str], ...] = carried(())

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
        """That of writing back what was; none where it stays."""
        return Disruption.NONE if self.holders else effect_of(self.name, self.former)

    def held_by(self) -> str:
        """Its holders in words."""
        return f"stack{'s' if len(self.holders) > 1 else ''} {', '.join(self.holders)}" if self.holders else ""

    def title(self) -> str:
        """The value."""
        return "remembered" if self.value is None else f"= {self.value}"


class Shared(NamedTuple):
    """What other stacks have on record of a sysctl: its former value, and which stacks."""

    former: str
    stacks: tuple[str, ...]


def effect_of(name: str, value: object) -> Disruption:
    """What giving a sysctl this value does to traffic."""
    return Disruption.RESET if _CUTTING.fullmatch(f"{name}={value}") else Disruption.LIVE


def observe(snapshot: Snapshot) -> Iterator[Sysctl]:
    """The values asked for, and those of links that differ from their leader's; ours are those on record."""
    former, shared = former_sysctls(snapshot), shared_sysctls(snapshot)
    asked = [row for row in snapshot.sysctls if row.value is not None and not row.netns]
    values = {(row.netns, row.key): "\t".join((row.value or "").split()) for row in asked}
    for name, value in values_of_links(snapshot).items():
        if name in former or name in shared or value != values.get(("", leader_of(name)), value):
            values.setdefault(("", name), value)
    links = [(leader_of(name), name) for netns, name in values if not netns and OF_LINKS.fullmatch(name)]
    for (netns, name), value in values.items():
        followers = tuple(follower for leader, follower in links if leader == name)
        beside = (each for each in (*FOLLOWERS.get(name, ()), *followers) if each in shared and name not in shared)
        yield Sysctl(
            mark=Mark(snapshot.stack, f"sysctl/{name}") if name in former else None,
            netns=netns,
            name=name,
            value=value,
            former=_without_us(name, former, shared, values),
            followers=followers,
            holders=shared[name].stacks if name in shared else (),
            kept=tuple((each, values["", each]) for each in beside if ("", each) in values),
        )


def _without_us(
    name: str, former: Mapping[str, str], shared: Mapping[str, Shared], values: Mapping[tuple[str, str], str]
) -> str | None:
    """What it goes back to: what it was, or what the kernel makes of it with a leader that stays for others."""
    leader = leader_of(name)
    if name in former and name not in shared and leader in shared and ("", leader) in values:
        return led(name, values["", leader])
    return former.get(name)


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


def shared_sysctls(snapshot: Snapshot) -> Mapping[str, Shared]:
    """The host sysctls that other stacks have on record, by key."""
    found: dict[str, Shared] = {}
    for stack, name, value in values_beside(snapshot):
        if name.startswith("net."):
            known = found.get(name, Shared("\t".join(value.split(",")), ()))
            found[name] = Shared(known.former, (*known.stacks, stack))
    return found


def owed(values: Mapping[str, str | None], present: Present) -> Mapping[str, str]:
    """What the host is to get back when we leave, by key, where host sysctls are to have `values`.

    That is what a value was before us, where it was another one or would not come back with its leader. What other
    stacks have on record is owed by all who want it: the last one that goes writes it back.
    """
    before = {**present.shared, **present.former}
    returning = dict(_followers(values, present.sysctls, before))
    due = {}
    for name in dict.fromkeys((*values, *(name for name in returning if leader_of(name) in values))):
        # Once we have switched the leader, what the follower is now is the kernel's doing.
        now, leader = present.sysctls.get(name), leader_of(name)
        was = before.get(name, returning.get(name) if leader in before else now)
        stays = was == values.get(name, was) and was == returning.get(name, was)
        # It may be as it was before all of us, and yet not be as another stack's leader has made it.
        stays = stays and (leader not in present.shared or (values.get(name) or now) == now)
        if was is not None and (name in present.former or not stays):
            due[name] = was
    return due


def _followers(
    values: Mapping[str, str | None], now: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What followers will be again once their leaders, which we have switched or shall switch, are switched back."""
    for leader, followers in FOLLOWERS.items():
        was = before.get(leader, now.get(leader))
        if was is not None and (leader in before or values.get(leader, was) != was):
            links = (name for name in now if OF_LINKS.fullmatch(name) and leader_of(name) == leader)
            for name in (*followers, *links):
                yield name, led(name, was)


def create(new: Sysctl) -> Iterator[Operation]:
    """Write it."""
    if new.value is not None:
        yield SysctlWrite(netns=new.netns, key=new.name, value=new.value)


def update(old: Sysctl, new: Sysctl) -> Iterator[Operation]:
    """Write it, and again what others want of its followers."""
    yield from create(new)
    yield from _keep(old)


def delete(old: Sysctl) -> Iterator[Operation]:
    """Write back what was, if nobody else needs it, and again what others want of its followers."""
    if old.former is not None and not old.holders:
        yield SysctlWrite(netns=old.netns, key=old.name, value=old.former)
        yield from _keep(old)


def _keep(old: Sysctl) -> Iterator[Operation]:
    return (SysctlWrite(netns=old.netns, key=name, value=value) for name, value in old.kept)


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
