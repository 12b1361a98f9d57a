"""Addresses, and the connected routes that come and go with them."""

import pytest

from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    LinkAdd,
    LinkDelete,
    LinkSet,
    Operation,
    Peer,
    RouteAdd,
    SysctlWrite,
)
from netspec.kernel.port import Kernel
from tests.kernel.contract.look import addresses, refusal, routes, seen
from tests.kernel.contract.make import address, interface, network, said

PAIR: list[Operation] = [
    LinkAdd(name="v0", kind="veth", peer=Peer(netns="", name="v1")),
    LinkSet(name="v0", up=True),
    LinkSet(name="v1", up=True),
]
PROMOTE = LinkSet(name="v0", conf4=((20, 1),))


def add(text: str, link: str = "v0", protocol: int = 0) -> AddressAdd:
    """An address on v0."""
    return AddressAdd(link=link, address=interface(text), protocol=protocol)


def delete(text: str, link: str = "v0") -> AddressDelete:
    """Its removal."""
    return AddressDelete(link=link, address=interface(text))


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("10.0.0.1/24", [":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1"]),
        ("10.0.0.1/31", [":10.0.0.0/31 dev v0 proto 2 scope 253 src 10.0.0.1"]),
        ("10.0.0.1/32", []),
        ("2001:db8::1/64", [":2001:db8::/64 dev v0 metric 256 proto 2"]),
        ("2001:db8::1/128", [":2001:db8::1/128 dev v0 metric 256 proto 2"]),
    ],
)
def test_an_address_brings_its_connected_route_and_takes_it(kernel: Kernel, text: str, route: list[str]) -> None:
    """There is none for a single IPv4 address, and one for a single IPv6 address."""
    kernel.execute([*PAIR, add(text, protocol=110)])
    there = addresses(kernel), routes(kernel)
    kernel.execute([delete(text)])

    assert there == ([f":v0 {text} proto 110"], route)
    assert (addresses(kernel), routes(kernel)) == ([], [])


def test_a_broadcast_address_is_kept(kernel: Kernel) -> None:
    """As it was given."""
    kernel.execute(
        [*PAIR, AddressAdd(link="v0", address=interface("10.0.0.1/24"), broadcast=address("10.0.0.255"))]  # type: ignore[arg-type]  # it is IPv4
    )

    assert addresses(kernel) == [":v0 10.0.0.1/24 brd 10.0.0.255"]


@pytest.mark.parametrize("text", ["10.0.0.1/24", "2001:db8::1/64"])
def test_adding_again_changes_the_protocol_and_nothing_else(kernel: Kernel, text: str) -> None:
    """That is how a mark is put on what is there; before Linux 6.4 one of IPv4 keeps the mark that it has."""
    kernel.execute([*PAIR, add(text)])
    before = routes(kernel)
    kernel.execute([add(text, protocol=110)])
    marked = addresses(kernel)
    kernel.execute([add(text)])

    kept = seen(kernel).fixed_marks and "." in text
    assert marked == [f":v0 {text}" + ("" if kept else " proto 110")]
    assert (addresses(kernel), routes(kernel)) == ([f":v0 {text}"], before)


def test_another_prefix_length_is_another_ipv4_address(kernel: Kernel) -> None:
    """Each with its route."""
    kernel.execute([*PAIR, add("10.0.0.1/24"), add("10.0.0.1/16")])

    assert addresses(kernel) == [":v0 10.0.0.1/16", ":v0 10.0.0.1/24"]
    assert routes(kernel) == [
        ":10.0.0.0/16 dev v0 proto 2 scope 253 src 10.0.0.1",
        ":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1",
    ]


def test_another_prefix_length_of_an_ipv6_address_is_not_taken(kernel: Kernel) -> None:
    """It is the same address: adding it succeeds, and the prefix length stays. It must be deleted first."""
    kernel.execute([*PAIR, add("2001:db8::1/64"), add("2001:db8::1/128", protocol=110), delete("2001:db8::1/128")])
    stayed = addresses(kernel)
    kernel.execute([delete("2001:db8::1/64"), add("2001:db8::1/128")])

    assert stayed == [":v0 2001:db8::1/64 proto 110"]
    assert addresses(kernel) == [":v0 2001:db8::1/128"]


@pytest.mark.parametrize("text", ["10.0.0.1/24", "2001:db8::1/64"])
def test_an_address_on_a_link_that_is_down_waits_for_it(kernel: Kernel, text: str) -> None:
    """The route comes with the link."""
    kernel.execute([*PAIR, LinkSet(name="v0", up=False), add(text)])
    waiting = addresses(kernel), routes(kernel)
    kernel.execute([LinkSet(name="v0", up=True)])

    assert waiting == ([f":v0 {text}"], [])
    assert addresses(kernel) == [f":v0 {text}"]
    assert [line.split()[0] for line in routes(kernel)] == [f":{interface(text).network}"]


def test_a_link_that_goes_down_keeps_ipv4_addresses_and_loses_the_rest(kernel: Kernel) -> None:
    """Connected routes return when it is up again; others, and IPv6, do not."""
    kernel.execute(
        [
            *PAIR,
            add("10.0.0.1/24"),
            add("2001:db8::1/64"),
            RouteAdd(to=network("10.9.0.0/16"), via=address("10.0.0.9")),
            RouteAdd(to=network("2001:db8:9::/48"), via=address("2001:db8::9")),
            LinkSet(name="v0", up=False),
        ]
    )
    down = addresses(kernel), routes(kernel)
    kernel.execute([LinkSet(name="v0", up=True)])

    assert down == ([":v0 10.0.0.1/24"], [])
    assert addresses(kernel) == [":v0 10.0.0.1/24"]
    assert routes(kernel) == [":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1"]


def test_a_far_end_that_goes_down_takes_nothing(kernel: Kernel) -> None:
    """Only the carrier is lost."""
    kernel.execute([*PAIR, add("10.0.0.1/24"), add("2001:db8::1/64")])
    before = addresses(kernel), routes(kernel)
    kernel.execute([LinkSet(name="v1", up=False)])

    assert (addresses(kernel), routes(kernel)) == before


@pytest.mark.parametrize(
    "operation",
    [LinkSet(name="v0", mtu=1279), SysctlWrite(key="net.ipv6.conf.v0.disable_ipv6", value="1")],
    ids=said,
)
def test_ipv6_goes_where_a_link_cannot_have_it(kernel: Kernel, operation: Operation) -> None:
    """Its MTU is below 1280, or IPv6 is switched off on it; IPv4 is not concerned."""
    kernel.execute([*PAIR, add("10.0.0.1/24"), add("2001:db8::1/64"), operation])

    assert addresses(kernel) == [":v0 10.0.0.1/24"]
    assert routes(kernel) == [":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1"]


@pytest.mark.parametrize(
    ("operations", "number"),
    [
        ([add("10.0.0.1/24", link="no")], "ENODEV"),
        ([add("2001:db8::1/64", link="no")], "ENODEV"),
        ([LinkSet(name="v0", mtu=1279), add("2001:db8::1/64")], "EINVAL"),
        ([SysctlWrite(key="net.ipv6.conf.v0.disable_ipv6", value="1"), add("2001:db8::1/64")], "EACCES"),
    ],
)
def test_what_linux_refuses(kernel: Kernel, operations: list[Operation], number: str) -> None:
    """With its errno; no address is left."""
    assert refusal(kernel, *PAIR, *operations) == number
    assert addresses(kernel) == []


def test_deleting_what_is_not_there_is_no_error(kernel: Kernel) -> None:
    """Neither address nor link nor namespace need exist; another prefix length is another address."""
    nowhere = AddressDelete(netns="no", link="v0", address=interface("10.0.0.1/24"))
    kernel.execute([*PAIR, add("10.0.0.1/24"), delete("10.0.0.1/16"), delete("10.0.0.2/24"), delete("::1/64", "no")])
    kernel.execute([nowhere])

    assert addresses(kernel) == [":v0 10.0.0.1/24"]


def test_secondaries_go_with_their_primary(kernel: Kernel) -> None:
    """The first address of a subnet; what was added under another prefix length stays."""
    texts = ("10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/16")
    kernel.execute([*PAIR, *(add(text) for text in texts)])
    one_route = routes(kernel)
    kernel.execute([delete("10.0.0.1/24")])

    assert one_route == [
        ":10.0.0.0/16 dev v0 proto 2 scope 253 src 10.0.0.4",
        ":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1",
    ]
    assert addresses(kernel) == [":v0 10.0.0.4/16"]
    assert routes(kernel) == [":10.0.0.0/16 dev v0 proto 2 scope 253 src 10.0.0.4"]


@pytest.mark.parametrize(
    "promote", [PROMOTE, SysctlWrite(key="net.ipv4.conf.all.promote_secondaries", value="1")], ids=said
)
def test_with_promotion_the_first_secondary_takes_over(kernel: Kernel, promote: Operation) -> None:
    """It gets the connected route; routes over a gateway stay."""
    via = RouteAdd(to=network("10.9.0.0/16"), via=address("10.0.0.9"))
    kernel.execute([*PAIR, promote, *(add(f"10.0.0.{number}/24") for number in (1, 2, 3)), via])
    seen = []
    for number in (1, 2):
        kernel.execute([delete(f"10.0.0.{number}/24")])
        seen.append((addresses(kernel), routes(kernel)))

    assert seen == [
        (
            [":v0 10.0.0.2/24", ":v0 10.0.0.3/24"],
            [":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.2", ":10.9.0.0/16 via 10.0.0.9 dev v0 proto 0"],
        ),
        (
            [":v0 10.0.0.3/24"],
            [":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.3", ":10.9.0.0/16 via 10.0.0.9 dev v0 proto 0"],
        ),
    ]


def test_the_last_ipv4_address_takes_all_ipv4_routes_of_its_link(kernel: Kernel) -> None:
    """Also those that have nothing to do with it; not those of IPv6."""
    kernel.execute(
        [
            *PAIR,
            add("10.0.0.1/24"),
            add("10.1.0.1/24"),
            add("2001:db8::1/64"),
            RouteAdd(to=network("10.9.0.0/16"), via=address("10.0.0.9")),
            RouteAdd(to=network("10.8.0.0/16"), link="v0", scope=253),
            delete("10.0.0.1/24"),
        ]
    )
    not_the_last = routes(kernel)
    kernel.execute([delete("10.1.0.1/24")])

    assert not_the_last == [
        ":10.1.0.0/24 dev v0 proto 2 scope 253 src 10.1.0.1",
        ":10.8.0.0/16 dev v0 proto 0 scope 253",
        ":10.9.0.0/16 via 10.0.0.9 dev v0 proto 0",
        ":2001:db8::/64 dev v0 metric 256 proto 2",
    ]
    assert routes(kernel) == [":2001:db8::/64 dev v0 metric 256 proto 2"]


def test_an_ipv6_address_leaves_the_routes_over_gateways(kernel: Kernel) -> None:
    """Only its connected route goes, and that with the last address of the prefix."""
    kernel.execute(
        [
            *PAIR,
            add("2001:db8::1/64"),
            add("2001:db8::2/64"),
            RouteAdd(to=network("2001:db8:9::/48"), via=address("2001:db8::9")),
        ]
    )
    seen = []
    for number in (1, 2):
        kernel.execute([delete(f"2001:db8::{number}/64")])
        seen.append(routes(kernel))

    via = ":2001:db8:9::/48 via 2001:db8::9 dev v0 metric 1024 proto 3"
    assert seen == [[via, ":2001:db8::/64 dev v0 metric 256 proto 2"], [via]]


def test_a_route_goes_with_its_ipv4_source_and_forgets_its_ipv6_source(kernel: Kernel) -> None:
    """The two families differ. An IPv6 route that names no protocol is marked as made at boot."""
    kernel.execute(
        [
            *PAIR,
            *(add(text) for text in ("10.0.0.1/24", "10.1.0.1/24", "2001:db8::1/64", "2001:db8:1::1/64")),
            RouteAdd(to=network("10.9.0.0/16"), link="v0", scope=253, source=address("10.1.0.1")),
            RouteAdd(to=network("2001:db8:9::/48"), link="v0", source=address("2001:db8:1::1")),
        ]
    )
    before = [line for line in routes(kernel) if "proto 2" not in line]
    kernel.execute([delete("10.1.0.1/24"), delete("2001:db8:1::1/64")])

    assert before == [
        ":10.9.0.0/16 dev v0 proto 0 scope 253 src 10.1.0.1",
        ":2001:db8:9::/48 dev v0 metric 1024 proto 3 src 2001:db8:1::1",
    ]
    assert [line for line in routes(kernel) if "proto 2" not in line] == [
        ":2001:db8:9::/48 dev v0 metric 1024 proto 3",
    ]


def test_a_source_that_another_link_has_too_is_not_lost(kernel: Kernel) -> None:
    """An IPv4 address may be on two links."""
    kernel.execute(
        [
            *PAIR,
            add("10.0.0.1/24"),
            add("10.1.0.1/24"),
            add("10.1.0.1/24", link="v1"),
            RouteAdd(to=network("10.9.0.0/16"), link="v0", scope=253, source=address("10.1.0.1")),
            delete("10.1.0.1/24"),
        ]
    )

    assert ":10.9.0.0/16 dev v0 proto 0 scope 253 src 10.1.0.1" in routes(kernel)


def test_two_links_in_one_subnet_have_a_connected_route_each(kernel: Kernel) -> None:
    """The first keeps its place."""
    kernel.execute([*PAIR, add("10.0.0.1/24"), add("10.0.0.2/24", link="v1")])

    assert routes(kernel) == [
        ":10.0.0.0/24 dev v0 proto 2 scope 253 src 10.0.0.1",
        ":10.0.0.0/24 dev v1 proto 2 scope 253 src 10.0.0.2",
    ]


def test_a_link_takes_its_addresses_and_routes_along(kernel: Kernel) -> None:
    """Those of its far end too, as that goes with it."""
    kernel.execute(
        [
            *PAIR,
            add("10.0.0.1/24"),
            add("2001:db8::1/64"),
            add("10.1.0.1/24", link="v1"),
            RouteAdd(to=network("10.9.0.0/16"), via=address("10.1.0.9")),
            LinkDelete(name="v0"),
        ]
    )

    assert (addresses(kernel), routes(kernel)) == ([], [])
