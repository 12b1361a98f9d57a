"""Keys and values of nftables elements, in the one form in which `nft` lists them.

An element is identified by its key's text, so who writes it and who reads it must spell it alike:
`tcp . 8000-8010`, `192.0.2.1 . tcp . 80`, `172.17.0.0/16 . "docker0"`.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "ipv6-icmp", 132: "sctp", 136: "udplite"}
"""The IP protocols that keys spell by name; all others are numbers."""

Part = str | int | IPv4Address | IPv6Address | IPv4Network | IPv6Network
"""One field of a key: text that is in form already, a port, an address or a prefix."""


def concat(*parts: Part) -> str:
    """A key or value of one or more fields: `tcp . 6379`. A prefix of full length is written as its address."""
    return " . ".join(_field(part) for part in parts)


def ifname(name: str) -> str:
    """The name of a link as a field: `"docker0"`."""
    return f'"{name}"'


def ports(first: int, last: int) -> str:
    """A port, or a range of ports with both ends in it: `80`, `8000-8010`."""
    return str(first) if first == last else f"{first}-{last}"


def mark(number: int) -> str:
    """A 32-bit mark as a field: `0x00000001`."""
    return f"0x{number:08x}"


def _field(part: Part) -> str:
    if isinstance(part, IPv4Network | IPv6Network) and part.prefixlen == part.max_prefixlen:
        return str(part.network_address)
    return str(part)
