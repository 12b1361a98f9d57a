"""One field of a link that is not ours; its former value is kept in our table, and written back when we leave."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from netspec.core.resource import Disruption, FieldRule, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import Attributes, LinkSet, Operation, SysctlWrite
from netspec.kernel.snapshot import LinkRow, Snapshot
from netspec.kinds._bridge_options import LEAST_STP_DELAY, NF_CALL, OPTIONS, Setting, unseen_options
from netspec.kinds._contract import Kind
from netspec.kinds._intent import Present
from netspec.kinds._links import ROUTE_LOCALNET, origin_of, switch_ipv6, u8
from netspec.kinds._port_options import PORT_OPTIONS
from netspec.kinds._records import former_record, former_values

_PORT = "port."
"""How the names of fields begin that a link has as a port of a bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkField(Resource):
    """A field of a host link: `up`, `mtu`, `mac`, `ipv6`, `route_localnet`, `filtered`, or an option of bridge or port.

    Options of a port are called `port.hairpin` and so on. A wanted `value` of None is no opinion: it is only kept in
    mind that we owe the link the former one.
    `stands_on` is what has to be there before it is set.
    """

    link: str = identity()
    name: str = identity()
    value: str | None = in_place(disruption=Disruption.LIVE)
    former: str | None = carried()
    stands_on: tuple[Key, ...] = carried(())
    unseen: bool = carried(default=False)

    rank: ClassVar[int] = 6

    def key(self) -> Key:
        """`field/LINK/NAME`."""
        return field_key(self.link, self.name)

    def hidden(self) -> tuple[str, ...]:
        """A time of a bridge, where the kernel shows another one."""
        return ("value",) if self.unseen else ()

    def requires(self) -> Iterator[Key]:
        """The link."""
        yield Key("link", "", self.link)
        yield from self.stands_on

    def cascades(self) -> Iterator[Key]:
        """Fields go with their link."""
        yield Key("link", "", self.link)

    def recorded_in(self) -> Iterator[Key]:
        """The element with its former value."""
        if self.mark is not None:
            yield former_record(self.mark, record_name(self.link, self.name), "").key()

    def disturbs(self) -> Iterator[Key]:
        """STP moves the forward delay, and decides which one is taken."""
        if self.name == "stp":
            yield field_key(self.link, "forward_delay")

    def effect(self, rule: FieldRule, after: object) -> Disruption:
        """That of the same field of a link of ours."""
        return _effect(self.name, str(after)) if rule.name == "value" else rule.disruption

    def farewell(self) -> Disruption:
        """That of writing back what was."""
        return _effect(self.name, self.former or "")

    def title(self) -> str:
        """The value."""
        return f"{self.label} {'remembered' if self.value is None else self.value}"

    @property
    def label(self) -> str:
        """What it is called, without its value."""
        return f"{self.name} of {self.link}"


_HARMFUL = {
    ("up", "off"): Disruption.FLAP,
    ("port.isolated", "on"): Disruption.RESET,
    ("port.hairpin", "off"): Disruption.RESET,
}
"""As with bridges and ports of ours; all else is live."""


def _effect(name: str, value: str) -> Disruption:
    return _HARMFUL.get((name, value), Disruption.LIVE)


def field_key(link: str, name: str) -> Key:
    """The key of a field."""
    return Key("field", "", f"{link}/{name}")


def record_name(link: str, name: str) -> str:
    """What the record of a field's former value is called."""
    return f"link/{link}/{name}"


def observe(snapshot: Snapshot) -> Iterator[LinkField]:
    """The fields of links that were asked for by name, and those on record."""
    records = {name: value for name, value in former_values(snapshot).items() if name.startswith("link/")}
    links = snapshot.named | {name.split("/")[1] for name in records}
    for row in snapshot.links if links else ():
        if row.netns or row.name not in links:
            continue
        unseen = unseen_options(row.data) if row.kind == "bridge" else ()
        for name, value in fields_of(row).items():
            former = records.get(record_name(row.name, name))
            mark = None if former is None else Mark(snapshot.stack, origin_of(row))
            yield LinkField(mark=mark, link=row.name, name=name, value=value, former=former, unseen=name in unseen)


def fields_of(row: LinkRow) -> Mapping[str, str]:
    """All fields of a link, as text."""
    found = {
        "up": "on" if row.up else "off",
        "mtu": str(row.mtu),
        "mac": row.mac,
        "route_localnet": "on" if row.conf4.get(ROUTE_LOCALNET) else "off",
    }
    if row.disabled6 is not None:
        found["ipv6"] = "off" if row.disabled6 else "on"
    if row.kind == "bridge":
        found["filtered"] = "on" if all(any(row.data.get(number, b"")) for number in NF_CALL) else "off"
        found.update((name, option.text(option.read(row.data))) for name, option in OPTIONS.items())
    if row.port_kind == "bridge":
        read = ((name, option.text(option.read(row.port_data))) for name, option in PORT_OPTIONS.items())
        found.update((_PORT + name, value) for name, value in read)
    return found


def bridge_field(link: str, name: str, value: Setting | str, mark: Mark) -> LinkField:
    """A field of a bridge of somebody else, wanted."""
    written = OPTIONS[name].text(value) if name in OPTIONS and not isinstance(value, str) else str(value)
    return LinkField(mark=mark, link=link, name=name, value=written)


def port_fields(link: str, options: Mapping[str, Setting], mark: Mark) -> Iterator[LinkField]:
    """Options of a port that was one before us, wanted."""
    for name, value in options.items():
        yield LinkField(mark=mark, link=link, name=_PORT + name, value=PORT_OPTIONS[name].text(value))


def owed_fields(wanted: Iterable[LinkField], present: Present) -> Iterator[Resource]:
    """A record of what each wanted field was before us, where we change it."""
    fields = {(each.link, each.name): each for each in wanted}
    for each in tuple(fields.values()):
        if each.name == "stp" and (each.link, "forward_delay") not in fields and _moves_delay(each, present):
            follower = LinkField(mark=each.mark, link=each.link, name="forward_delay")
            fields[each.link, "forward_delay"] = follower
            yield follower
    for (link, name), each in fields.items():
        row, record = present.links.get(link), record_name(link, name)
        now = fields_of(row).get(name) if row is not None else None
        was = present.records.get(record, now)
        if each.mark is not None and was is not None and (record in present.records or was != each.value):
            yield former_record(each.mark, record, was)


def _moves_delay(stp: LinkField, present: Present) -> bool:
    if record_name(stp.link, "forward_delay") in present.records:
        return True
    row = present.links.get(stp.link)
    delay = OPTIONS["forward_delay"].read(row.data) if row is not None else LEAST_STP_DELAY
    return stp.value == "on" and not LEAST_STP_DELAY <= delay <= 30


def create(new: LinkField) -> Iterator[Operation]:
    """Set it."""
    if new.value is not None:
        yield from _set(new, new.value)


def update(_old: LinkField, new: LinkField) -> Iterator[Operation]:
    """Set it."""
    yield from create(new)


def delete(old: LinkField) -> Iterator[Operation]:
    """Write back what was."""
    if old.former is not None:
        yield from _set(old, old.former)


def _set(field: LinkField, value: str) -> Iterator[LinkSet | SysctlWrite]:
    plain = LinkSet(name=field.link)
    match field.name:
        case "up":
            yield replace(plain, up=value == "on")
        case "mtu":
            yield replace(plain, mtu=int(value))
        case "mac":
            yield replace(plain, mac=value)
        case "ipv6":
            yield from switch_ipv6("", field.link, value == "on")
        case "route_localnet":
            yield replace(plain, conf4=((ROUTE_LOCALNET, int(value == "on")),))
        case _:
            yield _option(field, value)


def _option(field: LinkField, value: str) -> LinkSet:
    if field.name.startswith(_PORT):
        option = PORT_OPTIONS[field.name.removeprefix(_PORT)]
        told = ((option.number, option.pack(option.parse(value))),)
        return LinkSet(name=field.link, port_kind="bridge", port_data=told)
    data: Attributes
    if field.name == "filtered":
        data = tuple((number, u8.pack(value == "on")) for number in NF_CALL)
    else:
        option = OPTIONS[field.name]
        data = ((option.number, option.pack(option.parse(value))),)
    return LinkSet(name=field.link, kind="bridge", data=data)


def features_of(field: LinkField) -> Iterator[str]:
    """The feature of the kernel that a value needs."""
    option = OPTIONS.get(field.name)
    if option is not None and option.feature and field.value not in (None, option.text(option.default)):
        yield option.feature


KIND = Kind(LinkField, observe, create, update, delete, needs=features_of)
