"""The trace messages of nftables (`nft monitor trace`), decoded: which rule of which chain did what with a packet."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from netspec.kernel.values import Address

_MESSAGE = 10 << 8 | 17
"""NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE."""
_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID = 1, 2, 3, 4, 5, 6
_NETWORK, _TRANSPORT, _IIF, _OIF, _POLICY = 8, 9, 10, 12, 16
_CODE, _JUMP = 1, 2
_POLICY_TYPE = 1
_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
_PROTOCOLS = {6: "tcp", 17: "udp", 1: "ping", 58: "ping"}


@dataclass(frozen=True, slots=True)
class Headers:
    """Whose packet it is. For `source_port` a ping has its identifier, and no port."""

    protocol: str
    source: Address
    source_port: int
    target: Address
    port: int


@dataclass(frozen=True, slots=True)
class Event:
    """One message; `handle` is 0 for the policy of a chain, links are numbers, 0 for none."""

    packet: int
    family: str
    table: str
    chain: str
    handle: int
    verdict: str
    iif: int
    oif: int
    headers: Headers | None


def decode(datagram: bytes) -> Iterator[Event]:
    """The events in a datagram; what cannot be understood is left out."""
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        if length < 20 or offset + length > len(datagram):
            return
        if kind == _MESSAGE:
            event = _event(datagram[offset + 16 : offset + length])
            if event is not None:
                yield event
        offset += (length + 3) & ~3


def _event(body: bytes) -> Event | None:
    found = _attributes(body[4:])
    if _ID not in found or _CHAIN not in found:
        return None
    is_policy = _number(found.get(_TYPE)) == _POLICY_TYPE
    code = found.get(_POLICY) if is_policy else _attributes(found.get(_VERDICT, b"")).get(_CODE)
    return Event(
        packet=_number(found[_ID]),
        family=_FAMILIES.get(body[0], str(body[0])),
        table=_text(found.get(_TABLE)),
        chain=_text(found.get(_CHAIN)),
        handle=0 if is_policy else _number(found.get(_HANDLE)),
        verdict=_VERDICTS.get(_signed(code), "continue"),
        iif=_number(found.get(_IIF)),
        oif=_number(found.get(_OIF)),
        headers=_headers(found.get(_NETWORK, b""), found.get(_TRANSPORT, b"")),
    )


def _headers(network: bytes, transport: bytes) -> Headers | None:
    """Of IPv4 and IPv6 alone; what follows extension headers is not looked for."""
    version = network[0] >> 4 if network else 0
    if version == 4 and len(network) >= 20:
        number, source, target = network[9], network[12:16], network[16:20]
    elif version == 6 and len(network) >= 40:
        number, source, target = network[6], network[8:24], network[24:40]
    else:
        return None
    protocol = _PROTOCOLS.get(number, str(number))
    first, second, third = (_number(transport[at : at + 2]) for at in (0, 2, 4))
    ports = (third, 0) if protocol == "ping" else (first, second)
    return Headers(protocol, ip_address(source), ports[0], ip_address(target), ports[1])


def _attributes(buffer: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + 4 <= len(buffer):
        length, number = struct.unpack_from("=HH", buffer, offset)
        if length < 4:
            break
        found[number & 0x3FFF] = buffer[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _number(data: bytes | None) -> int:
    return int.from_bytes(data or b"", "big")


def _signed(data: bytes | None) -> int:
    return int.from_bytes(data or b"\xff\xff\xff\xff", "big", signed=True)


def _text(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode(errors="replace")
