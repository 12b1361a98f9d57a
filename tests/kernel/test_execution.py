"""Runs of operations on the real kernel: what is gathered, what is looked up, and what is never taken along."""

import resource
import secrets
from collections.abc import Iterator

import pytest

from netspec.kernel import rtnetlink as rt
from netspec.kernel.execution import GROUPED
from netspec.kernel.operations import (
    AddressAdd,
    ElementAdd,
    ElementDelete,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    NetnsDelete,
    Operation,
    Peer,
    TableAdd,
    TableDelete,
)
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Scope
from netspec.kinds._skeleton import skeleton
from tests.kernel.contract.make import interface
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

TABLE = "netspec-test"
TEXT = skeleton(TABLE)


def bridges(*names: str) -> list[Operation]:
    """Bridges of these names."""
    return [LinkAdd(name=name, kind="bridge") for name in names]


def links(kernel: Kernel) -> list[str]:
    """The links on the host but lo."""
    return sorted(row.name for row in kernel.snapshot(Scope(stack="test")).links if not row.netns and row.name != "lo")


MANY = [f"b{number}" for number in range(GROUPED + 2)]


def test_many_links_go_at_once_and_no_others(linux: Kernel) -> None:
    """In one request for all of them, among others of no group and of another."""
    linux.execute(bridges(*MANY, "plain", "grouped"))
    linux.execute([LinkSet(name="grouped", group=0x6E000001)])
    linux.execute([LinkDelete(name=name) for name in (*MANY, "absent")])

    assert links(linux) == ["grouped", "plain"]


def test_a_foreign_link_in_the_group_is_never_taken_along(linux: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever guesses the number: the links are then deleted one by one, by name."""
    monkeypatch.setattr(secrets, "randbits", lambda _bits: 1)
    linux.execute(bridges(*MANY, "theirs"))
    run(f"ip link set theirs group {0x6F000001}")
    linux.execute([LinkDelete(name=name) for name in MANY])

    assert links(linux) == ["theirs"]


def test_a_link_that_joins_the_group_in_time_is_seen(linux: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the deletion."""
    monkeypatch.setattr(secrets, "randbits", lambda _bits: 1)
    real = rt.group_set

    def joined(index: int, group: int) -> rt.Message:
        run(f"ip link set theirs group {group}")
        return real(index, group)

    linux.execute(bridges(*MANY, "theirs"))
    monkeypatch.setattr(rt, "group_set", joined)
    linux.execute([LinkDelete(name=name) for name in MANY])

    assert links(linux) == ["theirs"]


def test_both_ends_of_a_pair_may_be_deleted_together(linux: Kernel) -> None:
    """The second one has gone with the first."""
    pairs = [LinkAdd(name=f"a{n}", kind="veth", peer=Peer(netns="", name=f"z{n}")) for n in range(4)]
    linux.execute(pairs)
    linux.execute([LinkDelete(name=name) for n in range(4) for name in (f"a{n}", f"z{n}")])

    assert links(linux) == []


COUNT = 60


def endpoints() -> Iterator[Operation]:
    """Many namespaces with a link each, whose indexes inside are all the same."""
    yield from (NetnsAdd(name=f"n{number}", alias=f"netspec:test:endpoint/n{number}") for number in range(COUNT))
    for number in range(COUNT):
        yield LinkAdd(name=f"v{number}", kind="veth", peer=Peer(netns=f"n{number}", name="eth0"))
    for number in range(COUNT):
        yield LinkSet(netns=f"n{number}", name="eth0", up=True)
    for number in range(COUNT):
        yield AddressAdd(netns=f"n{number}", link="eth0", address=interface(f"10.0.0.{number + 1}/24"))


def test_peers_are_found_over_many_namespaces(linux: Kernel) -> None:
    """Each end has the other, and each address is in its namespace."""
    linux.execute(list(endpoints()))
    seen = linux.snapshot(Scope(stack="test"))
    peers = {(row.netns, row.name): row.peer for row in seen.links if row.kind == "veth"}
    addresses = {row.netns: str(row.address.ip) for row in seen.addresses if row.link == "eth0"}

    assert peers == {
        **{("", f"v{number}"): (f"n{number}", "eth0") for number in range(COUNT)},
        **{(f"n{number}", "eth0"): ("", f"v{number}") for number in range(COUNT)},
    }
    assert addresses == {f"n{number}": f"10.0.0.{number + 1}" for number in range(COUNT)}


def test_pairs_between_namespaces_are_not_mixed_up(linux: Kernel) -> None:
    """Where all their indexes are equal, only the kernel's ids tell them apart."""
    spaces = [NetnsAdd(name=f"n{number}", alias="") for number in range(8)]
    pairs = [
        LinkAdd(netns=f"n{number}", name="eth0", kind="veth", peer=Peer(netns=f"n{7 - number}", name="eth0"))
        for number in range(4)
    ]
    linux.execute([*spaces, *pairs])
    seen = linux.snapshot(Scope(stack="test"))

    assert {row.netns: row.peer for row in seen.links if row.kind == "veth"} == {
        f"n{number}": (f"n{7 - number}", "eth0") for number in range(8)
    }


def test_a_peer_where_nobody_can_look_is_none(linux: Kernel) -> None:
    """A namespace that has lost its name."""
    linux.execute([NetnsAdd(name="web", alias=""), LinkAdd(name="v", kind="veth", peer=Peer(netns="web", name="e"))])
    keeper = open("/run/netns/web", encoding="ascii")  # noqa: PTH123, SIM115  held open: the namespace lives on
    with keeper:
        linux.execute([NetnsDelete(name="web")])
        seen = {row.name: row.peer for row in linux.snapshot(Scope(stack="test")).links}

    assert seen == {"lo": None, "v": None}


def test_few_descriptors_are_enough_for_many_namespaces(linux: Kernel) -> None:
    """As many are open at once as there is room for."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    try:
        linux.execute(list(endpoints()))
        seen = linux.snapshot(Scope(stack="test"))
        linux.execute([NetnsDelete(name=f"n{number}") for number in range(COUNT)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert len([row for row in seen.links if row.name == "eth0" and row.up]) == COUNT


def test_a_namespace_made_again_has_indexes_of_its_own(linux: Kernel) -> None:
    """Those of the one before it are forgotten, and other links that are in it from its birth do no harm."""
    made: list[Operation] = [
        NetnsAdd(name="web", alias=""),
        LinkAdd(netns="web", name="first", kind="bridge"),
        LinkAdd(name="v", kind="veth", peer=Peer(netns="web", name="eth0")),
        AddressAdd(netns="web", link="eth0", address=interface("10.0.0.1/24")),
    ]
    again = [*made[:1], *made[2:]]
    linux.execute([*made, LinkDelete(name="v"), NetnsDelete(name="web"), *again])

    assert [row.link for row in linux.snapshot(Scope(stack="test")).addresses if row.netns and row.link != "lo"] == [
        "eth0"
    ]


def test_a_table_that_is_replaced_is_never_gone(linux: Kernel) -> None:
    """However far its deletion and its creation are apart in a run, at every point in between it stands."""
    old, new = (ElementAdd(table=TABLE, set="segments", key=f'"{name}"') for name in ("old", "new"))
    linux.execute([TableAdd(name=TABLE, text=TEXT), old])
    seen = []

    def look(_done: int) -> None:
        (row,) = linux.snapshot(Scope(stack="test")).tables
        seen.append([each.key for each in row.elements])

    removal = ElementDelete(table=TABLE, set="segments", key='"old"')
    gone = TableDelete(name=TABLE)
    linux.execute([removal, gone, *bridges("a", "b"), TableAdd(name=TABLE, text=TEXT), new, *bridges("c")], look)

    assert seen[0] == ['"old"']
    assert seen[-1] == ['"new"']
    assert sorted(map(str, {tuple(each) for each in seen})) == ["('\"new\"',)", "('\"old\"',)"]
