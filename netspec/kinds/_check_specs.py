"""What a user writes below `checks`: what must be reachable, and what must not."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.kernel.operations import Address
from netspec.kernel.probes import PING
from netspec.kinds._contract import SpecModel
from netspec.kinds._patterns import IP, NAME, whole
from netspec.kinds._types import EXACTLY, Switch, ip_address, object_name, text, wrong

HOST, OUTSIDE = "host", "outside"
DEFAULT_WITHIN = 3.0
_SHORTEST, _LONGEST = 0.1, 60.0
_LONGEST_NAME = 100
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}
_GOALS = "write web:80, host:53/udp, 198.51.100.7:443, or ping web"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: `party` is the name of an endpoint, `host`, or an address; `port` is 0 for a ping."""

    party: Address | str
    protocol: str
    port: int = 0

    def __str__(self) -> str:
        if self.protocol == PING:
            return f"ping {self.party}"
        party = f"[{self.party}]" if ":" in str(self.party) else str(self.party)
        return f"{party}:{self.port}" + ("" if self.protocol == "tcp" else f"/{self.protocol}")


def _party(raw: str) -> Address | str:
    """An address, or a name, which may say its section: `endpoint/web`."""
    if ":" in raw or raw.replace(".", "").isdigit():
        return ip_address(raw)
    return object_name(raw.removeprefix("endpoint/"))


def _client(value: Any) -> Address | str:  # noqa: ANN401  whatever YAML held
    if not isinstance(value, str) and getattr(value, "version", None):
        return ip_address(value)
    raw = text(value).strip()
    if "/" in raw.removeprefix("endpoint/"):
        raise wrong("NS0310", f'nobody connects from "{raw}"', "name an endpoint, host, outside, or one address")
    return _party(raw)


def _goal(value: Any) -> Goal:  # noqa: ANN401
    if isinstance(value, Goal):
        return value
    raw = " ".join(text(value).split())
    if raw.startswith("ping "):
        return Goal(_reached(raw.removeprefix("ping "), raw), PING)
    body, slash, protocol = raw.removeprefix("endpoint/").partition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise wrong("NS0311", f'"{protocol}" cannot be checked', "write /tcp or /udp, or: ping web")
    party, colon, port = body.rpartition(":")
    bracketed = party.startswith("[") and party.endswith("]")
    if not colon or not party or (":" in party and not bracketed):
        hint = "an IPv6 address stands in brackets: [2001:db8::2]:80" if ":" in party else _GOALS
        raise wrong("NS0311", f'"{raw}" names no port', hint)
    if not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= 65535:
        raise wrong("NS0312", f'"{port}" is not a port', "write one number from 1 to 65535")
    return Goal(_reached(party[1:-1] if bracketed else party, raw), protocol or "tcp", int(port))


def _reached(raw: str, whole_text: str) -> Address | str:
    party = _party(raw)
    if party == OUTSIDE:
        hint = "name an address that stands outside: 198.51.100.7:443"
        raise wrong("NS0311", f'"{whole_text}" can be anybody', hint)
    return party


def _within(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, float) and not isinstance(getattr(value, "text", None), str):
        return value
    raw = text(value)
    found = _DURATION.fullmatch(raw)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        hint = "write it like 3s or 500ms: from 100ms to 60s"
        raise wrong("NS0313", f'"{raw}" is not a time in which an answer may come', hint)
    return seconds


def _spelled(seconds: float) -> str:
    """A time as it can be read again: what has more than three decimals is written in milliseconds."""
    written = round(seconds, 3)
    return f"{written:g}s" if abs(written - seconds) < 1e-9 else f"{seconds * 1000:.3f}ms"


def _label(value: Any) -> str:  # noqa: ANN401
    found = text(value)
    if not found.isprintable() or not 1 <= len(found.strip()) <= _LONGEST_NAME:
        raise wrong(
            "NS0314", "this cannot name a check", f"write 1 to {_LONGEST_NAME} printable characters on one line"
        )
    return found.strip()


Client = Annotated[
    Any,
    BeforeValidator(_client),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": whole(IP, rf"(?:endpoint/)?{NAME}"),
            "examples": ["web", "host", "outside", "198.51.100.7"],
        }
    ),
]
Reached = Annotated[
    Goal,
    BeforeValidator(_goal),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?:ping +\S+|\S+:[0-9]{1,5}(?:/(?:tcp|udp))?)$",
            "examples": ["redis:6379", "host:53/udp", "198.51.100.7:443", "ping web"],
        }
    ),
]
Within = Annotated[
    float,
    BeforeValidator(_within),
    PlainSerializer(_spelled, when_used="json"),
    WithJsonSchema(
        {"type": ["string", "number"], "pattern": r"^[0-9]+(?:\.[0-9]+)?(?:ms|s|m)?$", "examples": ["3s", "500ms"]}
    ),
]
Label = Annotated[
    str,
    BeforeValidator(_label),
    WithJsonSchema({"type": ["string", "number"], "maxLength": _LONGEST_NAME, "examples": ["the shop is open"]}),
]


class CheckSpec(SpecModel):
    """One check: who connects whereto, and what must become of it."""

    name: Label | None = None
    """How reports call it; `web -> db:5432` unless said."""
    from_: Annotated[Client, Field(alias="from")]
    """Who connects: an endpoint, `host`, `outside`, or an address outside."""
    to: Reached
    """Whereto: `redis:6379`, `host:53/udp`, `198.51.100.7:443`, or `ping web`."""
    expect: Literal["open", "refused", "blocked"] = "open"
    """What must become of it: an answer, a refusal, or silence."""
    source: Literal["client", "gateway"] | None = None
    """The address that the target must see: the client's own, or that of the host on the target's segment."""
    family: Annotated[Literal[4, 6], EXACTLY] | None = None
    """The IP version; every one that both sides have unless said."""
    within: Within = DEFAULT_WITHIN
    """How long an answer may take, and how long silence must last."""
    required: Switch = False
    """Whether an apply is undone unless it passes; else only where it passed before."""

    @model_validator(mode="after")
    def _fits_together(self) -> "CheckSpec":
        if self.source is not None and (self.expect != "open" or self.to.protocol == PING):
            hint = "leave `source` away, or expect a port to be open"
            raise wrong("NS0315", "what does not arrive at a port has no source that could be seen", hint)
        if self.required and self.is_outside:
            hint = "leave `required` away: `netspec test` asks from outside, an apply cannot"
            raise wrong("NS0316", "an apply cannot ask anybody outside", hint)
        return self

    @property
    def is_outside(self) -> bool:
        """Whether the client is a remote machine."""
        return self.from_ == OUTSIDE or not isinstance(self.from_, str)

    @property
    def label(self) -> str:
        """How it is called."""
        return self.name or f"{self.from_} -> {self.to}" + (f" (IPv{self.family})" if self.family else "")
