"""No two links of a segment have one MAC address: frames would reach the one that was heard last."""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.kinds._contract import Finding, Place


def check_macs(specs: Mapping[str, Any], bridges: Mapping[str, Any]) -> Iterator[Finding]:
    """Of the MAC addresses that are written; those that are computed differ."""
    taken: dict[tuple[str, str], Place] = {
        (name, bridge.mac): ("bridges", name, "mac") for name, bridge in bridges.items() if bridge.mac != "auto"
    }
    for endpoint, spec in specs.items():
        for name, interface in spec.all_interfaces().items():
            if interface.mac == "auto" or interface.bridge is None:
                continue
            path: Place = ("endpoints", endpoint, *spec.interface_path(name), "mac")
            first = taken.setdefault((interface.bridge, interface.mac), path)
            if first != path:
                message = f"{interface.mac} is taken on bridge/{interface.bridge}"
                related = ((first, "taken here first"),)
                yield Finding("NS0331", message, path, hint="choose another one, or auto", related=related)
