"""What of a host decides what an intent comes to, out of one look at it."""

from collections.abc import Mapping
from typing import Any

from netspec.core.state import State
from netspec.kernel.snapshot import Snapshot
from netspec.kinds._intent import Held, Present
from netspec.kinds._records import former_values
from netspec.kinds.address import Address
from netspec.kinds.inner_sysctl import recorded
from netspec.kinds.route import MAIN, UNICAST
from netspec.kinds.sysctl import former_sysctls, shared_sysctls, values_of_links


def present_of(snapshot: Snapshot, observed: State, leases: Held) -> Present:
    """What a snapshot and the record of leases come to."""
    held: dict[tuple[str, str], tuple[Any, ...]] = {}
    for each in observed.values():
        if isinstance(each, Address) and each.netns and each.mark is not None:
            held[each.netns, each.link] = (*held.get((each.netns, each.link), ()), each.address)
    values: Mapping[str, str] = {
        row.key: "\t".join(row.value.split()) for row in snapshot.sysctls if not row.netns and row.value is not None
    }
    return Present(
        held=held,
        leases=leases,
        uplink_mtu=_uplink_mtu(snapshot),
        sysctls={**values_of_links(snapshot), **values},
        former=former_sysctls(snapshot),
        shared={name: each.former for name, each in shared_sysctls(snapshot).items()},
        links={row.name: row for row in snapshot.links if not row.netns},
        addresses=frozenset((row.link, row.address) for row in snapshot.addresses if not row.netns),
        records=former_values(snapshot),
        inner={
            (row.netns, row.key): "\t".join(row.value.split())
            for row in snapshot.sysctls
            if row.netns and row.value is not None
        },
        inner_former=recorded(snapshot),
        references={row.name: row for row in snapshot.references},
        attached={row.name: row.attached for row in snapshot.netns if row.attached is not None},
    )


def _uplink_mtu(snapshot: Snapshot) -> int:
    """MTU of the link with the default route of lowest metric, the least of several; 1500 without one."""
    ways = [row for row in snapshot.routes if not row.netns and not row.to.prefixlen]
    ways = [row for row in ways if row.type == UNICAST and row.table == MAIN]
    if not ways:
        return 1500
    chosen = min(ways, key=lambda row: (row.to.version, row.metric))
    links = {chosen.link, *(each.link for each in chosen.nexthops)}
    return min((row.mtu for row in snapshot.links if not row.netns and row.name in links), default=1500)
