"""Which kernel features are missing: told by trying each in a scratch network namespace, never by guessing.

A module that is not loaded is loaded by the trial, as it would be by the real thing; version numbers and
lists of modules say nothing of kernels that distributions have cut down.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

from netspec.errors import PrivilegeMissing
from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.namespaces import come_back
from netspec.kernel.netlink import Channel
from netspec.kernel.nftables import Nftables
from netspec.kernel.operations import AddressAdd, LinkSet, TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.reading import read_sysctl
from netspec.kernel.traffic_trials import try_bucket, try_redirect

DEADLINE = 10.0
"""Seconds to wait for the kernel's answer to one trial; a module may have to be loaded first."""

_CLONE_NEWNET = 0x40000000
_RTM_NEWLINK = 16
_NLM_F_REQUEST_ACK_CREATE_EXCL = 0x1 | 0x4 | 0x400 | 0x200
_NLMSG_ERROR = 2
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 3, 18, 1, 2
_IFLA_BR_VLAN_FILTERING = 7
_SOL_NETLINK, _NETLINK_EXT_ACK = 270, 11
_NLM_F_CAPPED = 0x100
_NLMSGERR_ATTR_MSG = 1
_LO = 1
_SOME_PROTOCOL = 110

_TABLE = "netspec-probe"
_CHAINS = {
    "nft": "type filter hook forward priority filter; policy accept;\n\t\tct state established accept",
    "nft-bridge": "type filter hook prerouting priority dstnat; policy accept;\n\t\tiifname . ether saddr @probe drop",
    "nft-fib": "type filter hook prerouting priority raw; policy accept;\n\t\tfib daddr type local accept",
    "nft-intervals": "type filter hook forward priority filter; policy accept;\n\t\tip saddr . th dport @probe drop",
    "nft-nat": "type nat hook postrouting priority srcnat; policy accept;\n\t\tmasquerade",
    "nft-prefix": "type nat hook postrouting priority 100; policy accept;\n\t\tsnat ip prefix to ip saddr map @probe",
    "nft-reject": "type filter hook input priority filter; policy accept;\n\t\treject with icmpx port-unreachable",
}
_SETS = {
    "nft-bridge": "set probe {\n\t\ttype ifname . ether_addr\n\t}",
    "nft-intervals": "set probe {\n\t\ttype ipv4_addr . inet_service\n\t\tflags interval\n\t}",
    "nft-prefix": "map probe {\n\t\ttype ipv4_addr : interval ipv4_addr\n\t\tflags interval\n\t}",
}
"""What a chain looks at."""

SCTP_TRACKED = Path("/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established")
"""There where conntrack knows SCTP: without it, ports of SCTP are not translated."""
BRIDGED = Path("/proc/sys/net/bridge")
"""The switches of br_netfilter; of the network namespace of the thread that looks."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def missing_features(features: Iterable[str]) -> Mapping[str, str]:
    """Those that the kernel lacks, each with its words.

    There are `bridge`, `bridge-vlan`, `br-netfilter`, `veth`, `netns`, `sctp`, `live-rename`,
    `address-mark`, those of nftables that begin with `nft`, and for limits `ifb`, `tbf` and `ingress`.

    Raises PrivilegeMissing where trying is not allowed, LibraryMissing where libnftables is not installed,
    ValueError for a feature that has no trial.
    """
    wanted = sorted(set(features))
    unknown = [name for name in wanted if name not in _TRIALS]
    if unknown:
        raise ValueError(f"no trial is known for {', '.join(unknown)}")
    if not wanted:
        return {}
    try:
        with _scratch_namespace():
            return {name: words for name in wanted if (words := _trial(name))}
    except OSError as error:
        if error.errno == errno.EPERM:
            raise PrivilegeMissing(
                "Trying what the kernel can do needs the capability CAP_SYS_ADMIN, to make a scratch namespace."
            ) from error
        return dict.fromkeys(wanted, f"no network namespace: {error.strerror}")


def fresh_sysctls(keys: Iterable[str]) -> Mapping[str, str]:
    """What sysctls are in a new namespace; without those that it does not have. Raises PrivilegeMissing."""
    try:
        with _scratch_namespace():
            found = {key: read_sysctl(key) for key in sorted(set(keys))}
    except OSError as error:
        raise PrivilegeMissing(
            "Knowing what a new network namespace has needs the capability CAP_SYS_ADMIN, to make one."
        ) from error
    return {key: value for key, value in found.items() if value is not None}


def _trial(name: str) -> str:
    """Empty, or why it failed."""
    try:
        _TRIALS[name](name)
    except KernelError as error:
        if error.number == errno.EPERM:
            raise PrivilegeMissing("Trying what the kernel can do needs the capability CAP_NET_ADMIN.") from error
        return error.reason
    return ""


@contextlib.contextmanager
def _scratch_namespace() -> Iterator[None]:
    """A new network namespace for this thread; the former one is back afterwards, whatever happens."""
    with Path("/proc/thread-self/ns/net").open("rb") as former:
        _check(_LIBC.unshare(_CLONE_NEWNET))
        try:
            yield
        finally:
            come_back(former.fileno())


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _already_tried(_name: str) -> None:
    """The scratch namespace itself was the trial."""


def _try_vlans(name: str) -> None:
    """Create a bridge that filters VLANs."""
    _make_link(name, "bridge", _attribute(_IFLA_INFO_DATA, _attribute(_IFLA_BR_VLAN_FILTERING, b"\1")))


def _try_bridged(_name: str) -> None:
    """Nothing loads br_netfilter by itself, and a bridge takes its switches and ignores them without it."""
    if not BRIDGED.is_dir():
        raise KernelError(errno.EOPNOTSUPP, None, "the module br_netfilter is not loaded")


def _try_live_rename(_name: str) -> None:
    """Rename `lo` while it is up: EBUSY before Linux 6.2."""
    wanted = (LinkSet(name="lo", up=True), LinkSet(name="lo", rename="probe"))
    with Channel(DEADLINE) as channel:
        _ask(channel, [rt.link_set(each, _index) for each in wanted])


def _try_address_mark(_name: str) -> None:
    """Give an IPv4 address that is there another IFA_PROTO: before Linux 6.4 it keeps its own, and no error says so."""
    plain = AddressAdd(link="lo", address=ip_interface("192.0.2.1/32"))
    wanted = replace(plain, protocol=_SOME_PROTOCOL)
    with Channel(DEADLINE) as channel:
        _ask(channel, [rt.address_add(each, _index) for each in (plain, wanted)])
        dump = channel.dump(rt.GETADDR, rt.ifaddrmsg.pack(rt.AF_INET, 0, 0, 0, 0))
    found = [row.protocol for row in (rows.address("", {_LO: "lo"}, body) for body in dump) if row is not None]
    if _SOME_PROTOCOL not in found:
        raise KernelError(errno.EOPNOTSUPP, None, "IFA_PROTO stays as it was")


def _ask(channel: Channel, messages: Sequence[rt.Message]) -> None:
    for answer in channel.request(messages):
        if answer.number:
            raise KernelError(answer.number, None, answer.words)


def _index(_netns: str, _link: str) -> int:
    return _LO


def _try_link(kind: str) -> None:
    """Create a link of this kind."""
    _make_link(kind, kind)


def _make_link(name: str, kind: str, data: bytes = b"") -> None:
    info = _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, kind.encode() + b"\0") + data)
    body = (
        struct.pack("=BxHiII", 0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, f"probe-{name}".encode()[:15] + b"\0") + info
    )
    request = struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, _NLM_F_REQUEST_ACK_CREATE_EXCL, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(DEADLINE)
        connection.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        connection.send(request)
        try:
            answer = connection.recv(1 << 16)
        except TimeoutError:
            raise KernelError(errno.ETIMEDOUT, None, "the kernel does not answer") from None
    _, kind_of_answer, flags, _, _ = struct.unpack_from("=IHHII", answer)
    number = -struct.unpack_from("=i", answer, 16)[0] if kind_of_answer == _NLMSG_ERROR else errno.EPROTO
    if number:
        echoed = 16 if flags & _NLM_F_CAPPED else struct.unpack_from("=I", answer, 20)[0]
        raise KernelError(number, None, _words(answer[20 + echoed :]))


def _attribute(number: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), number) + payload + b"\0" * (-len(payload) % 4)


def _words(attributes: bytes) -> str:
    """The extended acknowledgement's text, which tells more than the errno."""
    offset = 0
    while offset + 4 <= len(attributes):
        length, number = struct.unpack_from("=HH", attributes, offset)
        if number == _NLMSGERR_ATTR_MSG:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")
        offset += max(length + 3 & ~3, 4)
    return ""


def _try_table(name: str) -> None:
    """Load a table with one chain that needs the feature."""
    family = "bridge" if name == "nft-bridge" else "inet"
    chain = f"chain look {{\n\t\t{_CHAINS[name]}\n\t}}"
    text = f"table {family} {_TABLE} {{\n\t{_SETS.get(name, '')}\n\t{chain}\n}}\n"
    with Nftables() as nftables:
        nftables.transact([TableAdd(family=family, name=_TABLE, text=text)])
        # The next trial of the same name begins anew.
        nftables.transact([TableDelete(family=family, name=_TABLE)])


def _try_sctp(_name: str) -> None:
    """Load what conntrack is loaded with, and see what it knows."""
    _try_table("nft-nat")
    if not SCTP_TRACKED.exists():
        raise KernelError(errno.EPROTONOSUPPORT, None, "conntrack does not know SCTP")


_TRIALS: Mapping[str, Callable[[str], None]] = {
    "netns": _already_tried,
    "bridge": _try_link,
    "bridge-vlan": _try_vlans,
    "br-netfilter": _try_bridged,
    "sctp": _try_sctp,
    "veth": _try_link,
    "ifb": _try_link,
    "live-rename": _try_live_rename,
    "address-mark": _try_address_mark,
    "tbf": lambda _name: try_bucket(DEADLINE),
    "ingress": lambda _name: try_redirect(DEADLINE),
    **dict.fromkeys(_CHAINS, _try_table),
}
