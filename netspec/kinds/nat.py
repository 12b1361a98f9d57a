"""The `nat` section: under which addresses traffic leaves, and where ports of the host lead."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network, summarize_address_range
from typing import Any

from netspec.core.elements import Part, concat, ifname
from netspec.core.resource import Resource
from netspec.kernel.operations import Address, Network
from netspec.kinds._contract import Expansion, Finding, Place, Section
from netspec.kinds._nat_specs import NatSpec
from netspec.kinds._publish import elements
from netspec.kinds.nat_element import element
from netspec.kinds.sysctl import Sysctl

FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}

Claim = tuple[str, str, Network, Place]
"""Set, link or `""`, and prefix that an entry wants for itself, and where it is written."""


def check(spec: NatSpec, document: Any) -> Iterator[Finding]:  # noqa: ANN401  the assembled model
    """What is translated exists, and no source is translated to two things."""
    claims: list[Claim] = []
    for key in ("masquerade", "snat"):
        for index, entry in enumerate(getattr(spec, key)):
            path = ("nat", key, index)
            source = entry.from_
            if isinstance(source, str) and source not in document.bridges and source not in document.subnets:
                yield _unknown(source, path, document)
            elif key == "snat":
                version = entry.to[0].version
                prefixes = (each for each in _written(source, document) if each.version == version)
                claims += [("snat", entry.out or "", each, path) for each in prefixes]
                yield from _wrong_family(entry, path, document)
    for index, entry in enumerate(spec.netmap):
        claims.append(("netmap", "", entry.from_, ("nat", "netmap", index)))
        claims.append(("netmapped", "", entry.to, ("nat", "netmap", index)))
    yield from _claimed_twice(claims)


def _unknown(source: str, path: Place, document: Any) -> Finding:  # noqa: ANN401
    known = ", ".join(sorted([*document.bridges, *document.subnets]))
    return Finding(
        "NS0230",
        f'there is no bridge or subnet "{source}" to {"masquerade" if path[1] == "masquerade" else "translate"}',
        path,
        hint=_as_prefix(source) or (f"known: {known}" if known else "declare it below bridges:, or write a CIDR"),
        missing=(("bridges", source), ("subnets", source)),
    )


def _as_prefix(source: str) -> str:
    """What to write instead of an address; empty for a name."""
    try:
        return f"an address by itself is written {ip_network(source)}"
    except ValueError:
        return ""


def _written(source: Network | str, document: Any) -> Iterator[Network]:  # noqa: ANN401
    """The prefixes of a source as far as the document says them."""
    if not isinstance(source, str):
        yield source
        return
    bridge = document.bridges.get(source)
    for choice in bridge.subnets if bridge else (source,):
        subnet = document.subnets.get(choice) if isinstance(choice, str) else choice
        if subnet is not None and not isinstance(subnet.cidr, str):
            yield subnet.cidr


def _wrong_family(entry: Any, path: Place, document: Any) -> Iterator[Finding]:  # noqa: ANN401
    versions = {each.version for each in _written(entry.from_, document)}
    if versions and entry.to[0].version not in versions:
        message = f"{entry.from_} has no IPv{entry.to[0].version} addresses to leave as {entry.to[0]}"
        yield Finding("NS0232", message, (*path, "to"), hint="write an address of its IP version")


def _claimed_twice(claims: Iterable[Claim]) -> Iterator[Finding]:
    before: list[Claim] = []
    for claim in claims:
        name, link, network, path = claim
        for other in before:
            if other[:2] == (name, link) and other[2].overlaps(network):
                yield Finding(
                    "NS0231",
                    f"{network} overlaps {other[2]}, which is translated already",
                    path,
                    hint="let each address have one translation",
                    related=((other[3], "translated here"),),
                )
                break
        before.append(claim)


def expand(spec: NatSpec, expansion: Expansion) -> Iterator[Resource]:
    """Elements of sets and maps, and forwarding where the host passes on what is not for its segments."""
    yield from _masquerade(spec, expansion)
    for index, entry in enumerate(spec.snat):
        mark = expansion.mark(f"nat.snat[{index}]")
        for network in _networks(entry.from_, expansion):
            if network.version == entry.to[0].version:
                key, suffix = _by_link(network, entry.out)
                yield element(mark, f"snat{network.version}{suffix}", key, _span(*entry.to))
    for index, mapped in enumerate(spec.netmap):
        mark, version = expansion.mark(f"nat.netmap[{index}]"), mapped.from_.version
        yield element(mark, f"netmap{version}", concat(mapped.from_), str(mapped.to))
        for inner in _open(mapped.from_, expansion):
            outer = mapped.outer(inner)
            yield element(mark, f"netmap{version}_in", concat(outer), str(inner))
        yield element(mark, f"netmapped{version}", concat(mapped.to))
        yield _forwarding(version, expansion)
    for index, led in enumerate(spec.dnat):
        mark, version = expansion.mark(f"nat.dnat[{index}]"), led.target.version
        yield from elements(led.publication, led.target, mark)
        if version == 4 and not led.publication.is_somewhere:
            yield element(mark, "beyond4", concat(led.protocol, str(led.port)))
        yield _forwarding(version, expansion)


def _open(network: Network, expansion: Expansion) -> Iterator[Network]:
    """What of a network is reached from outside at its own addresses: all but segments that do not let in."""
    rest = [network]
    for segment in expansion.segments.values():
        if segment.access == "published" or segment.internal:
            for pool in segment.pools:
                rest = [left for each in rest for left in _without(each, pool.cidr)]
    yield from sorted(rest)


def _without(network: Network, taken: Network) -> Iterator[Network]:
    if network.version != taken.version or not network.overlaps(taken):
        yield network
    elif taken.prefixlen > network.prefixlen:
        yield from network.address_exclude(taken)  # type: ignore[arg-type]  # of one version


def _forwarding(version: int, expansion: Expansion) -> Sysctl:
    name = FORWARDING[version]
    return Sysctl(mark=expansion.mark(f"sysctl/{name}"), netns="", name=name, value="1")


def _masquerade(spec: NatSpec, expansion: Expansion) -> Iterator[Resource]:
    """What is masqueraded, without prefixes that others cover: sets of intervals take no overlap."""
    wanted = [
        (entry.out, network, index)
        for index, entry in enumerate(spec.masquerade)
        for network in _networks(entry.from_, expansion)
    ]
    kept: list[tuple[str | None, Network]] = []
    for out, network, index in sorted(wanted, key=lambda each: (each[1].prefixlen, each[2])):
        if any(link == out and _covers(other, network) for link, other in kept):
            continue
        kept.append((out, network))
        key, suffix = _by_link(network, out)
        yield element(expansion.mark(f"nat.masquerade[{index}]"), f"masquerade{network.version}{suffix}", key)


def _covers(wide: Network, narrow: Network) -> bool:
    return wide.overlaps(narrow) and wide.prefixlen <= narrow.prefixlen


def _by_link(network: Network, out: str | None) -> tuple[str, str]:
    """The key of a source, and what the name of its set ends in."""
    parts: tuple[Part, ...] = (network,) if out is None else (network, ifname(out))
    return concat(*parts), "" if out is None else "_out"


def _span(first: Address, last: Address) -> str:
    """A range as nft lists it: a prefix where it is one."""
    prefixes = list(summarize_address_range(first, last))
    return str(prefixes[0]) if len(prefixes) == 1 else f"{first}-{last}"


def _networks(source: Network | str, expansion: Expansion) -> Iterator[Network]:
    if not isinstance(source, str):
        yield source
        return
    segment = expansion.segments.get(f"bridge/{source}")
    if segment is not None:
        yield from (pool.cidr for pool in segment.pools)
        return
    pools = (pool for each in expansion.segments.values() for pool in each.pools)
    yield from (pool.cidr for pool in pools if pool.name == source)


SECTION: Any = Section(
    name="nat",
    annotation=NatSpec,
    description="Network address translation.",
    expand=expand,
    check=check,
    default=NatSpec,
    object_kind="",
    order=35,
)
