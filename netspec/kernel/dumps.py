"""Small looks at a namespace in the middle of a run, through a socket that is open there."""

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.netlink import Channel, decoding
from netspec.kernel.operations import Address
from netspec.kernel.reading import ADDRESSES, LINKS


def links(channel: Channel) -> list[rows.RawLink]:
    """All links of a namespace. Raises OSError, NoAnswer, DumpUnsteady."""
    bodies = channel.dump(rt.GETLINK, LINKS)
    with decoding():
        return [rows.link("", body) for body in bodies]


def own_addresses(channel: Channel) -> frozenset[Address]:
    """All addresses of a namespace. Raises as `links` does."""
    names = {raw.ifindex: raw.name for raw in links(channel)}
    bodies = channel.dump(rt.GETADDR, ADDRESSES)
    with decoding():
        found = [rows.address("", names, body) for body in bodies]
    return frozenset(each.address.ip for each in found if each is not None)


def index_in(body: bytes) -> int:
    """The index in one message about a link. Raises OSError."""
    with decoding():
        return rows.link("", body).ifindex
