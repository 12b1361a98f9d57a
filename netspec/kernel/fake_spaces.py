"""Network namespaces of the fake kernel: names of our own, and namespaces that others have made.

One of others has no name: it is kept under the path where it is found, and under its name while it has one.
"""

import errno
from dataclasses import replace

from netspec.kernel.fake_addresses import came_up
from netspec.kernel.fake_host import FakeLink, Host, Space
from netspec.kernel.fake_links import remove
from netspec.kernel.operations import NetnsAdd, NetnsAttach, NetnsDelete, NetnsRename
from netspec.kernel.snapshot import AttachedRow, Reference, ReferenceRow

LONGEST_FILE_NAME = 255
LOOPBACK_MTU = 65536


def new_space(host: Host, name: str, alias: str) -> None:
    """A namespace with its `lo` up."""
    host.spaces[name] = Space()
    index = host.next_index()
    host.inodes[name] = index
    lo = FakeLink(index=index, netns=name, name="lo", mtu=LOOPBACK_MTU, alias=alias, up=True)
    host.put(lo)
    came_up(host, lo)


def is_named(name: str) -> bool:
    """Whether a namespace is one of `/run/netns`."""
    return bool(name) and "/" not in name


def add_netns(host: Host, operation: NetnsAdd) -> None:
    """Make one."""
    _check_free(host, operation.name)
    new_space(host, operation.name, operation.alias)


def attach_netns(host: Host, operation: NetnsAttach) -> None:
    """Give one of others a name."""
    row = AttachedRow(operation.alias, operation.path, operation.inode, operation.started)
    known = host.attached.get(operation.name)
    if known is not None and known.inode == operation.inode:
        host.attached[operation.name] = row
        return
    if host.inodes.get(operation.path) != operation.inode:
        raise OSError(errno.ESRCH, "")
    _check_free(host, operation.name)
    rename(host, operation.path, operation.name)
    host.attached[operation.name] = row


def rename_netns(host: Host, operation: NetnsRename) -> None:
    """Another name for one."""
    if not is_named(operation.name) or operation.name not in host.spaces:
        raise OSError(errno.ENOENT, "")
    _check_free(host, operation.rename)
    rename(host, operation.name, operation.rename)
    if operation.name in host.attached:
        host.attached[operation.rename] = host.attached.pop(operation.name)


def delete_netns(host: Host, operation: NetnsDelete) -> None:
    """Remove a name, and the namespace if it was made with it."""
    name = operation.name
    host.dead.pop(name, None)
    attached = host.attached.pop(name, None)
    if attached is not None:
        rename(host, name, attached.path)
        return
    if not name or name not in host.spaces:
        return
    for link in [link for link in host.links.values() if link.netns == name]:
        if link.index in host.links:
            remove(host, link)
    del host.spaces[name], host.inodes[name]


def resolve(host: Host, name: str, reference: Reference) -> ReferenceRow:
    """Where a reference leads."""
    pid = host.containers.get(reference.value, 0) if reference.sort == "container" else reference.value
    path = reference.value if reference.sort == "path" else f"/proc/{pid}/ns/net"
    there = next((each for each, row in host.attached.items() if row.path == path), path)
    if there not in host.spaces:
        return ReferenceRow(name=name, reference=reference, problem="there is no such process")
    started = int(pid) if reference.sort != "path" else 0
    known_as = (there,) if there != path else ()
    inode = host.inodes[there]
    return ReferenceRow(name=name, reference=reference, path=path, inode=inode, started=started, known_as=known_as)


def rename(host: Host, old: str, new: str) -> None:
    """Keep a namespace under another name."""
    host.spaces[new], host.inodes[new] = host.spaces.pop(old), host.inodes.pop(old)
    for link in [link for link in host.links.values() if link.netns == old]:
        del host.names[old, link.name]
        host.names[new, link.name] = link.index
        host.links[link.index] = replace(link, netns=new)


def _check_free(host: Host, name: str) -> None:
    if not name or "/" in name or name in (".", ".."):
        raise OSError(errno.EINVAL, "")
    if len(name.encode()) > LONGEST_FILE_NAME:
        raise OSError(errno.ENAMETOOLONG, "")
    if name in host.spaces or name in host.dead:
        raise OSError(errno.EEXIST, "")
