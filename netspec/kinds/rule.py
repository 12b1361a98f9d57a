"""A policy routing rule: who looks up which table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Key, Resource, identity
from netspec.kernel.operations import Network, Operation, RuleAdd, RuleDelete
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._contract import PROTOCOL, Kind
from netspec.kinds._links import space_marks

LOOK_UP = 1
"""FR_ACT_TO_TBL."""
ACTIONS = {LOOK_UP: "lookup", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
"""FR_ACT_*, as `ip rule` calls them."""
TABLES = {253: "default", 254: "main", 255: "local"}
ALL_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Resource):
    """A rule is known by all that it says, so none changes: another one takes its place.

    `version` is 4 or 6; `table` is 0 where `action` looks nothing up; `protocol` other than ours is foreign.
    """

    netns: str = identity()
    version: int = identity()
    priority: int = identity()
    source: Network | None = identity(default=None)
    to: Network | None = identity(default=None)
    iif: str = identity(default="")
    oif: str = identity(default="")
    fwmark: int | None = identity(default=None)
    mask: int = identity(default=ALL_BITS)
    table: int = identity(default=0)
    action: int = identity(default=LOOK_UP)
    protocol: int = identity(default=PROTOCOL)

    rank: ClassVar[int] = 7
    # There is no moment without either, but where both have one priority.
    make_before_break: ClassVar[bool] = True

    def key(self) -> Key:
        """`rule/NETNS/ipvVERSION PRIORITY SELECTOR ACTION`."""
        name = f"ipv{self.version} {self.priority} {self.title()}"
        return Key("rule", self.netns, name if self.protocol == PROTOCOL else f"{name} proto {self.protocol}")

    def requires(self) -> Iterator[Key]:
        """Its namespace."""
        if self.netns:
            yield Key("netns", "", self.netns)

    def provides(self) -> Iterator[Key]:
        """Its priority: of two rules that share one, the kernel may take one for the other."""
        if self.protocol == PROTOCOL:
            yield Key("rule priority", self.netns, f"{self.version}/{self.priority}")

    def title(self) -> str:
        """What it says, as `ip rule` prints it."""
        words = ["from", str(self.source) if self.source else "all"]
        words += ["to", str(self.to)] if self.to else []
        if self.fwmark is not None:
            words += ["fwmark", hex(self.fwmark) + (f"/{self.mask:#x}" if self.mask != ALL_BITS else "")]
        words += ["iif", self.iif] if self.iif else []
        words += ["oif", self.oif] if self.oif else []
        words.append(ACTIONS.get(self.action, f"action {self.action}"))
        words += [TABLES.get(self.table, str(self.table))] if self.table else []
        return " ".join(words)


def observe(snapshot: Snapshot) -> Iterator[Rule]:
    """All rules but the kernel's own."""
    spaces = space_marks(snapshot)
    for row in snapshot.rules:
        mine = row.protocol == PROTOCOL
        yield Rule(
            mark=spaces.get(row.netns) if mine else None,
            netns=row.netns,
            version=row.version,
            priority=row.priority,
            source=row.source,
            to=row.to,
            iif=row.iif,
            oif=row.oif,
            fwmark=row.fwmark,
            mask=row.mask,
            table=row.table,
            action=row.action,
            protocol=row.protocol,
        )


def create(new: Rule) -> Iterator[Operation]:
    """Add it."""
    yield RuleAdd(
        netns=new.netns,
        version=new.version,
        priority=new.priority,
        source=new.source,
        to=new.to,
        iif=new.iif,
        oif=new.oif,
        fwmark=new.fwmark,
        mask=new.mask,
        table=new.table,
        action=new.action,
        protocol=new.protocol,
    )


def update(_old: Rule, _new: Rule) -> Iterator[Operation]:
    """Nothing of it changes."""
    return iter(())


def delete(old: Rule) -> Iterator[Operation]:
    """Remove it."""
    yield RuleDelete(
        netns=old.netns,
        version=old.version,
        priority=old.priority,
        source=old.source,
        to=old.to,
        iif=old.iif,
        oif=old.oif,
        fwmark=old.fwmark,
        mask=old.mask,
        table=old.table,
        action=old.action,
        protocol=old.protocol,
    )


KIND = Kind(Rule, observe, create, update, delete)
