"""The skeleton of our nftables tables: chains, rules, empty sets and maps. Data are elements (`nat_element`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.digest import digest
from netspec.core.resource import Disruption, Key, Mark, Resource, carried, identity, replaces
from netspec.kernel.operations import Operation, TableAdd, TableDelete
from netspec.kernel.snapshot import CounterRow, Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._guard_skeleton import guard_skeleton
from netspec.kinds._policies import Rule
from netspec.kinds._skeleton import skeleton
from netspec.kinds.nat_element import BOOKKEEPING, table_key, table_name


@dataclass(frozen=True, slots=True, kw_only=True)
class NatTable(Resource):
    """Table `FAMILY NAME`. `rules` is a digest of chains, rules and definitions; `text` is what to load for them."""

    netns: str = identity()
    family: str = identity(default="inet")
    name: str = identity()
    rules: str = replaces()
    text: str = carried("")
    counters: tuple[CounterRow, ...] = carried(())

    rank: ClassVar[int] = 0
    replacing: ClassVar[Disruption] = Disruption.LIVE
    guarded: ClassVar[bool] = True

    def key(self) -> Key:
        """`table/NETNS/FAMILY NAME`."""
        return table_key(self.netns, self.name, self.family)

    def title(self) -> str:
        """What it is, for messages about one in the way."""
        return f"nftables table {self.family} {self.name}"


def table_of(stack: str, policies: Sequence[Rule] = ()) -> NatTable:
    """The table a stack has on the host, with the rules of its policies."""
    name = table_name(stack)
    text = skeleton(name, policies)
    return NatTable(mark=Mark(stack, "nat"), netns="", name=name, rules=digest(text), text=text)


def guard_table_of(stack: str) -> NatTable:
    """The table a stack has in the bridge family, where one of its endpoints is guarded."""
    name = table_name(stack)
    text = guard_skeleton(name)
    return NatTable(mark=Mark(stack, "nat"), netns="", family="bridge", name=name, rules=digest(text), text=text)


def observe(snapshot: Snapshot) -> Iterator[NatTable]:
    """Our table. A table of our name without our bookkeeping set is somebody else's."""
    for row in snapshot.tables:
        ours = f"set {BOOKKEEPING} {{" in row.text
        yield NatTable(
            mark=Mark(snapshot.stack, "nat") if ours else None,
            netns=row.netns,
            family=row.family,
            name=row.name,
            rules=row.written or digest(row.text),
            text=row.text,
            counters=row.counters,
        )


def create(new: NatTable) -> Iterator[Operation]:
    """Load it whole."""
    yield TableAdd(netns=new.netns, family=new.family, name=new.name, text=new.text)


def update(_old: NatTable, new: NatTable) -> Iterator[Operation]:
    """Load it whole: it never gets here, as a table is replaced."""
    yield from create(new)


def delete(old: NatTable) -> Iterator[Operation]:
    """Remove it with all its elements."""
    yield TableDelete(netns=old.netns, family=old.family, name=old.name)


def _needs(new: NatTable) -> Iterator[str]:
    """What its own chains are made of, beside what every table needs."""
    yield from ("nft-bridge",) if new.family == "bridge" else ("nft-fib", "nft-intervals", "nft-prefix", "nft-reject")


KIND = Kind(NatTable, observe, create, update, delete, features=("nft", "nft-nat"), needs=_needs)
