"""Who is attached where, and with which addresses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from netspec.kernel.operations import Address, Interface
from netspec.kinds._addressing import Want, assign
from netspec.kinds._contract import Finding
from netspec.kinds._intent import Attachment, Lock, Pool, Present, Segment
from netspec.kinds.subnet import edges


@dataclass(frozen=True, slots=True)
class Attached:
    """The interfaces of each endpoint, in order; `automatic` are the addresses that netspec chose.

    `remarks` say which of these move, and why; `findings` forbid going on.
    """

    by_endpoint: Mapping[str, tuple[Attachment, ...]]
    automatic: Mapping[tuple[str, str], tuple[Address, ...]]
    """By (endpoint, interface), lowest first."""
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()


def attach(
    document: Any,  # noqa: ANN401  the assembled document model
    segments: Mapping[str, Segment],
    present: Present,
    lock: Lock,
) -> Attached:
    """Decide the addresses of all interfaces of a document."""
    findings: list[Finding] = []
    joined: list[_Joined] = []
    for endpoint, spec in document.endpoints.items():
        for name, interface in spec.all_interfaces().items():
            path = ("endpoints", endpoint, *spec.interface_path(name))
            segment = segments[f"bridge/{interface.bridge}"]
            each = _Joined(endpoint, spec.space(endpoint), name, segment, interface.default_route, path)
            for outcome in _wants(each, interface, path):
                if isinstance(outcome, Want):
                    each.wants.append(outcome)
                elif isinstance(outcome, (IPv4Interface, IPv6Interface)):
                    each.link_local.append(outcome)
                else:
                    findings.append(outcome)
            joined.append(each)
    wants = [want for each in joined for want in each.wants]
    assignment = assign(wants, present, lock)
    decided = dict(zip(map(id, wants), assignment.addresses, strict=True))
    return Attached(
        by_endpoint=_by_endpoint(document, joined, decided),
        automatic=_automatic(wants, assignment.addresses),
        findings=(*findings, *assignment.findings, *_claims(joined)),
        remarks=tuple(assignment.remarks),
    )


def _automatic(
    wants: Sequence[Want], addresses: Sequence[Address | None]
) -> Mapping[tuple[str, str], tuple[Address, ...]]:
    found: dict[tuple[str, str], list[Address]] = {}
    for want, address in zip(wants, addresses, strict=True):
        if want.static is None and address is not None:
            found.setdefault((want.endpoint, want.interface), []).append(address)
    return {key: tuple(sorted(each, key=lambda one: (one.version, int(one)))) for key, each in found.items()}


@dataclass(slots=True)
class _Joined:
    """An interface whose addresses are being decided."""

    endpoint: str
    netns: str
    interface: str
    segment: Segment
    default_route: bool | int | None
    path: tuple[str | int, ...]
    wants: list[Want] = field(default_factory=list)
    link_local: list[Interface] = field(default_factory=list)


def _by_endpoint(
    document: Any,  # noqa: ANN401
    joined: list[_Joined],
    decided: Mapping[int, Address | None],
) -> Mapping[str, tuple[Attachment, ...]]:
    found: dict[str, tuple[Attachment, ...]] = dict.fromkeys(document.endpoints, ())
    addresses = {
        id(each): tuple(want.pool.interface(it) for want in each.wants if (it := decided[id(want)]) is not None)
        for each in joined
    }
    chosen = _over(joined, {id(each): set(_gateways(each, addresses[id(each)])) for each in joined})
    for each in joined:
        own = each.default_route
        attachment = Attachment(
            endpoint=each.endpoint,
            netns=each.netns,
            interface=each.interface,
            segment=each.segment,
            addresses=addresses[id(each)],
            default_routes=tuple(chosen[id(each)]),
            metric=None if own is None or isinstance(own, bool) else own,
            link_local=tuple(each.link_local),
        )
        found[each.endpoint] = (*found[each.endpoint], attachment)
    return found


def _over(joined: Sequence[_Joined], gateways: Mapping[int, set[Address]]) -> Mapping[int, list[Address]]:
    """The gateways of the default routes over each interface: by metric, by claim, or of the first that has one.

    All of one namespace, whosever the interfaces in it are.
    """
    found: dict[int, list[Address]] = {id(each): [] for each in joined}
    served: set[tuple[str, int]] = set()
    for claims in (True, None):
        for each in joined:
            for gateway in sorted(gateways[id(each)], key=lambda one: one.version):
                has_metric = each.default_route is not None and not isinstance(each.default_route, bool)
                if claims and has_metric:
                    found[id(each)].append(gateway)
                elif each.default_route is claims and (each.netns, gateway.version) not in served:
                    served.add((each.netns, gateway.version))
                    found[id(each)].append(gateway)
    return found


def _claims(joined: Sequence[_Joined]) -> Iterator[Finding]:
    """Of each namespace one interface may claim the default routes, and only where its segment leads somewhere."""
    first: dict[str, _Joined] = {}
    for each in joined:
        if each.default_route is None or each.default_route is False:
            continue
        place = (*each.path, "default_route")
        if each.segment.internal or not any(pool.gateway for pool in each.segment.pools):
            why = "is internal" if each.segment.internal else "has no gateway"
            hint = "leave it away, or choose an interface whose segment leads out"
            message = f"{each.interface} cannot have the default route: {each.segment.address} {why}"
            yield Finding("NS0276", message, place, hint=hint)
        elif each.default_route is True and first.setdefault(each.netns, each) is not each:
            other = first[each.netns]
            hint = "give one of them a metric, or false"
            related = (((*other.path, "default_route"), "claimed here first"),)
            message = f"{each.interface} and {other.interface} both claim the default route"
            yield Finding("NS0275", message, place, hint=hint, related=related)


def _gateways(joined: _Joined, addresses: tuple[Interface, ...]) -> Iterator[Address]:
    """One gateway for each family; an internal segment leads nowhere."""
    segment = joined.segment
    for version in (4, 6) if not segment.internal else ():
        pools = (pool for pool in segment.pools if pool.version == version and pool.gateway is not None)
        pool = next((pool for pool in pools if any(each.ip in pool.cidr for each in addresses)), None)
        if pool is not None and pool.gateway is not None:
            yield pool.gateway


def _wants(joined: _Joined, spec: Any, path: tuple[str | int, ...]) -> Iterator[Want | Interface | Finding]:  # noqa: ANN401
    segment = joined.segment
    automatic = None
    fixed: list[Pool] = []
    for index, written in enumerate(spec.wanted):
        where = (*path, "addresses", index) if spec.addresses else (*path, "address")
        if written == "auto":
            if automatic is not None:
                hint = "one gives an address in each subnet that has no fixed one"
                yield Finding("NS0211", "`auto` stands twice", where, hint=hint, related=((automatic, "and here"),))
            automatic = where
            continue
        outcome = _static(joined, written, where)
        if isinstance(outcome, Want):
            fixed.append(outcome.pool)
        yield outcome
    # A fixed address leaves the other family automatic; a written `auto`, every other subnet.
    served = {pool.name for pool in fixed} if automatic else {pool.version for pool in fixed}
    for pool in segment.pools:
        if (pool.name if automatic else pool.version) not in served:
            yield _want(joined, pool, None, automatic or path)


def _want(joined: _Joined, pool: Pool, static: Address | None, path: tuple[str | int, ...]) -> Want:
    return Want(
        owner=f"endpoint/{joined.endpoint}",
        endpoint=joined.endpoint,
        netns=joined.netns,
        interface=joined.interface,
        pool=pool,
        static=static,
        path=path,
    )


def _static(joined: _Joined, written: Address | Interface, path: tuple[str | int, ...]) -> Want | Interface | Finding:
    segment = joined.segment
    prefixed = written if isinstance(written, (IPv4Interface, IPv6Interface)) else None
    address = written.ip if isinstance(written, (IPv4Interface, IPv6Interface)) else written
    pool = segment.pool_of(address)
    if pool is None and address.is_link_local:
        return prefixed or ip_interface((address, 64 if address.version == 6 else 16))
    if pool is None:
        subnets = ", ".join(str(each.cidr) for each in segment.pools)
        message = f"{address} is outside the subnets of {segment.address}"
        return Finding("NS0206", message, path, hint=f"its subnets: {subnets}" if subnets else "it has no subnets")
    if prefixed is not None and prefixed.network != pool.cidr:
        message = f"{written} does not have the prefix length of its subnet {pool.cidr}"
        return Finding("NS0207", message, path, hint=f"write {pool.interface(address)}, or {address} alone")
    if address in (pool.gateway, pool.host):
        what, other = ("gateway", "gateway") if address == pool.gateway else ("host's own address", "host_address")
        message = f"{address} is the {what} {'of' if other == 'gateway' else 'in'} {pool.cidr}"
        return Finding("NS0208", message, path, hint=f"choose another address, or name another {other}")
    if address in edges(pool.cidr):
        what = "network or broadcast" if address.version == 4 else "router anycast"
        message = f"{address} is the {what} address of {pool.cidr}"
        return Finding("NS0209", message, path, hint="choose an address between them")
    return _want(joined, pool, address, path)
