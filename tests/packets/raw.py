"""Packets that no socket of the kernel would send: echo requests, SCTP by hand, and whole frames."""

import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

SCTP = 132
_INIT, _INIT_ACK = 1, 2
_COOKIE = 7
_CASTAGNOLI = 0x82F63B78


def ping(host: str, source: str, timeout: float) -> str:
    """`answers` or `blocked`."""
    six = ":" in host
    number = os.getpid() & 0xFFFF
    request = struct.pack("!BBHHH", 128 if six else 8, 0, 0, number, 1)
    if not six:
        request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
    answer = struct.pack("!BB", 129 if six else 0, 0), struct.pack("!HH", number, 1)
    with _raw(host, source, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as client:
        for packet in _heard(client, request, timeout):
            if (packet[:2], packet[4:8]) == answer:
                return "answers"
    return "blocked"


def init(host: str, port: int, source: str, timeout: float) -> str:
    """Begin an SCTP association: what the server says, `refused`, or `blocked`."""
    own = 32768 + secrets.randbelow(28000)
    with _raw(host, source, SCTP) as client:
        for packet in _heard(client, _packet(own, port, 0, _chunk(_INIT, b"")), timeout):
            if _sound(packet) and packet[:4] == struct.pack("!HH", port, own) and packet[12] == _INIT_ACK:
                return packet[12 + 20 + 4 :].rstrip(b"\0").decode()
    return "blocked"


def serve_sctp(ready: int, name: str, port: int) -> None:
    """Answer each INIT whose checksum is right with `NAMESPACE sees ADDRESS`, over both IP versions."""
    servers = [socket.socket(family, socket.SOCK_RAW, SCTP) for family in (socket.AF_INET, socket.AF_INET6)]
    os.write(ready, b".")
    while True:
        for server in servers:
            server.settimeout(0.02)
            try:
                packet, peer = server.recvfrom(2048)
            except TimeoutError:
                continue
            packet = _payload(server, packet)
            source, destination = struct.unpack_from("!HH", packet)
            if destination == port and packet[12] == _INIT and _sound(packet):
                cookie = f"{name} sees {peer[0]}".encode()
                tag = struct.unpack_from("!I", packet, 16)[0]
                server.sendto(_packet(port, source, tag, _chunk(_INIT_ACK, cookie)), (peer[0], 0))


def crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def checksum(data: bytes) -> int:
    """That of the Internet (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _chunk(kind: int, cookie: bytes) -> bytes:
    """INIT or INIT ACK: tag, window, streams out and in, first sequence number, perhaps a cookie."""
    body = struct.pack("!IIHHI", 0x11223344, 65535, 1, 1, 1)
    if cookie:
        body += struct.pack("!HH", _COOKIE, 4 + len(cookie)) + cookie
    return struct.pack("!BBH", kind, 0, 4 + len(body)) + body + bytes(-len(body) % 4)


def _packet(source: int, destination: int, tag: int, chunk: bytes) -> bytes:
    ports = struct.pack("!HHI", source, destination, tag)
    return ports + struct.pack("<I", crc32c(ports + bytes(4) + chunk)) + chunk


def _sound(packet: bytes) -> bool:
    return packet[8:12] == struct.pack("<I", crc32c(packet[:8] + bytes(4) + packet[12:]))


def _raw(host: str, source: str, protocol: int) -> socket.socket:
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_RAW, protocol)
    if source:
        client.bind((source, 0))
    client.connect((host, 0))
    return client


def _heard(client: socket.socket, asked: bytes, timeout: float) -> Iterator[bytes]:
    """What comes in answer to a packet, which is sent again each second, as TCP does by itself."""
    end, again = time.monotonic() + timeout, 0.0
    while (now := time.monotonic()) < end:
        if now >= again:
            client.send(asked)
            again = now + 1
        client.settimeout(max(0.001, min(again, end) - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            yield _payload(client, client.recv(2048))


def _payload(client: socket.socket, packet: bytes) -> bytes:
    """Without the IP header, which a raw socket of IPv4 gets to see."""
    return packet[(packet[0] & 15) * 4 :] if client.family == socket.AF_INET else packet


def frame(source: str, destination: str, kind: int, payload: bytes, vlan: int | None = None) -> bytes:
    """An Ethernet frame between two MACs."""
    macs = bytes.fromhex((destination + source).replace(":", ""))
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return macs + tag + struct.pack("!H", kind) + payload


def ip(source: str, destination: str, protocol: int, payload: bytes) -> tuple[int, bytes]:
    """EtherType and packet."""
    first, second = ip_address(source), ip_address(destination)
    if isinstance(first, IPv6Address):
        header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + first.packed + second.packed
        return 0x86DD, header + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + first.packed + second.packed
    return 0x0800, header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> tuple[int, bytes]:
    """EtherType and packet of a datagram."""
    body = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    return ip(source, destination, 17, body[:6] + struct.pack("!H", _pseudo(source, destination, 17, body)) + body[8:])


def icmpv6(source: str, destination: str, body: bytes) -> tuple[int, bytes]:
    """EtherType and packet of an ICMPv6 message whose checksum is left 0 in `body`."""
    return ip(source, destination, 58, body[:2] + struct.pack("!H", _pseudo(source, destination, 58, body)) + body[4:])


def _pseudo(source: str, destination: str, protocol: int, body: bytes) -> int:
    addresses = ip_address(source).packed + ip_address(destination).packed
    return checksum(addresses + struct.pack("!II", len(body), protocol) + body) or 0xFFFF


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str]) -> tuple[int, bytes]:
    """EtherType and packet: MAC and address of the sender, and of the target."""
    ends = b"".join(
        bytes.fromhex(mac.replace(":", "")) + IPv4Address(address).packed for mac, address in (sender, target)
    )
    return 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + ends


def send(link: str, frames: list[bytes]) -> None:
    """Put frames on a link as they are."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((link, 0))
        for each in frames:
            wire.send(each)
