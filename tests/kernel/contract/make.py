"""Short words for the values of operations."""

import dataclasses
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from netspec.kernel.operations import Address, Interface, Network


def interface(text: str) -> Interface:
    """`10.0.0.1/24`."""
    return ip_interface(text)


def network(text: str) -> Network:
    """`10.0.0.0/24`."""
    return ip_network(text)


def address(text: str) -> Address:
    """`10.0.0.1`."""
    return ip_address(text)


def said(value: Any) -> str | None:  # noqa: ANN401  any parameter of a test
    """An operation as the name of a test: what it says, without what it does not. None for other values."""
    if not dataclasses.is_dataclass(value):
        return None
    fields = ((each.name, getattr(value, each.name), each.default) for each in dataclasses.fields(value))
    words = [f"{name}={str(found)[:40]}" for name, found, default in fields if found != default]
    return f"{type(value).__name__} {' '.join(words)}"
