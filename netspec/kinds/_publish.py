"""Published ports: Docker's `-p` strings and the long form, as one value."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, collapse_addresses, ip_network
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from netspec.core.elements import Part, concat, ifname
from netspec.core.resource import Mark
from netspec.kernel.operations import Address, Network
from netspec.kinds._contract import SpecModel
from netspec.kinds._patterns import IP, LINK, PORTS, PUBLISH, whole
from netspec.kinds._types import Cidr, ip_address, link_name, text, wrong
from netspec.kinds.nat_element import NatElement, element

_PORTS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_SHAPE = "[LISTEN:]HOST[-HOST]:TARGET[-TARGET][/tcp|udp|sctp]"
PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class Ports:
    """A run of port numbers, both ends included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def parse_ports(value: Any) -> Ports:  # noqa: ANN401  whatever YAML held
    """`8080` or `8000-8010`."""
    if isinstance(value, Ports):
        return value
    raw = text(value)
    match = _PORTS.fullmatch(raw)
    if not match:
        raise wrong("NS0140", f'"{raw}" is not a port', "write a number from 1 to 65535, or a range like 8000-8010")
    first, last = int(match[1]), int(match[2] or match[1])
    for port in (first, last):
        if not 1 <= port <= 65535:
            raise wrong("NS0141", f"{port} is not a port: ports go from 1 to 65535")
    if last < first:
        raise wrong("NS0140", f'the range "{raw}" ends before it begins')
    return Ports(first, last)


PortRange = Annotated[
    Ports,
    BeforeValidator(parse_ports),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 65535,
            "pattern": whole(PORTS),
            "examples": [8080, "8000-8010"],
        }
    ),
]


def listen_at(value: Any) -> Address | str:  # noqa: ANN401
    """`any`, `loopback`, an address, or the name of a link."""
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    raw = text(value)
    if raw in ("any", "loopback"):
        return raw
    try:
        found = ip_address(raw)
    except PydanticCustomError:
        # No link has a colon or only digits and dots in its name, so these were meant for addresses.
        if ":" in raw or raw.replace(".", "").isdigit() or "/" in raw:
            raise
        return link_name(raw)
    if found.is_multicast or str(found) == "255.255.255.255":
        hint = "listen at an address of the host, or at all of them"
        raise wrong("NS0333", f"{found} is a group or broadcast address, not one of the host's", hint)
    return found


Listen = Annotated[
    Any,
    BeforeValidator(listen_at),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": whole(IP, LINK),
            "examples": ["any", "loopback", "192.0.2.1", "eth0"],
        }
    ),
]


class PublishSpec(SpecModel):
    """A port of the host that leads to a port of an endpoint."""

    short_form: ClassVar = {"type": "string", "pattern": whole(PUBLISH), "examples": ["6379:6379", "53:53/udp"]}

    port: PortRange
    """Port of the host, or a range."""
    to: PortRange
    """Port of the endpoint, or a range of the same length."""
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    """`tcp`, `udp` or `sctp`."""
    listen: Listen = "any"
    """Where on the host the port is open: `any`, `loopback`, an address, or a link."""
    from_: Annotated[tuple[Cidr, ...], Field(alias="from", examples=[["198.51.100.0/24"]])] = ()
    """Who may connect; everybody unless said. The host itself always may."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        return value if isinstance(value, (dict, PublishSpec)) else parse_publish(text(value))

    @model_validator(mode="after")
    def _ranges_fit(self) -> "PublishSpec":
        # Several onto one may be meant for replicas: who knows of these looks again.
        if len(self.port) != len(self.to) and len(self.to) != 1:
            raise unequal(self.port, self.to)
        if self.listen == "loopback" and self.from_:
            hint = "only the host itself reaches its loopback; leave `from` away"
            raise wrong("NS0147", "`from` does not go with `listen: loopback`", hint)
        for each in self.from_:
            if not self.serves(each.version):
                raise wrong("NS0147", f"{each} cannot connect to {self.listen}: one is IPv4, the other IPv6")
        return self

    @property
    def address(self) -> Address | None:
        """The one address it is open at, or None; 0.0.0.0 and :: are all addresses of their family."""
        return None if isinstance(self.listen, str) or self.listen.is_unspecified else self.listen

    @property
    def is_somewhere(self) -> bool:
        """Whether it is open at one place only: at an address, on a link, or on the loopback."""
        return self.address is not None or (isinstance(self.listen, str) and self.listen != "any")

    def serves(self, version: int) -> bool:
        """Whether it can be open over this IP version."""
        if not isinstance(self.listen, str):
            return bool(self.listen.version == version)
        return version == 4 or self.listen != "loopback"

    def __str__(self) -> str:
        where = "" if self.listen == "any" else f"{self.listen} port "
        return f"{where}{self.port}/{self.protocol}"


def unequal(port: Ports, to: Ports) -> PydanticCustomError:
    """The error of a range that leads to one of another length."""
    return wrong(
        "NS0142",
        f"{len(port)} host ports cannot lead to {len(to)} target ports",
        "publish ranges of the same length: 8000-8010:8000-8010",
    )


def parse_publish(raw: str) -> dict[str, object]:
    """The fields of Docker's string form. Raises PydanticCustomError for anything else."""
    body, slash, protocol = raw.partition("/")
    if slash and protocol not in PROTOCOLS:
        raise wrong("NS0143", f'"{protocol}" cannot be published', "write /tcp, /udp or /sctp")
    listen, host, target = _parts(raw, body)
    if not host:
        raise wrong("NS0144", f'"{raw}" names no host port', f"name it: 8080:{target}")
    fields: dict[str, object] = {"port": parse_ports(host), "to": parse_ports(target), "protocol": protocol or "tcp"}
    if listen:
        fields["listen"] = listen_at(listen)
    return fields


def _parts(raw: str, body: str) -> tuple[str, str, str]:
    """Listen address, host port and target port; an IPv6 address stands in brackets."""
    if body.startswith("["):
        listen, bracket, rest = body[1:].partition("]:")
        if not bracket:
            raise wrong("NS0145", f'"{raw}" is not a publication', f"write it like [::1]:8080:80, that is {_SHAPE}")
        host, colon, target = rest.partition(":")
        return (listen, host, target) if colon else (listen, "", host)
    words = body.split(":")
    if len(words) > 3:
        hint = f"an IPv6 address stands in brackets: [2001:db8::1]:8080:80, that is {_SHAPE}"
        raise wrong("NS0145", f'"{raw}" is not a publication', hint)
    listen, host, target = ("", "", *words)[-3:]
    if len(words) == 3 and not host:
        raise wrong("NS0144", f'"{raw}" names no host port', f"name it: {listen}:8080:{target}")
    return listen, host, target


def elements(spec: PublishSpec, target: Address, mark: Mark) -> Iterator[NatElement]:
    """The elements that lead one publication to one target address, and say who may use it.

    A range that keeps its numbers is one interval element; a shifted one is an element for each port,
    since a map sends a whole interval to a single port.
    """
    version, (suffix, where) = target.version, _place(spec)
    if len(spec.port) > 1 and spec.port == spec.to:
        key = concat(*where, spec.protocol, str(spec.port))
        yield element(mark, f"publish{version}_range{suffix}", key, str(target))
    else:
        for offset in range(len(spec.port)):
            key = concat(*where, spec.protocol, spec.port.first + offset)
            yield element(mark, f"publish{version}{suffix}", key, concat(target, spec.to.first + offset))
    if spec.from_:
        yield element(mark, f"limited{version}{suffix}", concat(*where, spec.protocol, str(spec.port)))
    for source in collapsed(spec.from_, version):
        yield element(mark, f"from{version}{suffix}", concat(source, *where, spec.protocol, str(spec.port)))


def routed_elements(entries: Iterable[tuple[PublishSpec, Mark]], target: Address) -> Iterator[NatElement]:
    """What opens the target's ports at its own address, where the segment is routed.

    Several publications may lead to one port there; a set takes no overlap, so ports are cut where one begins or ends.
    """
    everybody = ip_network("0.0.0.0/0" if target.version == 4 else "::/0")
    opened = [(spec.protocol, spec.to, spec.from_ or (everybody,), mark) for spec, mark in entries]
    for protocol in sorted({each[0] for each in opened}):
        runs = [each[1:] for each in opened if each[0] == protocol]
        ends = sorted({end for ports, _, _ in runs for end in (ports.first, ports.last + 1)})
        for first, after in pairwise(ends):
            there = [(sources, mark) for ports, sources, mark in runs if ports.first <= first <= ports.last]
            for source in collapsed((each for sources, _ in there for each in sources), target.version):
                key = concat(source, target, protocol, str(Ports(first, after - 1)))
                yield element(there[0][1], f"routed{target.version}", key)


def collapsed(networks: Iterable[Network], version: int) -> Iterator[Network]:
    """The networks of one IP version, without those that others cover: a set takes no overlap."""
    yield from collapse_addresses(each for each in networks if each.version == version)  # type: ignore[type-var]  # of one


def _place(spec: PublishSpec) -> tuple[str, tuple[Part, ...]]:
    """Where it is open: what names of sets end in, and what keys begin with."""
    if spec.address is not None:
        return "_at", (spec.address,)
    if spec.listen == "loopback":
        return "_lo", ()
    wildcard = spec.listen == "any" or not isinstance(spec.listen, str)
    return ("", ()) if wildcard else ("_on", (ifname(spec.listen),))
