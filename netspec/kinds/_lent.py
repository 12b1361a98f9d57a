"""What a spec uses and did not make: links of the host as ports, and bridges that were there before."""

from collections.abc import Iterator

from netspec.core.resource import Mark, Resource
from netspec.kinds._bridge_options import OPTIONS
from netspec.kinds._bridge_spec import BridgeSpec
from netspec.kinds._intent import Present, Segment
from netspec.kinds._port_options import PORT_OPTIONS, PortSpec
from netspec.kinds._records import former_record
from netspec.kinds.address import Address, broadcast_of, record_of
from netspec.kinds.link_field import LinkField, bridge_field, port_fields
from netspec.kinds.port import Port, lent_name

PLAIN_FIELDS = ("mtu", "mac")
"""What a spec may say of a bridge that is no option of bridges alone."""


def existing_bridge(segment: Segment, spec: BridgeSpec, mark: Mark, *, filtered: bool) -> Iterator[Resource]:
    """The fields that the spec names of a bridge that is not ours, and what publications need of it."""
    link = segment.name
    yield bridge_field(link, "up", "on", mark)
    if segment.has(6):
        yield bridge_field(link, "ipv6", "on", mark)
    if segment.publishes and segment.access != "routed":
        yield bridge_field(link, "route_localnet", "on", mark)
    if filtered:
        yield bridge_field(link, "filtered", "on", mark)
    if "mtu" in spec.model_fields_set:
        yield bridge_field(link, "mtu", str(segment.mtu), mark)
    if spec.mac != "auto":
        yield bridge_field(link, "mac", spec.mac, mark)
    for name in OPTIONS:
        if name in spec.model_fields_set:
            yield bridge_field(link, name, getattr(spec, name), mark)


def lent_addresses(segment: Segment, present: Present, mark: Mark) -> Iterator[Resource]:
    """Our addresses on a bridge that is not ours: each with a record, unless it was there before."""
    for pool in segment.pools:
        own = pool.own_address
        if own is None:
            continue
        ours = record_of(segment.name, own) in present.records
        if (segment.name, own) in present.addresses and not ours:
            continue
        yield Address(mark=mark, netns="", link=segment.name, address=own, broadcast=broadcast_of(own), lent=True)
        yield former_record(mark, record_of(segment.name, own), "")


def lent_ports(segment: Segment, spec: BridgeSpec, present: Present, mark: Mark) -> Iterator[Resource]:
    """Links of the host as ports. One that was a port of this bridge before us keeps what the spec does not name."""
    for link, options in spec.ports.items():
        row = present.links.get(link)
        before_us = row is not None and row.master == segment.name and lent_name(link) not in present.records
        if segment.existing and before_us:
            yield from port_fields(link, options.written(), mark)
            continue
        port = _port(link, segment, options, mark)
        yield port
        yield former_record(mark, lent_name(link), "")
        yield LinkField(mark=mark, link=link, name="up", value="on", stands_on=(port.key(),))


def _port(link: str, segment: Segment, options: PortSpec, mark: Mark) -> Port:
    values = {name: getattr(options, name) for name in PORT_OPTIONS}
    return Port(mark=mark, netns="", link=link, bridge=segment.name, lent=True, **values)
