"""The `nat` section: whose traffic leaves under the host's address."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from netspec.core.elements import concat
from netspec.core.resource import Resource
from netspec.kernel.operations import Network
from netspec.kinds._contract import Expansion, Finding, Section, SpecModel
from netspec.kinds._types import ip_network, object_name, text
from netspec.kinds.nat_element import element


def _source(value: Any) -> Network | str:  # noqa: ANN401  whatever YAML held
    raw = value if not isinstance(value, str) else value.strip()
    if isinstance(raw, str) and ("/" in raw or ":" in raw):
        return ip_network(raw)
    return object_name(text(raw))


Source = Annotated[
    Any,
    BeforeValidator(_source),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"description": "A bridge, a named subnet, or a CIDR.", "type": "string"}),
]


class NatSpec(SpecModel):
    """Network address translation of the host."""

    masquerade: Annotated[tuple[Source, ...], Field(examples=[["docker0"]])] = ()
    """Bridges, named subnets or CIDRs whose traffic to other networks leaves under the host's address."""


def check(spec: NatSpec, document: Any) -> Iterator[Finding]:  # noqa: ANN401
    """What is masqueraded exists."""
    for index, source in enumerate(spec.masquerade):
        if isinstance(source, str) and source not in document.bridges and source not in document.subnets:
            known = ", ".join(sorted([*document.bridges, *document.subnets]))
            yield Finding(
                "NS0230",
                f'there is no bridge or subnet "{source}" to masquerade',
                ("nat", "masquerade", index),
                hint=f"known: {known}" if known else "declare it below bridges:, or write a CIDR",
            )


def expand(spec: NatSpec, expansion: Expansion) -> Iterator[Resource]:
    """One set element for each source prefix."""
    for index, source in enumerate(spec.masquerade):
        mark = expansion.mark(f"nat.masquerade[{index}]")
        for network in _networks(source, expansion):
            yield element(mark, f"masquerade{network.version}", concat(network))


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
