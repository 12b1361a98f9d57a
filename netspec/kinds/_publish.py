"""Published ports: Docker's `-p` strings and the long form, as one value."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from netspec.core.resource import Mark
from netspec.kernel.operations import Address
from netspec.kinds._contract import SpecModel
from netspec.kinds._types import IpAddress, ip_address, text, wrong
from netspec.kinds.nat_element import NatElement, element

_PORTS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_SHAPE = "[LISTEN:]HOST[-HOST]:TARGET[-TARGET][/tcp|udp]"


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
    WithJsonSchema({"type": ["integer", "string"], "examples": [8080, "8000-8010"]}),
]


class PublishSpec(SpecModel):
    """A port of the host that leads to a port of an endpoint."""

    port: PortRange
    """Port of the host, or a range."""
    to: PortRange
    """Port of the endpoint, or a range of the same length."""
    protocol: Literal["tcp", "udp"] = "tcp"
    """`tcp` or `udp`."""
    listen: Annotated[Literal["any"] | IpAddress, Field(union_mode="left_to_right")] = "any"
    """`any`, or the one address of the host at which the port is open."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        return value if isinstance(value, (dict, PublishSpec)) else parse_publish(text(value))

    @model_validator(mode="after")
    def _ranges_fit(self) -> "PublishSpec":
        if len(self.port) != len(self.to):
            raise _unequal(self.port, self.to)
        return self

    @property
    def listens_on(self) -> Address | None:
        """The address, or None for any."""
        return None if self.listen == "any" else self.listen

    def __str__(self) -> str:
        where = "" if self.listens_on is None else f"{self.listens_on} port "
        return f"{where}{self.port}/{self.protocol}"


def _unequal(port: Ports, to: Ports) -> PydanticCustomError:
    return wrong(
        "NS0142",
        f"{len(port)} host ports cannot lead to {len(to)} target ports",
        "publish ranges of the same length: 8000-8010:8000-8010",
    )


def parse_publish(raw: str) -> dict[str, object]:
    """The fields of Docker's string form. Raises PydanticCustomError for anything else."""
    body, slash, protocol = raw.partition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise wrong("NS0143", f'"{protocol}" cannot be published', "write /tcp or /udp")
    listen, host, target = _parts(raw, body)
    if not host:
        raise wrong("NS0144", f'"{raw}" names no host port', f"name it: 8080:{target}")
    fields: dict[str, object] = {"port": parse_ports(host), "to": parse_ports(target), "protocol": protocol or "tcp"}
    if listen:
        fields["listen"] = ip_address(listen)
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
    """The map elements that lead one publication to one target address of the same family as the map.

    A range that keeps its numbers is one interval element; a shifted one is an element for each port,
    since a map sends a whole interval to a single port.
    """
    version = target.version
    listen = f"{spec.listens_on} . " if spec.listens_on is not None else ""
    at = "_at" if listen else ""
    if len(spec.port) > 1 and spec.port == spec.to:
        key = f"{listen}{spec.protocol} . {spec.port}"
        yield element(mark, f"publish{version}_range{at}", key, str(target))
        return
    for offset in range(len(spec.port)):
        key = f"{listen}{spec.protocol} . {spec.port.first + offset}"
        yield element(mark, f"publish{version}{at}", key, f"{target} . {spec.to.first + offset}")
