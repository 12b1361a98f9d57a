"""FakeKernel: the Kernel port in memory. It is a contract, not a mock: it refuses what Linux refuses.

One suite (`tests/kernel/contract`) runs on it and on Linux; where they differ, this is wrong. What it does
not have: link-local addresses that Linux makes by itself, carriers, counters, and packets. Removing a
namespace takes its links at once, where Linux takes its time.
"""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from netspec.kernel.fake_addresses import add_address, delete_address
from netspec.kernel.fake_files import delete_file, write_file
from netspec.kernel.fake_host import FakeLink, Flow, Host
from netspec.kernel.fake_links import add_link, check_name, delete_link, made_up_mac, remove, set_link
from netspec.kernel.fake_policy import (
    add_altname,
    add_neighbor,
    add_rule,
    delete_altname,
    delete_neighbor,
    delete_rule,
)
from netspec.kernel.fake_routes import add_route, delete_route
from netspec.kernel.fake_rows import Rows, host_rows, take_snapshot
from netspec.kernel.fake_sightings import flow_row, seen, way_to
from netspec.kernel.fake_spaces import add_netns, attach_netns, delete_netns, new_space, rename_netns
from netspec.kernel.fake_sysctls import DEFAULTS, write_sysctl
from netspec.kernel.fake_tables import transact
from netspec.kernel.fake_traffic import add_qdisc, add_redirect, delete_qdisc, delete_redirect
from netspec.kernel.operations import (
    Address,
    AddressAdd,
    AddressDelete,
    AltnameAdd,
    AltnameDelete,
    Announce,
    ElementAdd,
    ElementDelete,
    FileDelete,
    FileWrite,
    FlowDelete,
    FlowsCut,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NeighborAdd,
    NeighborDelete,
    NetnsAdd,
    NetnsAttach,
    NetnsDelete,
    NetnsRename,
    Operation,
    RouteAdd,
    RouteDelete,
    RuleAdd,
    RuleDelete,
    SysctlWrite,
    TableAdd,
    TableDelete,
)
from netspec.kernel.port import KernelError, Progress, no_progress
from netspec.kernel.sightings import FlowRow, Way
from netspec.kernel.snapshot import Listener, Scope, Snapshot
from netspec.kernel.traffic_operations import QdiscAdd, QdiscDelete, RedirectAdd, RedirectDelete


class FakeKernel:
    """A host in memory, born as a fresh network namespace whose `lo` is up.

    `unsupported` are features that `missing_features` reports; `listening` is what `listeners` tells.
    """

    def __init__(self, *, unsupported: Iterable[str] = (), listening: Iterable[Listener] = ()) -> None:
        """See the class."""
        self.listening = list(listening)
        self.countless = False
        """Whether there are more flows than can be read."""
        self.host = Host(unsupported=frozenset(unsupported))
        new_space(self.host, "", "")

    def snapshot(self, scope: Scope) -> Snapshot:
        """All rows, as Linux would tell them."""
        return take_snapshot(self.host, scope)

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """All of it in order, up to the first refusal. nftables operations in a row are one transaction."""
        done = 0
        for where, run in groupby(operations, key=_transaction):
            batch = list(run)
            if where is not None:
                transact(self.host, batch)  # type: ignore[arg-type]  # _transaction lets only nft operations through
                done += len(batch)
                progress(done)
                continue
            for operation in batch:
                self._run(operation)
                done += 1
                progress(done)

    def listeners(self) -> Sequence[Listener]:
        """What `listening` holds."""
        return tuple(self.listening)

    def flows(self) -> Sequence[FlowRow] | None:
        """Those that began with somebody; None where `countless`."""
        found = (flow_row(flow) for flow in self.host.flows if not flow.netns)
        return None if self.countless else tuple(row for row in found if row is not None)

    def way_to(self, address: Address, link: str = "") -> Way | None:
        """By the longest prefix of the main table."""
        return way_to(self.host, address, link)

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Those that it knows."""
        return {key: DEFAULTS[key] for key in keys if key in DEFAULTS}

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """Those of `features` in `unsupported`."""
        return {feature: "Operation not supported" for feature in features if feature in self.host.unsupported}

    def copy(self) -> "FakeKernel":
        """An equal kernel that changes on its own."""
        twin = FakeKernel(listening=self.listening)
        twin.host, twin.countless = self.host.copy(), self.countless
        return twin

    def rows(self) -> Rows:
        """Everything the host holds, whoever made it, in one comparable form without indexes."""
        return host_rows(self.host)

    def plug(self, name: str, *, mtu: int = 1500, mac: str | None = None) -> None:
        """A physical link appears on the host, as an uplink does; it is down."""
        check_name(self.host, "", name)
        index = self.host.next_index()
        self.host.put(FakeLink(index=index, netns="", name=name, mac=mac or made_up_mac(index), mtu=mtu))

    def unplug(self, name: str) -> None:
        """A physical link disappears."""
        remove(self.host, self.host.link("", name))

    def start_process(self, pid: int, container: str = "") -> None:
        """A process appears in a network namespace of its own, perhaps as that of a container."""
        new_space(self.host, f"/proc/{pid}/ns/net", "")
        if container:
            self.host.containers[container] = pid

    def leave_dead_name(self, name: str, content: str = "") -> None:
        """A file in `/run/netns` with nothing mounted on it, as a crash or a reboot leaves."""
        self.host.dead[name] = content

    def edit_table(self, netns: str, family: str, name: str, text: str) -> None:
        """Somebody changes chains, rules or sets of a table by hand: it now reads `text`."""
        tables = self.host.space(netns).tables
        tables[family, name] = replace(tables[family, name], text=text, written="")

    def start_flow(self, flow: Flow) -> None:
        """A connection appears in conntrack."""
        self.host.flows = (*self.host.flows, flow)

    def _run(self, operation: Operation) -> None:
        try:
            _HANDLERS[type(operation)](self.host, operation)
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, operation, error.strerror or "") from None


def _transaction(operation: Operation) -> str | None:
    """What nftables operations of one transaction share: their namespace. None for all others."""
    if isinstance(operation, TableAdd | TableDelete | ElementAdd | ElementDelete):
        return operation.netns
    return None


def _announce(host: Host, operation: Announce) -> None:
    link = host.link(operation.netns, operation.link)
    told = (operation.address,) if operation.address else tuple(each.address.ip for each in host.held(link))
    host.announced = (*host.announced, *((operation.netns, operation.link, each) for each in told))


def _delete_flows(host: Host, operation: FlowDelete) -> None:
    host.space(operation.netns)
    host.flows = tuple(flow for flow in host.flows if not _is_meant(flow, operation))


def _cut_flows(host: Host, operation: FlowsCut) -> None:
    host.space(operation.netns)
    local = frozenset(
        held.address.ip
        for index, link in host.links.items()
        if link.netns == operation.netns
        for held in host.addresses.get(index, ())
    )
    host.flows = tuple(
        flow
        for flow in host.flows
        if flow.netns != operation.netns or (row := flow_row(flow)) is None or operation.judge.admits(seen(row), local)
    )


def _is_meant(flow: Flow, operation: FlowDelete) -> bool:
    first, last = operation.ports
    return (
        (flow.netns, flow.protocol, flow.target) == (operation.netns, operation.protocol, operation.target)
        and first <= flow.port <= last
        and operation.listen in (None, flow.destination)
    )


_HANDLERS: Mapping[type, Callable[[Host, Any], None]] = {
    NetnsAdd: add_netns,
    NetnsAttach: attach_netns,
    NetnsRename: rename_netns,
    NetnsDelete: delete_netns,
    LinkAdd: add_link,
    LinkSet: set_link,
    LinkDelete: delete_link,
    AddressAdd: add_address,
    AddressDelete: delete_address,
    RouteAdd: add_route,
    RouteDelete: delete_route,
    AltnameAdd: add_altname,
    AltnameDelete: delete_altname,
    FileWrite: write_file,
    FileDelete: delete_file,
    RuleAdd: add_rule,
    RuleDelete: delete_rule,
    NeighborAdd: add_neighbor,
    NeighborDelete: delete_neighbor,
    SysctlWrite: write_sysctl,
    FlowDelete: _delete_flows,
    Announce: _announce,
    QdiscAdd: add_qdisc,
    QdiscDelete: delete_qdisc,
    RedirectAdd: add_redirect,
    RedirectDelete: delete_redirect,
    FlowsCut: _cut_flows,
}
