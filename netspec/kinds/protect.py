"""The `protect` section: who must not be locked out. Nothing is made of it; plans look whether they touch the way."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from netspec.core.resource import Resource
from netspec.kernel.operations import Network
from netspec.kinds._contract import Expansion, Finding, Section
from netspec.kinds._patterns import CIDR, IP, whole
from netspec.kinds._types import ip_address, ip_network, text, wrong

MOST = 100
"""Peers of a spec: for each, the way is looked up whenever something is planned."""


def _peer(value: Any) -> Network:  # noqa: ANN401  whatever YAML held
    """An address or a prefix; not everything there is."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    alone = "/" not in text(value)
    network = ip_network(f"{ip_address(value)}/{ip_address(value).max_prefixlen}" if alone else value)
    if not network.prefixlen:
        hint = "name those who manage this host, like 192.0.2.0/24"
        raise wrong("NS0622", f"{network} is everybody, and nobody in particular", hint)
    return network


ProtectedPeer = Annotated[
    Any,
    BeforeValidator(_peer),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "description": "An address, or a prefix in CIDR form.",
            "type": "string",
            "pattern": whole(IP, CIDR),
            "examples": ["192.0.2.9", "2001:db8::/64"],
        }
    ),
]


def check(specs: Sequence[Network], _document: Any) -> Iterator[Finding]:  # noqa: ANN401  the assembled model
    """Few enough to be looked up at each plan."""
    if len(specs) > MOST:
        yield Finding("NS0623", f"{len(specs)} peers are more than {MOST}", ("protect", MOST), hint="write prefixes")


def expand(_specs: Sequence[Network], _expansion: Expansion) -> Iterator[Resource]:
    """Nothing stands in the kernel for it."""
    return iter(())


SECTION: Any = Section(
    name="protect",
    annotation=Annotated[tuple[ProtectedPeer, ...], Field(examples=[["192.0.2.9", "2001:db8::/64"]])],
    description="Who must not be locked out, besides the client of this SSH session: addresses and prefixes.",
    expand=expand,
    check=check,
    default=tuple,
    order=45,
)
