"""Files of the fake kernel: those below `/etc/netns`, and the directories that it made for them."""

import errno

from netspec.kernel.fake_host import Host
from netspec.kernel.file_operations import FileDelete, FileWrite
from netspec.kernel.snapshot import FileRow


def write_file(host: Host, operation: FileWrite) -> None:
    """EEXIST where something of others is there."""
    place = operation.netns, operation.name
    if place in host.files and not host.files[place].mark:
        raise OSError(errno.EEXIST, "")
    for directory in ("", operation.netns):
        host.directories.setdefault(directory, True)
    host.files[place] = FileRow(
        netns=operation.netns, name=operation.name, mark=operation.mark, text=operation.text, mode=operation.mode
    )


def delete_file(host: Host, operation: FileDelete) -> None:
    """Only what has a mark goes, and directories of ours that are empty then."""
    place = operation.netns, operation.name
    if place in host.files and host.files[place].mark:
        del host.files[place]
    if host.directories.get(operation.netns) and all(netns != operation.netns for netns, _ in host.files):
        del host.directories[operation.netns]
        if host.directories.get("") and set(host.directories) == {""}:
            del host.directories[""]
