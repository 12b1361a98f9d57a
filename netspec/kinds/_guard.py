"""Antispoofing: what an endpoint may send through its port, as elements of the table in the bridge family."""

import ipaddress
from collections.abc import Iterator

from netspec.core.elements import concat, ifname
from netspec.core.resource import Mark, Resource
from netspec.kernel.operations import Address, Interface
from netspec.kinds.nat_element import guard_element

UNSPECIFIED = ipaddress.IPv6Address("::")
"""The source of duplicate address detection (RFC 4862, 5.4) and of the first MLD reports (RFC 3590)."""


def guarded(port: str, mac: str, addresses: tuple[Interface, ...], mark: Mark) -> Iterator[Resource]:
    """The elements that let through what an endpoint with this MAC and these addresses sends by `port`."""
    link = ifname(port)
    yield guard_element(mark, "guarded", link)
    yield guard_element(mark, "guarded_mac", concat(link, mac))
    for each in addresses:
        if each.version == 4:
            yield guard_element(mark, "guarded4", concat(link, each.ip))
    own6: list[Address] = [each.ip for each in addresses if each.version == 6]
    if own6:
        own6 = list(dict.fromkeys([*own6, link_local(mac)]))
        for address in (*own6, UNSPECIFIED):
            yield guard_element(mark, "guarded6", concat(link, address))
        for address in own6:
            yield guard_element(mark, "advertised6", concat(link, f"0x{int(address):032x}"))


def link_local(mac: str) -> ipaddress.IPv6Address:
    """The link-local address that the kernel makes of a MAC: modified EUI-64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]))
    return ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier)
