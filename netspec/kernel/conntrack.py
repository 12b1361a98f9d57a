"""Connection tracking over ctnetlink: delete flows of a publication or that are no longer let in; list those alive.

Flows of a publication are found by what they were before translation: protocol, destination and port. By the
port of the target, which is what others go by, a flow is not found that was translated to another port.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from netspec.core.judge import Flow
from netspec.errors import PrivilegeMissing
from netspec.kernel.netlink import decoding
from netspec.kernel.operations import Address, FlowDelete, FlowsCut
from netspec.kernel.port import KernelError
from netspec.kernel.sightings import FlowRow

DEADLINE = 10.0
"""Seconds for one request, from sending it to its last answer."""
MOST_FLOWS = 50_000
PATIENCE = 2.0
"""What may be read for information: entries, and seconds for one IP version."""
_COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_MODULES = Path("/sys/module")

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}

_NETLINK_NETFILTER = 12
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x1, 0x4, 0x300
_CT_GET, _CT_DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_STATUS, _CTA_PROTOINFO, _CTA_ID, _CTA_ZONE = 1, 2, 3, 4, 12, 18
_IPS_SEEN_REPLY, _IPS_DST_NAT = 1 << 1, 1 << 5
_CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2
_CTA_IP_SOURCES, _CTA_IP_DESTINATIONS = (1, 3), (2, 4)  # IPv4 and IPv6
_CTA_PROTO_NUM, _CTA_PROTO_SRC_PORT, _CTA_PROTO_DST_PORT = 1, 2, 3
_CTA_PROTOINFO_TCP, _CTA_PROTOINFO_TCP_STATE = 1, 1
_TCP_CONNTRACK_ESTABLISHED = 3
_NESTED = 0x8000
_ABSENT = frozenset({errno.ENOENT, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT})

_HEADER = struct.Struct("=IHHII")
_NFGEN = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class _Flow:
    """One entry: the original direction as it came, and who answers it."""

    family: int
    protocol: int
    source: Address
    destination: Address
    port: int
    answering: Address
    answering_port: int
    translated: bool
    answered: bool
    state: int
    name: bytes
    """The attributes that name this entry to the kernel: original tuple, id and zone, packed."""


def delete_flows(operation: FlowDelete) -> int:
    """Delete the entries that a publication let in; returns how many. None where there is no conntrack.

    Raises KernelError, with ETIMEDOUT where the kernel does not answer, and PrivilegeMissing.
    """
    try:
        with _connection() as connection:
            flows = [flow for flow in _dump(connection, operation.target.version) if _matches(flow, operation)]
            return sum(_delete(connection, flow) for flow in flows)
    except OSError as error:
        if error.errno in _ABSENT:
            return 0
        raise _explained(error, operation) from error


def cut_flows(operation: FlowsCut, local: Container[Address]) -> int:
    """Delete the entries that are no longer admitted; returns how many. `local` holds the host's addresses.

    Raises KernelError, with ETIMEDOUT where the kernel does not answer, and PrivilegeMissing.
    """
    cut = 0
    try:
        with _connection() as connection:
            for version in (4, 6):
                for flow in _dump(connection, version):
                    if not operation.judge.admits(_seen(flow), local):
                        cut += _delete(connection, flow)
    except OSError as error:
        if error.errno in _ABSENT:
            return cut
        raise _explained(error, operation) from error
    return cut


def _seen(flow: _Flow) -> Flow:
    """A flow as the filter sees it."""
    return Flow(flow.protocol, flow.source, flow.answering, flow.answering_port, flow.translated)


def flows() -> Sequence[FlowRow] | None:
    """The established flows of this namespace; None where they are too many to read in passing, or cannot be read.

    Asking would load a module that is not there, and looking changes nothing: without it there are none.
    """
    if _MODULES.is_dir() and not (_MODULES / "nf_conntrack").exists():
        return ()
    found: list[FlowRow] = []
    try:
        if _COUNT.exists() and int(_COUNT.read_text(encoding="ascii")) > MOST_FLOWS:
            return None
        with _connection() as connection:
            for version in (4, 6):
                family = socket.AF_INET if version == 4 else socket.AF_INET6
                for kind, body in _request(connection, _CT_GET, _NLM_F_DUMP, _nfgen(family), PATIENCE):
                    flow = _flow(kind, body)
                    found += [_row(flow)] if flow is not None and _alive(flow) else []
                    if len(found) > MOST_FLOWS:
                        return None
    except OSError as error:
        return () if error.errno in _ABSENT else None
    return found


def _row(flow: _Flow) -> FlowRow:
    return FlowRow(
        protocol=flow.protocol,
        source=flow.source,
        destination=flow.destination,
        port=flow.port,
        answering=flow.answering,
        answering_port=flow.answering_port,
        translated=flow.translated,
    )


def source_seen(protocol: str, source: tuple[Address, int], target: tuple[Address, int]) -> Address:
    """The address under which a flow arrives, which its client began like this: its own unless that was translated.

    Raises OSError where it cannot be told.
    """
    at = 0 if source[0].version == 4 else 1
    addresses = _packed(_CTA_IP_SOURCES[at], source[0].packed) + _packed(_CTA_IP_DESTINATIONS[at], target[0].packed)
    ports = _packed(_CTA_PROTO_NUM, bytes([PROTOCOLS[protocol]]))
    for number, port in ((_CTA_PROTO_SRC_PORT, source[1]), (_CTA_PROTO_DST_PORT, target[1])):
        ports += _packed(number, port.to_bytes(2, "big"))
    name = _packed(_CTA_TUPLE_IP | _NESTED, addresses) + _packed(_CTA_TUPLE_PROTO | _NESTED, ports)
    body = _nfgen((socket.AF_INET, socket.AF_INET6)[at]) + _packed(_CTA_TUPLE_ORIG | _NESTED, name)
    try:
        with _connection() as connection:
            answers = [payload for _, payload in _request(connection, _CT_GET, _NLM_F_ACK, body)]
    except OSError as error:
        if error.errno in _ABSENT:
            return source[0]  # Whom conntrack does not know it has not translated.
        raise
    reply = _attributes(_attributes(answers[0][_NFGEN.size :])[_CTA_TUPLE_REPLY])
    return _address(_attributes(reply[_CTA_TUPLE_IP]), _CTA_IP_DESTINATIONS)


def _matches(flow: _Flow, operation: FlowDelete) -> bool:
    first, last = operation.ports
    return (
        flow.protocol == PROTOCOLS.get(operation.protocol)
        and first <= flow.port <= last
        and operation.listen in (None, flow.destination)
        and flow.answering == operation.target
    )


def _alive(flow: _Flow) -> bool:
    """An established TCP connection, and of the rest what has been answered."""
    return flow.state == _TCP_CONNTRACK_ESTABLISHED if flow.protocol == PROTOCOLS["tcp"] else flow.answered


def _explained(error: OSError, operation: FlowDelete | FlowsCut) -> Exception:
    if error.errno == errno.EPERM:
        return PrivilegeMissing("Reading connection tracking needs the capability CAP_NET_ADMIN.")
    if isinstance(error, TimeoutError):
        return KernelError(errno.ETIMEDOUT, operation, "connection tracking does not answer")
    return KernelError(error.errno or errno.EIO, operation)


def _connection() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)


def _dump(connection: socket.socket, version: int) -> list[_Flow]:
    """All entries of one IP version. The kernel lists each at least once, even while others come and go."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with decoding():
        flows = (_flow(kind, body) for kind, body in _request(connection, _CT_GET, _NLM_F_DUMP, _nfgen(family)))
        return [flow for flow in flows if flow]


def _delete(connection: socket.socket, flow: _Flow) -> int:
    """1, or 0 where it was gone before."""
    try:
        list(_request(connection, _CT_DELETE, _NLM_F_ACK, _nfgen(flow.family) + flow.name))
    except FileNotFoundError:
        return 0
    return 1


def _request(
    connection: socket.socket, kind: int, flags: int, body: bytes, patience: float | None = None
) -> Iterator[tuple[int, bytes]]:
    """Send one message; the payloads that answer it, until its acknowledgement or the end of the dump."""
    sequence = time.monotonic_ns() & 0x7FFFFFFF
    patience = DEADLINE if patience is None else patience
    # Who was not let run meanwhile has not waited: what it costs is our own time, and that of waiting in vain.
    begun = time.thread_time()
    connection.settimeout(patience)
    connection.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | _NLM_F_REQUEST, sequence, 0) + body)
    while True:
        if time.thread_time() - begun > patience:
            raise TimeoutError
        buffer = connection.recv(1 << 16)
        for sort, number, payload in _messages(buffer):
            if number != sequence:
                continue
            if sort == _NLMSG_ERROR:
                code = -struct.unpack_from("=i", payload)[0]
                if code:
                    raise OSError(code, os.strerror(code))
                return
            if sort == _NLMSG_DONE:
                return
            yield sort, payload


def _messages(buffer: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(buffer):
        length, kind, _, sequence, _ = _HEADER.unpack_from(buffer, offset)
        yield kind, sequence, buffer[offset + _HEADER.size : offset + length]
        offset += max(length + 3 & ~3, _HEADER.size)


def _nfgen(family: int) -> bytes:
    return _NFGEN.pack(family, 0, 0)


def _attributes(buffer: bytes) -> dict[int, bytes]:
    """Attributes by number, the mark of nested ones taken off."""
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(buffer):
        length, number = _ATTRIBUTE.unpack_from(buffer, offset)
        found[number & ~_NESTED] = buffer[offset + _ATTRIBUTE.size : offset + length]
        offset += max(length + 3 & ~3, _ATTRIBUTE.size)
    return found


def _packed(number: int, payload: bytes) -> bytes:
    padding = -len(payload) % 4
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), number) + payload + b"\0" * padding


def _flow(kind: int, body: bytes) -> _Flow | None:
    """An entry; ports are 0 where its protocol has none."""
    if kind & 0xFF:
        return None
    family = _NFGEN.unpack_from(body)[0]
    found = _attributes(body[_NFGEN.size :])
    original, reply = _attributes(found[_CTA_TUPLE_ORIG]), _attributes(found[_CTA_TUPLE_REPLY])
    addresses, proto = _attributes(original[_CTA_TUPLE_IP]), _attributes(original[_CTA_TUPLE_PROTO])
    answer = _attributes(reply[_CTA_TUPLE_PROTO])
    state = _attributes(_attributes(found.get(_CTA_PROTOINFO, b"")).get(_CTA_PROTOINFO_TCP, b""))
    status = int.from_bytes(found.get(_CTA_STATUS, b""), "big")
    name = _packed(_CTA_TUPLE_ORIG | _NESTED, found[_CTA_TUPLE_ORIG])
    name += b"".join(_packed(number, found[number]) for number in (_CTA_ID, _CTA_ZONE) if number in found)
    return _Flow(
        family=family,
        protocol=proto[_CTA_PROTO_NUM][0],
        source=_address(addresses, _CTA_IP_SOURCES),
        destination=_address(addresses, _CTA_IP_DESTINATIONS),
        port=int.from_bytes(proto.get(_CTA_PROTO_DST_PORT, b""), "big"),
        answering=_address(_attributes(reply[_CTA_TUPLE_IP]), _CTA_IP_SOURCES),
        answering_port=int.from_bytes(answer.get(_CTA_PROTO_SRC_PORT, b""), "big"),
        translated=bool(status & _IPS_DST_NAT),
        answered=bool(status & _IPS_SEEN_REPLY),
        state=state.get(_CTA_PROTOINFO_TCP_STATE, b"\0")[0],
        name=name,
    )


def _address(found: dict[int, bytes], numbers: tuple[int, int]) -> IPv4Address | IPv6Address:
    return ip_address(next(found[number] for number in numbers if number in found))
