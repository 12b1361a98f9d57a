"""Faults at the boundary between netspec and the system: every call that leaves the process, one after the other."""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from netspec.kernel import conntrack, namespaces, nftables
from netspec.kernel.netlink import Channel

FILES = ("open", "write", "fsync", "rename", "unlink", "mkdir", "fchmod", "setxattr", "rmdir")
LIBC = ("mount", "umount2", "unshare", "setns", "linkat")
ERRORS = (errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC, errno.EROFS, errno.EBUSY, errno.EIO, errno.EMFILE)

Fault = Callable[[str, Callable[[], Any]], Any]
"""Takes the name of a call and the call; does it, or something else in its place."""


class Calls:
    """Counts calls over the boundary, and lets a fault have the one that is due."""

    def __init__(self, at: int, fault: Fault, *, stays: bool = False) -> None:
        """`stays`: the fault has all calls of that name from then on."""
        self.seen: list[str] = []
        self.struck = ""
        self._at = at
        self._fault = fault
        self._stays = stays

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401  whatever the call returns
        """Do a call, or let the fault have it."""
        number = len(self.seen)
        self.seen.append(name)
        if number == self._at:
            self.struck = name
        elif not (self._stays and name == self.struck):
            return call()
        return self._fault(name, call)


class _Libc:
    """libc, some of whose functions go by way of Calls."""

    def __init__(self, inner: ctypes.CDLL, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  a function of libc
        function = getattr(self._inner, name)
        return (lambda *words: self._calls(name, lambda: function(*words))) if name in LIBC else function


class _Library:
    """libnftables, whose commands go by way of Calls."""

    def __init__(self, inner: Any, calls: Calls) -> None:  # noqa: ANN401  the module has no types
        self._inner = inner
        self._calls = calls

    def cmd(self, text: str) -> Any:  # noqa: ANN401  likewise
        """A command."""
        return self._calls("nft", lambda: self._inner.cmd(text))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  likewise
        return getattr(self._inner, name)


@contextlib.contextmanager
def watched(calls: Calls) -> Iterator[Calls]:
    """All calls inside go by way of `calls`."""
    sends, arrivals, opens, asks = Channel._send, Channel._next, nftables._open, conntrack._request

    def by_way(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *words, **named: calls(name, lambda: real(*words, **named))

    with pytest.MonkeyPatch.context() as patch:
        for name in FILES:
            patch.setattr(os, name, by_way(name, getattr(os, name)))
        patch.setattr(Channel, "_send", by_way("send", sends))
        patch.setattr(Channel, "_next", by_way("receive", arrivals))
        patch.setattr(conntrack, "_request", by_way("conntrack", asks))
        patch.setattr(namespaces, "_libc", _Libc(namespaces._libc, calls))
        patch.setattr(nftables, "_open", lambda: _Library(opens(), calls))
        yield calls


def refusing(number: int) -> Fault:
    """The system says no; nothing is done."""

    def refuse(name: str, _call: Callable[[], Any]) -> Any:  # noqa: ANN401  as the call would
        if name in LIBC:
            ctypes.set_errno(number)
            return -1
        if name == "nft":
            return 1, "", f"netlink: Error: Could not process rule: {os.strerror(number)}\n"
        raise OSError(number, os.strerror(number))

    return refuse


def lost(name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401  as the call would
    """It is done, and nobody hears of it."""
    call()
    if name in ("send", "receive", "conntrack"):
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return refusing(errno.EIO)(name, call)


def shortened(name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401  as the call would
    """Only half of what the kernel said arrives; other calls are done."""
    found = call()
    return found[: len(found) // 2] if name == "receive" else found
