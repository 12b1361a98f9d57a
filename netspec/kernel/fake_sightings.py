"""Flows and ways of the fake kernel."""

from netspec.core.elements import PROTOCOLS
from netspec.core.judge import Flow as JudgedFlow
from netspec.kernel.fake_addresses import MAIN, local_addresses
from netspec.kernel.fake_host import Flow, Host
from netspec.kernel.operations import Address
from netspec.kernel.sightings import FlowRow, Way

_NUMBERS = {name: number for number, name in PROTOCOLS.items()}
_UNICAST = 1


def flow_row(flow: Flow) -> FlowRow | None:
    """A flow as a row, the port taken for the target's own; None where nobody has begun it."""
    if flow.source is None:
        return None
    return FlowRow(
        protocol=_NUMBERS[flow.protocol],
        source=flow.source,
        destination=flow.destination,
        port=flow.port,
        answering=flow.target,
        answering_port=flow.port,
        translated=flow.destination != flow.target,
    )


def seen(row: FlowRow) -> JudgedFlow:
    """A flow as the filter sees its first packet."""
    return JudgedFlow(row.protocol, row.source, row.answering, row.answering_port, row.translated)


def way_to(host: Host, address: Address, link: str) -> Way | None:
    """By the longest prefix of the main table, then the lowest metric; the source is the link's first address."""
    if address in local_addresses(host, ""):
        return None
    found = [
        (to.prefixlen, -path.metric, path)
        for (to, table), paths in host.space("").routes.items()
        if table == MAIN and to.version == address.version and address in to
        for path in paths
        if path.links and path.type == _UNICAST and link in ("", host.name_of(path.link))
    ]
    if not found:
        return None
    path = max(found, key=lambda each: each[:2])[2]
    index = path.link or min(path.links)
    own = (held.address.ip for held in host.held(host.links[index]) if held.address.version == address.version)
    protocol = path.protocol if address.version == 6 else 0
    return Way(link=host.name_of(index), via=path.via, source=path.source or next(own, None), protocol=protocol)
