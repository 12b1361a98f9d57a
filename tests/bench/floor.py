"""What the kernel needs: the same network by raw netlink, packed with `struct` and sent in batches. Nothing of netspec.

`floor.py make|read|remove NUMBER [TABLE]`, where TABLE is a file with the nftables table to load. The state is that
which netspec makes of `spec.document(NUMBER)`; `read` only looks at all of it, `remove` deletes it all.
"""

import ctypes
import itertools
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

BRIDGES = 4
GROUP = 77
BATCH = 100
NETNS = "/run/netns"
NEWNET, BIND, SHARED, REC, DETACH = 0x40000000, 0x1000, 1 << 20, 0x4000, 2

header, ifinfo, ifaddr = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
rtm, u32 = struct.Struct("=BBBBBBBBI"), struct.Struct("=I")
libc = ctypes.CDLL(None, use_errno=True)
buffer = memoryview(bytearray(1 << 18))


def check(result: int) -> None:
    """Stop at the first system call that fails."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute."""
    return struct.pack("=HH", len(payload) + 4, number) + payload + b"\0" * (-len(payload) % 4)


def nested(number: int, *parts: bytes) -> bytes:
    """Attributes in an attribute."""
    return attribute(number | 0x8000, b"".join(parts))


def connection() -> socket.socket:
    """A rtnetlink socket of this thread's namespace."""
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    found.setsockopt(270, 12, 1)
    return found


def send(connected: socket.socket, messages: Iterable[tuple[int, int, bytes]]) -> None:
    """Requests in batches, with an acknowledgement each."""
    rest = iter(messages)
    while batch := list(itertools.islice(rest, BATCH)):
        packed = (header.pack(16 + len(body), kind, flags | 5, 1, 0) + body for kind, flags, body in batch)
        connected.send(b"".join(packed))
        for _ in batch:
            length = connected.recv_into(buffer)
            number = struct.unpack_from("=i", buffer, 16)[0]
            if number or length < 20:
                raise OSError(-number, os.strerror(-number))


def dump(connected: socket.socket, kind: int, body: bytes) -> list[bytes]:
    """All messages of one sort, not unpacked."""
    connected.send(header.pack(16 + len(body), kind, 0x301, 1, 0) + body)
    found: list[bytes] = []
    while True:
        data = bytes(buffer[: connected.recv_into(buffer)])
        offset = 0
        while offset < len(data):
            length, sort, _, _, _ = header.unpack_from(data, offset)
            if sort == 3:
                return found
            found.append(data[offset + 16 : offset + length])
            offset += (length + 3) & ~3


def named(name: str, up: int = 0) -> bytes:
    """The head of a request about a link, by name; `up` 1 brings it up."""
    return ifinfo.pack(0, 0, 0, up, up) + attribute(3, name.encode() + b"\0")


def mac(sort: int, number: int) -> bytes:
    """IFLA_ADDRESS."""
    return attribute(1, bytes((2, 0, 0, sort, number >> 8, number & 255)))


def subnet(number: int) -> bytes:
    """The first two bytes of the addresses on an endpoint's bridge."""
    return bytes((10, 1 + number % BRIDGES))


def alias(name: str) -> bytes:
    """IFLA_IFALIAS."""
    return attribute(20, f"netspec:floor:endpoint/{name}".encode() + b"\0")


def quiet(*conf4: bytes) -> bytes:
    """IFLA_AF_SPEC: no link-local address, and IPv4 settings."""
    four = (nested(2, nested(1, *conf4)),) if conf4 else ()
    return nested(26, *four, nested(10, attribute(8, b"\1")))


def make_namespaces(count: int, home: int) -> None:
    """Named, marked, `lo` up."""
    if libc.mount(b"", NETNS.encode(), b"none", SHARED | REC, None):
        check(libc.mount(NETNS.encode(), NETNS.encode(), b"none", BIND | REC, None))
        check(libc.mount(b"", NETNS.encode(), b"none", SHARED | REC, None))
    for number in range(count):
        path = f"{NETNS}/e{number}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0))
        check(libc.unshare(NEWNET))
        with connection() as inside:
            send(inside, [(16, 0, named("lo", 1) + alias(f"e{number}"))])
        check(libc.mount(b"/proc/self/ns/net", path.encode(), b"none", BIND, None))
    check(libc.setns(home, NEWNET))


def host_requests(numbers: range, spaces: list[int]) -> Iterator[tuple[int, int, bytes]]:
    """Each endpoint's veth pair, a port of its bridge, up."""
    for number, space in zip(numbers, spaces, strict=True):
        name, group = f"v{number}", attribute(27, u32.pack(GROUP))
        yield 88, 0, bytes(4) + attribute(1, struct.pack("=i", -1)) + attribute(3, u32.pack(space))
        far = [mac(1, number), group, attribute(28, u32.pack(space))]
        peer = ifinfo.pack(0, 0, 2, 0, 0) + attribute(3, b"eth0\0") + b"".join(far)
        info = nested(18, attribute(1, b"veth\0"), nested(2, attribute(0x8001, peer)))
        master = attribute(10, u32.pack(10 + number % BRIDGES))
        yield 16, 0x600, named(name) + mac(2, number) + group + master + info
        yield 16, 0, named(name) + alias(f"e{number}") + quiet()
        yield 16, 0, named(name, 1)
        yield 16, 0, named(name) + nested(18, attribute(4, b"bridge\0"), nested(5, attribute(4, b"\1")))


def inside_requests(number: int) -> Iterator[tuple[int, int, bytes]]:
    """Address and default route of one endpoint."""
    own = subnet(number) + struct.pack(">H", 2 + number // BRIDGES)
    yield 16, 0, named("eth0") + quiet(attribute(20, u32.pack(1)))
    yield 16, 0, named("eth0", 1)
    words = [attribute(2, own), attribute(1, own), attribute(4, own[:2] + b"\xff\xff"), attribute(11, b"\x6e")]
    yield 20, 0x600, ifaddr.pack(2, 16, 0, 0, 2) + b"".join(words)
    gateway = attribute(5, own[:2] + b"\0\1")
    yield 24, 0x600, rtm.pack(2, 0, 0, 0, 254, 110, 0, 1, 0) + gateway + attribute(4, u32.pack(2))


def make_bridges(host: socket.socket) -> None:
    """Four, with the gateways' addresses."""
    for number in range(BRIDGES):
        info = nested(18, attribute(1, b"bridge\0"))
        head = ifinfo.pack(0, 0, 10 + number, 0, 0) + attribute(3, b"br%d\0" % number)
        group = attribute(27, u32.pack(GROUP))
        own = subnet(number) + b"\0\1"
        address = ifaddr.pack(2, 16, 0, 0, 10 + number) + attribute(2, own) + attribute(1, own)
        requests = [(16, 0x600, head + mac(3, number) + group + info), (16, 0, named(f"br{number}") + quiet())]
        send(host, [*requests, (16, 0, named(f"br{number}", 1)), (20, 0x600, address)])


def make(count: int, table: str) -> None:
    """All of it."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    make_namespaces(count, home)
    nft(f'include "{table}"')
    with connection() as host:
        make_bridges(host)
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            spaces = [os.open(f"{NETNS}/e{number}", os.O_RDONLY) for number in numbers]
            send(host, host_requests(numbers, spaces))
            for number, space in zip(numbers, spaces, strict=True):
                check(libc.setns(space, NEWNET))
                with connection() as inside:
                    send(inside, inside_requests(number))
                os.close(space)
            check(libc.setns(home, NEWNET))


def read(_count: int, _table: str) -> None:
    """Every link, address and route of every namespace, and the table."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    links = ifinfo.pack(0, 0, 0, 0, 0) + attribute(29, u32.pack(8))
    found = 0
    for name in ("", *sorted(path.name for path in Path(NETNS).iterdir())):
        if name:
            space = os.open(f"{NETNS}/{name}", os.O_RDONLY)
            check(libc.setns(space, NEWNET))
            os.close(space)
        with connection() as here:
            found += len([*dump(here, 18, links), *dump(here, 22, bytes(8)), *dump(here, 26, bytes(12))])
    check(libc.setns(home, NEWNET))
    nft("list ruleset")
    sys.stdout.write(f"{found}\n")


def remove(count: int, _table: str) -> None:
    """The links by their group, then names of namespaces."""
    nft("flush ruleset")
    with connection() as host:
        send(host, [(17, 0, ifinfo.pack(0, 0, 0, 0, 0) + attribute(27, u32.pack(GROUP)))])
    for number in range(count):
        check(libc.umount2(f"{NETNS}/e{number}".encode(), DETACH))
        Path(f"{NETNS}/e{number}").unlink()


def nft(command: str) -> None:
    """One command of nft, by the library."""
    library = ctypes.CDLL("libnftables.so.1")
    library.nft_ctx_new.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    library.nft_ctx_buffer_output(context)
    check(-library.nft_run_cmd_from_buffer(context, command.encode()))


if __name__ == "__main__":
    verb, amount, *rest = sys.argv[1:]
    {"make": make, "read": read, "remove": remove}[verb](int(amount), rest[0] if rest else "")
