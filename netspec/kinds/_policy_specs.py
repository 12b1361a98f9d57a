"""What a user writes below `policies`: who may talk to whom."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.kernel.operations import Network
from netspec.kinds._contract import SpecModel
from netspec.kinds._publish import Ports, parse_ports
from netspec.kinds._types import ip_address, ip_network, object_name, text, wrong

PROTOCOLS = {"tcp": (6,), "udp": (17,), "sctp": (132,), "icmp": (1, 58)}
"""IP protocols by the word for them; `icmp` is that of the packet's IP version."""
SECTIONS = ("endpoint", "bridge", "subnet")
EVERYTHING = ("host", "any")


@dataclass(frozen=True, slots=True)
class Service:
    """A protocol, and a run of its ports; None for all."""

    protocol: str
    ports: Ports | None

    def __str__(self) -> str:
        return self.protocol if self.ports is None else f"{self.ports}/{self.protocol}"


def _service(value: Any) -> Service:  # noqa: ANN401  whatever YAML held
    if isinstance(value, Service):
        return value
    raw = text(value)
    ports, slash, protocol = raw.rpartition("/")
    if not slash and raw in PROTOCOLS:
        return Service(raw, None)
    if not slash or protocol not in ("tcp", "udp", "sctp"):
        raise wrong("NS0195", f'"{raw}" names no ports', "write 5432/tcp, 8000-8010/udp, tcp, or icmp")
    return Service(protocol, parse_ports(ports))


def _party(value: Any) -> Network | str:  # noqa: ANN401
    """A CIDR or an address; else a word: `host`, `any`, or a name, which may say its section: `bridge/web`."""
    raw = value if not isinstance(value, str) else value.strip()
    if not isinstance(raw, str):
        return ip_network(raw) if not isinstance(raw, (int, float)) else object_name(text(raw))
    section, slash, name = raw.partition("/")
    if slash and section in SECTIONS:
        return f"{section}/{object_name(name)}"
    if slash:
        return ip_network(raw)
    if ":" in raw or raw.replace(".", "").isdigit():
        return ip_network(f"{ip_address(raw)}/{ip_address(raw).max_prefixlen}")
    return object_name(raw)


def _listed(value: Any) -> Any:  # noqa: ANN401
    return value if isinstance(value, (list, tuple)) else (value,)


def _one_or_more(*examples: str) -> WithJsonSchema:
    """A string, or a list of strings."""
    one = {"type": "string", "examples": list(examples)}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})


Party = Annotated[Any, BeforeValidator(_party), PlainSerializer(str, when_used="json")]
Parties = Annotated[
    tuple[Party, ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    _one_or_more("web", "bridge/docker0", "10.0.0.0/8", "host", "any"),
]
Services = Annotated[
    tuple[Annotated[Service, BeforeValidator(_service), PlainSerializer(str, when_used="json")], ...],
    BeforeValidator(_listed),
    _one_or_more("5432/tcp", "8000-8010/udp", "tcp", "icmp"),
]


class TrafficSpec(SpecModel):
    """Some traffic: from whom, to whom, and to which ports."""

    from_: Annotated[Parties, Field(alias="from", examples=["web"])] = ("any",)
    """An endpoint, a bridge, a subnet, a CIDR, an address, `host` or `any`; or a list of them."""
    to: Annotated[Parties, Field(examples=["db"])] = ("any",)
    """The same. Addresses are those after translation: of an endpoint, not of what publishes it."""
    ports: Annotated[Services, Field(examples=[["5432/tcp", "icmp"]])] = ()
    """`5432/tcp`, `8000-8010/udp`, a protocol, or a list of them; all protocols and ICMP unless said."""


class PolicySpec(SpecModel):
    """One policy: exactly one of `allow`, `deny` and `reject`."""

    allow: TrafficSpec | None = None
    """This traffic passes."""
    deny: TrafficSpec | None = None
    """This traffic is dropped."""
    reject: TrafficSpec | None = None
    """This traffic is answered with a refusal."""

    @model_validator(mode="after")
    def _one_action(self) -> "PolicySpec":
        if sum(each is not None for each in (self.allow, self.deny, self.reject)) != 1:
            raise wrong("NS0196", "a policy is one of allow, deny and reject", "write - allow: {from: web, to: db}")
        return self

    @property
    def action(self) -> Literal["allow", "deny", "reject"]:
        """What becomes of the traffic."""
        return "allow" if self.allow is not None else "deny" if self.deny is not None else "reject"

    @property
    def traffic(self) -> TrafficSpec:
        """The traffic."""
        found = self.allow or self.deny or self.reject
        assert found is not None, "validated"
        return found
