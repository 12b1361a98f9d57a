"""Links: what can be made, what changes in place, and what goes with what."""

import pytest

from netspec.kernel.operations import (
    AddressAdd,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    Operation,
    Peer,
)
from netspec.kernel.port import Kernel
from tests.kernel.contract.look import details, link, links, mac, needs_live_rename, refusal
from tests.kernel.contract.make import interface, said

BRIDGE = LinkAdd(name="br0", kind="bridge", mac="02:aa:00:00:00:01")
PAIR = LinkAdd(name="v0", kind="veth", peer=Peer(netns="", name="v1"))
MAC, OTHER_MAC = "02:aa:00:00:00:09", "02:aa:00:00:00:0a"


def test_a_host_is_born_with_lo_up(kernel: Kernel) -> None:
    """Nothing else is there."""
    assert links(kernel) == [":lo - 65536 up"]


def test_a_bridge_has_the_defaults_of_linux(kernel: Kernel) -> None:
    """Every field a kind may look at, also those nobody set."""
    kernel.execute([LinkAdd(name="br0", kind="bridge")])

    assert details(kernel)[0] == (
        ":br0 bridge random 1500 up=False group=0 alias= txqlen=1000 master= parent= peer=None gen=0 no6=False"
        " conf4=1:0,4:1,20:0,26:0"
        " data=2:c8000000,3:d0070000,4:30750000,5:00000000,6:0080,9:0000,23:01,25:00 port= "
    )


def test_everything_that_a_creation_says_is_there_at_once(kernel: Kernel) -> None:
    """In one operation, for both ends of a pair."""
    kernel.execute(
        [
            NetnsAdd(name="web", alias=""),
            BRIDGE,
            LinkAdd(
                name="v0",
                kind="veth",
                mac=MAC,
                mtu=1400,
                group=7,
                alias="a:b",
                txqlen=5,
                up=True,
                master="br0",
                peer=Peer(netns="web", name="eth0", mac=OTHER_MAC, mtu=1300, group=8),
            ),
        ]
    )

    assert [line.split(" no6=")[0] for line in details(kernel) if "veth" in line] == [
        f":v0 veth {MAC} 1400 up=True group=7 alias=a:b txqlen=5 master=br0 parent= peer=('web', 'eth0') gen=0",
        f"web:eth0 veth {OTHER_MAC} 1300 up=False group=8 alias= txqlen=1000 master= parent= peer=('', 'v0') gen=0",
    ]


def test_a_port_has_the_defaults_of_linux(kernel: Kernel) -> None:
    """As soon as it is a port."""
    kernel.execute([BRIDGE, PAIR, LinkSet(name="v0", master="br0")])

    assert next(line for line in details(kernel) if line.startswith(":v0")).split(" port=")[1] == (
        "bridge 2:2000,4:00,5:00,6:00,7:00,8:01,9:01,10:00,12:00,25:01,27:01,28:00,29:00,30:01,31:0000,32:00,33:00"
    )


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (LinkSet(name="v0", mtu=1400), "mtu", 1400),
        (LinkSet(name="v0", mac=MAC), "mac", MAC),
        (LinkSet(name="v0", group=42), "group", 42),
        (LinkSet(name="v0", alias="words"), "alias", "words"),
        (LinkSet(name="v0", txqlen=0), "txqlen", 0),
        (LinkSet(name="v0", up=True), "up", True),
        (LinkSet(name="v0", addr_gen_mode=1), "addr_gen_mode", 1),
        (LinkSet(name="v0", master="br0"), "master", "br0"),
        (LinkSet(name="v0", rename="eth7"), "name", "eth7"),
    ],
)
@pytest.mark.parametrize("up", [False, True])
def test_a_field_changes_in_place_and_nothing_else_does(
    kernel: Kernel, change: LinkSet, field: str, value: object, up: bool
) -> None:
    """Whether the link is up or down."""
    if field == "up" and up:
        pytest.skip("it is up already")
    if field == "name" and up:
        needs_live_rename(kernel)
    kernel.execute([BRIDGE, PAIR, LinkSet(name="v0", up=up)])
    before = details(kernel)
    kernel.execute([change])

    row = link(kernel, "eth7" if field == "name" else "v0")
    assert getattr(row, field) == value
    after = [line for line in details(kernel) if not line.startswith((":v0", ":eth7", ":br0", ":v1"))]
    assert after == [line for line in before if not line.startswith((":v0", ":br0", ":v1"))]


def test_an_alias_can_be_taken_away(kernel: Kernel) -> None:
    """By setting it to nothing."""
    kernel.execute([BRIDGE, LinkSet(name="br0", alias="words"), LinkSet(name="br0", alias="")])

    assert link(kernel, "br0").alias == ""


def test_ipv4_settings_of_a_link_change_in_place(kernel: Kernel) -> None:
    """By number, several at once."""
    kernel.execute([BRIDGE, LinkSet(name="br0", conf4=((20, 1), (26, 1)))])

    assert {number: link(kernel, "br0").conf4[number] for number in (20, 26)} == {20: 1, 26: 1}


def test_settings_of_bridges_and_ports_change_in_place(kernel: Kernel) -> None:
    """As packed bytes, by the kernel's numbers."""
    kernel.execute(
        [
            BRIDGE,
            PAIR,
            LinkSet(name="br0", kind="bridge", data=((4, (5000).to_bytes(4, "little")), (23, b"\0"))),
            LinkSet(name="v0", master="br0"),
            LinkSet(name="v0", port_kind="bridge", port_data=((4, b"\1"), (33, b"\1"))),
        ]
    )

    bridge, port = link(kernel, "br0"), link(kernel, "v0")
    assert (bridge.data[4], bridge.data[23]) == ((5000).to_bytes(4, "little"), b"\0")
    assert (port.port_kind, port.port_data[4], port.port_data[33]) == ("bridge", b"\1", b"\1")


def test_settings_of_a_port_go_when_it_is_released(kernel: Kernel) -> None:
    """It starts anew at its next bridge."""
    kernel.execute(
        [
            BRIDGE,
            PAIR,
            LinkSet(name="v0", master="br0"),
            LinkSet(name="v0", port_kind="bridge", port_data=((4, b"\1"),)),
            LinkSet(name="v0", master=""),
        ]
    )
    released = link(kernel, "v0")
    kernel.execute([LinkSet(name="v0", master="br0")])

    assert (released.master, released.port_kind, released.port_data) == ("", "", {})
    assert link(kernel, "v0").port_data[4] == b"\0"


def test_a_port_moves_to_another_bridge_in_one_go(kernel: Kernel) -> None:
    """Without being released first."""
    other = LinkAdd(name="br1", kind="bridge")
    kernel.execute([BRIDGE, other, PAIR, LinkSet(name="v0", master="br0"), LinkSet(name="v0", master="br1")])

    assert link(kernel, "v0").master == "br1"


LONG = "a" * 16
IN_NO_NAMESPACE: list[Operation] = [
    LinkAdd(netns="no", name="br1", kind="bridge"),
    LinkSet(netns="no", name="br1", mtu=1400),
    LinkAdd(name="v2", kind="veth", peer=Peer(netns="no", name="v3")),
    AddressAdd(netns="no", link="br1", address=interface("10.0.0.1/24")),
]


@pytest.mark.parametrize("operation", IN_NO_NAMESPACE, ids=said)
def test_nothing_happens_in_a_namespace_that_is_not_there(kernel: Kernel, operation: Operation) -> None:
    """It is refused, and nothing is left."""
    assert refusal(kernel, operation) == "ENOENT"
    assert links(kernel) == [":lo - 65536 up"]


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        (LinkAdd(name="br0", kind="bridge"), "EEXIST"),
        (LinkAdd(name="br0", kind="veth", peer=Peer(netns="", name="v9")), "EEXIST"),
        (LinkAdd(name="v9", kind="veth", peer=Peer(netns="", name="br0")), "EEXIST"),
        (LinkAdd(name="v9", kind="veth", peer=Peer(netns="", name="v9")), "EEXIST"),
        (LinkAdd(name="x", kind="nothing-like-it"), "EOPNOTSUPP"),
        (LinkAdd(name=LONG, kind="bridge"), "ERANGE"),
        (LinkAdd(name="a/b", kind="bridge"), "EINVAL"),
        (LinkAdd(name="a b", kind="bridge"), "EINVAL"),
        (LinkAdd(name="a:b", kind="bridge"), "EINVAL"),
        (LinkAdd(name="..", kind="bridge"), "EINVAL"),
        (LinkAdd(name="x", kind="veth", peer=Peer(netns="", name=LONG)), "ERANGE"),
        (LinkAdd(name="x", kind="bridge", mtu=67), "EINVAL"),
        (LinkAdd(name="x", kind="bridge", mtu=65536), "EINVAL"),
        (LinkAdd(name="x", kind="veth", mtu=67, peer=Peer(netns="", name="y")), "EINVAL"),
        (LinkAdd(name="x", kind="veth", peer=Peer(netns="", name="y", mtu=67)), "EINVAL"),
        (LinkAdd(name="x", kind="bridge", mac="01:00:00:00:00:01"), "EADDRNOTAVAIL"),
        (LinkAdd(name="x", kind="bridge", mac="00:00:00:00:00:00"), "EADDRNOTAVAIL"),
        (LinkAdd(name="x", kind="veth", peer=Peer(netns="", name="y"), master="v0"), "EOPNOTSUPP"),
        (LinkAdd(name="x", kind="veth", peer=Peer(netns="", name="y"), master="no"), "ENODEV"),
        (LinkSet(name="no", mtu=1400), "ENODEV"),
        (LinkSet(name="v0", mtu=67), "EINVAL"),
        (LinkSet(name="v0", mtu=65536), "EINVAL"),
        (LinkSet(name="br0", mtu=67), "EINVAL"),
        (LinkSet(name="br0", mtu=65536), "EINVAL"),
        (LinkSet(name="v0", mac="01:00:00:00:00:01"), "EADDRNOTAVAIL"),
        (LinkSet(name="v0", master="v1"), "EOPNOTSUPP"),
        (LinkSet(name="v0", master="lo"), "EOPNOTSUPP"),
        (LinkSet(name="v0", master="no"), "ENODEV"),
        (LinkSet(name="br0", master="br0"), "ELOOP"),
        (LinkSet(name="lo", master="br0"), "EINVAL"),
        (LinkSet(name="v0", alias="x" * 256), "ERANGE"),
        (LinkSet(name="v0", rename="v1"), "EEXIST"),
        (LinkSet(name="v0", rename=LONG), "ERANGE"),
        (LinkSet(name="v0", rename="a/b"), "EINVAL"),
        (LinkSet(name="br0", kind="bridge", data=((9, b"\4\0"),)), "EINVAL"),
        (LinkSet(name="v0", port_kind="bridge", port_data=((4, b"\1"),)), "EOPNOTSUPP"),
        (LinkDelete(name="lo"), "EOPNOTSUPP"),
    ],
    ids=said,
)
def test_what_linux_refuses_leaves_nothing_behind(kernel: Kernel, operation: Operation, number: str) -> None:
    """With its errno; the links are as before."""
    kernel.execute([BRIDGE, PAIR])
    before = details(kernel)

    assert refusal(kernel, operation) == number
    assert details(kernel) == before


def test_the_widest_mtu_is_taken(kernel: Kernel) -> None:
    """65535 for bridges and veths alike, 68 at the other end."""
    kernel.execute([BRIDGE, PAIR])
    kernel.execute([LinkSet(name=name, mtu=mtu) for mtu in (68, 65535) for name in ("br0", "v0")])

    assert (link(kernel, "br0").mtu, link(kernel, "v0").mtu) == (65535, 65535)


def test_deleting_what_is_not_there_is_no_error(kernel: Kernel) -> None:
    """Neither link nor namespace need exist."""
    kernel.execute([LinkDelete(name="no"), LinkDelete(netns="no", name="no")])

    assert links(kernel) == [":lo - 65536 up"]


def test_a_pair_goes_as_one(kernel: Kernel) -> None:
    """Whichever end is deleted, in whichever namespace."""
    far = LinkAdd(name="v2", kind="veth", peer=Peer(netns="web", name="eth0"))
    kernel.execute([NetnsAdd(name="web", alias=""), PAIR, far])
    kernel.execute([LinkDelete(name="v1"), LinkDelete(netns="web", name="eth0")])

    assert links(kernel) == [":lo - 65536 up", "web:lo - 65536 up"]


def test_a_bridge_releases_its_ports_when_it_goes(kernel: Kernel) -> None:
    """They stay, up as they were."""
    kernel.execute([BRIDGE, PAIR, LinkSet(name="v0", master="br0", up=True), LinkDelete(name="br0")])

    assert links(kernel) == [":lo - 65536 up", ":v0 veth 1500 up", ":v1 veth 1500 down"]


def port(name: str, mtu: int, mac_address: str = "02:aa:00:00:00:20") -> list[Operation]:
    """A veth of this MTU that is a port of br0."""
    return [
        LinkAdd(name=name, kind="veth", mtu=mtu, mac=mac_address, peer=Peer(netns="", name=f"{name}x")),
        LinkSet(name=name, master="br0"),
    ]


@pytest.mark.parametrize(
    ("said", "mtu"),
    [
        ([], 1400),
        ([LinkSet(name="br0", mtu=1400), LinkSet(name="br0", mtu=1500)], 1500),
        ([LinkSet(name="br0", mtu=9000)], 9000),
        ([LinkSet(name="br0", mtu=1500)], 1400),
    ],
    ids=["nothing", "something else and back", "something else", "what it was"],
)
def test_a_bridge_follows_its_smallest_port_until_it_is_told_otherwise(
    kernel: Kernel, said: list[Operation], mtu: int
) -> None:
    """Setting the MTU it has already tells it nothing."""
    kernel.execute([BRIDGE, *said, *port("p0", 9000), *port("p1", 1400)])

    assert link(kernel, "br0").mtu == mtu


def test_an_mtu_given_at_birth_follows_too(kernel: Kernel) -> None:
    """And returns to the default when the last port goes."""
    kernel.execute([LinkAdd(name="br0", kind="bridge", mtu=1300)])
    mtus = [link(kernel, "br0").mtu]
    for change in (port("p0", 1400), [LinkSet(name="p0", mtu=1350)], [LinkSet(name="p0", master="")]):
        kernel.execute(change)
        mtus.append(link(kernel, "br0").mtu)

    assert mtus == [1300, 1400, 1350, 1500]


def test_a_bridge_without_a_mac_takes_the_lowest_of_its_ports(kernel: Kernel) -> None:
    """And all zeros when it has none left."""
    kernel.execute([LinkAdd(name="br0", kind="bridge")])
    macs = [mac(kernel, "br0")]
    for change in (
        port("p0", 1500, "02:aa:00:00:00:20"),
        port("p1", 1500, "02:aa:00:00:00:10"),
        [LinkDelete(name="p1")],
        [LinkSet(name="p0", mac="02:aa:00:00:00:30")],
        [LinkSet(name="p0", master="")],
    ):
        kernel.execute(change)
        macs.append(mac(kernel, "br0"))

    assert macs == [
        "random",
        "02:aa:00:00:00:20",
        "02:aa:00:00:00:10",
        "02:aa:00:00:00:20",
        "02:aa:00:00:00:30",
        "00:00:00:00:00:00",
    ]


@pytest.mark.parametrize("said", [LinkSet(name="br0", mac=MAC), LinkSet(name="br0", up=True)], ids=["set", "not set"])
def test_a_mac_that_was_set_stays(kernel: Kernel, said: Operation) -> None:
    """At birth or later; being up is not being set."""
    kernel.execute([LinkAdd(name="br0", kind="bridge"), said, *port("p0", 1500)])

    assert mac(kernel, "br0") == (MAC if said == LinkSet(name="br0", mac=MAC) else "02:aa:00:00:00:20")


def test_a_rename_keeps_all_that_stands_on_a_link(kernel: Kernel) -> None:
    """Ports and addresses follow the link, not its name."""
    kernel.execute(
        [
            BRIDGE,
            *port("p0", 1500),
            AddressAdd(link="br0", address=interface("10.0.0.1/24")),
            LinkSet(name="br0", rename="br7"),
        ]
    )

    assert (link(kernel, "p0").master, link(kernel, "br7").kind) == ("br7", "bridge")


def test_what_stands_on_a_link_goes_with_it(kernel: Kernel) -> None:
    """A macvlan with its parent; what merely was made later does not."""
    number = (1, (7).to_bytes(4, "little"))
    kernel.execute([BRIDGE, LinkAdd(name="mv0", kind="macvlan", parent="br0")])
    parents = link(kernel, "mv0").parent
    kernel.execute([LinkAdd(name="vx0", kind="vxlan", data=(number,)), LinkDelete(name="br0")])

    assert parents == "br0"
    assert [line.split()[0] for line in links(kernel)] == [":lo", ":vx0"]


def option(number: int, value: int, width: int = 4) -> LinkSet:
    """One option of br0."""
    return LinkSet(name="br0", kind="bridge", data=((number, value.to_bytes(width, "little")),))


STP, FORWARD_DELAY, HELLO_TIME, MAX_AGE = 5, 1, 2, 3
OUT_OF_RANGE = [
    [option(HELLO_TIME, 99)],
    [option(HELLO_TIME, 1001)],
    [option(MAX_AGE, 599)],
    [option(MAX_AGE, 4001)],
    [option(STP, 1), option(FORWARD_DELAY, 199)],
    [option(STP, 1), option(FORWARD_DELAY, 3001)],
]


@pytest.mark.parametrize("told", OUT_OF_RANGE)
def test_times_of_the_spanning_tree_have_bounds(kernel: Kernel, told: list[Operation]) -> None:
    """The forward delay only while STP is on."""
    assert refusal(kernel, BRIDGE, *told) == "ERANGE"
    kernel.execute([option(STP, 0), option(FORWARD_DELAY, 0)])

    assert link(kernel, "br0").data[FORWARD_DELAY] == bytes(4)


@pytest.mark.parametrize(("before", "after"), [(0, 200), (199, 200), (200, 200), (3000, 3000), (9000, 3000)])
def test_stp_moves_a_forward_delay_that_it_does_not_bear(kernel: Kernel, before: int, after: int) -> None:
    """Into the bounds, and it stays there when STP is off again."""
    kernel.execute([BRIDGE, option(FORWARD_DELAY, before), option(STP, 1), option(STP, 0)])

    assert int.from_bytes(link(kernel, "br0").data[FORWARD_DELAY], "little") == after


@pytest.mark.parametrize("told", [(2, b"\x40\0"), (3, bytes(4)), (3, b"\0\0\1\0")], ids=["priority", "no cost", "cost"])
def test_priority_and_cost_of_a_port_have_bounds(kernel: Kernel, told: tuple[int, bytes]) -> None:
    """The port keeps what it had."""
    kernel.execute([BRIDGE, PAIR, LinkSet(name="v0", master="br0")])
    before = link(kernel, "v0").port_data[told[0]]

    assert refusal(kernel, LinkSet(name="v0", port_kind="bridge", port_data=(told,))) == "ERANGE"
    assert link(kernel, "v0").port_data[told[0]] == before


def test_stp_cannot_go_with_its_bounds(kernel: Kernel) -> None:
    """Off and without a delay in one message: the delay is looked at first."""
    kernel.execute([BRIDGE, option(STP, 1)])
    both = LinkSet(name="br0", kind="bridge", data=((STP, bytes(4)), (FORWARD_DELAY, bytes(4))))

    assert refusal(kernel, both) == "ERANGE"
