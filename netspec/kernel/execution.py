"""A run of operations: each is packed, sent and answered before the next one, so it stops where it is refused.

The kernel's time is the same for one request at a time as for many in one send. Two things are gathered all the same:

- Deletions of host links that stand in a row: one by one each would wait for a grace period of its own.
- nftables operations in a row, conntrack's among them or not: they are one transaction. Deletions wait for
  the additions that are still to come, so that a table which is replaced is never gone.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from netspec.kernel import rtnetlink as rt
from netspec.kernel.announcing import Announcements
from netspec.kernel.conntrack import cut_flows, delete_flows
from netspec.kernel.dumps import index_in, links, own_addresses
from netspec.kernel.files import delete_file, write_file
from netspec.kernel.netlink import BATCH_MESSAGES, Answer, DumpUnsteady, NoAnswer
from netspec.kernel.operations import (
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
    NetnsAdd,
    NetnsAttach,
    NetnsDelete,
    NetnsRename,
    Operation,
    SysctlWrite,
    TableAdd,
    TableDelete,
)
from netspec.kernel.packing import ABSENT, Deletion, packed_by_index, tolerated
from netspec.kernel.port import KernelError, Progress
from netspec.kernel.reading import sysctl_path
from netspec.kernel.spaces import Spaces

GROUPED = 4
"""As many links are deleted faster together."""

NftAddition = TableAdd | ElementAdd
NftOperation = NftAddition | TableDelete | ElementDelete


Result = TypeVar("Result")


class _Absent(Exception):
    """A link that a request names is not there."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)
        self.number = number
        self.words = words


class Run:
    """One execution. Close it afterwards: it holds sockets and descriptors of namespaces."""

    def __init__(self, spaces: Spaces, deadline: float, progress: Progress) -> None:
        """`deadline` in seconds, for each answer."""
        self._deadline = deadline
        self._progress = progress
        self._spaces = spaces
        self._indexes: dict[tuple[str, str], int] = {}
        self._removals: list[LinkDelete] = []
        self._nft: list[NftOperation] = []
        self._flows: list[FlowDelete | FlowsCut] = []
        self._additions_to_come = 0
        self._announcements = Announcements(spaces)

    def close(self) -> None:
        """Let go of all namespaces."""
        self._spaces.close()

    def execute(self, operations: Sequence[Operation]) -> None:
        """All of it, in order. Raises KernelError at the first refusal."""
        self._additions_to_come = sum(isinstance(each, NftAddition) for each in operations)
        for done, operation in enumerate(operations):
            if self._gathered(operation):
                continue
            if self._settle():
                self._progress(done)
            self._announcements.note(operation)
            self._do(operation)
            self._progress(done + 1)
        self._settle()
        self._announce()
        self._progress(len(operations))

    def _gathered(self, operation: Operation) -> bool:
        """Whether an operation waits for others of its sort."""
        match operation:
            case LinkDelete(netns=""):
                self._settle_nft()
                self._removals.append(operation)
            case TableAdd() | TableDelete() | ElementAdd() | ElementDelete():
                self._settle_removals()
                self._nft.append(operation)
                self._additions_to_come -= isinstance(operation, NftAddition)
            case FlowDelete() | FlowsCut():
                self._settle_removals()
                self._flows.append(operation)
            case Announce():
                # Last of all: a port may not be there yet, and what it may send is in nftables.
                self._announcements.gather(operation)
            case _:
                return False
        return True

    def _settle(self) -> bool:
        """Do what has been gathered; whether there was anything."""
        return any([self._settle_removals(), self._settle_nft()])

    def _announce(self) -> None:
        for each in self._announcements.due():
            self._guarded(each, partial(self._announcements.tell, each))

    def _settle_nft(self) -> bool:
        if not self._nft and not self._flows:
            return False
        if self._additions_to_come and not any(isinstance(each, NftAddition) for each in self._nft):
            return False
        for netns in dict.fromkeys(each.netns for each in self._nft):
            self._transact(netns, [each for each in self._nft if each.netns == netns])
        for flow in self._flows:
            self._guarded(flow, partial(self._cut, flow))
        self._nft.clear()
        self._flows.clear()
        return True

    def _cut(self, flow: FlowDelete | FlowsCut) -> int:
        if isinstance(flow, FlowDelete):
            return delete_flows(flow)
        return cut_flows(flow, own_addresses(self._spaces.channel("")))

    def _transact(self, netns: str, operations: Sequence[NftOperation]) -> None:
        from netspec.kernel.nftables import Nftables  # noqa: PLC0415  what has no table must not need the library

        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._spaces.inside(netns))
            except OSError as error:
                if error.errno == errno.ENOENT and not any(isinstance(each, NftAddition) for each in operations):
                    return
                raise _refused(error, operations[0]) from error
            tables = stack.enter_context(Nftables())
            self._guarded(operations[0], partial(tables.transact, operations))

    def _do(self, operation: Operation) -> None:
        try:
            match operation:
                case NetnsAdd() | NetnsAttach():
                    self._make(operation)
                case NetnsDelete():
                    self._forget(operation.name)
                    self._spaces.delete(operation.name)
                case NetnsRename():
                    self._forget(operation.name)
                    self._spaces.rename(operation)
                case SysctlWrite() | FileWrite() | FileDelete():
                    self._write(operation)
                case _:
                    self._exchange(operation)
        except NoAnswer:
            words = f"the kernel did not answer within {self._deadline:g} s"
            raise KernelError(errno.ETIMEDOUT, operation, words) from None
        except _Absent as absent:
            if not isinstance(operation, Deletion):
                raise KernelError(absent.number, operation, absent.words) from None
        except OSError as error:
            # What stands in a namespace that is gone has gone with it.
            if not (isinstance(operation, Deletion) and error.errno == errno.ENOENT):
                raise _refused(error, operation) from error

    def _exchange(self, operation: Operation) -> None:
        netns = getattr(operation, "netns", "")
        channel = self._spaces.channel(netns)
        for answer in channel.request(list(self._packed(operation))):
            if answer.number and not tolerated(operation, answer.number):
                raise KernelError(answer.number, operation, answer.words)

    def _packed(self, operation: Operation) -> Iterator[rt.Message]:
        match operation:
            case LinkAdd():
                self._indexes.pop((operation.netns, operation.name), None)
                yield from rt.link_add(operation, self._index, self._peer_space(operation))
            case LinkSet():
                yield rt.link_set(operation, self._index)
                if operation.rename is not None:
                    self._indexes.pop((operation.netns, operation.name), None)
                    self._indexes.pop((operation.netns, operation.rename), None)
            case LinkDelete():
                self._indexes.pop((operation.netns, operation.name), None)
                yield rt.link_delete(operation)
            case _:
                yield from packed_by_index(operation, self._index)

    def _index(self, netns: str, name: str) -> int:
        found = self._indexes.get((netns, name))
        if found is None:
            ((answer, bodies),) = self._spaces.channel(netns).ask([rt.link_get(name)])
            if answer.number or not bodies:
                raise _Absent(answer.number or errno.ENODEV, f"there is no link {name}")
            found = self._indexes[netns, name] = index_in(bodies[0])
        return found

    def _peer_space(self, operation: LinkAdd) -> int | None:
        """A descriptor of the namespace in which the far end is born; its index there is the kernel's choice."""
        if operation.peer is None:
            return None
        self._indexes.pop((operation.peer.netns, operation.peer.name), None)
        return self._spaces.descriptor(operation.peer.netns)

    def _make(self, operation: NetnsAdd | NetnsAttach) -> None:
        self._forget(operation.name)
        if isinstance(operation, NetnsAdd):
            descriptor = self._spaces.make(operation.name, operation.alias)
        else:
            descriptor = self._spaces.attach(operation)
        (answer,) = self._spaces.channel("").request([rt.nsid_new(descriptor)])
        # A namespace of others may have an id here already.
        if answer.number and not (answer.number == errno.EEXIST and isinstance(operation, NetnsAttach)):
            raise KernelError(answer.number, operation, answer.words)

    def _forget(self, netns: str) -> None:
        for key in [key for key in self._indexes if netns and key[0] == netns]:
            del self._indexes[key]

    def _write(self, operation: SysctlWrite | FileWrite | FileDelete) -> None:
        if isinstance(operation, FileWrite):
            write_file(operation)
            return
        if isinstance(operation, FileDelete):
            delete_file(operation)
            return
        with self._spaces.inside(operation.netns):
            # One write, without creating: a sysctl that is not there is an error.
            descriptor = os.open(sysctl_path(operation.key), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, operation.value.encode() + b"\n")
            finally:
                os.close(descriptor)

    def _settle_removals(self) -> bool:
        """Delete host links, many at once by a group that is theirs alone."""
        removals = tuple(self._removals)
        if not removals:
            return False
        self._removals.clear()
        if len(removals) < GROUPED or not self._guarded(removals[0], lambda: self._remove_group(removals)):
            for operation in removals:
                self._do(operation)
        for operation in removals:
            self._indexes.pop(("", operation.name), None)
        return True

    def _guarded(self, operation: Operation, action: Callable[[], Result]) -> Result:
        """Do something for an operation; whatever goes wrong is a refusal of that."""
        try:
            return action()
        except DumpUnsteady:
            raise KernelError(errno.EAGAIN, operation, "links change faster than they can be read") from None
        except NoAnswer:
            words = f"the kernel did not answer within {self._deadline:g} s"
            raise KernelError(errno.ETIMEDOUT, operation, words) from None
        except OSError as error:
            raise _refused(error, operation) from error

    def _remove_group(self, removals: Sequence[LinkDelete]) -> bool:
        """False where the group turned out to hold anything else: then nothing was deleted."""
        channel = self._spaces.channel("")
        names = {each.name for each in removals}
        indexes = sorted(each.ifindex for each in links(channel) if each.name in names)
        group = 0x6F000000 | secrets.randbits(24)
        for start in range(0, len(indexes), BATCH_MESSAGES):
            batch = [rt.group_set(index, group) for index in indexes[start : start + BATCH_MESSAGES]]
            if any(answer.number not in (0, *ABSENT) for answer in channel.request(batch)):
                return False
        members = [each for each in links(channel) if each.group == group]
        if any(each.ifindex not in indexes or each.name not in names for each in members):
            return False
        (answer,) = channel.request([rt.group_delete(group)]) if members else (Answer(0),)
        return answer.number in (0, *ABSENT)


def _refused(error: OSError, operation: Operation) -> KernelError:
    return KernelError(error.errno or errno.EIO, operation)
