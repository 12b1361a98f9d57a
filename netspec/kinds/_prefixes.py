"""Generated IPv6 prefixes: what stands for `ula` in a document."""

import ipaddress
from hashlib import sha256
from typing import Any

ULA = "ula"
"""What is written in the place of a CIDR for a generated IPv6 prefix."""
_ULA_BITS = 0xFD << 120


def unique_local(stack: str, segment: str) -> ipaddress.IPv6Network:
    """The unique local /64 of a segment (RFC 4193): fd00::/8, and 56 bits of a hash of names that never change."""
    digest = sha256(f"netspec unique local prefix\0{stack}\0{segment}".encode()).digest()
    return ipaddress.IPv6Network((_ULA_BITS | int.from_bytes(digest[:7]) << 64, 64))


def with_prefixes(data: Any) -> Any:  # noqa: ANN401  whatever YAML held
    """A raw document with the generated prefix wherever `ula` is written; the document itself where it is nowhere."""
    if not isinstance(data, dict):
        return data
    stack = str(data.get("stack", "default"))
    found = dict(data)
    for section in _WITH_SUBNETS & set(data):
        if isinstance(data[section], dict):
            found[section] = {
                name: _prefixed_entry(entry, str(unique_local(stack, f"{section[:-1]}/{name}")))
                for name, entry in data[section].items()
            }
    if isinstance(data.get("subnets"), dict):
        found["subnets"] = {
            name: _prefixed(entry, str(unique_local(stack, f"subnet/{name}")))
            for name, entry in data["subnets"].items()
        }
    return found


_WITH_SUBNETS = frozenset({"bridges", "macvlans", "ipvlans", "overlays"})


def _prefixed_entry(entry: Any, prefix: str) -> Any:  # noqa: ANN401
    choices = entry.get("subnets") if isinstance(entry, dict) else None
    if not isinstance(choices, list):
        return entry
    return {**entry, "subnets": [_prefixed(each, prefix) for each in choices]}


def _prefixed(choice: Any, prefix: str) -> Any:  # noqa: ANN401
    if choice == ULA:
        return prefix
    return {**choice, "cidr": prefix} if isinstance(choice, dict) and choice.get("cidr") == ULA else choice
