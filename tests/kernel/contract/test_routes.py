"""Routes: what a next hop must be, what replaces what, and which one a deletion means."""

from dataclasses import replace

import pytest

from netspec.kernel.operations import (
    AddressAdd,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NextHop,
    Operation,
    Peer,
    RouteAdd,
    RouteDelete,
)
from netspec.kernel.port import Kernel
from tests.kernel.contract.look import needs_live_rename, refusal, routes
from tests.kernel.contract.make import address, interface, network

HOST: list[Operation] = [
    LinkAdd(name="v0", kind="veth", peer=Peer(netns="", name="v1")),
    LinkAdd(name="w0", kind="veth", peer=Peer(netns="", name="w1")),
    LinkSet(name="v0", up=True),
    LinkSet(name="v1", up=True),
    LinkSet(name="w0", up=True),
    AddressAdd(link="v0", address=interface("10.0.0.1/24")),
    AddressAdd(link="v0", address=interface("2001:db8::1/64")),
]


def add(to: str, via: str = "", link: str = "", metric: int = 0, **more: int) -> RouteAdd:
    """A route; over a link alone its scope is that link, as `ip route` has it."""
    scope = 253 if link and not via and ":" not in to else 0
    return RouteAdd(
        to=network(to),
        via=address(via) if via else None,
        link=link or None,
        metric=metric,
        table=more.get("table", 254),
        protocol=more.get("protocol", 110),
        type=more.get("type", 1),
        scope=more.get("scope", scope),
    )


def delete(to: str, link: str = "", metric: int = 0, **more: int) -> RouteDelete:
    """Its removal."""
    return RouteDelete(
        to=network(to),
        link=link or None,
        metric=metric,
        table=more.get("table", 254),
        protocol=more.get("protocol", 110),
    )


def ours(kernel: Kernel) -> list[str]:
    """The routes that the tests have made."""
    return [line for line in routes(kernel) if "proto 2 " not in f"{line} "]


@pytest.mark.parametrize(
    ("route", "line"),
    [
        (add("0.0.0.0/0", "10.0.0.9"), ":0.0.0.0/0 via 10.0.0.9 dev v0 proto 110"),
        (add("0.0.0.0/0", "10.0.0.9", "v0"), ":0.0.0.0/0 via 10.0.0.9 dev v0 proto 110"),
        (add("10.9.0.0/16", link="v0"), ":10.9.0.0/16 dev v0 proto 110 scope 253"),
        (add("10.9.0.0/16", link="v0", scope=0), ":10.9.0.0/16 dev v0 proto 110"),
        (add("10.9.0.0/16", link="w0"), ":10.9.0.0/16 dev w0 proto 110 scope 253"),
        (add("10.9.0.1/32", "10.0.0.9", metric=5), ":10.9.0.1/32 via 10.0.0.9 dev v0 metric 5 proto 110"),
        (add("10.9.0.0/16", "10.0.0.9", table=7), ":10.9.0.0/16 via 10.0.0.9 dev v0 table 7 proto 110"),
        (add("10.9.0.0/16", "10.0.0.9", table=1000), ":10.9.0.0/16 via 10.0.0.9 dev v0 table 1000 proto 110"),
        (add("10.9.0.0/16", "10.0.0.1"), ":10.9.0.0/16 via 10.0.0.1 dev v0 proto 110"),
        (add("10.9.0.0/16", type=6), ":10.9.0.0/16 proto 110 type 6"),
        (add("10.9.0.0/16", type=7), ":10.9.0.0/16 proto 110 type 7"),
        (add("::/0", "2001:db8::9"), ":::/0 via 2001:db8::9 dev v0 metric 1024 proto 110"),
        (add("::/0", "2001:db8::9", metric=5), ":::/0 via 2001:db8::9 dev v0 metric 5 proto 110"),
        (add("::/0", "fe80::9", "v0"), ":::/0 via fe80::9 dev v0 metric 1024 proto 110"),
        (add("2001:db8:9::/48", link="v0"), ":2001:db8:9::/48 dev v0 metric 1024 proto 110"),
        (add("2001:db8:9::/48", type=6), ":2001:db8:9::/48 metric 1024 proto 110 type 6"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_route_is_made_and_deleted(kernel: Kernel, route: RouteAdd, line: str) -> None:
    """IPv6 has metric 1024 where none is given, and no scope."""
    kernel.execute([*HOST, route])
    made = ours(kernel)
    kernel.execute([RouteDelete(to=route.to, link=route.link, table=route.table, metric=route.metric, protocol=110)])

    assert made == [line]
    assert ours(kernel) == []


@pytest.mark.parametrize(
    ("route", "number"),
    [
        (add("10.9.0.0/16", "11.0.0.9"), "ENETUNREACH"),
        (add("10.9.0.0/16", "10.0.0.9", "w0"), "ENETUNREACH"),
        (add("10.9.0.0/16", "10.0.0.9", scope=253), "ENETUNREACH"),
        (add("10.9.0.0/16"), "ENODEV"),
        (add("10.9.0.0/16", link="no"), "ENODEV"),
        (add("10.9.0.0/16", link="w1"), "ENETDOWN"),
        (add("10.9.0.0/16", link="v0", type=6), "EINVAL"),
        (add("2001:db8:9::/48", "2001:db8:1::9"), "EHOSTUNREACH"),
        (add("2001:db8:9::/48", "2001:db8::9", "w0"), "EHOSTUNREACH"),
        (add("2001:db8:9::/48", "2001:db8::1"), "EINVAL"),
        (add("2001:db8:9::/48", "fe80::9"), "EINVAL"),
        (add("2001:db8:9::/48"), "ENODEV"),
        (add("2001:db8:9::/48", link="no"), "ENODEV"),
        (add("2001:db8:9::/48", link="w1"), "ENETDOWN"),
        (RouteAdd(to=network("10.9.0.0/16"), link="v0", scope=253, source=address("10.0.0.2")), "EINVAL"),
        (RouteAdd(to=network("2001:db8:9::/48"), link="v0", source=address("2001:db8::2")), "EINVAL"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else f"{value.to} via {value.via} dev {value.link} src {value.source}"
    ),
)
def test_what_linux_refuses(kernel: Kernel, route: RouteAdd, number: str) -> None:
    """With its errno; no route is left."""
    assert refusal(kernel, *HOST, route) == number
    assert ours(kernel) == []


def test_a_gateway_may_be_a_neighbour_by_a_route_of_ours(kernel: Kernel) -> None:
    """One without a gateway of its own, and of link scope; not any other."""
    first = add("10.9.0.0/16", link="v0")
    kernel.execute([*HOST, first, add("10.8.0.0/16", "10.9.0.1")])

    assert refusal(kernel, add("10.7.0.0/16", "10.8.0.1")) == "ENETUNREACH"
    assert refusal(kernel, add("10.6.0.0/16", link="v0", scope=0), add("10.5.0.0/16", "10.6.0.1")) == "ENETUNREACH"
    assert ours(kernel)[-2:] == [
        ":10.8.0.0/16 via 10.9.0.1 dev v0 proto 110",
        ":10.9.0.0/16 dev v0 proto 110 scope 253",
    ]


@pytest.mark.parametrize(
    ("to", "via", "usual"), [("10.9.0.0/16", "10.0.0.", 0), ("2001:db8:9::/48", "2001:db8::", 1024)]
)
def test_same_destination_table_and_metric_is_replaced(kernel: Kernel, to: str, via: str, usual: int) -> None:
    """Whatever its protocol; another metric or table is another route."""
    kernel.execute(
        [
            *HOST,
            add(to, f"{via}8", protocol=4),
            add(to, f"{via}8", metric=5),
            add(to, f"{via}8", table=7),
            add(to, f"{via}9"),
        ]
    )

    metric = f"metric {usual} " if usual else ""
    assert ours(kernel) == sorted(
        [
            f":{to} via {via}9 dev v0 {metric}proto 110",
            f":{to} via {via}8 dev v0 metric 5 proto 110",
            f":{to} via {via}8 dev v0 table 7 {metric}proto 110",
        ]
    )


@pytest.mark.parametrize(("to", "via"), [("10.9.0.0/16", "10.0.0.9"), ("2001:db8:9::/48", "2001:db8::9")])
def test_a_gateway_and_a_link_replace_each_other(kernel: Kernel, to: str, via: str) -> None:
    """In both directions."""
    kernel.execute([*HOST, add(to, via), add(to, link="w0")])
    over_link = ours(kernel)
    kernel.execute([add(to, via)])

    assert [line.split(" dev ")[1].split()[0] for line in over_link] == ["w0"]
    assert [line.split(" via ")[1].split()[0] for line in ours(kernel)] == [via]


def test_adding_the_same_again_changes_nothing(kernel: Kernel) -> None:
    """It is no error either."""
    kernel.execute([*HOST, add("10.9.0.0/16", "10.0.0.9")])
    before = routes(kernel)
    kernel.execute([add("10.9.0.0/16", "10.0.0.9")])

    assert routes(kernel) == before


def test_a_deletion_means_exactly_one(kernel: Kernel) -> None:
    """Of this destination, table, metric, protocol and link; what it does not find is no error."""
    kernel.execute([*HOST, add("10.9.0.0/16", "10.0.0.9", metric=5), add("10.9.0.0/16", "10.0.0.9", metric=6)])
    before = ours(kernel)
    kernel.execute(
        [
            delete("10.9.0.0/16", metric=7),
            delete("10.9.0.0/16", metric=5, protocol=4),
            delete("10.9.0.0/16", metric=5, link="w0"),
            delete("10.9.0.0/16", metric=5, link="no"),
            delete("10.9.0.0/16", metric=5, table=7),
            delete("10.9.0.0/17", metric=5),
            RouteDelete(netns="no", to=network("10.9.0.0/16")),
        ]
    )
    untouched = ours(kernel)
    kernel.execute([delete("10.9.0.0/16", link="v0", metric=6)])

    assert untouched == before
    assert ours(kernel) == [":10.9.0.0/16 via 10.0.0.9 dev v0 metric 5 proto 110"]


def test_routes_follow_the_names_of_their_links(kernel: Kernel) -> None:
    """A rename loses none."""
    needs_live_rename(kernel)
    kernel.execute([*HOST, add("10.9.0.0/16", "10.0.0.9"), LinkSet(name="v0", rename="eth7")])

    assert routes(kernel) == [
        ":10.0.0.0/24 dev eth7 proto 2 scope 253 src 10.0.0.1",
        ":10.9.0.0/16 via 10.0.0.9 dev eth7 proto 110",
        ":2001:db8::/64 dev eth7 metric 256 proto 2",
    ]


def hops(*vias: tuple[str, str, int]) -> tuple[NextHop, ...]:
    """Next hops by gateway, link and weight."""
    return tuple(NextHop(via=address(via) if via else None, link=link, weight=weight) for via, link, weight in vias)


TWO: list[Operation] = [
    AddressAdd(link="w0", address=interface("10.0.1.1/24")),
    AddressAdd(link="w0", address=interface("2001:db8:1::1/64")),
    LinkSet(name="w1", up=True),
]
SHARED = {
    "10.9.0.0/16": hops(("10.0.0.9", "v0", 1), ("10.0.1.9", "w0", 3)),
    "2001:db8:9::/48": hops(("2001:db8::9", "v0", 1), ("2001:db8:1::9", "w0", 3)),
}
DEFAULT_METRICS = {"10.9.0.0/16": "", "2001:db8:9::/48": " metric 1024"}
shared = pytest.mark.parametrize("to", SHARED)


def over(to: str, *more: tuple[str, str, int]) -> RouteAdd:
    """A route over several next hops."""
    return RouteAdd(to=network(to), protocol=110, nexthops=hops(*more) if more else SHARED[to])


@shared
def test_several_next_hops_are_one_route(kernel: Kernel, to: str) -> None:
    """Read back in order with their weights, replaced as one, deleted as one."""
    first, second = SHARED[to]
    kernel.execute([*HOST, *TWO, over(to)])
    made = ours(kernel)
    kernel.execute([RouteAdd(to=network(to), protocol=110, nexthops=(second, first))])
    turned = ours(kernel)
    kernel.execute([add(to, str(first.via))])
    single = ours(kernel)
    kernel.execute([over(to)])
    again = ours(kernel)
    kernel.execute([delete(to)])

    head = f":{to}{DEFAULT_METRICS[to]} proto 110"
    assert made == again == [f"{head} nexthop {first.via} v0 1 nexthop {second.via} w0 3"]
    assert turned == [f"{head} nexthop {second.via} w0 3 nexthop {first.via} v0 1"]
    assert single == [f":{to} via {first.via} dev v0{DEFAULT_METRICS[to]} proto 110"]
    assert ours(kernel) == []


@shared
def test_one_of_several_next_hops_alone_is_a_plain_route(kernel: Kernel, to: str) -> None:
    """A list of one is no list."""
    first, _ = SHARED[to]
    kernel.execute([*HOST, *TWO, RouteAdd(to=network(to), protocol=110, nexthops=(first,))])

    assert ours(kernel) == [f":{to} via {first.via} dev v0{DEFAULT_METRICS[to]} proto 110"]


@shared
def test_a_link_that_goes_takes_a_route_or_a_hop(kernel: Kernel, to: str) -> None:
    """IPv4 loses the whole route, IPv6 the one next hop; a link that is only down takes neither."""
    kernel.execute([*HOST, *TWO, over(to), LinkSet(name="w0", up=False)])
    down = ours(kernel)
    kernel.execute([LinkDelete(name="w0")])

    assert "nexthop" in down[0]
    assert ours(kernel) == ([":2001:db8:9::/48 via 2001:db8::9 dev v0 metric 1024 proto 110"] if ":" in to else [])


@shared
def test_a_route_becomes_another_type_and_back(kernel: Kernel, to: str) -> None:
    """Replaced in one move, whatever it was."""
    kernel.execute([*HOST, *TWO, over(to), add(to, type=6)])
    closed = ours(kernel)
    kernel.execute([over(to)])

    assert closed == [f":{to}{DEFAULT_METRICS[to]} proto 110 type 6"]
    assert "nexthop" in ours(kernel)[0]
    assert len(ours(kernel)) == 1


@pytest.mark.parametrize(("to", "via"), [("10.9.0.0/16", "10.77.0.1"), ("2001:db8:9::/48", "2001:db8:77::1")])
def test_a_gateway_may_be_a_neighbor_by_word(kernel: Kernel, to: str, via: str) -> None:
    """On link, whatever the addresses are."""
    route = RouteAdd(to=network(to), via=address(via), link="v0", protocol=110, onlink=True)
    kernel.execute([*HOST, route])

    assert ours(kernel) == [f":{to} via {via} dev v0{DEFAULT_METRICS[to]} proto 110 onlink"]
    assert refusal(kernel, replace(route, onlink=False)) in ("ENETUNREACH", "EHOSTUNREACH")


@shared
def test_a_route_has_an_mtu_a_source_and_a_scope(kernel: Kernel, to: str) -> None:
    """Each read back; each changed in place."""
    plain = add(to, link="v0")
    source = address("10.0.0.1" if plain.to.version == 4 else "2001:db8::1")
    scope = " scope 253" if plain.to.version == 4 else ""
    kernel.execute([*HOST, replace(plain, mtu=1400, source=source)])
    first = ours(kernel)
    kernel.execute([replace(plain, mtu=1300)])
    second = ours(kernel)
    kernel.execute([replace(plain, scope=200)])

    head = f":{to} dev v0{DEFAULT_METRICS[to]} proto 110"
    assert first == [f"{head}{scope} src {source} mtu 1400"]
    assert second == [f"{head}{scope} mtu 1300"]
    assert ours(kernel) == [f"{head} scope 200" if scope else head]
