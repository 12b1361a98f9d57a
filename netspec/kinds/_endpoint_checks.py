"""What must hold between endpoints and the rest of a document, beyond the shape of each."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from netspec.kinds._collisions import collisions
from netspec.kinds._contract import Finding, Place
from netspec.kinds._limits import check_limits
from netspec.kinds._mac_checks import check_macs
from netspec.kinds._spaces import check_spaces
from netspec.kinds.inner_sysctl import check_sysctls

MAX_PORTS = 1023
"""BR_MAX_PORTS - 1 (net/bridge/br_private.h): the kernel refuses the next one with EXFULL."""


def check(specs: Mapping[str, Any], document: Any) -> Iterator[Finding]:  # noqa: ANN401  specs of kinds.endpoint
    """Bridges exist and hold their ports, names are not taken twice, publications do not collide."""
    yield from _bridges(specs, document.bridges)
    yield from _too_wide(specs, document.bridges)
    yield from check_spaces(specs)
    yield from check_limits(specs, document.bridges)
    yield from _names(specs, document.bridges)
    yield from _altnames(specs)
    yield from check_macs(specs, document.bridges)
    for endpoint, spec in specs.items():
        yield from check_sysctls(endpoint, spec)
    yield from _targets(specs, document)
    yield from collisions({name: spec for name, spec in specs.items() if not _routed(spec, document)}, document.nat)


def _interfaces(specs: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, Place]]:
    for endpoint, spec in specs.items():
        for name, interface in spec.all_interfaces().items():
            yield endpoint, name, interface, ("endpoints", endpoint, *spec.interface_path(name))


def _bridges(specs: Mapping[str, Any], bridges: Mapping[str, Any]) -> Iterator[Finding]:
    ports = {name: len(bridge.ports) for name, bridge in bridges.items()}
    for endpoint, _, interface, path in _interfaces(specs):
        if interface.bridge is None:
            yield Finding("NS0220", "the interface joins nothing", path, hint="name its bridge")
            continue
        if interface.bridge not in bridges:
            yield Finding(
                "NS0221",
                f'endpoint "{endpoint}" names bridge "{interface.bridge}", which is not declared',
                (*path, "bridge"),
                hint=_nearest(interface.bridge, bridges),
                missing=(("bridges", interface.bridge),),
            )
            continue
        ports[interface.bridge] = ports.get(interface.bridge, 0) + 1
    for bridge, count in ports.items():
        if count > MAX_PORTS:
            yield Finding(
                "NS0222",
                f"bridge/{bridge} would have {count} ports; the kernel allows {MAX_PORTS}",
                ("bridges", bridge),
                hint="use several bridges",
                on_key=True,
            )


def _too_wide(specs: Mapping[str, Any], bridges: Mapping[str, Any]) -> Iterator[Finding]:
    """A bridge drops what is too long for the port that it leaves by, and tells nobody."""
    for _, _, interface, path in _interfaces(specs):
        bridge = bridges.get(interface.bridge)
        if bridge is None or bridge.mtu == "auto" or (bridge.existing and "mtu" not in bridge.model_fields_set):
            continue  # only the host knows it
        if interface.mtu is not None and interface.mtu > bridge.mtu:
            yield Finding(
                "NS0227",
                f"an MTU of {interface.mtu} on bridge/{interface.bridge}, whose own is {bridge.mtu}: "
                "others there would not get what is longer",
                (*path, "mtu"),
                hint=f"widen the bridge: mtu: {interface.mtu}; interfaces that are to have less say so themselves",
                related=((("bridges", interface.bridge), "the bridge is here"),),
            )


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"bridges: {', '.join(sorted(known))}" if known else "declare it below bridges:"


def _names(specs: Mapping[str, Any], bridges: Mapping[str, Any]) -> Iterator[Finding]:
    links: dict[str, Place] = {name: ("bridges", name) for name in bridges}
    links.update((link, ("bridges", name, "ports")) for name, bridge in bridges.items() for link in bridge.ports)
    for endpoint, _, interface, path in _interfaces(specs):
        if interface.host_name is None:
            continue
        first = links.setdefault(interface.host_name, (*path, "host_name"))
        if first != (*path, "host_name"):
            message = f'the link name "{interface.host_name}" is taken twice'
            hint = f"give the host end of endpoint/{endpoint} a name of its own"
            related = ((first, "taken here first"),)
            yield Finding("NS0224", message, (*path, "host_name"), hint=hint, related=related)


def _altnames(specs: Mapping[str, Any]) -> Iterator[Finding]:
    """No two links of a namespace have one name."""
    taken: dict[tuple[str, str], Place] = {}
    for endpoint, name, _, path in _interfaces(specs):
        taken[specs[endpoint].space(endpoint), name] = path
    for endpoint, _, interface, path in _interfaces(specs):
        for index, altname in enumerate(interface.altnames):
            where = (*path, "altnames", index)
            first = taken.setdefault((specs[endpoint].space(endpoint), altname), where)
            if first != where:
                related = ((first, "taken here first"),)
                message = f'the name "{altname}" is taken in this namespace'
                yield Finding("NS0274", message, where, hint="choose another name", related=related)


def _targets(specs: Mapping[str, Any], document: Any) -> Iterator[Finding]:  # noqa: ANN401
    """A publication needs an endpoint with an address of its family."""
    owners = {_plain(each): name for name, _, one, _ in _interfaces(specs) for each in one.wanted if each != "auto"}
    for endpoint, spec in specs.items():
        if not spec.publish:
            continue
        versions = set(_versions(spec, document))
        yield from _lost(endpoint, spec, owners)
        for index, publication in enumerate(spec.publish):
            path = ("endpoints", endpoint, "publish", index)
            if not versions:
                yield Finding("NS0302", "an endpoint without an address cannot publish", path)
            elif not any(publication.serves(version) for version in versions):
                wanted = 4 if publication.serves(4) else 6
                message = f"{publication.listen} is IPv{wanted}; the endpoint has none"
                yield Finding("NS0303", message, path, hint="give its bridge a subnet of that family")
            elif publication.is_somewhere and _routed(spec, document):
                message = (
                    f"`listen: {publication.listen}` does not go with `access: routed`, where nothing is translated"
                )
                yield Finding("NS0304", message, path, hint="leave `listen` away; `from` says who may connect")


def _lost(endpoint: str, spec: Any, owners: Mapping[Any, str]) -> Iterator[Finding]:  # noqa: ANN401
    """Where an endpoint has the address, the host is not asked."""
    for index, publication in enumerate(spec.publish):
        if publication.address in owners:
            message = f"{publication.address} is an address of endpoint/{owners[publication.address]}, not of the host"
            hint = "listen at an address of the host, or at all of them"
            yield Finding("NS0333", message, ("endpoints", endpoint, "publish", index), hint=hint)


def _plain(address: Any) -> Any:  # noqa: ANN401  an address, with a prefix or without
    return getattr(address, "ip", address)


def _routed(spec: Any, document: Any) -> bool:  # noqa: ANN401
    """Whether all that it publishes is open at its own address instead of the host's."""
    bridges = [document.bridges.get(interface.bridge) for interface in spec.all_interfaces().values()]
    return bool(bridges) and all(bridge is not None and bridge.access == "routed" for bridge in bridges)


def _versions(spec: Any, document: Any) -> Iterator[int]:  # noqa: ANN401
    for interface in spec.all_interfaces().values():
        bridge = document.bridges.get(interface.bridge)
        for choice in bridge.subnets if bridge else ():
            subnet = document.subnets.get(choice) if isinstance(choice, str) else choice
            if subnet is not None:
                yield subnet.cidr.version
