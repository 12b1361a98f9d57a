"""How a plan reads: every sort of change once, word for word, and what holds of all of them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from netspec.core.change import Action, diff
from netspec.core.plan import Plan
from netspec.core.resource import compared_fields
from netspec.counting import counted
from netspec.engine.report_failure import words_of
from netspec.kernel.operations import AddressDelete, ElementAdd, LinkSet, Operation, RouteDelete, TableDelete
from netspec.kinds._contract import PROTOCOL
from netspec.kinds.bridge import Bridge
from netspec.kinds.netns import Netns
from netspec.report import ownership
from netspec.report.plan import PlanView, render
from netspec.report.plan_json import plan_document
from netspec.report.style import Style
from tests.kinds.examples import BY_KIND, EXAMPLES, STACK, Example
from tests.report.plans import Deed, view
from tests.specs import BASE, DUAL, EDITS, EMPTY, MANY, PORTS, SYSCTLS, Edit, edited

NAT = edited(BASE, ("nat: {masquerade: [br0]}", "nat: {snat: [{from: br0, to: 192.0.2.4}]}"))


def body(before: str | tuple[str, ...], after: str, deed: Deed | None = None) -> str:
    """The lines of a plan between its head and its sum."""
    lines = render(view(before, after, deed)).splitlines(keepends=True)
    return "".join(lines[2:-2])


ADDED = """\
  + bridge/br0                  10.1.0.1/24                 spec.yaml:3
  + bridge/br1                  10.2.0.1/24                 spec.yaml:4
  + endpoint/db                 10.1.0.2/24 on bridge/br0   spec.yaml:10
  + endpoint/web                10.1.0.10/24 on bridge/br0  spec.yaml:6
      publishes         8080/tcp, 53/udp
  + nat                         masquerade 10.1.0.0/24      spec.yaml:11
  ~ sysctl/net.ipv4.ip_forward  0 -> 1
"""
REMOVED = """\
  - bridge/br0                  10.1.0.1/24                 no longer in the spec
  - bridge/br1                  10.2.0.1/24                 no longer in the spec
  - endpoint/db                 10.1.0.2/24 on bridge/br0   no longer in the spec
  - endpoint/web                10.1.0.10/24 on bridge/br0  no longer in the spec
      publishes         8080/tcp, 53/udp
  - nat                         masquerade 10.1.0.0/24      no longer in the spec
  - sysctl/net.ipv4.ip_forward  1 -> 0                      no longer in the spec
"""
MOVED = """\
  ~ endpoint/db  spec.yaml:10
      address           10.1.0.2/24 -> 10.2.0.2/24
      bridge            br0 -> br1
      default route     via 10.1.0.1 -> 10.2.0.1
      interrupts        established connections through it
"""
TABLE_ALONE = """\
  + bridge/br0                  10.1.0.1/24                                    spec.yaml:2
  + nat                         nftables table netspec-default (inet, bridge)
  ~ sysctl/net.ipv4.ip_forward  0 -> 1
"""
SEVERAL = """\
  ~ bridge/br-back  spec.yaml:7
      route_localnet    on -> off
  ~ endpoint/proxy  spec.yaml:11
      - address 10.2.0.1/31 on back0
      - address fd00:2::1/127 on back0
      - publish 443/tcp -> fd00:2::1 port 8443
      - veth pair to back0 in proxy-space
      - port of br-back
      - IPv6 default route via fd00:2::
      interrupts        established connections through it
  ~ nat             spec.yaml:19
      - 1 element of nftables
"""
SET_AGAIN = """\
  ~ bridge/br0                                         spec.yaml:2
      - address 10.1.0.1/24
      interrupts        established connections through it
  ~ sysctl/net.ipv4.conf.all.accept_redirects  0       spec.yaml:5
      set again         sysctl/net.ipv4.ip_forward changes it
  - sysctl/net.ipv4.ip_forward                 1 -> 0  no longer in the spec
"""
GOLDEN = [
    ("all is new", EMPTY, BASE, ADDED),
    ("all goes", BASE, "", REMOVED),
    ("the table alone is new", EMPTY, "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n", TABLE_ALONE),
    ("an endpoint moves", BASE, edited(BASE, ("db: {bridge: br0}", "db: {bridge: br1}")), MOVED),
    (
        "one of several interfaces goes",
        MANY,
        edited(MANY, ("      back0: {bridge: br-back, mtu: 8000}\n", "")),
        SEVERAL,
    ),
    ("a sysctl is set again", SYSCTLS, edited(SYSCTLS, ("[10.1.0.0/24]", "[]")), SET_AGAIN),
    (
        "one MTU for both ends",
        BASE,
        edited(BASE, ("{bridge: br0}", "{bridge: br0, mtu: 1300}")),
        "  ~ endpoint/db  spec.yaml:10\n      mtu               1500 -> 1300\n",
    ),
    (
        "a publication leads elsewhere",
        BASE,
        edited(BASE, ("8080:80", "8080:81")),
        "  ~ endpoint/web  spec.yaml:6\n      publish 8080/tcp  10.1.0.10 port 80 -> 10.1.0.10 port 81\n",
    ),
    (
        "another namespace",
        BASE,
        edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, netns: other}")),
        (
            "  ! endpoint/db               rebuilt: its namespace changes: db -> other  spec.yaml:10\n"
            "      interrupts        all its connections\n"
            "      instead           `netspec move endpoint/db` renames it without a rebuild\n"
        ),
    ),
    (
        "another host name",
        BASE,
        edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, host_name: to-db}")),
        (
            "  ! endpoint/db               rebuilt: its host name changes: veth12080e1 -> to-db  spec.yaml:10\n"
            "      interrupts        all its connections\n"
            "      instead           `netspec move endpoint/db` renames it without a rebuild\n"
        ),
    ),
    (
        "another interface",
        BASE,
        edited(BASE, ("{bridge: br0}", "{interfaces: {eth7: {bridge: br0}}}")),
        (
            "  ! endpoint/db               rebuilt: its interface changes: eth0 -> eth7  spec.yaml:10\n"
            "      interrupts        all its connections\n"
            "      instead           `netspec move endpoint/db` renames it without a rebuild\n"
        ),
    ),
    (
        "a sysctl of two numbers",
        SYSCTLS,
        edited(SYSCTLS, ("20000 40000", "30000 50000")),
        "  ~ sysctl/net.ipv4.ip_local_port_range  20000 40000 -> 30000 50000  spec.yaml:4\n",
    ),
    (
        "source translation",
        BASE,
        NAT,
        ("  ~ nat  spec.yaml:11\n      - masquerade 10.1.0.0/24\n      + snat 10.1.0.0/24 -> 192.0.2.4\n"),
    ),
]


PLAIN_TWO = "eth0: {bridge: x}, eth1: {bridge: y}"
NAMED_TWO = "eth0: {bridge: x, host_name: h1}, eth1: {bridge: y, host_name: h2}"
INTERFACES = {
    "two host names": (PLAIN_TWO, NAMED_TWO),
    "host names change places": (NAMED_TWO, "eth0: {bridge: x, host_name: h2}, eth1: {bridge: y, host_name: h1}"),
    "two interfaces": (PLAIN_TWO, "eth7: {bridge: x}, eth8: {bridge: y}"),
    "one for two": (PLAIN_TWO, "eth7: {bridge: x}"),
    "another MAC beside": (PLAIN_TWO, 'eth0: {bridge: x, host_name: h1}, eth1: {bridge: y, mac: "02:00:00:00:00:07"}'),
    "another bridge beside": (PLAIN_TWO, "eth0: {bridge: x, host_name: h1}, eth1: {bridge: x}"),
    "one goes beside": (PLAIN_TWO, "eth0: {bridge: x, host_name: h1}"),
    "one comes beside": (PLAIN_TWO, "eth0: {bridge: x, host_name: h1}, eth1: {bridge: y}, eth2: {bridge: y}"),
    "same host name inside another": (NAMED_TWO, "eth0: {bridge: x, host_name: h1}, eth7: {bridge: y, host_name: h2}"),
    "a limit comes beside": (PLAIN_TWO, "eth0: {bridge: x, host_name: h1}, eth1: {bridge: y, limit: {egress: 9mbit}}"),
}
REASONS = {
    "two host names": (
        "the host name of eth0 changes: veth1a0c5e0 -> h1; the host name of eth1 changes: vethc2feef1 -> h2"
    ),
    "host names change places": "the host name of eth0 changes: h1 -> h2; the host name of eth1 changes: h2 -> h1",
    "two interfaces": "its interfaces change: eth0, eth1 -> eth7, eth8",
    "one for two": "its interfaces change: eth0, eth1 -> eth7",
    "same host name inside another": "its interface changes: eth1 -> eth7",
}
BESIDE = {
    "another MAC beside": "mac of eth1 02:e1:e0:67:a3:35 -> 02:00:00:00:00:07",
    "another bridge beside": "bridge of vethc2feef1 y -> x",
    "one goes beside": "- veth pair to eth1 in web",
    "one comes beside": "+ veth pair to eth2 in web",
}


def with_interfaces(interfaces: str) -> str:
    """A spec with an endpoint that has these."""
    bridges = "bridges: {x: {subnets: [10.1.0.0/24]}, y: {subnets: [10.2.0.0/24]}}"
    return f"netspec: 1\n{bridges}\nendpoints: {{web: {{interfaces: {{{interfaces}}}}}}}\n"


@pytest.mark.parametrize("name", INTERFACES)
def test_what_is_made_anew_is_a_rebuild(name: str) -> None:
    """However many interfaces are, and whatever happens to the others: in its line, its lines, the sum and JSON."""
    before, after = (with_interfaces(each) for each in INTERFACES[name])
    found = view(before, after)
    text = render(found)
    reason = REASONS.get(name, "its host name changes: veth1a0c5e0 -> h1")

    assert f"  ! endpoint/web              rebuilt: {reason}  spec.yaml:3\n" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "interrupts all its connections" in lines
    assert BESIDE.get(name, "interrupts all its connections") in lines
    assert "0 to change, 1 to rebuild" in text
    summary = plan_document(found, ())["summary"]
    assert (summary["change"], summary["rebuild"]) == (0, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN_TWO, "eth0: {bridge: x, limit: {egress: 9mbit}}"),
        ("eth0: {bridge: x, limit: {egress: 9mbit}}", PLAIN_TWO),
        (PLAIN_TWO, "eth0: {bridge: x}"),
        ("eth0: {bridge: x}", PLAIN_TWO),
    ],
)
def test_what_goes_or_comes_alone_is_no_rebuild(before: str, after: str) -> None:
    """Limits have links of their own; theirs are not the object's."""
    assert "1 to change, 0 to rebuild" in render(view(with_interfaces(before), with_interfaces(after)))


OF_ROUTES = """netspec: 1
bridges: {x: {subnets: [10.60.0.0/16]}}
endpoints:
  web:
    bridge: x
    routes:
      - {to: 10.151.0.0/16, nexthops: [{via: 10.60.0.7, weight: 3}, {via: 10.60.0.8}]}
      - {to: 10.166.0.0/16, type: blackhole}
      - {to: 10.167.0.0/16, via: 10.60.0.9}
"""


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (("weight: 3", "weight: 5"), "nexthops via 10.60.0.7 dev eth0 weight 3, via 10.60.0.8 dev eth0 weight 1 -> "),
        (("blackhole", "prohibit"), "route to 10.166.0.0/16  type blackhole -> prohibit"),
        (("via: 10.60.0.9", "via: 10.60.0.9, scope: site"), "route to 10.167.0.0/16  scope global -> site"),
        (("via: 10.60.0.9", "via: 10.60.0.9, mtu: 1400"), "route to 10.167.0.0/16  mtu none -> 1400"),
        (("10.166.0.0/16", "10.168.0.0/16"), "+ route to 10.168.0.0/16 blackhole"),
        (("10.151.0.0/16", "10.152.0.0/16"), "+ route to 10.152.0.0/16 via 10.60.0.7 weight 3, 10.60.0.8 weight 1"),
    ],
)
def test_a_route_says_what_of_it_changes(edit: tuple[str, str], line: str) -> None:
    """By name, with the values that the spec has."""
    assert line in body(OF_ROUTES, edited(OF_ROUTES, edit))


PYTHONIC = re.compile(
    r"\w\(\w+=|\('|\(\)|IPv[46]\w+\(|\b(None|True|False)\b|\bb'|<\w+[ .:]|frozenset|\[|\{| $", re.MULTILINE
)
"""What only Python writes so; and the end of a line at which a value is missing."""
BESIDE_IT = {each.key(): each for each in (BY_KIND[Netns].resource, BY_KIND[Bridge].resource)}
"""What is as it shall be: with it, an object of which something comes or goes is changed."""
VARIED = [
    pytest.param(example, rule.name, id=f"{type(example.resource).__name__}.{rule.name}")
    for example in EXAMPLES
    for rule in compared_fields(type(example.resource))
]


@pytest.mark.parametrize(("example", "name"), VARIED)
def test_no_field_is_shown_as_python_has_it(example: Example, name: str) -> None:
    """Each field of every kind, there and back, in short and at length, and where the change is told in a line."""
    sides = example.resource, example.varied(name)
    for before, after in (sides, sides[::-1]):
        key = before.key()
        changes = diff({key: after}, {key: before}, lambda _: False)
        found = PlanView(host="host", stack=STACK, plan=Plan(changes), desired={key: after}, observed={key: before})
        adopted = replace(found, plan=Plan(tuple(replace(each, action=Action.ADOPT) for each in changes)))
        texts = [render(found), render(found, verbose=True), ownership.render(adopted, verbose=True)]
        texts += [words_of(each) for each in changes]
        assert [each for each in texts if PYTHONIC.search(each)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example.resource).__name__)
def test_no_object_is_shown_as_python_has_it(example: Example) -> None:
    """Each variant that comes or goes, or that stands beside others that change."""
    for each in (example.resource, *(example.varied(name) for name in example.variants)):
        key = each.key()
        for desired, observed in (({key: each}, {}), ({}, {key: each})):
            changes = diff(desired, observed, lambda _: True)
            found = PlanView(host="host", stack=STACK, plan=Plan(changes), desired=desired, observed=observed)
            texts = [render(found), render(found, verbose=True), *(words_of(change) for change in changes)]
            texts.append(render(replace(found, desired={**desired, **BESIDE_IT}, observed={**observed, **BESIDE_IT})))
            assert [text for text in texts if PYTHONIC.search(text)] == []


@pytest.mark.parametrize(("name", "before", "after", "wanted"), GOLDEN, ids=[each[0] for each in GOLDEN])
def test_it_reads(name: str, before: str, after: str, wanted: str) -> None:  # noqa: ARG001  the name is for people
    """Word for word."""
    assert body(before, after) == wanted


SHARED = """\
  - bridge/br0                  10.1.0.1/24                                    no longer in the spec
  - nat                         nftables table netspec-default (inet, bridge)  no longer in the spec
  - sysctl/net.ipv4.ip_forward  stays 1 for stack shop                         no longer in the spec
"""


def test_a_sysctl_that_other_stacks_need_stays() -> None:
    """Who goes says for whom it does; who comes takes note of what it was."""
    first = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\n"
    shop, side = (
        f"{edited(first, ('br0', f'br{number}'), ('10.1.', f'10.{number}.'))}stack: {name}\n"
        for number, name in ((2, "shop"), (3, "side"))
    )

    assert body((shop, first), "") == SHARED
    assert "  stays 1 for stacks shop, side  " in body((side, shop, first), "")
    assert body(first, shop).endswith("  + sysctl/net.ipv4.ip_forward  1\n")


DRIFT_OF_ROUTES = """\
  drift, will be corrected
  ~ endpoint/web  spec.yaml:5
      + IPv6 default route via fd00:1::1
      + default route via 10.1.0.1
"""
DRIFT_OF_TABLE = """\
  drift, will be corrected
  ~ bridge/br0    spec.yaml:3
      + 6 elements of nftables
  ~ endpoint/web  spec.yaml:5
      + publish 8080/tcp -> 10.1.0.10 port 80
      + publish 8080/tcp -> fd00:1::10 port 80
  ~ nat           spec.yaml:7
      + masquerade 10.1.0.0/24
      + masquerade fd00:1::/64
      + nftables table inet netspec-default
"""
ROUTES = [
    RouteDelete(netns="web", to=ip_network("0.0.0.0/0"), link="eth0", protocol=PROTOCOL),
    RouteDelete(netns="web", to=ip_network("::/0"), link="eth0", protocol=PROTOCOL, metric=1024),
]
TABLE = [TableDelete(name="netspec-default")]
STRAY = ElementAdd(table="netspec-default", set="publish4", key="tcp . 9999", value="10.1.0.10 . 9")
DRIFTS: list[tuple[str, Sequence[Operation], str]] = [
    ("lost routes", ROUTES, DRIFT_OF_ROUTES),
    ("a lost table", TABLE, DRIFT_OF_TABLE),
    (
        "a lost address",
        [AddressDelete(netns="web", link="eth0", address=ip_interface("fd00:1::10/64"))],
        "  drift, will be corrected\n  ~ endpoint/web  spec.yaml:5\n      + address fd00:1::10/64\n",
    ),
    (
        "one end of a pair",
        [LinkSet(netns="web", name="eth0", mtu=1400)],
        "  drift, will be corrected\n  ~ endpoint/web  spec.yaml:5\n      mtu               1400 -> 1500\n",
    ),
    (
        "the other end of a pair",
        [LinkSet(name="veth1a0c5e0", mtu=1400)],
        "  drift, will be corrected\n  ~ endpoint/web  spec.yaml:5\n      mtu of veth1a0c5e0  1400 -> 1500\n",
    ),
    (
        "a stray publication",
        [STRAY],
        "  - element/publish4          publish 9999/tcp -> 10.1.0.10 port 9  not in the spec\n",
    ),
]


@pytest.mark.parametrize(("name", "deed", "wanted"), DRIFTS, ids=[each[0] for each in DRIFTS])
def test_drift_reads(name: str, deed: Sequence[Operation], wanted: str) -> None:  # noqa: ARG001
    """Word for word, with the places of what was lost."""
    assert body(DUAL, DUAL, lambda kernel: kernel.execute(deed)) == wanted


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_of_every_edit(edit: Edit) -> None:
    """Columns never touch, no digest and no Python shows, and every object that changes has words."""
    text = render(view(edit.before, edit.after))

    assert not re.search(r"\b[0-9a-f]{16}\b|\bNone\b|\bTrue\b|\bFalse\b|interrupts +interrupts|\t", text)
    assert not re.search(r"goes with element|^      [a-z]\S* \S+ -> ", text, re.MULTILINE)
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if re.match(r"  ~ (?!sysctl)", line):
            assert following.startswith("      "), f"{line}: what changes?"
    columns = {line.index("spec.yaml:") for line in lines if "spec.yaml:" in line and len(line) < 96}
    assert len(columns) <= 1, text


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_with_all_kernel_objects(edit: Edit) -> None:
    """Each of them by its address, and nothing else is said of it than in JSON."""
    found = view(edit.before, edit.after)
    text = render(found, verbose=True)

    assert [str(each.key) for each in found.plan.changes if f" {each.key}" not in text] == []


def test_colour_adds_nothing_but_colour() -> None:
    """Columns stay where they are."""
    for edit in EDITS:
        found = view(edit.before, edit.after)

        assert re.sub(r"\x1b\[[0-9;]*m", "", render(found, Style(color=True))) == render(found)


def test_nothing_to_do() -> None:
    """One line; an object is one object."""
    assert render(view(BASE, BASE)) == "No changes. The kernel equals the spec (6 objects).\n"
    assert render(view(EMPTY, EMPTY)) == "No changes. Stack default owns nothing on this host.\n"


def test_many_publications_are_counted() -> None:
    """Four are named."""
    spec = edited(PORTS, ('"8000-8003:8000-8003"', '"1:1", "2:2", "3:3", "4:4", "5:5"'))

    assert re.search(r"\n      publishes         1/tcp, 2/tcp, 3/tcp, 4/tcp and \d+ more\n", body(EMPTY, spec))


def test_what_is_set_again_is_no_drift() -> None:
    """The kernel has not moved it: this plan will."""
    found = view(SYSCTLS, edited(SYSCTLS, ("[10.1.0.0/24]", "[]")))

    assert [str(each) for each in found.drift] == ["sysctl/net.ipv4.conf.all.accept_redirects"]
    assert found.drifted == frozenset()


@pytest.mark.parametrize(
    ("number", "word", "words"),
    [
        (0, "change", "0 changes"),
        (1, "change", "1 change"),
        (2, "kernel object", "2 kernel objects"),
        (1, "address", "1 address"),
        (3, "address", "3 addresses"),
    ],
)
def test_things_are_counted_in_words(number: int, word: str, words: str) -> None:
    """One is one, and all others are several."""
    assert counted(number, word) == words
