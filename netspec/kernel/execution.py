"""A run of operations: packed, queued by namespace, sent in batches, answered one by one.

Requests of one namespace keep their order. The host's queue goes before the others', as links are made from
there into namespaces; deletions, sysctls and everything that is no rtnetlink request empty all queues first.
All nftables operations are one transaction, at the place of the first of them.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netspec.kernel import namespaces
from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.conntrack import delete_flows
from netspec.kernel.netlink import BATCH_BYTES, BATCH_MESSAGES, Answer, Channel, NoAnswer
from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    ElementAdd,
    ElementDelete,
    FlowDelete,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    NetnsDelete,
    Operation,
    RouteAdd,
    RouteDelete,
    SysctlWrite,
    TableAdd,
    TableDelete,
)
from netspec.kernel.port import KernelError, Progress
from netspec.kernel.reading import sysctl_path

ABSENT = frozenset({errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL, errno.ENOENT})
"""What the kernel says to the deletion of something that is not there."""
GROUPED = 4
"""As many links are deleted faster together: one by one each waits for a grace period of its own."""
_FIRST_INDEX = 2
"""The ifindex after `lo`'s: in a namespace made here, we choose those of the links that are born in it."""

Deletion = LinkDelete | AddressDelete | RouteDelete
NftOperation = TableAdd | TableDelete | ElementAdd | ElementDelete


class Queued(NamedTuple):
    """A packed request and the operation it is a part of."""

    operation: Operation
    message: rt.Message


class Run:
    """One execution. Close it afterwards: it holds sockets and descriptors of namespaces."""

    def __init__(
        self, directory: str, deadline: float, indexes: dict[tuple[str, str], int], progress: Progress
    ) -> None:
        """`indexes` are known ifindexes by (netns, name); it is kept up to date."""
        self._directory = directory
        self._deadline = deadline
        self._indexes = indexes
        self._progress = progress
        self._queues: dict[str, list[Queued]] = {"": []}
        self._channels: dict[str, Channel] = {}
        self._descriptors: dict[str, int] = {}
        self._next_index: dict[str, int] = {}
        self._done = 0

    def close(self) -> None:
        """Let go of all namespaces."""
        for netns in list(self._channels):
            self._forget(netns)

    def execute(self, operations: Sequence[Operation]) -> None:
        """All of it, in order. Raises KernelError at the first refusal."""
        nft = [each for each in operations if isinstance(each, NftOperation)]
        removals: list[LinkDelete] = []
        for operation in operations:
            if isinstance(operation, LinkDelete) and not operation.netns:
                removals.append(operation)
                continue
            self._remove(removals)
            self._do(operation, nft)
            self._done += 1
        self._remove(removals)
        self._flush()

    def _do(self, operation: Operation, nft: Sequence[NftOperation]) -> None:
        match operation:
            case NetnsAdd():
                self._guarded(operation, lambda: self._make(operation))
            case NetnsDelete():
                self._flush()
                self._forget(operation.name)
                self._guarded(operation, lambda: namespaces.delete(operation.name, self._directory))
                self._progress(self._done)
            case SysctlWrite():
                self._flush()
                self._guarded(operation, lambda: self._write(operation))
            case FlowDelete():
                self._flush()
                delete_flows(operation)
            case TableAdd() | TableDelete() | ElementAdd() | ElementDelete():
                if operation is nft[0]:
                    self._flush()
                    self._transact(nft)
            case LinkDelete():
                self._flush()
                self._queue(operation, rt.link_delete(operation))
                self._flush()
                self._indexes.pop((operation.netns, operation.name), None)
            case _:
                self._pack(operation)

    def _pack(self, operation: Operation) -> None:
        match operation:
            case LinkAdd():
                for message in rt.link_add(operation, self._index, self._peer_place(operation)):
                    self._queue(operation, message)
                self._indexes.pop((operation.netns, operation.name), None)
            case LinkSet():
                self._queue(operation, rt.link_set(operation, self._index))
                if operation.rename is not None:
                    self._indexes.pop((operation.netns, operation.name), None)
            case AddressAdd():
                self._queue(operation, rt.address_add(operation, self._index))
            case RouteAdd():
                self._queue(operation, rt.route_add(operation, self._index))
            case AddressDelete() | RouteDelete():
                self._pack_deletion(operation)

    def _pack_deletion(self, operation: AddressDelete | RouteDelete) -> None:
        try:
            if isinstance(operation, AddressDelete):
                self._queue(operation, rt.address_delete(operation, self._index))
            else:
                self._queue(operation, rt.route_delete(operation, self._index))
        except KernelError as error:
            # What stands on a link that is gone, or in a namespace that is, has gone with it.
            if error.number not in ABSENT:
                raise

    def _queue(self, operation: Operation, message: rt.Message) -> None:
        netns = getattr(operation, "netns", "")
        self._queues.setdefault(netns, []).append(Queued(operation, message))

    def _flush(self) -> None:
        """Send everything that is queued, the host's first."""
        for netns in list(self._queues):
            queue = self._queues[netns]
            if queue:
                self._queues[netns] = []
                self._send(netns, queue)

    def _send(self, netns: str, queue: list[Queued]) -> None:
        channel = self._channel(netns, queue[0].operation)
        start = 0
        while start < len(queue):
            end, size = start, 0
            while end < len(queue) and end - start < BATCH_MESSAGES and size < BATCH_BYTES:
                size += len(queue[end].message.body) + 16
                end += 1
            end = _whole(queue, start, end)
            self._exchange(channel, queue[start:end])
            start = end
            self._progress(self._done - sum(map(len, self._queues.values())) - (len(queue) - start))

    def _exchange(self, channel: Channel, batch: Sequence[Queued]) -> None:
        try:
            answers = channel.request([each.message for each in batch])
        except NoAnswer as missing:
            words = f"the kernel did not answer within {self._deadline:g} s"
            raise KernelError(errno.ETIMEDOUT, batch[missing.position].operation, words) from None
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, batch[0].operation) from error
        for each, answer in zip(batch, answers, strict=True):
            if answer.number and not _tolerated(each, answer):
                raise KernelError(answer.number, each.operation, answer.words)

    def _channel(self, netns: str, operation: Operation) -> Channel:
        found = self._channels.get(netns)
        if found is not None:
            return found
        if not netns:
            channel = Channel(self._deadline)
        else:
            descriptor = self._descriptor(netns, operation)
            try:
                with namespaces.coming_back():
                    namespaces.enter(descriptor)
                    channel = Channel(self._deadline)
            except OSError as error:
                raise KernelError(error.errno or errno.EIO, operation, f"cannot enter namespace {netns}") from error
        self._channels[netns] = channel
        return channel

    def _descriptor(self, netns: str, operation: Operation) -> int:
        found = self._descriptors.get(netns)
        if found is None:
            try:
                found = self._descriptors[netns] = namespaces.open_entry(netns, self._directory)
            except OSError as error:
                words = f"there is no namespace {netns}"
                raise KernelError(error.errno or errno.EIO, operation, words) from error
        return found

    def _forget(self, netns: str) -> None:
        channel = self._channels.pop(netns, None)
        if channel is not None:
            channel.close()
        descriptor = self._descriptors.pop(netns, None)
        if descriptor is not None:
            os.close(descriptor)
        self._next_index.pop(netns, None)
        for key in [key for key in self._indexes if netns and key[0] == netns]:
            del self._indexes[key]

    def _make(self, operation: NetnsAdd) -> None:
        name = operation.name
        descriptor, channel = namespaces.create(name, operation.alias, self._deadline, self._directory)
        self._descriptors[name], self._channels[name] = descriptor, channel
        self._next_index[name] = _FIRST_INDEX
        self._queues[""].append(Queued(operation, rt.nsid_new(descriptor)))

    def _peer_place(self, operation: LinkAdd) -> rt.PeerPlace | None:
        peer = operation.peer
        if peer is None:
            return None
        if not peer.netns:
            own = self._descriptors.get("")
            if own is None:
                own = self._descriptors[""] = namespaces.current()
            return rt.PeerPlace(own, 0)
        index = self._next_index.get(peer.netns, 0)
        if index:
            self._next_index[peer.netns] += 1
            self._indexes[peer.netns, peer.name] = index
        else:
            self._indexes.pop((peer.netns, peer.name), None)
        return rt.PeerPlace(self._descriptor(peer.netns, operation), index)

    def _index(self, netns: str, name: str) -> int:
        found = self._indexes.get((netns, name))
        if found is None:
            self._flush()
            asking = LinkSet(netns=netns, name=name)
            ((answer, bodies),) = self._channel(netns, asking).ask([rt.link_get(name)])
            if answer.number or not bodies:
                raise KernelError(answer.number or errno.ENODEV, asking, f"there is no link {name}")
            found = self._indexes[netns, name] = int(rt.ifinfomsg.unpack_from(bodies[0])[2])
        return found

    def _write(self, operation: SysctlWrite) -> None:
        with contextlib.ExitStack() as stack:
            if operation.netns:
                stack.enter_context(namespaces.coming_back())
                namespaces.enter(self._descriptor(operation.netns, operation))
            # One write, without creating: a sysctl that is not there is an error.
            descriptor = os.open(sysctl_path(operation.key), os.O_WRONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            os.write(descriptor, operation.value.encode() + b"\n")

    def _transact(self, operations: Sequence[NftOperation]) -> None:
        from netspec.kernel.nftables import Nftables

        with Nftables() as tables:
            tables.transact(operations)
        self._progress(self._done)

    def _guarded(self, operation: Operation, action: Callable[[], None]) -> None:
        try:
            action()
        except NoAnswer:
            words = f"the kernel did not answer within {self._deadline:g} s"
            raise KernelError(errno.ETIMEDOUT, operation, words) from None
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, operation) from error

    def _remove(self, removals: list[LinkDelete]) -> None:
        """Delete host links, many at once by a group that is theirs alone."""
        if not removals:
            return
        self._flush()
        if len(removals) < GROUPED or not self._remove_group(removals):
            for operation in removals:
                self._queue(operation, rt.link_delete(operation))
            self._flush()
        for operation in removals:
            self._indexes.pop(("", operation.name), None)
        self._done += len(removals)
        self._progress(self._done)
        removals.clear()

    def _remove_group(self, removals: Sequence[LinkDelete]) -> bool:
        """False where the group turned out to hold anything else: then nothing was deleted."""
        group = 0x6F000000 | secrets.randbits(24)
        indexes = set()
        for operation in removals:
            with contextlib.suppress(KernelError):
                indexes.add(self._index("", operation.name))
        if not indexes:
            return True
        ordered = sorted(indexes)
        for index in ordered:
            self._queue(removals[0], rt.group_set(index, group))
        self._flush()
        channel = self._channel("", removals[0])
        if members(channel, group) != indexes:
            return False
        self._exchange(channel, [Queued(removals[0], rt.group_delete(group))])
        return True


def members(channel: Channel, group: int) -> set[int]:
    """The ifindexes of all links in a group."""
    body = rt.ifinfomsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0) + rt.attribute(rt.IFLA_EXT_MASK, rt.u32.pack(rt.SKIP_STATS))
    links = (rows.link("", each) for each in channel.dump(rt.GETLINK, body))
    return {each.ifindex for each in links if each.group == group}


def _whole(queue: Sequence[Queued], start: int, end: int) -> int:
    """Do not part a link's creation from its alias: a crash in between would leave it without."""
    while start < end < len(queue) and queue[end].operation is queue[end - 1].operation:
        end += 1
    return end


def _tolerated(each: Queued, answer: Answer) -> bool:
    if isinstance(each.operation, NetnsAdd):
        # The id: a veth made into the namespace may have given it one already.
        return answer.number == errno.EEXIST
    return isinstance(each.operation, Deletion) and answer.number in ABSENT
