"""Who is attached where, and with which addresses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
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
    joined = []
    for endpoint, spec in document.endpoints.items():
        for name, interface in spec.all_interfaces().items():
            path = ("endpoints", endpoint, *spec.interface_path(name))
            each = _Joined(endpoint, spec.space(endpoint), name, segments[f"bridge/{interface.bridge}"])
            for outcome in _wants(each, interface, path):
                if isinstance(outcome, Want):
                    each.wants.append(outcome)
                else:
                    findings.append(outcome)
            joined.append(each)
    wants = [want for each in joined for want in each.wants]
    assignment = assign(wants, present, lock)
    decided = dict(zip(map(id, wants), assignment.addresses, strict=True))
    return Attached(
        by_endpoint=_by_endpoint(document, joined, decided),
        automatic=_automatic(wants, assignment.addresses),
        findings=(*findings, *assignment.findings),
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
    wants: list[Want] = field(default_factory=list)


def _by_endpoint(
    document: Any,  # noqa: ANN401
    joined: list[_Joined],
    decided: Mapping[int, Address | None],
) -> Mapping[str, tuple[Attachment, ...]]:
    found: dict[str, tuple[Attachment, ...]] = dict.fromkeys(document.endpoints, ())
    served: dict[str, set[int]] = {}
    for each in joined:
        addresses = tuple(
            want.pool.interface(address) for want in each.wants if (address := decided[id(want)]) is not None
        )
        attachment = Attachment(
            endpoint=each.endpoint,
            netns=each.netns,
            interface=each.interface,
            segment=each.segment,
            addresses=addresses,
            default_routes=tuple(_gateways(each.segment, addresses, served.get(each.netns, set()))),
        )
        # Of one namespace, whosever the interfaces in it are.
        served.setdefault(each.netns, set()).update(gateway.version for gateway in attachment.default_routes)
        found[each.endpoint] = (*found[each.endpoint], attachment)
    return found


def _gateways(segment: Segment, addresses: tuple[Interface, ...], served: set[int]) -> Iterator[Address]:
    """One gateway for each family that no interface before serves; an internal segment leads nowhere."""
    for version in (4, 6) if not segment.internal else ():
        pools = (pool for pool in segment.pools if pool.version == version and pool.gateway is not None)
        pool = next((pool for pool in pools if any(each.ip in pool.cidr for each in addresses)), None)
        if pool is not None and pool.gateway is not None and version not in served:
            yield pool.gateway


def _wants(joined: _Joined, spec: Any, path: tuple[str | int, ...]) -> Iterator[Want | Finding]:  # noqa: ANN401
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


def _static(joined: _Joined, written: Address | Interface, path: tuple[str | int, ...]) -> Want | Finding:
    segment = joined.segment
    prefixed = written if isinstance(written, (IPv4Interface, IPv6Interface)) else None
    address = written.ip if isinstance(written, (IPv4Interface, IPv6Interface)) else written
    pool = segment.pool_of(address)
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
