"""The namespaces that are open while operations run: a descriptor and a socket each, not more than fit."""

import contextlib
import os
import resource

from netspec.kernel import namespaces
from netspec.kernel.ledger import Ledger
from netspec.kernel.netlink import Channel
from netspec.kernel.operations import NetnsAttach, NetnsRename
from netspec.kernel.references import opened
from netspec.kernel.snapshot import AttachedRow

_LEFT_TO_OTHERS = 64
"""Descriptors of the process's limit that are not ours to use."""


class Spaces:
    """Opens namespaces as they are needed and keeps them open as far as the limit of descriptors allows.

    Close it afterwards: an open socket keeps a namespace alive. One thread, which is always back at home.
    """

    def __init__(self, directory: str, ledger: str, deadline: float) -> None:
        """`deadline` in seconds, for answers in each of them."""
        self._directory = directory
        self._ledger = Ledger(ledger)
        self._deadline = deadline
        self._prepared = False
        self._home = namespaces.current()
        self._channels: dict[str, Channel] = {}
        self._descriptors: dict[str, int] = {}
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._room = max(2, (limit - _LEFT_TO_OTHERS) // 2)

    def close(self) -> None:
        """Let go of all of them."""
        for netns in {*self._channels, *self._descriptors}:
            self.forget(netns)
        os.close(self._home)

    def forget(self, netns: str) -> None:
        """Let go of one."""
        channel = self._channels.pop(netns, None)
        if channel is not None:
            channel.close()
        descriptor = self._descriptors.pop(netns, None)
        if descriptor is not None:
            os.close(descriptor)

    def make(self, name: str, alias: str) -> int:
        """Make a namespace; a descriptor of it, which stays ours. Raises OSError and NoAnswer."""
        self.forget(name)
        self._prepare()
        descriptor, channel = namespaces.create(name, alias, self._deadline, self._directory)
        self._make_room(self._descriptors)
        self._make_room(self._channels)
        self._descriptors[name], self._channels[name] = descriptor, channel
        return descriptor

    def attach(self, operation: NetnsAttach) -> int:
        """Give a namespace of others a name; a descriptor of it, which stays ours. Raises OSError."""
        self.forget(operation.name)
        self._prepare()
        descriptor = opened(operation.path, operation.inode)
        self._make_room(self._descriptors)
        self._descriptors[operation.name] = descriptor
        row = AttachedRow(operation.alias, operation.path, operation.inode, operation.started)
        if self._ledger.has(operation.name) and namespaces.is_bound(operation.name, descriptor, self._directory):
            self._ledger.write(operation.name, row)
            return descriptor
        namespaces.claim(operation.name, operation.alias, self._directory)
        try:
            # On record before it is covered: a file with our mark, or a record of what covers it, is there throughout.
            self._ledger.write(operation.name, row)
            namespaces.cover(operation.name, descriptor, self._directory)
        except OSError:
            self.delete(operation.name)
            raise
        return descriptor

    def delete(self, name: str) -> None:
        """Remove the name of a namespace and its record; nothing where it is not there. Raises OSError."""
        self.forget(name)
        if self._ledger.has(name):
            namespaces.uncover(name, self._directory)
            self._ledger.forget(name)
        namespaces.delete(name, self._directory)

    def rename(self, operation: NetnsRename) -> None:
        """Give a namespace another name, which it has before it loses the old one. Raises OSError."""
        old, new = operation.name, operation.rename
        descriptor = os.dup(self.descriptor(old))
        try:
            self.forget(new)
            if not namespaces.is_bound(new, descriptor, self._directory):
                namespaces.claim(new, operation.alias, self._directory)
                row = self._ledger.read().get(old)
                if row is not None:
                    self._ledger.write(new, row)
                try:
                    namespaces.cover(new, descriptor, self._directory)
                except OSError:
                    self.delete(new)
                    raise
            self.delete(old)
        finally:
            os.close(descriptor)

    def _prepare(self) -> None:
        if not self._prepared:
            namespaces.prepare(self._directory)
            self._prepared = True

    def descriptor(self, netns: str) -> int:
        """A descriptor of a namespace, which stays ours. Raises OSError, ENOENT where it is not there."""
        found = self._descriptors.get(netns)
        if found is None:
            found = namespaces.open_entry(netns, self._directory) if netns else os.dup(self._home)
            self._make_room(self._descriptors)
            self._descriptors[netns] = found
        return found

    def channel(self, netns: str) -> Channel:
        """A socket in a namespace. Raises OSError, ENOENT where it is not there, EINVAL where it is none."""
        found = self._channels.get(netns)
        if found is None:
            with contextlib.ExitStack() as undo:
                with self.inside(netns):
                    found = undo.enter_context(Channel(self._deadline))
                undo.pop_all()
            self._make_room(self._channels)
            self._channels[netns] = found
        return found

    def inside(self, netns: str) -> "_Visit":
        """A context in which this thread is in a namespace. Raises OSError as `descriptor` does."""
        return _Visit(self.descriptor(netns) if netns else None, self._home)

    def _make_room(self, kept: "dict[str, Channel] | dict[str, int]") -> None:
        """What was opened first goes first; the host stays, as all else begins there."""
        while len(kept) >= self._room:
            self.forget(next(netns for netns in kept if netns or len(kept) == 1))


class _Visit:
    def __init__(self, there: int | None, home: int) -> None:
        self._there = there
        self._home = home

    def __enter__(self) -> None:
        if self._there is not None:
            namespaces.enter(self._there)

    def __exit__(self, *_: object) -> None:
        if self._there is not None:
            namespaces.come_back(self._home)
