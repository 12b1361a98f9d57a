"""Requests that are writes to files: sysctls, and what `ip netns exec` shows inside a namespace.

Part of `netspec.kernel.operations`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWrite:
    """Put `text` at `/etc/netns/NETNS/NAME` in one move, and `mark` before it, as a comment.

    Directories that are missing are made. EEXIST where something is there that has no mark of netspec's;
    ELOOP and ENOTDIR where a directory is a symbolic link.
    """

    netns: str
    name: str
    mark: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDelete:
    """Remove a file that has a mark of netspec's, and directories that it made and that are empty then."""

    netns: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlWrite:
    """Write `value` to `/proc/sys/net/…`; `key` is dotted, `net.ipv4.conf.eth0.arp_notify`."""

    netns: str = ""
    key: str
    value: str
