"""Edits of who reaches whom, of publications and of `nat` converge in place; connections through others go on."""

import os
from collections.abc import Iterator
from functools import partial

import pytest

from tests.live.driving import apply, edited, plan
from tests.packets.lab import Lab
from tests.packets.surroundings import apply_in, host_with_neighbours
from tests.packets.talking import asked, attempts, converse, goes_on, serve_echo, talking, until, until_open
from tests.packets.test_unbroken import identities

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

OWN = 'docker0: {subnets: [172.17.0.0/16, "fd00:17::/64"]}'
OTHER = "apps0: {subnets: [172.18.0.0/16]}"
PUBLISHED = '"80:80", {port: 81, to: 80, listen: uplink}, {port: 82, to: 80, from: [192.0.2.0/24]}'
SPEC = f"""
netspec: 1
bridges:
  {OWN}
  {OTHER}
endpoints:
  redis: {{bridge: docker0, addresses: [172.17.0.2, "fd00:17::2"], publish: ["6379:6379"]}}
  web: {{bridge: docker0, address: 172.17.0.3, publish: [{PUBLISHED}]}}
  client: {{bridge: apps0, publish: ["83:80", "84:80/sctp"]}}
nat:
  masquerade: [docker0]
"""


def _key(bridge: str, key: str) -> tuple[str, str]:
    return bridge, bridge.replace("]}", f"], {key}}}")


EDITS: dict[str, list[tuple[str, str]]] = {
    "own bridge open": [_key(OWN, "access: open")],
    "own bridge closed to the host": [_key(OWN, "host_access: closed")],
    "own siblings apart": [_key(OWN, "port_isolation: true")],
    "own bridge unguarded": [_key(OWN, "antispoof: false")],
    "other bridge internal": [_key(OTHER, "internal: true")],
    "other bridge routed": [_key(OTHER, "access: routed")],
    "other bridge open": [_key(OTHER, "access: open")],
    "other bridge closed to the host": [_key(OTHER, "host_access: closed")],
    "other siblings apart": [_key(OTHER, "port_isolation: true")],
    "other bridge unguarded": [_key(OTHER, "antispoof: false")],
    "at a link no more": [("{port: 81, to: 80, listen: uplink}", '"81:80"')],
    "at a link, another port": [("to: 80, listen: uplink", "to: 8080, listen: uplink")],
    "removed from a link": [(", {port: 81, to: 80, listen: uplink}", "")],
    "on the loopback": [('"80:80"', "{port: 80, to: 80, listen: loopback}")],
    "for others": [("[192.0.2.0/24]", '[198.51.100.0/24, 10.0.0.0/8, "2001:db8::/32"]')],
    "for everybody": [(", from: [192.0.2.0/24]", "")],
    "SCTP elsewhere": [('"84:80/sctp"', '"84:81/sctp"')],
    "SCTP no more": [(', "84:80/sctp"', "")],
    "all of one family": [('"80:80"', '"0.0.0.0:80:80"')],
    "masquerade by a link": [("[docker0]", "[{from: docker0, out: uplink}]")],
    "snat": [("[docker0]", "[docker0]\n  snat: [{from: apps0, to: 192.0.2.77, out: uplink}]")],
    "dnat": [("[docker0]", '[docker0]\n  dnat: [{port: 7000-7003, to: "192.0.2.9:7777-7780"}]')],
    "netmap": [("[docker0]", "[docker0]\n  netmap: [{from: 172.18.0.0/16, to: 198.18.0.0/16}]")],
}
"""What is edited; redis, published at 6379, is what must not notice."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours; redis echoes at 6379 what it is sent."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        serve_echo(lab, "redis", "172.17.0.2")
        lab.run(partial(until_open, "2001:db8::1"), "remote")
        yield lab


def test_a_connection_survives_every_edit(lab: Lab) -> None:
    """One connection exchanges data during all edits and their undoing; no link or namespace is made again."""
    before = identities(lab)
    with talking(lab, converse) as conversation:
        for name, edits in EDITS.items():
            for spec in (edited(SPEC, *edits), SPEC):
                apply_in(lab, spec)
                again = lab.run(partial(plan, spec))
                assert again == [], f"{name}: {again}"
                assert identities(lab) >= before, f"{name}: made again, or gone: {before - identities(lab)}"
                assert goes_on(lab), f"{name}: the connection is silent"
        lab.command("touch /run/enough")
        assert conversation() > len(EDITS)


def test_no_attempt_fails_during_a_hundred_applies(lab: Lab) -> None:
    """Over both IP versions; publications beside it come and go, for some and for all, at links and at addresses."""

    def apply_many() -> None:
        names = ("at a link, another port", "on the loopback", "for others", "removed from a link", "dnat")
        for number, _ in enumerate(until("enough")):
            if number >= 50 and asked() > 100:
                return
            apply(edited(SPEC, *EDITS[names[number % len(names)]]))
            apply(SPEC)

    with talking(lab, partial(attempts, ("192.0.2.1", "2001:db8::1"))) as conversation:
        lab.run(apply_many)
        lab.command("touch /run/enough")
        *failures, times = conversation()

    assert failures == []
    assert int(times) > 100


def rules(count: int) -> str:
    """The rules of a stack with so many endpoints, each with publications; without the elements of sets."""
    endpoints = "\n".join(
        f'  e{number}: {{bridge: br{number // 500}, publish: ["{10000 + number}:80", "{20000 + number}:53/udp", '
        f"{{port: {30000 + number}, to: 80, listen: uplink, from: [10.0.0.0/8]}}]}}"
        for number in range(count)
    )
    bridges = "  br0: {subnets: [172.17.0.0/16]}\n  br1: {subnets: [172.18.0.0/16], port_isolation: true}"
    spec = f"netspec: 1\nbridges:\n{bridges}\nendpoints:\n{endpoints}\nnat: {{masquerade: [br0]}}\n"
    with Lab() as lab:
        apply_in(lab, spec)
        elements = int(lab.command("nft list map inet netspec-default publish4 | grep -o 'tcp . 1[0-9]*' | wc -l"))
        assert elements == count
        return lab.command("nft --stateless --terse list table inet netspec-default") + lab.command(
            "nft --stateless --terse list table bridge netspec-default"
        )


def test_rules_do_not_grow_with_endpoints() -> None:
    """Ten and a thousand make the same rules, to the letter; only the elements of sets and maps differ."""
    few, many = rules(10), rules(1000)
    assert few.count("\n") > 100
    assert few == many
