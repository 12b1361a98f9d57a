"""nftables on the real kernel: one transaction, honest errors, and listings that can be loaded again."""

import contextlib
import errno
import os
import random
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from netspec.core.digest import digest
from netspec.core.elements import concat, ifname, mark, ports
from netspec.errors import LibraryMissing
from netspec.kernel.nftables import Nftables
from netspec.kernel.nfttext import NftOperation, parse_listing, render
from netspec.kernel.operations import ElementAdd, ElementDelete, TableAdd, TableDelete
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import ElementRow, TableRow
from netspec.kinds._skeleton import skeleton
from tests.packets.lab import Lab

pytestmark = pytest.mark.kernel
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace")

TABLE = "netspec-test"
SKELETON = skeleton(TABLE)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host in a namespace of its own."""
    with Lab() as lab:
        yield lab


def add(name: str, key: str, value: str = "", comment: str = "") -> ElementAdd:
    """An element of the test's table."""
    return ElementAdd(table=TABLE, set=name, key=key, value=value, comment=comment)


def remove(name: str, key: str) -> ElementDelete:
    """Its removal."""
    return ElementDelete(table=TABLE, set=name, key=key)


def load(*operations: NftOperation) -> TableRow | None:
    """One transaction for each call; what is there afterwards. To be run in the lab."""
    with Nftables() as nftables:
        nftables.transact(operations)
        return nftables.table("", "inet", TABLE)


def refused(*operations: NftOperation) -> tuple[str, NftOperation]:
    """Name of the errno and operation of the refusal. To be run in the lab."""
    with pytest.raises(KernelError) as caught:
        load(*operations)
    operation = caught.value.operation
    assert isinstance(operation, NftOperation)
    return caught.value.name, operation


ELEMENTS = [
    add("segments", ifname("docker0"), comment="bridge/docker0"),
    add("segments", ifname("br-ä"[:3] + "a.100@x"), comment="with, commas } and : signs"),
    add("within", concat(ifname("docker0"), ifname("docker0")), "accept"),
    add("own4", concat(ip_network("172.17.0.0/16"), ifname("docker0"))),
    add("own4", concat(ip_network("192.0.2.1/32"), ifname("docker0"))),
    add("own6", concat(ip_network("fd00::/64"), ifname("docker0"))),
    add("masquerade4", concat(ip_network("172.17.0.0/16")), comment="nat.masquerade[0]"),
    add("masquerade4", concat(ip_network("172.18.0.1/32"))),
    add("masquerade6", concat(ip_network("fd00::/64"))),
    add("former", mark(0xABCD), comment="net.ipv4.ip_forward=0"),
    add("publish4", concat("tcp", 6379), concat(ip_address("172.17.0.2"), 6379), "endpoint/redis"),
    add("publish4", concat("udp", 53), concat(ip_address("172.17.0.2"), 53)),
    add("publish4_at", concat(ip_address("192.0.2.1"), "tcp", 80), concat(ip_address("172.17.0.2"), 80)),
    add("publish4_range", concat("tcp", ports(8000, 8010)), "172.17.0.2"),
    add("publish4_range", concat("udp", ports(8000, 8007)), "172.17.0.2"),
    add("publish4_range_at", concat(ip_address("192.0.2.1"), "tcp", ports(90, 99)), "172.17.0.2", "endpoint/web"),
    add("publish6", concat("sctp", 80), concat(ip_address("fd00::2"), 80)),
    add("publish6_at", concat(ip_address("2001:db8::1"), "udp", 53), concat(ip_address("fd00::2"), 5353)),
    add("publish6_range", concat("tcp", ports(1, 65535)), "fd00::2"),
]


def rows(*elements: ElementAdd) -> set[ElementRow]:
    """What the elements read back as."""
    return {ElementRow(set=each.set, key=each.key, value=each.value, comment=each.comment) for each in elements}


@needs_root
def test_the_skeleton_is_exactly_what_nft_prints(lab: Lab) -> None:
    """So a table that a person made from our text is equal to one that we made."""
    listed = lab.run(lambda: lab_nft_file(SKELETON)) or lab.command(f"nft -s -t list table inet {TABLE}")
    assert listed == SKELETON

    typed = lab.run(load)
    assert typed is not None
    assert (typed.text, typed.written) == (SKELETON, digest(SKELETON))


def lab_nft_file(text: str) -> str:
    """Load text by the command, as a person would. To be run in the lab."""
    import subprocess

    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
    return ""


@needs_root
def test_what_is_written_reads_back_the_same(lab: Lab) -> None:
    """Text, digest, and every element with key, value and comment: nothing more, nothing less."""
    row = lab.run(lambda: load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS))

    assert row is not None
    assert (row.netns, row.family, row.name, row.text) == ("", "inet", TABLE, SKELETON)
    assert row.written == digest(SKELETON)
    assert set(row.elements) == rows(*ELEMENTS)
    assert len(row.elements) == len(ELEMENTS)


@needs_root
def test_names_of_protocols_need_no_etc_protocols(lab: Lab) -> None:
    """Small systems have no such file; the keys are spelled the same there."""

    def without() -> TableRow | None:
        lab_mount("/etc/protocols")
        return load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS)

    row = lab.run(without)
    assert row is not None
    assert (set(row.elements), row.written) == (rows(*ELEMENTS), digest(SKELETON))


def lab_mount(path: str) -> None:
    """Make a file look empty in this mount namespace. To be run in the lab."""
    import subprocess

    subprocess.run(["mount", "--bind", "/dev/null", path], check=True)


@needs_root
def test_replacing_a_table_leaves_only_the_new_elements(lab: Lab) -> None:
    """Also where new intervals overlap old ones, which the library knows from its cache."""
    new = (add("masquerade4", "172.17.5.0/24"), add("publish4_range", "tcp . 8005-8020", "172.17.0.3"))

    def replace() -> TableRow | None:
        load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS)
        return load(TableAdd(name=TABLE, text=SKELETON), *new)

    row = lab.run(replace)
    assert row is not None
    assert (set(row.elements), row.written) == (rows(*new), digest(SKELETON))


@needs_root
def test_one_transaction_deletes_and_adds_overlapping_keys(lab: Lab) -> None:
    """A publication that is moved or widened is a deletion and a creation, with no moment in between."""

    def widen() -> TableRow | None:
        load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS)
        return load(
            remove("publish4", "tcp . 6379"),
            add("publish4", "tcp . 6379", "172.17.0.9 . 1"),
            remove("publish4_range", "tcp . 8000-8010"),
            add("publish4_range", "tcp . 8000-8020", "172.17.0.9"),
            remove("masquerade4", "172.17.0.0/16"),
            add("masquerade4", "172.17.0.0/24"),
        )

    row = lab.run(widen)
    assert row is not None
    changed = {
        ElementRow(set="publish4", key="tcp . 6379", value="172.17.0.9 . 1"),
        ElementRow(set="publish4_range", key="tcp . 8000-8020", value="172.17.0.9"),
        ElementRow(set="masquerade4", key="172.17.0.0/24"),
    }
    gone = {("publish4", "tcp . 6379"), ("publish4_range", "tcp . 8000-8010"), ("masquerade4", "172.17.0.0/16")}
    assert set(row.elements) == {each for each in rows(*ELEMENTS) if (each.set, each.key) not in gone} | changed


@needs_root
def test_deleting_what_is_not_there_is_no_error(lab: Lab) -> None:
    """And the rest of the transaction is done, whatever was absent in it."""

    def absent() -> TableRow | None:
        load(TableDelete(name=TABLE), TableDelete(name="netspec-never"), remove("publish4", "tcp . 1"))
        load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS)
        return load(
            remove("publish4", "tcp . 1"),
            remove("masquerade4", "10.0.0.0/8"),
            remove("publish4", "tcp . 6379"),
            remove("publish4", "tcp . 6379"),
            add("publish4", "tcp . 2", "172.17.0.2 . 2"),
            remove("publish4", "tcp . 2"),
            ElementDelete(table="netspec-never", set="publish4", key="tcp . 1"),
            add("publish4", "tcp . 3", "172.17.0.2 . 3"),
        )

    row = lab.run(absent)
    assert row is not None
    left = [each for each in ELEMENTS if each.key != "tcp . 6379"]
    assert set(row.elements) == rows(*left, add("publish4", "tcp . 3", "172.17.0.2 . 3"))
    assert lab.run(lambda: load(TableDelete(name=TABLE))) is None


TAKEN = add("publish4", "tcp . 6379", "172.17.0.66 . 1")
OVERLAPPING = add("masquerade4", "172.17.3.0/24")
MISTYPED = add("publish4", "tcp . 7000", "172.17.0.2")
NO_SET = add("nothing", "tcp . 1")
NO_TABLE = ElementAdd(table="netspec-never", set="publish4", key="tcp . 1", value="172.17.0.2 . 1")
BROKEN = TableAdd(name="netspec-broken", text="table inet netspec-broken {\n\tset a {\n\t\ttype nonsense\n\t}\n}\n")
MEANT_FOR_A_GATE = add("publish4", "tcp . 7001", "172.17.0.2 . 1")


@needs_root
@pytest.mark.parametrize(
    ("culprit", "number"),
    [
        (TAKEN, "EEXIST"),
        (OVERLAPPING, "EEXIST"),
        (MISTYPED, "EINVAL"),
        (NO_SET, "ENOENT"),
        (NO_TABLE, "ENOENT"),
        (BROKEN, "EINVAL"),
    ],
    ids=["taken", "overlapping", "mistyped", "no-set", "no-table", "broken-table"],
)
def test_a_refusal_names_the_operation_and_changes_nothing(lab: Lab, culprit: NftOperation, number: str) -> None:
    """One operation among many is refused: the error points at it, and none of the others is done."""

    def refuse() -> tuple[tuple[str, NftOperation], TableRow | None]:
        load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS)
        others = [add("publish4", concat("tcp", port), "172.17.0.2 . 1") for port in range(20, 40)]
        more = [add("segments", ifname(f"br{each}")) for each in range(9)]
        said = refused(*others[:7], *more, remove("publish4", "udp . 53"), culprit, *others[7:])
        return said, load()

    said, after = lab.run(refuse)
    assert said == (number, culprit)
    assert after is not None
    assert set(after.elements) == rows(*ELEMENTS)


@needs_root
@pytest.mark.parametrize(
    "command",
    [
        "add chain inet {table} extra",
        "insert rule inet {table} ingress counter accept",
        "flush chain inet {table} egress",
        "add set inet {table} extra {{ type mark; }}",
        "chain inet {table} ingress {{ policy drop; }}",
    ],
)
def test_changes_by_hand_show(lab: Lab, command: str) -> None:
    """To rules, chains, policies and definitions; and loading what was read brings the very same back."""
    lab.run(lambda: load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS))
    lab.command(f"nft '{command.format(table=TABLE)}'")

    changed = lab.run(load)
    assert changed is not None
    assert changed.written == ""
    assert changed.text != SKELETON

    again = lab.run(lambda: load(TableAdd(name=TABLE, text=changed.text), *ELEMENTS))
    assert again is not None
    assert (again.text, again.written) == (changed.text, digest(changed.text))


@needs_root
def test_elements_by_hand_are_read_and_do_not_count_as_changed_rules(lab: Lab) -> None:
    """A person writes protocols by number, ports without order, several in one command."""
    lab.run(lambda: load(TableAdd(name=TABLE, text=SKELETON)))
    lab.command(f"nft 'add element inet {TABLE} publish4 {{ 6 . 22 : 172.17.0.2 . 22, udp . 23 : 172.17.0.2 . 1 }}'")
    lab.command(f"nft 'add element inet {TABLE} publish4_range {{ 6-17 . 5-6 comment \"by hand\" : 172.17.0.2 }}'")
    lab.command(f"nft 'add element inet {TABLE} masquerade4 {{ 10.0.0.3-10.0.0.9, 10.0.1.0-10.0.1.255 }}'")

    row = lab.run(load)
    assert row is not None
    assert row.written == digest(SKELETON)
    assert set(row.elements) == {
        ElementRow(set="publish4", key="tcp . 22", value="172.17.0.2 . 22"),
        ElementRow(set="publish4", key="udp . 23", value="172.17.0.2 . 1"),
        ElementRow(set="publish4_range", key="6-17 . 5-6", value="172.17.0.2", comment="by hand"),
        ElementRow(set="masquerade4", key="10.0.0.3-10.0.0.9"),
        ElementRow(set="masquerade4", key="10.0.1.0/24"),
    }
    emptied = lab.run(lambda: load(*(remove(each.set, each.key) for each in row.elements)))
    assert emptied is not None
    assert emptied.elements == ()


@needs_root
def test_other_tables_are_not_touched(lab: Lab) -> None:
    """Whatever we load, replace and remove."""
    lab.command("nft add table inet foreign; nft 'add chain inet foreign c { type filter hook input priority 0; }'")
    before = lab.command("nft list ruleset")

    lab.run(lambda: load(TableAdd(name=TABLE, text=SKELETON), *ELEMENTS))
    lab.run(lambda: load(TableAdd(name=TABLE, text=SKELETON)))
    lab.run(lambda: load(TableDelete(name=TABLE)))
    assert lab.command("nft list ruleset") == before


@needs_root
def test_verdict_maps_and_the_bridge_family(lab: Lab) -> None:
    """Tables of another family, without a fingerprint, and elements whose value is a verdict."""
    text = (
        "table bridge netspec-test {\n\tmap guard {\n\t\ttype ifname : verdict\n\t}\n\n\tchain drops {\n"
        "\t\tdrop\n\t}\n\n\tchain judge {\n\t\ttype filter hook prerouting priority dstnat; policy accept;\n"
        "\t\tiifname vmap @guard\n\t}\n}\n"
    )
    values = {ifname("a"): "drop", ifname("b"): "jump drops", ifname("c"): "accept"}
    elements = [
        ElementAdd(family="bridge", table=TABLE, set="guard", key=key, value=said) for key, said in values.items()
    ]

    def bridge() -> TableRow | None:
        with Nftables() as nftables:
            nftables.transact([TableAdd(family="bridge", name=TABLE, text=text), *elements])
            return nftables.table("web", "bridge", TABLE)

    row = lab.run(bridge)
    assert row is not None
    assert (row.netns, row.family, row.text, row.written) == ("web", "bridge", text, digest(text))
    assert {each.key: each.value for each in row.elements} == values


@needs_root
def test_ten_thousand_elements_in_one_transaction(lab: Lab) -> None:
    """In time, read back whole; and then one of them changes without the others being written again."""
    many = [
        add("publish4", concat("tcp", 1000 + n), f"172.17.{n >> 8}.{n & 255} . 80", f"endpoint/e{n}")
        for n in range(10_000)
    ]
    random.Random(1).shuffle(many)

    def timed() -> tuple[float, float, TableRow | None]:
        import time

        with Nftables() as nftables:
            nftables.transact([TableAdd(name=TABLE, text=SKELETON)])
            begun = time.process_time()
            nftables.transact(many)
            all_of_it = time.process_time() - begun
            begun = time.process_time()
            nftables.transact([remove("publish4", "tcp . 1000"), add("publish4", "tcp . 1000", "172.17.0.2 . 1")])
            return all_of_it, time.process_time() - begun, nftables.table("", "inet", TABLE)

    whole, one, row = lab.run(timed)
    assert row is not None
    moved = {each for each in rows(*many) if each.key != "tcp . 1000"}
    assert set(row.elements) == moved | {ElementRow(set="publish4", key="tcp . 1000", value="172.17.0.2 . 1")}
    assert one < whole / 10


@needs_root
def test_the_librarys_socket_never_waits(lab: Lab) -> None:
    """The library asks for that itself, so a lost answer is an error at once, and never a hang."""

    def waiting() -> list[bool]:
        with Nftables():
            found = []
            for number in range(256):
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as each:
                    if each.family == socket.AF_NETLINK:
                        found.append(os.get_blocking(number))
            return found

    assert lab.run(waiting) == [False]


SPLICES: list[NftOperation] = [
    add("segments", '"a" }; flush ruleset; #'),
    add("segments", '"a"\n}\nflush ruleset\n'),
    add("segments", '"a", "b"'),
    add("segments", '"a{b"; "'),
    add("segments", '"docker*"'),
    add("segments", ""),
    add("segments", "@internal"),
    add("segments", "$x"),
    add("segments; flush ruleset", '"a"'),
    add("publish4", "tcp . 1", "172.17.0.2 . 1 }; flush ruleset"),
    add("publish4", "tcp . 1", "jump a; flush ruleset"),
    add("segments", '"a"', comment='" }; flush ruleset; "'),
    add("segments", '"a"', comment="two\nlines"),
    add("segments", '"a"', comment="x" * 129),
    remove("segments", '"a" }; flush ruleset; #'),
    ElementAdd(family="inet x; flush ruleset; table inet", table=TABLE, set="segments", key='"a"'),
    ElementAdd(table="x; flush ruleset", set="segments", key='"a"'),
    TableDelete(name="x; flush ruleset"),
    TableDelete(name=""),
    TableAdd(name="x", text="table inet y {\n}\n"),
    TableAdd(name="x", text="table inet x {\n}\nflush ruleset\n"),
    TableAdd(name="x", text="table inet x {\n\tset a { type mark; }\n\t} flush ruleset\n{\n}\n"),
    TableAdd(name="x", text='include "/etc/passwd"\ntable inet x {\n}\n'),
    TableAdd(name="x", text="table inet x {\n"),
    TableAdd(name="x", text=""),
]


@pytest.mark.parametrize("operation", SPLICES, ids=range(len(SPLICES)))
def test_nothing_can_be_spliced_into_a_transaction(operation: NftOperation) -> None:
    """Whoever wrote the value: what is not of its known shape is refused before the library sees it."""
    with pytest.raises(KernelError) as caught:
        render([operation])
    assert (caught.value.number, caught.value.operation) == (errno.EINVAL, operation)


def test_comments_may_hold_anything_but_quotes_and_control_characters() -> None:
    """They stand in quotes, in which braces, hashes and semicolons are only letters."""
    text = render([add("segments", '"a"', comment="}; flush ruleset # ünïcode \\")]).text
    assert text == 'add element inet netspec-test segments {\n"a" comment "}; flush ruleset # ünïcode \\"\n}\n'


def test_elements_of_a_set_go_in_one_command_in_order() -> None:
    """Deletions and additions keep their order; each line is known by its operation."""
    operations: list[NftOperation] = [
        remove("publish4", "tcp . 1"),
        add("segments", '"a"'),
        add("publish4", "udp . 1", "172.17.0.2 . 1", "endpoint/x"),
        add("segments", '"b"'),
        TableDelete(name="other"),
    ]
    transaction = render(operations)
    assert transaction.text == (
        "delete element inet netspec-test publish4 {\n6 . 1\n}\n"
        'add element inet netspec-test segments {\n"a",\n"b"\n}\n'
        'add element inet netspec-test publish4 {\n17 . 1 comment "endpoint/x" : 172.17.0.2 . 1\n}\n'
        "delete table inet other\n"
    )
    assert [operations.index(each) for each in transaction.owners] == [0, 0, 0, 1, 1, 3, 1, 2, 2, 2, 4]


def test_a_listing_is_cut_into_its_terse_form_and_its_elements() -> None:
    """Comments that look like the end of a block, options of elements, and lines that hold several."""
    listing = (
        'table inet t {\n\tset s {\n\t\ttype inet_proto . mark\n\t\telements = { 132 . 0x00000001 comment "a, b }",\n'
        '\t\t\t     99 . 0x00000002 timeout 1h comment " : x", tcp . 0x00000003 }\n\t}\n\n\tmap m {\n'
        '\t\ttype ifname : verdict\n\t\telements = { "a" comment "c" : jump b, "c d" : drop }\n\t}\n}\n'
    )
    assert parse_listing(listing) == (
        "table inet t {\n\tset s {\n\t\ttype inet_proto . mark\n\t}\n\n\tmap m {\n\t\ttype ifname : verdict\n\t}\n}\n",
        (
            ElementRow(set="s", key="sctp . 0x00000001", comment="a, b }"),
            ElementRow(set="s", key="99 . 0x00000002", comment=" : x"),
            ElementRow(set="s", key="tcp . 0x00000003"),
            ElementRow(set="m", key='"a"', value="jump b", comment="c"),
            ElementRow(set="m", key='"c d"', value="drop"),
        ),
    )


def test_a_missing_module_or_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is told what to install."""
    import nftables

    def missing() -> None:
        raise OSError("libnftables.so.1: cannot open shared object file")

    monkeypatch.setattr(nftables, "Nftables", missing)
    with pytest.raises(LibraryMissing, match="apt install libnftables1"):
        Nftables()
    monkeypatch.setitem(sys.modules, "nftables", None)
    with pytest.raises(LibraryMissing, match=r"python3-nftables .* pip-nftables"):
        Nftables()
