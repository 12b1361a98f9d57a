"""Rules, neighbours and alternative names of the fake kernel."""

import errno
from dataclasses import fields, replace

from netspec.kernel.fake_addresses import has_ipv6
from netspec.kernel.fake_host import Host, Neighbor
from netspec.kernel.operations import AltnameAdd, AltnameDelete, NeighborAdd, NeighborDelete, RuleAdd, RuleDelete


def add_rule(host: Host, operation: RuleAdd) -> None:
    """RTM_NEWRULE with NLM_F_CREATE|NLM_F_EXCL. Behind those of its priority."""
    space = host.space(operation.netns)
    if any(_counts_as(rule, operation) for rule in space.rules):
        raise OSError(errno.EEXIST, "")
    space.rules = tuple(sorted((*space.rules, operation), key=lambda rule: (rule.version, rule.priority)))


def _counts_as(rule: RuleAdd, new: RuleAdd) -> bool:
    """Whether Linux takes a new rule for one that is there: no prefix matches any."""
    return new == replace(rule, source=rule.source if new.source else None, to=rule.to if new.to else None)


def delete_rule(host: Host, operation: RuleDelete) -> None:
    """RTM_DELRULE; nothing if it is not there. What is not said matches any, and the first match goes."""
    space = host.spaces.get(operation.netns)
    if space is None:
        return
    gone = next((rule for rule in space.rules if _matches(rule, operation)), None)
    space.rules = tuple(rule for rule in space.rules if rule is not gone)


def _matches(rule: RuleAdd, wanted: RuleDelete) -> bool:
    if (rule.version, rule.priority) != (wanted.version, wanted.priority):
        return False
    given = (each.name for each in fields(wanted) if each.name not in ("netns", "mask"))
    same = all(getattr(wanted, name) in (None, "", 0, getattr(rule, name)) for name in given)
    return same and (wanted.fwmark is None or wanted.mask == rule.mask)


def add_altname(host: Host, operation: AltnameAdd) -> None:
    """RTM_NEWLINKPROP. No two links of a namespace have one name."""
    link = host.link(operation.netns, operation.link)
    if host.is_named(link.netns, operation.name):
        raise OSError(errno.EEXIST, "")
    host.put(replace(link, altnames=tuple(sorted((*link.altnames, operation.name)))))


def delete_altname(host: Host, operation: AltnameDelete) -> None:
    """RTM_DELLINKPROP; nothing if it is not there."""
    link = host.find(operation.netns, operation.link)
    if link is not None:
        host.put(replace(link, altnames=tuple(each for each in link.altnames if each != operation.name)))


def add_neighbor(host: Host, operation: NeighborAdd) -> None:
    """RTM_NEWNEIGH with NLM_F_CREATE|NLM_F_REPLACE; without a protocol it keeps the one it has."""
    link = host.link(operation.netns, operation.link)
    if operation.address.version == 6 and not has_ipv6(link):
        raise OSError(errno.EINVAL, "")
    new = Neighbor(address=operation.address, mac=operation.mac, protocol=operation.protocol)
    there = host.neighbors.get(link.index, ())
    present = next((each for each in there if each.address == operation.address), None)
    if present is None:
        host.neighbors[link.index] = (*there, new)
        return
    renewed = replace(new, protocol=operation.protocol or present.protocol)
    host.neighbors[link.index] = tuple(renewed if each is present else each for each in there)


def delete_neighbor(host: Host, operation: NeighborDelete) -> None:
    """RTM_DELNEIGH; nothing if it is not there."""
    link = host.find(operation.netns, operation.link)
    if link is not None:
        there = host.neighbors.get(link.index, ())
        host.neighbors[link.index] = tuple(each for each in there if each.address != operation.address)
