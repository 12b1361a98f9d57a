"""Edits of a spec converge in place: what has not changed is not made again, and its connections go on."""

import os
import re
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.live.driving import apply, edited, plan
from tests.packets.lab import Lab, Probe, ask_until_answered
from tests.packets.surroundings import apply_in, check, host_with_neighbours
from tests.packets.talking import (
    LONGEST_SILENCE,
    PORT,
    asked,
    attempts,
    converse,
    goes_on,
    serve_echo,
    talking,
    until,
    wait_for_the_change,
)

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

SPEC = """
netspec: 1
bridges:
  docker0: {subnets: [172.17.0.0/16]}
endpoints:
  redis: {bridge: docker0, address: 172.17.0.2, publish: ["6379:6379", "5000:5000"]}
  web: {bridge: docker0, address: 172.17.0.3, publish: ["80:80"]}
  client: {bridge: docker0, address: 172.17.0.4}
  spare: {bridge: docker0, address: 172.17.0.5, publish: ["82:82"]}
nat:
  masquerade: [docker0]
"""

REDIS = 'redis: {bridge: docker0, address: 172.17.0.2, publish: ["6379:6379", "5000:5000"]}'
WEB = 'web: {bridge: docker0, address: 172.17.0.3, publish: ["80:80"]}'
SPARE = 'spare: {bridge: docker0, address: 172.17.0.5, publish: ["82:82"]}'
CLIENT = "client: {bridge: docker0, address: 172.17.0.4}"
BRIDGE = "docker0: {subnets: [172.17.0.0/16]}"

INSIDE = (
    "txqueuelen: 500, altnames: [front], allmulti: true, dns: {servers: [172.17.0.1]}, hosts: {web: 172.17.0.3}, "
    "routes: [{to: 10.66.0.0/16, type: blackhole}, {to: default, via: 172.17.0.1, table: 100}], "
    "rules: [{from: 172.17.0.2, table: 100}], neighbors: [{address: 172.17.0.3, mac: 02:00:00:00:00:33}], "
    "sysctls: {net.ipv4.ip_local_port_range: 20000 40000}"
)

EDITS: dict[str, list[tuple[str, str]]] = {
    "MTU of the bridge and all on it, down": [(BRIDGE, "docker0: {mtu: 1400, subnets: [172.17.0.0/16]}")],
    "MTU of the bridge and all on it, up": [(BRIDGE, "docker0: {mtu: 9000, subnets: [172.17.0.0/16]}")],
    "MTU of the endpoint": [(REDIS, REDIS.replace("{", "{mtu: 1300, "))],
    "MAC of the bridge": [(BRIDGE, "docker0: {mac: 02:00:00:00:00:17, subnets: [172.17.0.0/16]}")],
    "MAC of another endpoint": [(CLIENT, "client: {bridge: docker0, address: 172.17.0.4, mac: 02:00:00:00:00:18}")],
    "publication added to the endpoint": [('"5000:5000"', '"5000:5000", "6380:6380", "7000-7100:7000-7100/udp"')],
    "publication removed from the endpoint": [(', "5000:5000"', "")],
    "publication retargeted to another port": [('"5000:5000"', '"5000:5001"')],
    "publication moved to another endpoint": [(', "5000:5000"', ""), ('"80:80"', '"80:80", "5000:5000"')],
    "publication bound to one address": [('"5000:5000"', '"192.0.2.77:5000:5000"')],
    "the inside of the endpoint": [(REDIS, f"{REDIS[:-1]}, {INSIDE}}}")],
    "default route of the endpoint": [(REDIS, REDIS.replace("{", "{default_route: 50, ", 1))],
    "masquerade off": [("masquerade: [docker0]", "masquerade: []")],
    "masquerade of another network": [("masquerade: [docker0]", "masquerade: [10.0.0.0/8]")],
    "address of another endpoint": [(WEB, WEB.replace("172.17.0.3", "172.17.0.33"))],
    "second subnet, with addresses and gateway": [("[172.17.0.0/16]", "[172.17.0.0/16, 172.20.0.0/24]")],
    "gateway": [("[172.17.0.0/16]", "[{cidr: 172.17.0.0/16, gateway: 172.17.0.254}]")],
    "hairpin of another port": [(CLIENT, CLIENT.replace("}", ', publish: ["81:81"]}'))],
    "another endpoint removed": [(f"  {SPARE}\n", "")],
    "another endpoint added": [(f"  {SPARE}\n", f"  {SPARE}\n  more: {{bridge: docker0}}\n")],
    "a bridge added": [(f"  {BRIDGE}\n", f"  {BRIDGE}\n  apps0: {{subnets: [172.18.0.0/16]}}\n")],
    "everything at once": [
        (BRIDGE, "docker0: {mtu: 1400, subnets: [172.17.0.0/16, 172.20.0.0/24]}"),
        (', "5000:5000"', ', "6380:6380"'),
        (f"  {SPARE}\n", "  spare: {bridge: docker0, address: 172.17.0.55, publish: ['83:82']}\n"),
        ("masquerade: [docker0]", "masquerade: [172.20.0.0/24]"),
    ],
}
"""What is edited; redis, published at 6379, is what must not notice."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The spec on a host with neighbours; redis echoes at 6379 what it is sent."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name, port in (("redis", 5000), ("redis", 5001), ("web", 5000), ("web", 80)):
            lab.serve(name, port)
        serve_echo(lab, "redis", "172.17.0.2")
        yield lab


def identities(lab: Lab) -> set[str]:
    """What only a new object would change: the index of each link, the inode of each namespace."""
    names = ("redis", "web", "client")
    inodes = lab.command("stat -c '%n %i' " + " ".join(f"/run/netns/{name}" for name in names))
    # `2: eth0@if5` tells the index of the host end as well.
    links = lab.command("ip -o link show docker0") + "".join(lab.command(f"ip -n {name} -o link") for name in names)
    return {*inodes.splitlines(), *(line.split(": <")[0] for line in links.splitlines())}


def test_a_connection_survives_every_edit_of_everything_else(lab: Lab) -> None:
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


def test_no_attempt_to_connect_fails_while_other_publications_change(lab: Lab) -> None:
    """During many applies that add, remove, retarget and rebind publications of the same endpoint and others."""

    def apply_many() -> None:
        for number, _ in enumerate(until("enough")):
            if number >= 6 and asked() > 100:
                return
            other = f'"5000:5001", "{10000 + number % 1000}:80"'
            apply(edited(SPEC, ('"5000:5000"', other)))
            apply(edited(SPEC, (', "5000:5000"', ""), ('"80:80"', '"80:80", "5000:5000", "9000-9100:9000-9100"')))
            apply(edited(SPEC, ('"80:80"', f'"127.0.0.1:80:80", "192.0.2.1:{7000 + number % 1000}:80/udp"')))
            apply(SPEC)

    with talking(lab, attempts) as conversation:
        lab.run(apply_many)
        lab.command("touch /run/enough")
        *failures, times = conversation()

    assert failures == []
    assert int(times) > 100


def ask_on_one_flow(client_address: str, address: str) -> list[str]:
    """Ask by UDP from one and the same port before and after the change."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind((client_address, 40000))
        client.connect((address, 5000))
        client.settimeout(LONGEST_SILENCE)
        client.send(b"?")
        found = [client.recv(64).decode()]
        Path("/run/talking").touch()
        wait_for_the_change()
        try:
            found.append(ask_until_answered(client, LONGEST_SILENCE))
        except OSError as error:
            found.append(type(error).__name__)
        return found


UDP = edited(SPEC, ('"5000:5000"', '"5000:5000/udp"'))


@pytest.mark.parametrize(
    ("after", "answers"),
    [
        (edited(UDP, ('"5000:5000/udp"', '"5000:5001/udp"')), ["redis sees 192.0.2.9", "redis sees 192.0.2.9"]),
        (
            edited(UDP, (', "5000:5000/udp"', ""), ('"80:80"', '"80:80", "5000:5000/udp"')),
            ["redis sees 192.0.2.9", "web sees 192.0.2.9"],
        ),
        (edited(UDP, (', "5000:5000/udp"', "")), ["redis sees 192.0.2.9", "ConnectionRefusedError"]),
    ],
    ids=["to another port", "to another endpoint", "to nobody"],
)
def test_a_flow_of_udp_follows_its_publication(lab: Lab, after: str, answers: list[str]) -> None:
    """The kernel would go on translating it as it began, for as long as the client keeps asking."""
    apply_in(lab, UDP)
    with talking(lab, partial(ask_on_one_flow, "192.0.2.9", "192.0.2.1")) as conversation:
        apply_in(lab, after)
        lab.command("touch /run/enough")
        assert conversation() == answers
    apply_in(lab, SPEC)
    # The same over IPv6 alone.
    apply_in(lab, in_ipv6(UDP))
    for name, number in (("redis", 2), ("web", 3)):
        lab.wait_for(Probe("", f"fd00:17::{number}", 5000))
        lab.wait_for(Probe("remote", "2001:db8::1", 5000, "udp") if name == "redis" else Probe("", "fd00:17::3", 80))
    with talking(lab, partial(ask_on_one_flow, "2001:db8::9", "2001:db8::1")) as conversation:
        apply_in(lab, in_ipv6(after))
        lab.command("touch /run/enough")
        assert conversation() == [answer.replace("192.0.2.9", "2001:db8::9") for answer in answers]
    apply_in(lab, SPEC)


def in_ipv6(spec: str) -> str:
    """The same with addresses of IPv6 alone."""
    return re.sub(r"172\.17\.0\.([0-9])\b", r'"fd00:17::\1"', spec.replace("172.17.0.0/16", '"fd00:17::/64"'))


def test_the_connections_of_a_removed_publication_are_cut(lab: Lab) -> None:
    """An answer to what was published does not come any more; what is published elsewhere goes on."""
    moved = edited(SPEC, ('"6379:6379", ', ""))

    def ask_twice() -> list[str]:
        with socket.create_connection(("192.0.2.1", PORT), timeout=LONGEST_SILENCE) as connection:
            connection.sendall(b"?")
            found = [connection.recv(8).decode()]
            Path("/run/talking").touch()
            wait_for_the_change()
            connection.settimeout(1)
            try:
                connection.sendall(b"?")
                found.append(connection.recv(8).decode())
            except OSError as error:
                found.append(type(error).__name__)
            return found

    with talking(lab, ask_twice) as conversation:
        apply_in(lab, moved)
        lab.command("touch /run/enough")
        first, second = conversation()
    assert first == "?"
    assert second in ("ConnectionResetError", "TimeoutError", "")
    check(lab, "remote -> 192.0.2.1:5000  redis sees 192.0.2.9")
    apply_in(lab, SPEC)


def test_hairpin_follows_what_is_published(lab: Lab) -> None:
    """An endpoint that publishes nothing yet reaches itself through its first publication at once."""
    lab.serve("client", 81)
    lab.wait_for(Probe("", "172.17.0.4", 81))
    apply_in(lab, edited(SPEC, *EDITS["hairpin of another port"]))
    check(lab, "client -> 192.0.2.1:81  client sees 172.17.0.1")
    apply_in(lab, SPEC)
    check(lab, "client -> 192.0.2.1:81  refused")
