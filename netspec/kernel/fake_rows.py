"""What the fake kernel tells of itself: rows of a snapshot, and all there is in one comparable form."""

from collections.abc import Iterator
from dataclasses import fields, replace

from netspec.kernel.fake_addresses import IPV6_MINIMUM_MTU
from netspec.kernel.fake_host import FakeLink, Host
from netspec.kernel.fake_spaces import is_named, rename, resolve
from netspec.kernel.fake_sysctls import CONF4, CONF6, DEFAULTS, read_sysctl
from netspec.kernel.fake_traffic import qdisc_rows, redirect_rows
from netspec.kernel.operations import NextHop
from netspec.kernel.snapshot import (
    AddressRow,
    LinkRow,
    NeighborRow,
    NetnsRow,
    RouteRow,
    RuleRow,
    Scope,
    Snapshot,
    SysctlRow,
    TableRow,
)

Rows = dict[str, tuple[object, ...]]
"""Sorted rows by sort: `netns`, `links`, `addresses`, `routes`, `rules`, `neighbors`, `sysctls` (other than default),
`tables`, `flows`, `traffic`."""

_CONF4_DEFAULTS = {number: int(value) for number, value in CONF4.values()}


def take_snapshot(host: Host, scope: Scope) -> Snapshot:
    """The rows that Linux would tell."""
    references = tuple(resolve(host, name, reference) for name, reference in scope.references)
    seen = host.copy() if references else host
    for row in references:
        if row.path in seen.spaces and row.name not in seen.spaces:
            rename(seen, row.path, row.name)
    return Snapshot(
        stack=scope.stack,
        named=scope.named,
        claimed=scope.claimed,
        netns=tuple(_netns_rows(host)),
        links=tuple(row for row in (_link_row(seen, link) for link in seen.links.values()) if "/" not in row.netns),
        addresses=tuple(row for row in _address_rows(seen) if "/" not in row.netns),
        routes=tuple(row for row in _route_rows(seen) if "/" not in row.netns),
        rules=tuple(row for row in _rule_rows(seen) if "/" not in row.netns),
        neighbors=tuple(row for row in _neighbor_rows(seen) if "/" not in row.netns),
        sysctls=tuple(
            SysctlRow(netns=netns, key=key, value=read_sysctl(host, netns, key)) for netns, key in sorted(scope.sysctls)
        ),
        tables=tuple(row for row in _table_rows(host) if row.name == f"netspec-{scope.stack}"),
        beside=tuple(_records(host, except_for=f"netspec-{scope.stack}")),
        references=references,
        files=tuple(host.files.values()),
        qdiscs=tuple(qdisc_rows(host)),
        redirects=tuple(redirect_rows(host)),
        fixed_marks="address-mark" in host.unsupported,
    )


def host_rows(host: Host) -> Rows:
    """Everything, without indexes."""
    return {
        "netns": _sorted(_netns_rows(host)),
        "links": _sorted(replace(_link_row(host, link), index=0) for link in host.links.values()),
        "addresses": _sorted(_address_rows(host)),
        "routes": _sorted(_route_rows(host)),
        "rules": _sorted(_rule_rows(host)),
        "neighbors": _sorted(_neighbor_rows(host)),
        "sysctls": _sorted(
            SysctlRow(netns=netns, key=key, value=value)
            for netns, space in host.spaces.items()
            for key, value in space.sysctls.items()
            if value != DEFAULTS[key]
        )
        + _sorted(_conf6_rows(host)),
        "tables": _sorted(_table_rows(host)),
        "flows": _sorted(host.flows),
        "files": _sorted((*host.files.values(), *host.directories.items())),
        "traffic": _sorted(qdisc_rows(host)) + _sorted(redirect_rows(host)),
    }


def _sorted(rows: "Iterator[object] | tuple[object, ...]") -> tuple[object, ...]:
    return tuple(sorted(rows, key=repr))


def _netns_rows(host: Host) -> Iterator[NetnsRow]:
    for name in host.spaces:
        if is_named(name):
            lo = host.find(name, "lo")
            yield NetnsRow(name=name, alias=lo.alias if lo else "", attached=host.attached.get(name))
    for name, content in host.dead.items():
        yield NetnsRow(name=name, alive=False, content=content)


def _link_row(host: Host, link: FakeLink) -> LinkRow:
    peer = host.links.get(link.peer)
    return LinkRow(
        netns=link.netns,
        name=link.name,
        index=link.index,
        kind=link.kind,
        mac=link.mac,
        mtu=link.mtu,
        up=link.up,
        group=link.group,
        alias=link.alias,
        txqlen=link.txqlen,
        promisc=link.promisc,
        allmulti=link.allmulti,
        altnames=link.altnames,
        master=host.name_of(link.master),
        parent=host.name_of(link.parent),
        peer=(peer.netns, peer.name) if peer else None,
        addr_gen_mode=link.addr_gen_mode if link.mtu >= IPV6_MINIMUM_MTU else None,
        conf4={**_CONF4_DEFAULTS, **link.conf4},
        forwarding6=int(link.conf6.get("forwarding", "0")) if link.mtu >= IPV6_MINIMUM_MTU else None,
        disabled6=link.conf6.get("disable_ipv6", "0") != "0" if link.mtu >= IPV6_MINIMUM_MTU else None,
        data=link.data,
        port_kind="bridge" if link.master else "",
        port_data=link.port_data,
    )


def _conf6_rows(host: Host) -> Iterator[SysctlRow]:
    for link in host.links.values():
        for name, value in link.conf6.items():
            if value != CONF6[name]:
                name_in_key = link.name.replace(".", "/")
                yield SysctlRow(netns=link.netns, key=f"net.ipv6.conf.{name_in_key}.{name}", value=value)


def _address_rows(host: Host) -> Iterator[AddressRow]:
    for index, addresses in host.addresses.items():
        link = host.links[index]
        for held in addresses:
            yield AddressRow(
                netns=link.netns,
                link=link.name,
                address=held.address,
                broadcast=held.broadcast,
                protocol=held.protocol,
                scope=held.scope,
            )


def _route_rows(host: Host) -> Iterator[RouteRow]:
    for netns, space in host.spaces.items():
        for (to, table), paths in space.routes.items():
            for path in paths:
                yield RouteRow(
                    netns=netns,
                    to=to,
                    via=path.via,
                    link=host.name_of(path.link),
                    table=table,
                    metric=path.metric,
                    protocol=path.protocol,
                    source=path.source,
                    type=path.type,
                    scope=path.scope,
                    mtu=path.mtu,
                    onlink=path.onlink,
                    nexthops=tuple(
                        NextHop(via=hop.via, link=host.name_of(hop.link), weight=hop.weight) for hop in path.hops
                    ),
                )


def _rule_rows(host: Host) -> Iterator[RuleRow]:
    for netns, space in host.spaces.items():
        for rule in space.rules:
            yield RuleRow(**{each.name: getattr(rule, each.name) for each in fields(RuleRow)} | {"netns": netns})


def _neighbor_rows(host: Host) -> Iterator[NeighborRow]:
    for index, neighbors in host.neighbors.items():
        link = host.links[index]
        for each in neighbors:
            yield NeighborRow(
                netns=link.netns, link=link.name, address=each.address, mac=each.mac, protocol=each.protocol
            )


def _records(host: Host, except_for: str) -> Iterator[TableRow]:
    """What other stacks have on record."""
    for row in sorted(_table_rows(host), key=lambda row: row.name):
        elements = tuple(each for each in row.elements if each.set == "former")
        ours = row.name.startswith("netspec-") and row.name != except_for
        if not row.netns and row.family == "inet" and ours and elements:
            yield replace(row, text="", written="", elements=elements)


def _table_rows(host: Host) -> Iterator[TableRow]:
    for netns, space in host.spaces.items():
        for (family, name), table in space.tables.items():
            yield TableRow(
                netns=netns,
                family=family,
                name=name,
                text=table.text,
                written=table.written,
                elements=tuple(sorted(table.elements.values(), key=lambda row: (row.set, row.key))),
            )
