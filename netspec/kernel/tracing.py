"""Follows packets through the rules of the current network namespace, by a table that lives as long as we do.

The table is bound to our socket: the kernel removes it when we end, however we end. It judges nothing.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from netspec.kernel.ledger import LEDGER
from netspec.kernel.namespaces import RUN_NETNS
from netspec.kernel.nftables import Nftables
from netspec.kernel.operations import TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.probes import PING, Answer, Probe, TraceStep
from netspec.kernel.spaces import Spaces
from netspec.kernel.trails import Event, Headers, decode
from netspec.kernel.values import Address

MOST = 64
"""Probes that are followed at one time; each is a rule."""
_DEADLINE = 10.0
_NETLINK_NETFILTER, _SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP = 12, 270, 1, 9
"""NFNLGRP_NFTRACE."""
_RECEIVE_BUFFER = 8 * 1024 * 1024
_FAMILIES = ("inet", "bridge")
_ICMP = {4: "icmp", 6: "icmpv6"}

Rules = Mapping[tuple[str, str, str, int], str]
"""The text of rules by family, table, chain and handle."""


class LinuxTracer:
    """Repeats probes while their packets are followed. See Tracer."""

    def __init__(self, run_netns: str = RUN_NETNS, ledger: str = LEDGER) -> None:
        """As LinuxKernel has them."""
        self._run_netns = run_netns
        self._ledger = ledger

    def __call__(self, probes: Sequence[Probe], again: Callable[[], Sequence[Answer]]) -> list[tuple[TraceStep, ...]]:
        """What the rules did with the packets of each probe while `again` ran.

        Raises KernelError where the kernel cannot trace, and PrivilegeMissing.
        """
        name = f"netspec-trace-{os.getpid()}"
        with Nftables() as tables, _listening() as events:
            for family in _FAMILIES:
                tables.transact([TableAdd(family=family, name=name, text=_table(family, name, probes[:MOST]))])
            try:
                answers = again()
            finally:
                for family in _FAMILIES:
                    tables.transact([TableDelete(family=family, name=name)])
            found = [each for each in _read(events) if each.table != name]
            rules = _rules(tables, found)
        ways = _ways(found)
        return [_trail(probe, answer, ways, rules) for probe, answer in zip(probes, answers, strict=True)]

    def has_route(self, netns: str, address: Address) -> bool:
        """Asked of the kernel by a socket that sends nothing."""
        spaces = Spaces(self._run_netns, self._ledger, _DEADLINE)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            with spaces.inside(netns):
                asking = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            with asking:
                asking.connect((str(address), 9))
        except OSError:
            return False
        finally:
            spaces.close()
        return True


def _listening() -> socket.socket:
    found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        found.bind((0, 0))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        found.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        found.settimeout(0)
    except OSError as error:
        found.close()
        raise KernelError(error.errno or errno.EIO, None, "nftables cannot be traced") from error
    return found


def _read(events: socket.socket) -> list[Event]:
    """All that has been told; where it was too much, what there was room for."""
    found: list[Event] = []
    while True:
        try:
            found += decode(events.recv(1 << 16))
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise KernelError(error.errno or errno.EIO, None) from error


def _table(family: str, name: str, probes: Sequence[Probe]) -> str:
    """Its chains come before all that filters or translates; `owner` binds it to the socket that loads it."""
    hooks = ("prerouting", "output") if family == "inet" else ("prerouting",)
    matches = dict.fromkeys(match for each in probes for match in _matches(each, family))
    rules = "".join(f"\t\t{each} meta nftrace set 1\n" for each in matches)
    chains = "".join(
        f"\tchain {hook} {{\n\t\ttype filter hook {hook} priority -350; policy accept;\n{rules}\t}}\n" for hook in hooks
    )
    return f"table {family} {name} {{\n\tflags owner\n{chains}}}\n"


def _matches(probe: Probe, family: str) -> tuple[str, str]:
    """What a probe sends, and what answers it."""
    version = probe.address.version
    word = "ip" if version == 4 else "ip6"
    ether = f"ether type {word} " if family == "bridge" else ""
    address, port = _end(probe)
    if probe.protocol == PING:
        asked, answered = (f"{_ICMP[version]} type echo-{sort}" for sort in ("request", "reply"))
    else:
        asked, answered = f"{probe.protocol} dport {probe.port}", f"{probe.protocol} sport {port}"
    return f"{ether}{word} daddr {probe.address} {asked}", f"{ether}{word} saddr {address} {answered}"


def _end(probe: Probe) -> tuple[Address, int]:
    """Where a probe arrives: its target after translation."""
    return (probe.service.address, probe.service.port) if probe.service else (probe.address, probe.port)


def _rules(tables: Nftables, events: Iterable[Event]) -> Rules:
    """The rules that were met in netspec's own tables; those of others are not looked at."""
    chains = {(each.family, each.table, each.chain) for each in events if each.table.startswith("netspec-")}
    return {(*chain, handle): text for chain in sorted(chains) for handle, text in tables.rules(*chain).items()}


def _ways(events: Iterable[Event]) -> list[tuple[Headers, list[Event]]]:
    """Events by packet, in order. To the kernel it is another one once it has passed from a port to its bridge."""
    packets: dict[int, list[Event]] = {}
    for each in events:
        packets.setdefault(each.packet, []).append(each)
    found = []
    for way in packets.values():
        headers = next((each.headers for each in way if each.headers is not None), None)
        if headers is not None:
            found.append((headers, way))
    return found


def _trail(
    probe: Probe, answer: Answer, ways: Iterable[tuple[Headers, Sequence[Event]]], rules: Rules
) -> tuple[TraceStep, ...]:
    """The way of all packets of a probe, to its target before translation and after; then that of what answered."""
    end, port = _end(probe)
    asked, answered = [], []
    for headers, way in ways:
        if headers.protocol != probe.protocol:
            continue
        if (headers.source, headers.source_port) == (answer.local, answer.local_port):
            asked += [way] if headers.target in (probe.address, end) else []
        elif headers.source == end and answer.local_port in (headers.port, headers.source_port):
            answered += [way] if probe.protocol == PING or headers.source_port == port else []
    steps = [_step(each, rules) for way in asked for each in way]
    return (*steps, *(replace(_step(each, rules), answers=True) for way in answered for each in way))


def _step(event: Event, rules: Rules) -> TraceStep:
    return TraceStep(
        family=event.family,
        table=event.table,
        chain=event.chain,
        rule=rules.get((event.family, event.table, event.chain, event.handle), ""),
        verdict=event.verdict,
        iif=_link(event.iif),
        oif=_link(event.oif),
    )


def _link(index: int) -> str:
    if index:
        with contextlib.suppress(OSError):
            return socket.if_indextoname(index)
    return ""
