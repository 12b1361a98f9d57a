"""One element of a set or map of our nftables table: a published port, a segment, a source prefix."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar

from netspec.core.resource import Disruption, FieldRule, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import ElementAdd, ElementDelete, FlowDelete, Operation
from netspec.kernel.snapshot import ElementRow, Snapshot
from netspec.kinds._contract import Kind
from netspec.kinds._links import origin_of

_MEANING = {
    "segments": "filter what enters or leaves",
    "within": "between its endpoints",
    "access": "what enters",
    "internal": "nothing leaves",
    "host_closed": "closed towards the host",
    "shared": "shared with others",
    "own": "allow sources",
    "routed": "open",
    "masquerade": "masquerade",
    "snat": "leave as",
    "netmap": "map",
    "netmapped": "mapped destination",
    "beyond": "not on the loopback",
    "return": "answers through the host of",
    "beside": "answers through the host to",
    "limited": "not for everybody",
    "from": "for",
    "former": "remember",
    "guarded": "guard",
    "guarded_mac": "allow sender",
    "advertised": "allow to advertise",
    "apart": "keep apart",
    "inside": "policies hold towards",
}
_VERDICTS = {
    "goto published": "published ports",
    "goto routed": "ICMP and published ports",
    "accept": "everything",
    "drop": "nothing",
}
PROTOCOLS = ("tcp", "udp", "sctp")
_FAMILY = re.compile(r"^([a-z_]+?)[46](_range)?(_out|_in|_at|_on|_lo)?$")
"""Names of sets that there are for each IP version."""

BOOKKEEPING = "fingerprint"
"""The set in which the kernel adapter keeps the table's fingerprint; no resources come of it."""
LET_GO = "let go: "
"""How the comment begins of an element that a stack has let go of, with the object that it served."""
JUDGED = "judged"
"""The set that keeps a digest of who may talk to whom; kinds.admission reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatElement(Resource):
    """An element. `element` and `value` are in nft's syntax, in the one form that is also read back.

    One that is not `marked` was let go of: it stays for as long as the table does.
    """

    netns: str = identity()
    family: str = identity(default="inet")
    table: str = identity()
    set: str = identity()
    element: str = identity()
    value: str = in_place(default="", disruption=Disruption.RESET)
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    comment: str = carried("")

    rank: ClassVar[int] = 1
    together: ClassVar[bool] = True
    replacing: ClassVar[Disruption] = Disruption.LIVE

    def key(self) -> Key:
        """`element/NETNS/SET KEY`."""
        return Key("element", self.netns, f"{self.set} {self.element}")

    def requires(self) -> Iterator[Key]:
        """The table."""
        yield table_key(self.netns, self.table, self.family)

    def cascades(self) -> Iterator[Key]:
        """Elements go with their table."""
        return self.requires()

    def effect(self, rule: FieldRule, after: object) -> Disruption:  # noqa: ARG002  whatever it is, the old one goes
        """Flows of a publication are cut; what else holds for flows that are on their way, `admission` judges."""
        return self.farewell()

    def farewell(self) -> Disruption:
        """Likewise."""
        return Disruption.RESET if self.set.startswith("publish") else Disruption.LIVE

    def title(self) -> str:
        """What it means to people."""
        key = self.element.replace('"', "")
        if self.set.startswith("publish"):
            *listen, protocol, ports = key.split(" . ")
            where = f"{listen[0]} port " if listen else ""
            return f"publish {where}{ports}/{protocol} -> {self.value.replace(' . ', ' port ')}"
        found = _FAMILY.match(self.set)
        words = _MEANING.get(found[1] if found else self.set, self.set)
        value = f" -> {_VERDICTS.get(self.value, self.value)}" if self.value else ""
        return f"{words} {key}{value}"


def digest_of(netns: str) -> str:
    """A namespace in the comment of a record, which has little room."""
    return hashlib.sha256(netns.encode()).hexdigest()[:12]


def table_key(netns: str, table: str, family: str = "inet") -> Key:
    """The key of a table of ours."""
    return Key("table", netns, f"{family} {table}")


def table_name(stack: str) -> str:
    """The name of a stack's table."""
    return f"netspec-{stack}"


def serves_another(before: Resource, after: Resource) -> bool:
    """Whether the comment of an element says another object. Records are of other keys then, and change by the diff."""
    elements = isinstance(before, NatElement) and isinstance(after, NatElement)
    return elements and before.key().name.partition(" ")[0] != "former" and before.owner != after.owner


def element(mark: Mark, set_name: str, key: str, value: str = "", comment: str | None = None) -> NatElement:
    """An element of the host's table of a stack; its comment says what asked for it."""
    return NatElement(
        mark=mark,
        netns="",
        table=table_name(mark.stack),
        set=set_name,
        element=key,
        value=value,
        comment=mark.origin if comment is None else comment,
    )


def guard_element(mark: Mark, set_name: str, key: str) -> NatElement:
    """An element of the stack's table in the bridge family, which guards what endpoints send."""
    return NatElement(
        mark=mark,
        netns="",
        family="bridge",
        table=table_name(mark.stack),
        set=set_name,
        element=key,
        comment=mark.origin,
    )


def observe(snapshot: Snapshot) -> Iterator[NatElement]:
    """All elements of our table, whoever added them: the table is ours."""
    for table in snapshot.tables:
        for row in table.elements:
            if row.set in (BOOKKEEPING, JUDGED):
                continue
            marked = not row.comment.startswith(LET_GO)
            yield NatElement(
                mark=Mark(snapshot.stack, _origin(row, snapshot)) if marked else None,
                netns=table.netns,
                family=table.family,
                table=table.name,
                set=row.set,
                element=row.key,
                value=row.value,
                marked=marked,
                comment=row.comment.removeprefix(LET_GO),
            )


def _origin(row: ElementRow, snapshot: Snapshot) -> str:
    """What asked for an element: its comment says so, but for records, whose comment is the record."""
    if row.set != "former":
        return row.comment or f"element/{row.set}"
    name = row.comment.partition("=")[0]
    if name.startswith("net."):
        return f"sysctl/{name}"
    digest, inside, _ = row.comment.partition(":")
    spaces = (each.name for each in snapshot.netns if inside and digest_of(each.name) == digest)
    space = next(spaces, "")
    if space:
        return f"endpoint/{space}"
    link = name.split("/")[1] if "/" in name else ""
    found = (each for each in snapshot.links if not each.netns and each.name == link)
    return next(map(origin_of, found), "") or f"link/{link}"


def create(new: NatElement) -> Iterator[Operation]:
    """Add it."""
    yield ElementAdd(
        netns=new.netns,
        family=new.family,
        table=new.table,
        set=new.set,
        key=new.element,
        value=new.value,
        comment=LET_GO * (new.marked is False) + new.comment,
    )


def update(old: NatElement, new: NatElement) -> Iterator[Operation]:
    """Swap the value or the comment, atomically: both are in one transaction. Flows to an old target move."""
    yield _removal(old)
    yield from create(new)
    if new.value != old.value:
        yield from _flows(old)


def delete(old: NatElement) -> Iterator[Operation]:
    """Remove it, and the flows it has let in."""
    yield _removal(old)
    yield from _flows(old)


def aftermath(old: NatElement, new: NatElement | None) -> Iterator[Operation]:
    """Its table was loaded again without it, or with another value: the flows it has let in go all the same."""
    if new is None or new.value != old.value:
        yield from _flows(old)


def _removal(old: NatElement) -> ElementDelete:
    return ElementDelete(
        netns=old.netns, family=old.family, table=old.table, set=old.set, key=old.element, value=old.value
    )


def _flows(old: NatElement) -> Iterator[FlowDelete]:
    """The conntrack entries of a publication, by protocol, original destination and port."""
    if not old.set.startswith("publish"):
        return
    *listen, protocol, ports = old.element.split(" . ")
    first, _, last = ports.partition("-")
    if protocol not in PROTOCOLS or not first.isdigit():
        return
    # A link says nothing about destinations.
    where = listen[0] if listen and not listen[0].startswith('"') else ""
    yield FlowDelete(
        netns=old.netns,
        protocol=protocol,
        ports=(int(first), int(last or first)),
        target=ip_address(old.value.partition(" ")[0]),
        listen=ip_address(where) if where else None,
    )


def _needs(new: NatElement) -> Iterator[str]:
    """Ports of SCTP are translated by those who know it."""
    if new.set.startswith("publish") and " . sctp . " in f" . {new.element}":
        yield "sctp"


KIND = Kind(NatElement, observe, create, update, delete, aftermath, needs=_needs)
