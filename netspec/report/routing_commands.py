"""The commands for routes, rules and neighbours, and the words that all `ip` commands share."""

import shlex
from collections.abc import Iterator

from netspec.kernel.operations import (
    FileDelete,
    FileWrite,
    NeighborAdd,
    NeighborDelete,
    Operation,
    RouteAdd,
    RouteDelete,
    RuleAdd,
    RuleDelete,
)

ROUTE_TYPES = {6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_RULE_ACTIONS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
_ALL_BITS = 0xFFFFFFFF


def quoted(text: str) -> str:
    """A word as a shell wants it."""
    return shlex.quote(text)


def ip(netns: str) -> str:
    """The beginning of an `ip` command in a namespace."""
    return f"ip -n {quoted(netns)}" if netns else "ip"


def given(*options: tuple[str, object]) -> list[str]:
    """The words of those options that have a value."""
    words = []
    for name, value in options:
        if value is not None:
            words += [name, quoted(str(value))]
    return words


def routing_command(operation: Operation) -> Iterator[str]:
    """The command for an operation on a route, a rule, a neighbour or a file."""
    match operation:
        case FileWrite():
            path = quoted(f"/etc/netns/{operation.netns}/{operation.name}")
            yield f"mkdir -p {quoted(f'/etc/netns/{operation.netns}')}"
            yield f"printf %s {quoted(f'# {operation.mark}{chr(10)}{operation.text}')} > {path}"
            yield f"chmod {operation.mode:o} {path}"
        case FileDelete():
            yield f"rm -f {quoted(f'/etc/netns/{operation.netns}/{operation.name}')}"
            directories = quoted(f"/etc/netns/{operation.netns}")
            yield f"rmdir -p --ignore-fail-on-non-empty {directories} 2>/dev/null || true"
        case RouteAdd() | RouteDelete():
            yield _route(operation)
        case RuleAdd() | RuleDelete():
            yield _rule(operation)
        case NeighborAdd() | NeighborDelete():
            yield _neighbor(operation)


def _of_version(netns: str, version: int) -> list[str]:
    return [ip(netns), f"-{version}"]


def _route(operation: RouteAdd | RouteDelete) -> str:
    """`ip route replace …` or `ip route del …`."""
    words = [*_of_version(operation.netns, operation.to.version), "route"]
    if isinstance(operation, RouteDelete):
        words += ["del", str(operation.to), *given(("dev", operation.link or None))]
        return " ".join([*words, *_known_by(operation)])
    words += ["replace", *([ROUTE_TYPES[operation.type]] if operation.type in ROUTE_TYPES else []), str(operation.to)]
    words += given(("via", operation.via), ("dev", operation.link or None))
    words += _known_by(operation)
    words += given(("src", operation.source), ("mtu", operation.mtu or None))
    if operation.to.version == 4 and operation.type == 1:
        words += _scope(operation)
    words += ["onlink"] if operation.onlink and not operation.nexthops else []
    return " ".join([*words, *_nexthops(operation)])


def _known_by(operation: RouteAdd | RouteDelete) -> list[str]:
    return given(
        ("table", operation.table if operation.table != 254 else None),
        ("metric", operation.metric or None),
        ("proto", operation.protocol or None),
    )


def _scope(operation: RouteAdd) -> list[str]:
    """Only where `ip` would choose another one: what has no gateway is on the link."""
    usual = 0 if operation.via or operation.nexthops else 253
    return [] if operation.scope == usual else ["scope", str(operation.scope)]


def _nexthops(operation: RouteAdd) -> Iterator[str]:
    for hop in operation.nexthops:
        words = ["nexthop", *given(("via", hop.via), ("dev", hop.link or None), ("weight", hop.weight))]
        yield " ".join(words + (["onlink"] if operation.onlink else []))


def _rule(operation: RuleAdd | RuleDelete) -> str:
    """`ip rule add …` or `ip rule del …`."""
    words = [*_of_version(operation.netns, operation.version), "rule"]
    words += ["del" if isinstance(operation, RuleDelete) else "add"]
    mark = None if operation.fwmark is None else hex(operation.fwmark)
    if mark is not None and operation.mask != _ALL_BITS:
        mark += f"/{operation.mask:#x}"
    words += given(
        ("priority", operation.priority),
        ("from", operation.source or "all"),
        ("to", operation.to),
        ("fwmark", mark),
        ("iif", operation.iif or None),
        ("oif", operation.oif or None),
    )
    words += given(("lookup", operation.table)) if operation.table else [_RULE_ACTIONS[operation.action]]
    return " ".join([*words, *given(("protocol", operation.protocol or None))])


def _neighbor(operation: NeighborAdd | NeighborDelete) -> str:
    """`ip neighbor replace …` or `ip neighbor del …`."""
    words = [*_of_version(operation.netns, operation.address.version), "neighbor"]
    if isinstance(operation, NeighborDelete):
        return " ".join([*words, "del", str(operation.address), "dev", quoted(operation.link)])
    words += ["replace", str(operation.address), *given(("lladdr", operation.mac), ("dev", operation.link))]
    return " ".join([*words, "nud permanent", *given(("protocol", operation.protocol or None))])
