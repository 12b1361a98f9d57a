"""From a document to the desired State: resolve references, decide addresses, expand every section."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from netspec.core.resource import Key, Mark, Resource
from netspec.core.state import Contradiction, State, merge
from netspec.kernel.operations import Address, Interface
from netspec.kinds import sections
from netspec.kinds._addressing import Want, assign
from netspec.kinds._contract import Expansion, Finding
from netspec.kinds._intent import Attachment, Held, Pool, Present, Segment
from netspec.kinds._links import IPV6_MINIMUM_MTU
from netspec.kinds.nat_table import guard_table_of, table_of
from netspec.kinds.subnet import edges
from netspec.kinds.sysctl import IMPLIED, Sysctl, former_record, owed


@dataclass(frozen=True, slots=True)
class Desired:
    """What the spec wants of this host. `findings` forbid going on."""

    stack: str
    state: State
    findings: tuple[Finding, ...] = ()


def wanted_sysctls(document: Any) -> frozenset[str]:  # noqa: ANN401  the assembled document model
    """The host sysctls that must be read before `desired` can decide."""
    return IMPLIED | frozenset(document.sysctls)


def desired(document: Any, present: Present) -> Desired:  # noqa: ANN401
    """The desired state of a validated document on a host as it is."""
    segments = _segments(document, present)
    attachments, findings = _attachments(document, segments, present.held)
    findings.extend(_too_narrow(document, segments))
    expansion = Expansion(document.stack, segments, attachments)
    resources = [
        resource for section in sections() for resource in section.expand(getattr(document, section.name), expansion)
    ]
    if resources:
        resources.append(table_of(document.stack))
    if any(segment.antispoof for segment in segments.values()):
        resources.append(guard_table_of(document.stack))
    resources.extend(_former(resources, document.stack, present))
    state, contradictions = merge(resources)
    findings.extend(_contradicted(each) for each in contradictions)
    return Desired(document.stack, state, tuple(findings))


def _segments(document: Any, present: Present) -> Mapping[str, Segment]:  # noqa: ANN401
    publishing = {
        interface.bridge
        for endpoint in document.endpoints.values()
        if endpoint.publish
        for interface in endpoint.all_interfaces().values()
    }
    return {
        f"bridge/{name}": Segment(
            kind="bridge",
            name=name,
            pools=tuple(_pool(choice, document) for choice in spec.subnets),
            mtu=present.uplink_mtu if spec.mtu == "auto" else spec.mtu,
            publishes=name in publishing,
            access=spec.access,
            internal=spec.internal,
            host_access="closed" if spec.internal else spec.host_access or "open",
            port_isolation=spec.port_isolation,
            antispoof=spec.antispoof,
        )
        for name, spec in document.bridges.items()
    }


def _too_narrow(document: Any, segments: Mapping[str, Segment]) -> Iterator[Finding]:  # noqa: ANN401
    """Links whose MTU leaves no IPv6 on a segment that has it."""
    bridges = [(name, segments[f"bridge/{name}"]) for name in document.bridges]
    mtus: dict[tuple[str | int, ...], int] = {
        ("bridges", name): segment.mtu for name, segment in bridges if segment.has(6)
    }
    for endpoint, spec in document.endpoints.items():
        for name, interface in spec.all_interfaces().items():
            if interface.mtu and segments[f"bridge/{interface.bridge}"].has(6):
                mtus["endpoints", endpoint, *spec.interface_path(name)] = interface.mtu
    for path, mtu in mtus.items():
        if mtu < IPV6_MINIMUM_MTU:
            message = f"IPv6 needs an MTU of at least {IPV6_MINIMUM_MTU} bytes; here it is {mtu}"
            yield Finding("NS0225", message, (*path, "mtu"), hint="widen it, or leave the IPv6 subnet away")


def _pool(choice: Any, document: Any) -> Pool:  # noqa: ANN401
    found: Pool = document.subnets[choice].pool(choice) if isinstance(choice, str) else choice.pool()
    return found


@dataclass(slots=True)
class _Joined:
    """An interface whose addresses are being decided."""

    endpoint: str
    netns: str
    interface: str
    segment: Segment
    wants: list[Want] = field(default_factory=list)


def _attachments(
    document: Any,  # noqa: ANN401
    segments: Mapping[str, Segment],
    held: Held,
) -> tuple[Mapping[str, tuple[Attachment, ...]], list[Finding]]:
    findings: list[Finding] = []
    joined = []
    for endpoint, spec in document.endpoints.items():
        for name, interface in spec.all_interfaces().items():
            path = ("endpoints", endpoint, *spec.interface_path(name))
            each = _Joined(endpoint, spec.netns or endpoint, name, segments[f"bridge/{interface.bridge}"])
            for outcome in _wants(each, interface, path):
                if isinstance(outcome, Want):
                    each.wants.append(outcome)
                else:
                    findings.append(outcome)
            joined.append(each)
    wants = [want for each in joined for want in each.wants]
    assignment = assign(wants, held)
    findings.extend(assignment.findings)
    decided = dict(zip(map(id, wants), assignment.addresses, strict=True))
    return _by_endpoint(document, joined, decided), findings


def _by_endpoint(
    document: Any,  # noqa: ANN401
    joined: list[_Joined],
    decided: Mapping[int, Address | None],
) -> Mapping[str, tuple[Attachment, ...]]:
    found: dict[str, tuple[Attachment, ...]] = dict.fromkeys(document.endpoints, ())
    for each in joined:
        served: set[int] = {gateway.version for other in found[each.endpoint] for gateway in other.default_routes}
        addresses = tuple(
            want.pool.interface(address) for want in each.wants if (address := decided[id(want)]) is not None
        )
        attachment = Attachment(
            endpoint=each.endpoint,
            netns=each.netns,
            interface=each.interface,
            segment=each.segment,
            addresses=addresses,
            default_routes=tuple(_gateways(each.segment, addresses, served)),
        )
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
    statics: set[int] = set()
    for index, written in enumerate(spec.wanted):
        where = (*path, "addresses", index) if spec.addresses else (*path, "address")
        if written == "auto":
            continue
        outcome = _static(joined, written, where)
        if isinstance(outcome, Want):
            statics.add(outcome.pool.version)
        yield outcome
    # A static address of one family leaves the other family automatic.
    for pool in segment.pools:
        if pool.version not in statics:
            yield _want(joined, pool, None, path)


def _want(joined: _Joined, pool: Pool, static: Address | None, path: tuple[str | int, ...]) -> Want:
    owner = f"endpoint/{joined.endpoint}"
    return Want(owner=owner, netns=joined.netns, interface=joined.interface, pool=pool, static=static, path=path)


def _static(joined: _Joined, written: Address | Interface, path: tuple[str | int, ...]) -> Want | Finding:
    segment = joined.segment
    prefixed = written if isinstance(written, (IPv4Interface, IPv6Interface)) else None
    address = written.ip if isinstance(written, (IPv4Interface, IPv6Interface)) else written
    pool = segment.pool_of(address)
    if pool is None:
        subnets = ", ".join(str(each.cidr) for each in segment.pools) or "it has none"
        message = f"{address} is outside the subnets of {segment.address}"
        return Finding("NS0206", message, path, hint=f"its subnets: {subnets}")
    if prefixed is not None and prefixed.network != pool.cidr:
        message = f"{written} does not have the prefix length of its subnet {pool.cidr}"
        return Finding("NS0207", message, path, hint=f"write {pool.interface(address)}, or {address} alone")
    if address == pool.gateway:
        message = f"{address} is the gateway of {pool.cidr}"
        return Finding("NS0208", message, path, hint="choose another address, or name another gateway")
    if address in edges(pool.cidr):
        what = "network or broadcast" if address.version == 4 else "router anycast"
        message = f"{address} is the {what} address of {pool.cidr}"
        return Finding("NS0209", message, path, hint="choose an address between them")
    return _want(joined, pool, address, path)


def _former(resources: list[Resource], stack: str, present: Present) -> Iterator[Resource]:
    """A record of what each host sysctl was before us, where we change it."""
    values = {each.name: each.value for each in resources if isinstance(each, Sysctl) and not each.netns}
    for name, value in owed(values, present).items():
        mark = Mark(stack, f"sysctl/{name}")
        yield former_record(mark, name, value)
        if name not in values:
            yield Sysctl(mark=mark, netns="", name=name)


def _contradicted(each: Contradiction) -> Finding:
    key: Key = each.first.key()
    first, second = each.first, each.second
    path: tuple[str | int, ...] = ("sysctls", key.name) if key.kind == "sysctl" else ()
    message = f"{key} is wanted as {first.title()} by {first.origin} and as {second.title()} by {second.origin}"
    return Finding("NS0240", message, path, hint="leave one of them away")
