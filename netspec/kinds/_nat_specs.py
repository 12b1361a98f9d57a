"""What a user writes below `nat`: whose traffic is translated, and to what."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.kernel.operations import Address, Network
from netspec.kinds._contract import SpecModel
from netspec.kinds._patterns import CIDR, DESTINATION, IP, NAME, RANGE, whole
from netspec.kinds._publish import Listen, PortRange, Ports, PublishSpec, parse_ports, unequal
from netspec.kinds._types import Cidr, LinkName, ip_address, ip_network, object_name, text, wrong

_WITH_PORT = re.compile(r"(?:\[(?P<ip6>[^\]]+)\]|(?P<ip4>[^:\[\]]+))(?::(?P<ports>[0-9-]+))?")


def _source(value: Any) -> Network | str:  # noqa: ANN401  whatever YAML held
    raw = value if not isinstance(value, str) else value.strip()
    if isinstance(raw, str) and ("/" in raw or ":" in raw):
        return ip_network(raw)
    return object_name(text(raw))


Source = Annotated[
    Any,
    BeforeValidator(_source),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "pattern": whole(CIDR, NAME), "examples": ["docker0", "10.0.0.0/8"]}),
]


def _addresses(value: Any) -> tuple[Address, Address]:  # noqa: ANN401
    """An address, or `first-last`."""
    if isinstance(value, tuple):
        return value
    first, dash, last = text(value).partition("-")
    low = ip_address(first.strip())
    high = ip_address(last.strip()) if dash else low
    if low.version != high.version or int(low) > int(high):
        raise wrong("NS0160", f'"{value}" is not a range of addresses: it ends before it begins')
    return low, high


Addresses = Annotated[
    tuple[Address, Address],
    BeforeValidator(_addresses),
    PlainSerializer(lambda pair: str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}", when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": whole(IP, RANGE), "examples": ["192.0.2.10", "192.0.2.10-192.0.2.20"]}
    ),
]


def _destination(value: Any) -> tuple[Address, Ports | None]:  # noqa: ANN401
    """`ADDRESS[:PORT[-PORT]]`, an IPv6 address in brackets where a port follows."""
    if isinstance(value, tuple):
        return value
    raw = text(value)
    if raw.count(":") > 1 and not raw.startswith("["):
        return ip_address(raw), None
    found = _WITH_PORT.fullmatch(raw)
    if found is None:
        raise wrong("NS0161", f'"{raw}" is not a destination', "write ADDRESS, or ADDRESS:PORT: 10.0.0.5:8080")
    return ip_address(found["ip6"] or found["ip4"]), parse_ports(found["ports"]) if found["ports"] else None


def _written(destination: tuple[Address, Ports | None]) -> str:
    address, ports = destination
    if ports is None:
        return str(address)
    return f"[{address}]:{ports}" if address.version == 6 else f"{address}:{ports}"


Destination = Annotated[
    tuple[Address, Ports | None],
    BeforeValidator(_destination),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": whole(DESTINATION), "examples": ["10.0.0.5:8080", "[2001:db8::5]:8080"]}
    ),
]


class MasqueradeSpec(SpecModel):
    """Traffic that leaves under the address of the link it leaves by."""

    short_form: ClassVar = {"type": ["string", "number"], "pattern": whole(CIDR, NAME), "examples": ["docker0"]}

    from_: Annotated[Source, Field(alias="from", examples=["docker0"])]
    """A bridge, a named subnet, or a CIDR."""
    out: LinkName | None = None
    """Only what leaves by this link; any link but those of the spec's own bridges unless said."""

    @model_validator(mode="before")
    @classmethod
    def _from_source(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        return value if isinstance(value, (dict, MasqueradeSpec)) else {"from": value}


class SnatSpec(SpecModel):
    """Traffic that leaves under chosen addresses."""

    from_: Annotated[Source, Field(alias="from", examples=["docker0"])]
    """A bridge, a named subnet, or a CIDR."""
    to: Addresses
    """The source address it leaves with, or a range of them."""
    out: LinkName | None = None
    """Only what leaves by this link."""


class DnatSpec(SpecModel):
    """A port of the host that leads to an address that is no endpoint's."""

    listen: Listen = "any"
    """Where on the host the port is open: `any`, `loopback`, an address, or a link."""
    port: PortRange
    """Port of the host, or a range."""
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    """`tcp`, `udp` or `sctp`."""
    to: Destination
    """`ADDRESS[:PORT[-PORT]]`; the same port unless said."""

    @model_validator(mode="after")
    def _is_a_publication(self) -> "DnatSpec":
        if len(self.publication.port) != len(self.publication.to):
            raise unequal(self.publication.port, self.publication.to)
        if not self.publication.serves(self.target.version):
            raise wrong("NS0162", f"{self.listen} cannot lead to {self.target}: one is IPv4, the other IPv6")
        if self.listen == "loopback" or (self.publication.address is not None and self.listen.is_loopback):
            hint = "listen at an address of the host; the host itself reaches it there as well"
            raise wrong("NS0164", "the loopback cannot lead away from the host: no answer comes back to it", hint)
        return self

    @property
    def target(self) -> Address:
        """Where it leads."""
        return self.to[0]

    @property
    def publication(self) -> PublishSpec:
        """The same as a publication."""
        ports = self.to[1] or self.port
        return PublishSpec(port=self.port, to=ports, protocol=self.protocol, listen=self.listen)


class NetmapSpec(SpecModel):
    """One-to-one translation of a prefix: outward its addresses become those of `to`, inward the reverse."""

    from_: Annotated[Cidr, Field(alias="from", examples=["10.0.0.0/24"])]
    """The prefix inside."""
    to: Annotated[Cidr, Field(examples=["192.0.2.0/24"])]
    """The prefix outside, of the same length."""

    @model_validator(mode="after")
    def _alike(self) -> "NetmapSpec":
        if self.from_.version != self.to.version or self.from_.prefixlen != self.to.prefixlen:
            hint = "one address becomes one other: both prefixes have the same length and IP version"
            raise wrong("NS0163", f"{self.from_} cannot be mapped to {self.to}", hint)
        return self

    def outer(self, inner: Network) -> Network:
        """What a part of the inner prefix is mapped to."""
        offset = int(inner.network_address) - int(self.from_.network_address)
        return ip_network(f"{self.to.network_address + offset}/{inner.prefixlen}")


class NatSpec(SpecModel):
    """Network address translation of the host. Traffic between the spec's own bridges is never translated."""

    masquerade: Annotated[tuple[MasqueradeSpec, ...], Field(examples=[["docker0"]])] = ()
    """Bridges, named subnets or CIDRs whose traffic to other networks leaves under the host's address."""
    snat: tuple[SnatSpec, ...] = ()
    """The same with chosen source addresses; they go before `masquerade`."""
    dnat: tuple[DnatSpec, ...] = ()
    """Ports of the host that lead to addresses that are no endpoint's."""
    netmap: tuple[NetmapSpec, ...] = ()
    """Prefixes translated one to one, IPv6 too (NPTv6 without the checksum-neutral part)."""
