"""A sysctl under `net.`; its former value is kept in our nftables table, and written back when we leave."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, WithJsonSchema

from netspec.core.elements import mark as mark_number
from netspec.core.resource import Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Operation, SysctlWrite
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import Expansion, Finding, Kind, Section
from netspec.kinds._types import text, wrong
from netspec.kinds.nat_element import NatElement, element

FORWARDING = frozenset({"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"})
"""Those that a spec may want without naming them."""
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
    return "\t".join(words)


SysctlKey = Annotated[str, BeforeValidator(sysctl_key), WithJsonSchema({"type": "string", "pattern": "^net\\."})]
SysctlValue = Annotated[
    str, BeforeValidator(sysctl_value), WithJsonSchema({"type": ["string", "number"], "examples": [1]})
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(Resource):
    """One value in one namespace. `former` is what it was before us, where we have changed it."""

    netns: str = identity()
    name: str = identity()
    value: str | None = in_place()
    former: str | None = carried()

    rank: ClassVar[int] = 7

    def key(self) -> Key:
        """`sysctl/NETNS/NAME`."""
        return Key("sysctl", self.netns, self.name)

    def requires(self) -> Iterator[Key]:
        """Its namespace."""
        if self.netns:
            yield Key("netns", "", self.netns)

    def title(self) -> str:
        """The value."""
        return f"= {self.value}"


def observe(snapshot: Snapshot) -> Iterator[Sysctl]:
    """The values asked for; ours are those with a former value on record."""
    former = former_values(snapshot)
    for row in snapshot.sysctls:
        if row.value is None:
            continue
        known = former.get(row.key) if not row.netns else None
        mark = Mark(snapshot.stack, f"sysctl/{row.key}") if known is not None else None
        yield Sysctl(mark=mark, netns=row.netns, name=row.key, value="\t".join(row.value.split()), former=known)


def former_values(snapshot: Snapshot) -> Mapping[str, str]:
    """The values that host sysctls had before this stack, by key."""
    records = (row.comment for table in snapshot.tables for row in table.elements if row.set == "former")
    parted = (record.partition("=") for record in records)
    return {key: "\t".join(value.split(",")) for key, sign, value in parted if sign}


def former_record(mark: Mark, sysctl: str, value: str) -> NatElement:
    """The element that keeps a former value: the kernel is the only state."""
    number = int.from_bytes(hashlib.sha256(sysctl.encode()).digest()[:4])
    return element(mark, "former", mark_number(number), comment=f"{sysctl}={','.join(value.split())}")


def create(new: Sysctl) -> Iterator[Operation]:
    """Write it."""
    yield SysctlWrite(netns=new.netns, key=new.name, value=new.value or "")


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
