"""Operations on what stands on links: packing them takes the indexes of links, and nothing else. And what deletes."""

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_routing as routing
from netspec.kernel import traffic
from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    AltnameAdd,
    AltnameDelete,
    LinkDelete,
    NeighborAdd,
    NeighborDelete,
    Operation,
    RouteAdd,
    RouteDelete,
    RuleAdd,
    RuleDelete,
)
from netspec.kernel.traffic_operations import QdiscAdd, QdiscDelete, RedirectAdd, RedirectDelete

ABSENT = frozenset({errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT})
"""What the kernel says to the deletion of something that is not there."""

Deletion = (
    LinkDelete
    | AltnameDelete
    | AddressDelete
    | RouteDelete
    | RuleDelete
    | NeighborDelete
    | QdiscDelete
    | RedirectDelete
)

_PACKERS: Mapping[type, Callable[[Any, rt.IndexOf], rt.Message]] = {
    AddressAdd: rt.address_add,
    AddressDelete: rt.address_delete,
    AltnameAdd: rt.altname_add,
    AltnameDelete: rt.altname_delete,
    RouteAdd: routing.route_add,
    RouteDelete: routing.route_delete,
    RuleAdd: routing.rule_add,
    RuleDelete: routing.rule_delete,
    NeighborAdd: routing.neighbor_add,
    NeighborDelete: routing.neighbor_delete,
    QdiscAdd: traffic.qdisc_add,
    QdiscDelete: traffic.qdisc_delete,
    RedirectDelete: traffic.redirect_delete,
}


def packed_by_index(operation: Operation, index_of: rt.IndexOf) -> Iterator[rt.Message]:
    """The messages of one operation."""
    if isinstance(operation, RedirectAdd):
        yield from traffic.redirect_add(operation, index_of)
    else:
        yield _PACKERS[type(operation)](operation, index_of)


def tolerated(operation: Operation, number: int) -> bool:
    """Whether an errno says that what shall be deleted is not there."""
    # To the deletion of a qdisc that is not there the kernel says that its handle is invalid.
    absent = ABSENT | {errno.EINVAL} if isinstance(operation, QdiscDelete | RedirectDelete) else ABSENT
    return isinstance(operation, Deletion) and number in absent
