"""Requests about names under `/run/netns`. Part of `netspec.kernel.operations`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsAdd:
    """Make `/run/netns/NAME` as `ip netns add` does, its `lo` up and carrying `alias` before it has a name."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsAttach:
    """Give the namespace at `path` the name `/run/netns/NAME`, and put `alias` and `started` on record with it.

    ESRCH where nothing is there any more, or a namespace with another `inode`. Where it has the name already, it only
    goes on record anew.
    """

    name: str
    alias: str
    path: str
    inode: int
    started: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsRename:
    """Bind the namespace `/run/netns/NAME` to `rename`, and take the old name away; its record goes along.

    `alias` marks the new name while nothing is bound to it yet. Where it is bound to the same namespace already, only
    the old name goes. EEXIST where the new name is another's.
    """

    name: str
    rename: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsDelete:
    """Unmount and remove `/run/netns/NAME`, and its record; nothing if it is not there."""

    name: str
