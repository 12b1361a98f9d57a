"""What we pack, pyroute2 reads as meant; what the kernel dumps, both read alike."""

import socket
import struct
import time
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_routing as routing
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    Peer,
    RouteAdd,
    RouteDelete,
    TableAdd,
)
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import LinkRow, Scope
from netspec.kinds._skeleton import skeleton
from tests.sandboxed import inside, run

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=15)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
numbers = st.integers(0, 2**32 - 1)
mtus = st.integers(68, 65535)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
interfaces = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(ip_interface)
networks = interfaces.map(lambda found: found.network)


def index_of(netns: str, name: str) -> int:
    """An index that tells what it is of."""
    return 1 + sum(map(ord, netns + name))


def decoded(sort: type[Any], message: rt.Message) -> tuple[Any, dict[str, Any]]:
    """A request as pyroute2 reads it: the whole, and its attributes."""
    packed = rt.header.pack(16 + len(message.body), message.type, rt.REQUEST, 1, 0) + message.body
    found = sort(packed)
    found.decode()
    return found, dict(found["attrs"])


def plain(attributes: Any) -> dict[str, Any]:  # noqa: ANN401  pyroute2's own nested messages
    """Nested attributes as a dictionary."""
    return dict(attributes["attrs"])


def said(**values: object) -> dict[str, object]:
    """Those that were given."""
    return {name: value for name, value in values.items() if value is not None}


peers = st.builds(
    Peer,
    netns=names,
    name=names,
    mac=st.none() | macs,
    mtu=st.none() | mtus,
    group=st.none() | numbers,
)
link_adds = st.builds(
    LinkAdd,
    name=names,
    kind=st.just("veth"),
    mac=st.none() | macs,
    mtu=st.none() | mtus,
    group=st.none() | numbers,
    txqlen=st.none() | numbers,
    up=st.booleans(),
    master=st.none() | names,
    parent=st.none() | names,
    alias=st.none() | texts.filter(bool),
    peer=peers,
)


@given(operation=link_adds, descriptor=numbers)
def test_a_new_link_is_packed_as_meant(operation: LinkAdd, descriptor: int) -> None:
    """Every field, and the far end with its namespace; the kernel chooses all indexes."""
    first, *rest = rt.link_add(operation, index_of, descriptor)
    whole, found = decoded(ifinfmsg, first)
    info = plain(found.pop("IFLA_LINKINFO"))
    far = plain(info["IFLA_INFO_DATA"])["VETH_INFO_PEER"]
    wanted = said(
        IFLA_IFNAME=operation.name,
        IFLA_ADDRESS=operation.mac,
        IFLA_MTU=operation.mtu,
        IFLA_GROUP=operation.group,
        IFLA_TXQLEN=operation.txqlen,
        IFLA_MASTER=index_of("", operation.master) if operation.master else None,
        IFLA_LINK=index_of("", operation.parent) if operation.parent else None,
    )
    peer = operation.peer
    assert peer is not None
    there = said(IFLA_IFNAME=peer.name, IFLA_ADDRESS=peer.mac, IFLA_MTU=peer.mtu, IFLA_GROUP=peer.group)

    assert (found, info["IFLA_INFO_KIND"], first.flags) == (wanted, "veth", rt.CREATE | rt.EXCL)
    assert (plain(far), far["index"]) == ({**there, "IFLA_NET_NS_FD": descriptor}, 0)
    assert (whole["index"], whole["flags"], whole["change"]) == ((0, 1, 1) if operation.up else (0, 0, 0))
    aliases = [decoded(ifinfmsg, each)[1] for each in rest]
    assert aliases == (
        [{"IFLA_IFNAME": operation.name, "IFLA_IFALIAS": operation.alias}] if operation.alias is not None else []
    )


link_sets = st.builds(
    LinkSet,
    name=names,
    rename=st.none() | names,
    mac=st.none() | macs,
    mtu=st.none() | mtus,
    group=st.none() | numbers,
    alias=st.none() | texts.filter(bool),
    txqlen=st.none() | numbers,
    up=st.none() | st.booleans(),
    master=st.none() | names | st.just(""),
    addr_gen_mode=st.none() | st.integers(0, 3),
    conf4=st.lists(st.tuples(st.integers(1, 33), numbers), unique_by=lambda pair: pair[0]).map(tuple),
)


@given(operation=link_sets)
def test_a_change_of_a_link_is_packed_as_meant(operation: LinkSet) -> None:
    """Only what shall change is said; a link is found by name, or by index where it gets another name."""
    message = rt.link_set(operation, index_of)
    whole, found = decoded(ifinfmsg, message)
    found.pop("IFLA_AF_SPEC", None)
    master = None if operation.master is None else index_of("", operation.master) if operation.master else 0
    wanted = said(
        IFLA_IFNAME=operation.rename or operation.name,
        IFLA_ADDRESS=operation.mac,
        IFLA_MTU=operation.mtu,
        IFLA_GROUP=operation.group,
        IFLA_IFALIAS=operation.alias,
        IFLA_TXQLEN=operation.txqlen,
        IFLA_MASTER=master,
    )
    families = rows.attributes(rows.attributes(message.body, 16).get(rt.IFLA_AF_SPEC, b""))
    four = rows.attributes(rows.attributes(families.get(socket.AF_INET, b"")).get(1, b""))
    six = rows.attributes(families.get(socket.AF_INET6, b""))

    assert found == wanted
    assert whole["index"] == (index_of("", operation.name) if operation.rename else 0)
    assert (whole["flags"] & 1, whole["change"]) == (int(bool(operation.up)), int(operation.up is not None))
    assert {number: struct.unpack("=I", value)[0] for number, value in four.items()} == dict(operation.conf4)
    assert six.get(8) == (None if operation.addr_gen_mode is None else bytes([operation.addr_gen_mode]))


@given(address=interfaces, link=names, protocol=st.integers(0, 255))
def test_an_address_is_packed_as_meant(address: Any, link: str, protocol: int) -> None:  # noqa: ANN401
    """Added with broadcast and protocol, and without duplicate address detection; deleted by address and link."""
    four = address.version == 4
    operation = AddressAdd(
        link=link, address=address, broadcast=address.network.broadcast_address if four else None, protocol=protocol
    )
    whole, found = decoded(ifaddrmsg, rt.address_add(operation, index_of))
    gone, left = decoded(ifaddrmsg, rt.address_delete(AddressDelete(link=link, address=address), index_of))
    both = {"IFA_LOCAL": str(address.ip), "IFA_ADDRESS": str(address.ip)}
    more = {"IFA_BROADCAST": str(operation.broadcast)} if four else {"IFA_FLAGS": 0x82}

    assert {k: normal(v) for k, v in found.items() if k != "IFA_PROTO"} == {
        k: normal(v) for k, v in {**both, **more}.items()
    }
    assert rows.attributes(rt.address_add(operation, index_of).body, 8).get(11) == (
        bytes([protocol]) if protocol else None
    )
    assert {k: normal(v) for k, v in left.items()} == {k: normal(v) for k, v in both.items()}
    for each in (whole, gone):
        assert (each["family"], each["prefixlen"], each["index"]) == (
            socket.AF_INET if four else socket.AF_INET6,
            address.network.prefixlen,
            index_of("", link),
        )


def normal(value: object) -> object:
    """Addresses in one form: pyroute2 leaves it to the C library how ::ffff:0:0 is written."""
    return ip_address(value) if isinstance(value, str) else value


routes = st.builds(
    RouteAdd,
    to=networks,
    link=st.none() | names,
    table=st.integers(1, 2**32 - 1),
    metric=numbers,
    protocol=st.integers(0, 255),
    via=st.none() | addresses,
)


@given(added=routes)
def test_a_route_is_packed_as_meant(added: RouteAdd) -> None:
    """Added over a gateway of either family, deleted by everything that identifies it."""
    to, link, table, metric, protocol = added.to, added.link, added.table, added.metric, added.protocol
    removed = RouteDelete(to=to, link=link, table=table, metric=metric, protocol=protocol)
    (whole, found), (gone, left) = (
        decoded(rtmsg, routing.route_add(added, index_of)),
        decoded(rtmsg, routing.route_delete(removed, index_of)),
    )
    same = said(
        RTA_DST=str(to.network_address) if to.prefixlen else None,
        RTA_TABLE=table,
        RTA_PRIORITY=metric or None,
        RTA_OIF=index_of("", link) if link else None,
    )
    gateway = found.pop("RTA_GATEWAY", None) or (found.pop("RTA_VIA", None) or {}).get("addr")

    assert {k: normal(v) for k, v in found.items()} == {k: normal(v) for k, v in same.items()}
    assert found == left
    assert (normal(gateway) if gateway else None) == added.via
    for each in (whole, gone):
        assert (each["dst_len"], each["proto"], each["table"]) == (to.prefixlen, protocol, table if table < 256 else 0)


@given(buffer=st.binary(max_size=400))
@example(buffer=bytes(8))
@example(buffer=b"\x03\0\1\0\0\0\0\0")
def test_no_bytes_confuse_the_reader(buffer: bytes) -> None:
    """Cut short or nonsense, attributes end where they no longer make sense."""
    found = rows.attributes(buffer)

    assert sum(len(payload) for payload in found.values()) <= len(buffer)


def a_busy_host(kernel: Kernel) -> None:
    """Something of every sort."""
    kernel.execute(
        [
            NetnsAdd(name="web", alias="netspec:test:endpoint/web"),
            LinkAdd(name="br0", kind="bridge", mac="02:00:00:00:00:01", alias="netspec:test:bridge/br0", group=7),
            LinkAdd(name="v0", kind="veth", mtu=1400, peer=Peer(netns="web", name="eth0", mac="02:00:00:00:00:02")),
            LinkAdd(name="v1", kind="veth", peer=Peer(netns="", name="v2", mtu=1300), txqlen=5),
            LinkSet(name="v0", master="br0", up=True, addr_gen_mode=1, conf4=((26, 1),)),
            LinkSet(netns="web", name="eth0", up=True, addr_gen_mode=1),
            LinkSet(name="br0", up=True),
            AddressAdd(link="br0", address=ip_interface("10.0.0.1/24"), broadcast=None, protocol=110),
            AddressAdd(link="br0", address=ip_interface("2001:db8::1/64"), protocol=110),
            AddressAdd(netns="web", link="eth0", address=ip_interface("10.0.0.2/24"), protocol=110),
            RouteAdd(netns="web", to=IPv4Network("0.0.0.0/0"), via=ip_address("10.0.0.1"), link="eth0", protocol=110),
            RouteAdd(to=IPv6Network("2001:db8:1::/48"), via=ip_address("2001:db8::9"), link="br0", metric=5),
            RouteAdd(to=IPv4Network("10.7.0.0/16"), type=6, table=1000, protocol=110),
            TableAdd(name="netspec-test", text=skeleton("netspec-test")),
        ]
    )


def as_pyroute2_reads_links() -> dict[str, tuple[object, ...]]:
    """The links of this namespace, by name."""
    with IPRoute() as oracle:
        found = {link.get("IFLA_IFNAME"): (link, dict(link["attrs"])) for link in oracle.get_links()}
    indexes = {link["index"]: name for name, (link, _) in found.items()}
    return {name: _row(link, attrs, indexes) for name, (link, attrs) in found.items()}


def _row(link: Any, attrs: dict[str, Any], indexes: Mapping[int, str]) -> tuple[object, ...]:  # noqa: ANN401
    info = plain(attrs["IFLA_LINKINFO"]) if "IFLA_LINKINFO" in attrs else {}
    return (
        link["index"],
        info.get("IFLA_INFO_KIND", ""),
        attrs["IFLA_ADDRESS"],
        attrs["IFLA_MTU"],
        bool(link["flags"] & 1),
        attrs["IFLA_GROUP"],
        attrs.get("IFLA_IFALIAS", ""),
        attrs["IFLA_TXQLEN"],
        indexes.get(attrs.get("IFLA_MASTER", 0), ""),
        info.get("IFLA_INFO_SLAVE_KIND", ""),
    )


def ours(row: LinkRow) -> tuple[object, ...]:
    """The same of a row of ours."""
    name = (row.index, row.kind, row.mac, row.mtu, row.up)
    return (*name, row.group, row.alias, row.txqlen, row.master, row.port_kind)


def as_pyroute2_reads_the_rest(netns: str) -> tuple[set[Any], set[Any]]:
    """The addresses and the routes of a namespace."""
    with inside(netns), IPRoute() as oracle:
        names_by_index = {link["index"]: link.get("IFLA_IFNAME") for link in oracle.get_links()}
        addresses_there = {
            (names_by_index[each["index"]], f"{each.get('IFA_LOCAL') or each.get('IFA_ADDRESS')}/{each['prefixlen']}")
            for each in oracle.get_addr()
        }
        routes_there = {
            (each.get("RTA_DST") or "", each["dst_len"], each.get("RTA_GATEWAY"), each.get("RTA_TABLE"), each["proto"])
            for each in oracle.get_routes()
            if each.get("RTA_TABLE") != 255 and each["type"] not in (2, 3, 4, 5)
        }
    return addresses_there, routes_there


@pytest.mark.kernel
@pytest.mark.parametrize("netns", ["", "web"])
def test_links_are_read_as_pyroute2_reads_them(linux: Kernel, netns: str) -> None:
    """In the host and in a namespace."""
    a_busy_host(linux)
    rows_of = {row.name: ours(row) for row in linux.snapshot(Scope(stack="test")).links if row.netns == netns}
    with inside(netns):
        assert rows_of == as_pyroute2_reads_links()


@pytest.mark.kernel
@pytest.mark.parametrize("netns", ["", "web"])
def test_addresses_and_routes_are_read_as_pyroute2_reads_them(linux: Kernel, netns: str) -> None:
    """All addresses; all routes but those of the local table."""
    a_busy_host(linux)
    end = time.monotonic() + 60
    before = as_pyroute2_reads_the_rest(netns)
    seen = linux.snapshot(Scope(stack="test"))
    # What comes with a carrier comes when the kernel gets to it; not in between then.
    while (there := as_pyroute2_reads_the_rest(netns)) != before:
        assert time.monotonic() < end
        before, seen = there, linux.snapshot(Scope(stack="test"))
    addresses_there, routes_there = there

    assert {(row.link, str(row.address)) for row in seen.addresses if row.netns == netns} == addresses_there
    assert {
        (
            str(row.to.network_address) if row.to.prefixlen else "",
            row.to.prefixlen,
            str(row.via) if row.via else None,
            row.table,
            row.protocol,
        )
        for row in seen.routes
        if row.netns == netns
    } == routes_there


@pytest.mark.kernel
def test_a_deletion_by_name_hits_the_named(linux: Kernel) -> None:
    """As ip sees it."""
    linux.execute([LinkAdd(name=name, kind="bridge") for name in ("a", "b", "c")])
    linux.execute([LinkDelete(name="b")])

    assert [line.split(":")[1].strip() for line in run("ip -o link show type bridge").splitlines()] == ["a", "c"]
