"""From a document to the desired State: resolve references, decide addresses, expand every section."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netspec.core.resource import Key, Mark, Resource
from netspec.core.state import Contradiction, State, merge
from netspec.kernel.operations import Address
from netspec.kinds import sections
from netspec.kinds._contract import Expansion, Finding, Place
from netspec.kinds._endpoint_routing import check_routing
from netspec.kinds._forwarding import IMPLIED
from netspec.kinds._intent import UNLOCKED, Attachment, Lock, Pool, Present, Segment
from netspec.kinds._links import IPV6_MINIMUM_MTU
from netspec.kinds._records import former_record
from netspec.kinds._spaces import check_present
from netspec.kinds.inner_sysctl import owed_inside
from netspec.kinds.link_field import LinkField, owed_fields, record_name
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import guard_table_of, table_of
from netspec.kinds.sysctl import Sysctl, owed
from netspec.spec.attachments import attach
from netspec.spec.policing import admission_of, policing
from netspec.spec.probing import Resolver


@dataclass(frozen=True, slots=True)
class Desired:
    """What the spec wants of this host. `findings` forbid going on; `remarks` say which addresses move, and why.

    `automatic` are the addresses that netspec chose, by (endpoint, interface); `attachments` are all by endpoint.
    """

    stack: str
    state: State
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()
    automatic: Mapping[tuple[str, str], tuple[Address, ...]] = field(default_factory=dict)
    attachments: Mapping[str, tuple[Attachment, ...]] = field(default_factory=dict)


def wanted_sysctls(document: Any) -> frozenset[str]:  # noqa: ANN401  the assembled document model
    """The host sysctls that must be read before `desired` can decide."""
    return IMPLIED | frozenset(document.sysctls)


def wanted_links(document: Any) -> frozenset[str]:  # noqa: ANN401
    """The host's own links of which the spec says something."""
    existing = (name for name, spec in document.bridges.items() if spec.existing)
    return frozenset((*existing, *(link for spec in document.bridges.values() for link in spec.ports)))


def desired(document: Any, present: Present, lock: Lock = UNLOCKED) -> Desired:  # noqa: ANN401
    """The desired state of a validated document on a host as it is, `lock` being what its lock file says."""
    segments = _segments(document, present)
    attached = attach(document, segments, present, lock)
    findings = list(attached.findings)
    findings.extend(_too_narrow(document, segments))
    findings.extend(_switched_off(document, segments))
    findings.extend(check_present(document, present))
    findings.extend(check_routing(document, attached.by_endpoint))
    findings.extend(Resolver(document, attached.by_endpoint).findings())
    policies = policing(document, segments, attached.by_endpoint)
    # Who has got no address is told of that, and not of what follows.
    findings.extend(() if attached.findings else policies.void)
    expansion = Expansion(
        document.stack,
        segments,
        attached.by_endpoint,
        policies.rules,
        policies.policed,
        references=present.references,
        present=present,
    )
    resources = [
        resource for section in sections() for resource in section.expand(getattr(document, section.name), expansion)
    ]
    if resources:
        resources.append(table_of(document.stack, policies.rules))
        resources.append(admission_of(document.stack, segments.values(), policies, resources))
    isolating = any(segment.antispoof or segment.port_isolation for segment in segments.values())
    if isolating or any(isinstance(each, NatElement) and each.family == "bridge" for each in resources):
        resources.append(guard_table_of(document.stack))
    resources.extend(_former(resources, document.stack, present))
    resources.extend(owed_fields([each for each in resources if isinstance(each, LinkField)], present))
    resources.extend([*owed_inside(resources, present)])
    state, contradictions = merge(resources)
    findings.extend(_contradicted(each) for each in contradictions)
    return Desired(document.stack, state, tuple(findings), attached.remarks, attached.automatic, attached.by_endpoint)


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
            mtu=_mtu(name, spec, present),
            publishes=name in publishing,
            access=spec.access,
            internal=spec.internal,
            host_access="closed" if spec.internal else spec.host_access or "open",
            port_isolation=spec.port_isolation,
            antispoof=spec.antispoof,
            existing=spec.existing,
        )
        for name, spec in document.bridges.items()
    }


def _mtu(name: str, spec: Any, present: Present) -> int:  # noqa: ANN401
    if spec.existing and "mtu" not in spec.model_fields_set and name in present.links:
        # What the spec no longer says is about to be written back.
        return int(present.records.get(record_name(name, "mtu"), present.links[name].mtu))
    mtu: int = present.uplink_mtu if spec.mtu == "auto" else spec.mtu
    return mtu


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


def _switched_off(document: Any, segments: Mapping[str, Segment]) -> Iterator[Finding]:  # noqa: ANN401
    """Sysctls that take IPv6 from a link whose segment has it."""
    on_host = {name: name for name in document.bridges if segments[f"bridge/{name}"].has(6)}
    yield from _without_ipv6(document.sysctls, on_host, ("sysctls",))
    for endpoint, spec in document.endpoints.items():
        interfaces = {name: each.bridge for name, each in spec.all_interfaces().items() if each.bridge in on_host}
        yield from _without_ipv6(spec.sysctls, interfaces, ("endpoints", endpoint, "sysctls"))


def _without_ipv6(values: Mapping[str, str], links: Mapping[str, str], path: Place) -> Iterator[Finding]:
    for link, bridge in links.items():
        for scope in ("all", link.replace(".", "/")):
            name = f"net.ipv6.conf.{scope}.disable_ipv6"
            if values.get(name, "0") != "0":
                message = f"{link} needs IPv6: bridge/{bridge} has an IPv6 subnet"
                yield Finding("NS0334", message, (*path, name), hint="leave the sysctl away", on_key=True)


def _pool(choice: Any, document: Any) -> Pool:  # noqa: ANN401
    found: Pool = document.subnets[choice].pool(choice) if isinstance(choice, str) else choice.pool()
    return found


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
    if isinstance(first, Sysctl) and isinstance(second, Sysctl):
        # The section of sysctls is the last one to declare any.
        message = f"{key.name} cannot be {second.value}: the bridges and subnets of this spec need {first.value}"
        return Finding("NS0240", message, ("sysctls", key.name), hint="leave it away")
    path: tuple[str | int, ...] = ()
    message = f"{key} is wanted as {first.title()} by {first.origin} and as {second.title()} by {second.origin}"
    return Finding("NS0240", message, path, hint="leave one of them away")
