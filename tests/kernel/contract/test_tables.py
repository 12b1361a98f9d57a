"""nftables: our table, its sets, and elements as things of their own."""

import pytest

from netspec.core.digest import digest
from netspec.core.elements import concat, ifname, ports
from netspec.kernel.operations import (
    ElementAdd,
    ElementDelete,
    LinkAdd,
    NetnsAdd,
    Operation,
    TableAdd,
    TableDelete,
)
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import ElementRow, TableRow
from netspec.kinds._skeleton import skeleton
from tests.kernel.contract.look import STACK, older_than, refusal, seen, tables
from tests.kernel.contract.make import address, network

TABLE = f"netspec-{STACK}"
TEXT = skeleton(TABLE)
FORMER = "\tset former {\n\t\ttype mark\n\t}\n"
OTHER_TEXT = TEXT.replace(f"{FORMER}\n", "")
LOADED = TableAdd(name=TABLE, text=TEXT)
TITLE = f":inet {TABLE} {digest(TEXT)}"


def add(name: str, key: str, value: str = "", comment: str = "") -> ElementAdd:
    """An element of our table."""
    return ElementAdd(table=TABLE, set=name, key=key, value=value, comment=comment)


def delete(name: str, key: str) -> ElementDelete:
    """Its removal."""
    return ElementDelete(table=TABLE, set=name, key=key)


def target(number: int) -> str:
    """Where a publication leads."""
    return concat(address(f"172.17.0.{number}"), 6379)


PUBLISH = add("publish4", concat("tcp", 6379), target(2), "endpoint/redis")


def test_a_table_is_loaded_and_read_as_written(kernel: Kernel) -> None:
    """Its text can be loaded as it stands; it says that nobody has changed it."""
    kernel.execute([LOADED])
    (row,) = seen(kernel).tables

    assert (row.netns, row.family, row.name, row.text, row.elements) == ("", "inet", TABLE, TEXT, ())
    assert row.written == digest(TEXT)


def test_only_the_table_of_the_stack_is_seen(kernel: Kernel) -> None:
    """Others' tables are none of our business."""
    others = [TableAdd(name=name, text=TEXT.replace(TABLE, name)) for name in ("netspec-other", "docker")]
    kernel.execute([*others, LOADED])

    assert tables(kernel) == [TITLE]


def test_of_other_stacks_the_records_are_seen(kernel: Kernel) -> None:
    """By table; not those of other programs or families, nor of our own stack, and nothing where there are none."""
    names = ("netspec-b", "netspec-a.1", "netspec-none", "docker", f"{TABLE}er")
    comment = "net.ipv4.ip_local_port_range=32768,60999"
    assert seen(kernel).beside == ()
    kernel.execute([LOADED, *(TableAdd(name=name, text=TEXT.replace(TABLE, name)) for name in names)])
    records = [ElementAdd(table=name, set="former", key="0x0000002a", comment=comment) for name in (*names, TABLE)]
    kernel.execute([each for each in records if each.table != "netspec-none"])
    kernel.execute([ElementAdd(table="netspec-b", set="own4", key='10.1.0.0/24 . "br0"')])
    kernel.execute([TableAdd(family="bridge", name="netspec-c", text=f"table bridge netspec-c {{\n{FORMER}}}\n")])
    kernel.execute([ElementAdd(family="bridge", table="netspec-c", set="former", key="0x0000002a", comment=comment)])
    kernel.execute([TableAdd(name="netspec-d", text="table inet netspec-d {\n}\n")])

    record = ElementRow(set="former", key="0x0000002a", comment=comment)
    assert seen(kernel).beside == tuple(
        TableRow(netns="", family="inet", name=name, text="", elements=(record,))
        for name in ("netspec-a.1", "netspec-b", f"{TABLE}er")
    )


ELEMENTS = [
    add("segments", ifname("docker0"), comment="bridge/docker0"),
    add("within", concat(ifname("br0"), ifname("br0")), "accept"),
    add("own4", concat(network("172.17.0.0/16"), ifname("br0"))),
    add("own6", concat(network("2001:db8::/64"), ifname("br0"))),
    add("masquerade4", concat(network("172.17.0.0/16"))),
    add("masquerade6", concat(network("2001:db8::/64"))),
    add("former", "0x0000002a", comment="net.ipv4.ip_forward=0"),
    PUBLISH,
    add("publish4_at", concat(address("192.0.2.1"), "udp", 53), target(3)),
    add("publish4_range", concat("tcp", ports(8000, 8010)), str(address("172.17.0.2"))),
    add("publish4_range_at", concat(address("192.0.2.1"), "udp", ports(1, 9)), str(address("172.17.0.2"))),
    add("publish6", concat("tcp", 6379), concat(address("2001:db8::2"), 6379)),
]


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.set)
def test_an_element_is_read_as_written_and_goes_again(kernel: Kernel, element: ElementAdd) -> None:
    """Key, value and comment; of every set and map of ours."""
    kernel.execute([LOADED, element])
    there = tables(kernel)
    kernel.execute([delete(element.set, element.key)])

    assert there == [TITLE, f"  {element.set} {element.key} : {element.value} # {element.comment}"]
    assert tables(kernel) == [TITLE]


def test_a_value_is_swapped_in_one_transaction(kernel: Kernel) -> None:
    """Deleted and added again: that is how an element changes."""
    kernel.execute([LOADED, PUBLISH, delete("publish4", PUBLISH.key), add("publish4", PUBLISH.key, target(9), "new")])

    assert tables(kernel) == [TITLE, f"  publish4 tcp . 6379 : {target(9)} # new"]


def test_adding_the_same_again_changes_nothing(kernel: Kernel) -> None:
    """It is no error, and a new comment is not taken."""
    kernel.execute([LOADED, PUBLISH, add("segments", ifname("br0"))])
    before = tables(kernel)
    kernel.execute([PUBLISH, add("segments", ifname("br0")), add("publish4", PUBLISH.key, PUBLISH.value, "other")])

    assert tables(kernel) == before


OVERLAPS = [
    (add("masquerade4", "10.0.0.0/8"), add("masquerade4", "10.1.0.0/16")),
    (add("masquerade4", "10.1.0.0/16"), add("masquerade4", "10.0.0.0/8")),
    (
        add("publish4_range", concat("tcp", ports(8000, 8010)), "172.17.0.2"),
        add("publish4_range", concat("tcp", ports(8010, 8020)), "172.17.0.2"),
    ),
]


@pytest.mark.parametrize(("first", "second"), OVERLAPS, ids=["in it", "around it", "ranges"])
def test_intervals_may_not_overlap(kernel: Kernel, first: ElementAdd, second: ElementAdd) -> None:
    """Which of them comes first does not matter. Linux 6.1 takes ranges in concatenations for the same element."""
    if first.set == "publish4_range" and older_than(kernel, 6, 2):
        pytest.skip("this kernel does not tell such ranges apart")
    assert refusal(kernel, LOADED, first, second) == "EEXIST"
    assert tables(kernel) == [TITLE, f"  {first.set} {first.key} : {first.value} # "]


def test_intervals_that_touch_or_differ_in_another_field_do_not_overlap(kernel: Kernel) -> None:
    """All of them are there."""
    elements = [
        add("publish4_range", concat("tcp", ports(8000, 8010)), "172.17.0.2"),
        add("publish4_range", concat("tcp", ports(8011, 8020)), "172.17.0.2"),
        add("publish4_range", concat("udp", ports(8000, 8010)), "172.17.0.2"),
        add("own4", concat(network("10.0.0.0/8"), ifname("br0"))),
        add("own4", concat(network("10.0.0.0/8"), ifname("br1"))),
        add("masquerade4", "10.0.0.0/16"),
        add("masquerade4", "10.1.0.0/16"),
    ]
    kernel.execute([LOADED, *elements])

    assert len(tables(kernel)) == 1 + len(elements)


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        (add("publish4", PUBLISH.key, target(9)), "EEXIST"),
        (add("no", ifname("br0")), "ENOENT"),
        (ElementAdd(table="no", set="segments", key=ifname("br0")), "ENOENT"),
        (add("segments", 'br0"; }; flush ruleset; #'), "EINVAL"),
        (add("publish4", PUBLISH.key, "172.17.0.2 }; flush ruleset"), "EINVAL"),
        (add("segments", ifname("br0"), comment='"; flush ruleset'), "EINVAL"),
        (add("segments", ifname("br0"), comment="x" * 129), "EINVAL"),
        (TableAdd(name="no", text=TEXT), "EINVAL"),
        (TableAdd(name=TABLE, text=TEXT + "flush ruleset\n"), "EINVAL"),
        (add("segments", ifname("br0"), target(2)), "EINVAL"),
        (add("publish4", concat("tcp", 1)), "EINVAL"),
    ],
)
def test_what_linux_refuses(kernel: Kernel, operation: Operation, number: str) -> None:
    """With its errno, or nft's; the table is as before."""
    assert refusal(kernel, LOADED, PUBLISH, operation) == number
    assert tables(kernel) == [TITLE, f"  publish4 tcp . 6379 : {PUBLISH.value} # endpoint/redis"]


def test_a_table_takes_its_elements_along(kernel: Kernel) -> None:
    """And is made anew without them."""
    kernel.execute([LOADED, PUBLISH, TableDelete(name=TABLE)])
    gone = tables(kernel)
    kernel.execute([LOADED])

    assert (gone, tables(kernel)) == ([], [TITLE])


def test_loading_a_table_replaces_it(kernel: Kernel) -> None:
    """With the elements that come in the same run, and no others."""
    kernel.execute([LOADED, PUBLISH])
    kernel.execute([TableAdd(name=TABLE, text=OTHER_TEXT), add("segments", ifname("br0"))])

    assert tables(kernel) == [f":inet {TABLE} {digest(OTHER_TEXT)}", '  segments "br0" :  # ']


def test_deleting_what_is_not_there_is_no_error(kernel: Kernel) -> None:
    """Neither table nor set nor element need exist."""
    absent: list[Operation] = [
        TableDelete(name="netspec-no"),
        TableDelete(netns="no", name=TABLE),
        delete("segments", ifname("br0")),
        delete("no", ifname("br0")),
        ElementDelete(table="no", set="segments", key=ifname("br0")),
        ElementDelete(netns="no", table=TABLE, set="segments", key=ifname("br0")),
    ]
    kernel.execute([LOADED, PUBLISH])
    before = tables(kernel)
    for operation in absent:
        kernel.execute([operation])
    kernel.execute(absent[2:5])

    assert tables(kernel) == before


def test_operations_in_a_row_are_one_transaction(kernel: Kernel) -> None:
    """A refusal leaves nothing of it; what came before another operation is another transaction."""
    refused = add("no", ifname("br0"))
    operations: list[Operation] = [
        LOADED,
        add("segments", ifname("br0")),
        LinkAdd(name="br0", kind="bridge"),
        PUBLISH,
        refused,
        add("segments", ifname("br1")),
    ]
    with pytest.raises(KernelError) as caught:
        kernel.execute(operations)

    assert (caught.value.operation, caught.value.name) == (refused, "ENOENT")
    assert tables(kernel) == [TITLE, '  segments "br0" :  # ']


def test_a_table_lives_in_its_namespace(kernel: Kernel) -> None:
    """And goes with it."""
    kernel.execute([NetnsAdd(name="web", alias=""), TableAdd(netns="web", name=TABLE, text=TEXT)])

    assert [line for line in tables(kernel) if line.startswith(":")] == []
    assert refusal(kernel, TableAdd(netns="no", name=TABLE, text=TEXT)) == "ENOENT"
