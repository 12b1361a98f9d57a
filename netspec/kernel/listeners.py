"""The sockets that processes of the current network namespace listen on, and whose they are.

From `/proc/net`, which any user may read. Who owns a socket is looked up only for those asked about: it takes
a walk through the open files of all processes.
"""

import contextlib
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from netspec.kernel.operations import Address
from netspec.kernel.snapshot import Listener

PROC = Path("/proc")

_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"
_TABLES = (
    ("tcp", "tcp", _TCP_LISTEN),
    ("tcp6", "tcp", _TCP_LISTEN),
    ("udp", "udp", _UDP_UNCONNECTED),
    ("udp6", "udp", _UDP_UNCONNECTED),
)
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class _Row:
    listener: Listener
    inode: int


def listeners(owners_of: Collection[tuple[str, int]] = ()) -> list[Listener]:
    """All listening TCP and unconnected UDP sockets, addresses as the kernel has them (`::` may serve IPv4 too).

    `owners_of` are the (protocol, port) for which pid and command are wanted; where they cannot be told, for
    want of privilege or because it is the kernel's own socket, pid stays 0.
    """
    rows = [row for name, protocol, state in _TABLES for row in _rows(name, protocol, state)]
    wanted = {row.inode for row in rows if (row.listener.protocol, row.listener.port) in owners_of}
    owners = _owners(wanted)
    return [_with_owner(row, owners) if row.inode in owners else row.listener for row in rows]


def _with_owner(row: _Row, owners: dict[int, int]) -> Listener:
    pid = owners[row.inode]
    return replace(row.listener, pid=pid, command=_command(pid))


def _rows(name: str, protocol: str, state: str) -> Iterator[_Row]:
    """The rows of one table in one state; a kernel without IPv6 has no table for it."""
    with contextlib.suppress(FileNotFoundError):
        for line in (PROC / "thread-self/net" / name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] != state:
                continue
            address, _, port = words[1].partition(":")
            listener = Listener(protocol=protocol, address=_address(address), port=int(port, 16))
            yield _Row(listener, int(words[9]))


def _address(words: str) -> Address:
    """Words of 32 bits, each printed in hexadecimal as this machine's byte order has it."""
    return ip_address(
        b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    )


def _owners(inodes: Iterable[int]) -> dict[int, int]:
    """The lowest pid that holds each socket. Processes come and go meanwhile, and some are not ours to read."""
    missing = set(inodes)
    owners: dict[int, int] = {}
    if not missing:
        return owners
    for pid in sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()):
        for inode in missing & set(_sockets(pid)):
            owners[inode] = pid
        missing -= owners.keys()
        if not missing:
            break
    return owners


def _sockets(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for name in os.listdir(PROC / str(pid) / "fd"):  # noqa: PTH208  a Path each would cost ten times as much
            with contextlib.suppress(OSError):
                found = _SOCKET.fullmatch(os.readlink(f"{PROC}/{pid}/fd/{name}"))  # noqa: PTH115  as above
                if found:
                    yield int(found[1])


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "comm").read_text().strip()
    return ""
