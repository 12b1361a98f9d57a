"""Types of single values in a spec: parsed once, at the door, into the one form used inside."""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from netspec.kernel.operations import Address, Interface, Network
from netspec.kinds._patterns import CIDR, IP, LINK, MAC, NAME, whole

LINK_NAME_BYTES = 15
"""IFNAMSIZ without the closing zero byte (`linux/if.h`)."""

_LINK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OBJECT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def wrong(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """A validation error with a diagnostic code; `hint` is the way out."""
    # pydantic formats messages with str.format fields: braces of the user's text must not be taken for such.
    escaped = message.replace("{", "(").replace("}", ")")
    return PydanticCustomError(code, escaped, {"hint": hint})


def text(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    """The raw text of a scalar where a string is meant: `010`, `1e3` and `22:22` survive."""
    if isinstance(value, str):
        return value
    raw = getattr(value, "text", None)
    if isinstance(raw, str):
        return raw
    raise wrong("NS0120", f"a string is wanted here, not {_word(value)}", "write it in quotes")


def _word(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a number"


def link_name(value: Any) -> str:  # noqa: ANN401
    """A name the kernel accepts for a link (`dev_valid_name` in net/core/dev.c), and nft for an interface."""
    name = text(value)
    if len(name.encode()) > LINK_NAME_BYTES:
        raise wrong(
            "NS0121",
            f'"{name}" has {len(name.encode())} bytes; the name of a link has at most {LINK_NAME_BYTES}',
            f'shorten it, for example to "{name.encode()[:LINK_NAME_BYTES].decode(errors="ignore")}"',
        )
    if name in (".", "..") or not _LINK_NAME.fullmatch(name):
        raise wrong("NS0122", f'"{name}" cannot name a link', "use letters, digits, '.', '_' and '-'")
    if name in ("all", "default", "lo"):
        raise wrong("NS0122", f'"{name}" cannot name a link of netspec: the kernel uses the name', "choose another")
    return name


def object_name(value: Any) -> str:  # noqa: ANN401
    """A name of an endpoint, a namespace or a subnet: up to 63 letters, digits, `.`, `_`, `-`."""
    name = text(value)
    if not _OBJECT_NAME.fullmatch(name):
        raise wrong(
            "NS0123",
            f'"{name}" is not a name',
            "use 1 to 63 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
        )
    return name


def ip_address(value: Any) -> Address:  # noqa: ANN401
    """An IPv4 or IPv6 address without a prefix."""
    raw = value if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)) else text(value)
    try:
        found = ipaddress.ip_address(raw)
    except ValueError:
        hint = "leave the prefix away" if "/" in str(raw) else "write it like 172.17.0.2 or 2001:db8::2"
        raise wrong("NS0124", f'"{raw}" is not an IP address', hint) from None
    if getattr(found, "scope_id", None):
        raise wrong("NS0124", f'"{raw}" has a zone', "leave %… away")
    _is_no_ipv4(found, raw)
    return found


_IPV4_INSIDE = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("::/96"))
_MEANT = (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1"))


def _is_no_ipv4(found: Address, raw: object, prefix: int = 128) -> None:
    """No packet has such an address; and each program writes it in another way."""
    if found.version == 6 and found not in _MEANT and any(found in each for each in _IPV4_INSIDE):
        inner = ipaddress.IPv4Address(found.packed[12:])
        length = "" if "/" not in str(raw) else f"/{max(prefix - 96, 0)}"
        raise wrong("NS0332", f'"{raw}" is IPv4 written as IPv6', f"write {inner}{length}")


def ip_network(value: Any) -> Network:  # noqa: ANN401
    """A subnet in CIDR form, host bits zero."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value
    raw = text(value)
    if "/" not in raw:
        raise wrong("NS0125", f'"{raw}" is not a subnet', "write it with its prefix length, like 172.17.0.0/16")
    try:
        found = ipaddress.ip_network(raw, strict=False)
    except ValueError as error:
        raise wrong("NS0125", f'"{raw}" is not a subnet: {_why_no_network(raw, error)}') from None
    if str(found.network_address) != str(ipaddress.ip_interface(raw).ip):
        raise wrong("NS0126", f'"{raw}" is an address inside a subnet, not a subnet', f'write "{found}"')
    _is_no_ipv4(found.network_address, raw, found.prefixlen)
    return found


def _why_no_network(raw: str, error: ValueError) -> str:
    address, _, prefix = raw.partition("/")
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return f'"{address}" is not an IP address'
    longest = 32 if version == 4 else 128
    if not (prefix.isascii() and prefix.isdigit()) or int(prefix) > longest:
        return f"an IPv{version} prefix length is 0 to {longest}"
    return str(error)


def ip_interface(value: Any) -> Address | Interface | str:  # noqa: ANN401
    """`auto`, an address, or an address with a prefix."""
    if isinstance(value, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        return value
    raw = value if not isinstance(value, str) else value.strip(" ")
    if raw == "auto":
        return "auto"
    if isinstance(raw, str) and "/" in raw:
        try:
            found = ipaddress.ip_interface(raw)
        except ValueError as error:
            raise wrong("NS0124", f'"{raw}" is not an address: {_why_no_network(raw, error)}') from None
        _is_no_ipv4(found.ip, raw, found.network.prefixlen)
        return found
    return ip_address(raw)


def mac_address(value: Any) -> str:  # noqa: ANN401
    """A unicast MAC address in lower case with colons, or `auto`."""
    raw = text(value).lower().replace("-", ":")
    if raw == "auto":
        return raw
    if not _MAC.fullmatch(raw):
        raise wrong("NS0127", f'"{value}" is not a MAC address', "write it like 02:42:ac:11:00:02, or auto")
    if int(raw[:2], 16) & 1 or raw == "00:00:00:00:00:00":
        raise wrong("NS0127", f'"{value}" cannot be the MAC address of a link: it is a group address or zero')
    return raw


def _schema(description: str, **extra: object) -> WithJsonSchema:
    return WithJsonSchema({"description": description, **extra})


_NUMBER_OR_TEXT = {"type": ["string", "number"]}

Text = Annotated[str, BeforeValidator(text), WithJsonSchema({"type": ["string", "number"]})]
LinkName = Annotated[
    str,
    BeforeValidator(link_name),
    _schema(
        "Name of a link, at most 15 bytes.", type=["string", "number"], pattern=whole(LINK), examples=["br0", "eth0"]
    ),
]
ObjectName = Annotated[
    str,
    BeforeValidator(object_name),
    _schema("A name.", type=["string", "number"], pattern=whole(NAME), examples=["web", "db-1"]),
]
IpAddress = Annotated[
    Address,
    BeforeValidator(ip_address),
    PlainSerializer(str, when_used="json"),
    _schema("An IPv4 or IPv6 address.", type="string", pattern=whole(IP), examples=["172.17.0.2", "2001:db8::2"]),
]
Cidr = Annotated[
    Network,
    BeforeValidator(ip_network),
    PlainSerializer(str, when_used="json"),
    _schema("A subnet in CIDR form.", type="string", pattern=whole(CIDR), examples=["172.17.0.0/16", "2001:db8::/64"]),
]
InterfaceAddress = Annotated[
    Any,
    BeforeValidator(ip_interface),
    PlainSerializer(str, when_used="json"),
    _schema(
        "`auto`, an address, or an address with its prefix length.",
        type="string",
        pattern=whole("auto", IP, CIDR),
        examples=["auto", "172.17.0.2", "172.17.0.2/16"],
    ),
]
Mac = Annotated[
    str,
    BeforeValidator(mac_address),
    _schema(
        "A MAC address, or `auto` for a deterministic one.",
        type="string",
        pattern=whole("auto", MAC),
        examples=["auto", "02:42:ac:11:00:02"],
    ),
]
Switch = Annotated[bool, Field(strict=True)]
Mtu = Annotated[int, Field(strict=True, ge=68, le=65535, examples=[1500, 9000])]


def _unlike(value: Any) -> Any:  # noqa: ANN401  whatever YAML held
    return str(value) if isinstance(value, bool | float) else value


EXACTLY = BeforeValidator(_unlike)
"""For a Literal of numbers: to Python, and so to pydantic, `true` and `1.0` equal 1."""
