"""Two publications of one port: by endpoints, or by `nat.dnat`."""

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.kinds._contract import Finding, Place

Run = tuple[str, int, str, int, int, Place]
"""Where it listens, IP version, protocol, first and last port, and where it is written."""


def collisions(endpoints: Mapping[str, Any], nat: Any) -> Iterator[Finding]:  # noqa: ANN401  specs of kinds.nat
    """Runs of ports at one place and protocol, sorted: each only has to be compared with the one before."""
    told: set[tuple[Place, Place]] = set()
    previous: Run | None = None
    for run in sorted(_runs(endpoints, nat), key=lambda run: (*run[:5], *map(str, run[5]))):
        if previous is not None and run[:3] == previous[:3] and run[3] <= previous[4]:
            # What collides over both IP versions is told once.
            if (previous[5], run[5]) not in told:
                yield _collision(previous, run)
            told.add((previous[5], run[5]))
        if previous is None or run[:3] != previous[:3] or run[4] > previous[4]:
            previous = run


def _runs(endpoints: Mapping[str, Any], nat: Any) -> Iterator[Run]:  # noqa: ANN401
    written: list[tuple[Any, tuple[int, ...], Place]] = [
        (publication, (4, 6), ("endpoints", name, "publish", index))
        for name, spec in endpoints.items()
        for index, publication in enumerate(spec.publish)
    ]
    for index, entry in enumerate(nat.dnat):
        written.append((entry.publication, (entry.target.version,), ("nat", "dnat", index)))
    for publication, versions, path in written:
        for version in versions:
            if publication.serves(version):
                ports = publication.port
                yield _place(publication), version, publication.protocol, ports.first, ports.last, path


def _place(publication: Any) -> str:  # noqa: ANN401
    """Where a publication is open; 0.0.0.0 and :: are as much everywhere as `any` is."""
    if isinstance(publication.listen, str):
        return str(publication.listen)
    return "any" if publication.address is None else str(publication.listen)


def _collision(first: Run, second: Run) -> Finding:
    listen, _, protocol, port, _, path = second
    where = "" if listen == "any" else f" on {listen}"
    return Finding(
        "NS0301",
        f"host port {port}/{protocol} is published twice{where}",
        path,
        hint="pick another host port, or bind each to its own address: 203.0.113.4:8443:443",
        label=f"published here for {_who(path)}",
        related=((first[5], f"and here for {_who(first[5])}"),),
    )


def _who(path: Place) -> str:
    return f"endpoint/{path[1]}" if path[0] == "endpoints" else "nat.dnat"
