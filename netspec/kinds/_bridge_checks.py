"""What must hold between bridges, beyond the shape of each."""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.kinds._bridge_spec import BridgeSpec
from netspec.kinds._contract import Finding, Place


def check(specs: Mapping[str, BridgeSpec], _document: Any) -> Iterator[Finding]:  # noqa: ANN401  the assembled model
    """A link is a port of one bridge, and no bridge is a port."""
    users: dict[str, Place] = {}
    for name, spec in specs.items():
        path: Place = ("bridges", name, "ports")
        for link in spec.ports:
            if link in specs:
                message = f'"{link}" is a bridge of this spec, and no bridge can be a port'
                yield Finding("NS0226", message, path, hint="join them by a pair of links, or make them one bridge")
            elif link in users:
                message = f'"{link}" is a port of two bridges'
                related = ((users[link], "here first"),)
                yield Finding("NS0226", message, path, hint="a link is a port of one bridge", related=related)
            else:
                users[link] = path
