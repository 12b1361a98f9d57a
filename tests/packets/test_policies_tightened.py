"""What is on its way when policies change: cut where it is no longer let in, and nowhere else; hits go on."""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.live.driving import edited
from tests.packets.lab import Lab, Probe, established
from tests.packets.surroundings import PATIENCE, SILENCE, apply_in, check, filter_bridged, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

SPEC = """
netspec: 1
bridges:
  web0: {subnets: [172.17.0.0/24, "fd00:17::/64"]}
  data0: {subnets: [172.18.0.0/24, "fd00:18::/64"], access: open}
endpoints:
  web: {bridge: web0, addresses: [172.17.0.2, "fd00:17::2"], publish: ["8000:80"]}
  sib: {bridge: web0, addresses: [172.17.0.3, "fd00:17::3"]}
  db: {bridge: data0, addresses: [172.18.0.2, "fd00:18::2"]}
policies:
  - deny: {from: db, to: web}
  - allow: {from: [192.0.2.9, "2001:db8::9"], to: web, ports: 80/tcp}
"""
FIRST = "policies:\n"

TALKS = {
    "published": ("remote", "192.0.2.1", 8000),
    "direct": ("remote", "172.17.0.2", 80),
    "sibling": ("sib", "172.17.0.2", 80),
    "outward": ("web", "172.18.0.2", 80),
    "published6": ("remote", "2001:db8::1", 8000),
    "direct6": ("remote", "fd00:17::2", 80),
    "sibling6": ("sib", "fd00:17::2", 80),
    "outward6": ("web", "fd00:18::2", 80),
}
"""Connections by what they are: from where, to where."""

EDITS: dict[str, tuple[list[tuple[str, str]], str]] = {
    "deny what was allowed and published": (
        [(FIRST, f'{FIRST}  - deny: {{from: [192.0.2.0/24, "2001:db8::/64"], to: web, ports: 80/tcp}}\n')],
        "direct direct6 published published6",
    ),
    "reject it, over IPv4 alone": (
        [(FIRST, f"{FIRST}  - reject: {{from: 192.0.2.9, to: web}}\n")],
        "direct published",
    ),
    "deny a sibling": ([(FIRST, f"{FIRST}  - deny: {{from: sib, to: web}}\n")], "sibling sibling6"),
    "no longer allow": (
        [('  - allow: {from: [192.0.2.9, "2001:db8::9"], to: web, ports: 80/tcp}\n', "")],
        "direct direct6",
    ),
    "deny the way out": ([(FIRST, f"{FIRST}  - deny: {{from: web, to: data0}}\n")], "outward outward6"),
    "close a bridge": ([(", access: open", "")], "outward outward6"),
    "make it internal": (
        [('"fd00:18::/64"], access: open', '"fd00:18::/64"], internal: true')],
        "outward outward6",
    ),
    "deny another port": ([(FIRST, f"{FIRST}  - deny: {{from: any, to: web, ports: 81-90/tcp}}\n")], ""),
    "deny the answering direction": ([(FIRST, f"{FIRST}  - deny: {{from: web, to: 192.0.2.9}}\n")], ""),
    "allow more": ([(FIRST, f"{FIRST}  - allow: {{from: any, to: db}}\n")], ""),
    "no policies at all, but open": (
        [(SPEC[SPEC.index(FIRST) :], ""), ('"fd00:17::/64"]}', '"fd00:17::/64"], access: open}')],
        "",
    ),
}
"""What is edited, and the connections that it cuts."""


@contextlib.contextmanager
def talkative_host() -> Iterator[Lab]:
    """The spec on a host with neighbours, and servers that answer, and say something when it is over."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        for name in ("web", "db"):
            lab.begin(serve, name)
        for source, address, port in TALKS.values():
            lab.wait_for(Probe(source, address, port))
        yield lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The host of all edits."""
    with talkative_host() as lab:
        yield lab


@pytest.fixture
def quiet_lab() -> Iterator[Lab]:
    """A host of the test's own: nobody sends again what was cut before, and no entry of before comes to its end."""
    with talkative_host() as lab:
        yield lab


def serve() -> None:
    """Greet each client at port 80, and go on with it."""
    with socket.create_server(("::", 80), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True) as server:
        while True:
            threading.Thread(target=_converse, args=(server.accept()[0],), daemon=True).start()


def _converse(client: socket.socket) -> None:
    with client, contextlib.suppress(OSError):
        client.sendall(b"who sees whom")
        while not Path("/run/enough").exists():
            time.sleep(0.01)
        client.sendall(b"!")
        client.sendall(client.recv(1))


def talk(name: str, address: str, port: int, patience: float) -> tuple[bool, bool]:
    """A connection across a change: whether the server is heard afterwards, and whether it answers."""
    with socket.create_connection((address, port), timeout=PATIENCE) as connection:
        connection.recv(64)
        Path("/run", f"{name}.talking").touch()
        while not Path("/run/enough").exists():
            time.sleep(0.01)
        connection.settimeout(patience)
        found = []
        for said in (b"", b"?"):
            try:
                connection.sendall(said)
                found.append(bool(connection.recv(1)))
            except OSError:
                found.append(False)
        return found[0], found[1]


def conversations(lab: Lab, cut: str) -> dict[str, Callable[[], tuple[bool, bool]]]:
    """All connections, begun; asking for what became of one waits for `/run/enough`."""
    lab.command("rm -f /run/enough /run/*.talking")
    begun = {
        name: lab.begin(partial(talk, name, address, port, SILENCE if name in cut.split() else PATIENCE), source)
        for name, (source, address, port) in TALKS.items()
    }
    lab.command(
        f"for i in $(seq 3000); do [ $(ls /run | grep -c talking) = {len(TALKS)} ] && exit 0; sleep 0.02; done; exit 1"
    )
    return begun


def flows(lab: Lab) -> dict[str, int]:
    """How many connections conntrack knows, by where they lead."""
    places = ("172.17.0.2", "172.18.0.2", "fd00:17::2", "fd00:18::2")
    return {each: lab.run(partial(established, ip_address(each))) for each in places}


@pytest.mark.parametrize("switch", [0, 1], ids=["bridge-nf-call=0", "bridge-nf-call=1"])
@pytest.mark.parametrize("name", EDITS)
def test_what_is_no_longer_let_in_is_cut_and_nothing_else(lab: Lab, name: str, switch: int) -> None:
    """In both directions: neither is the server heard, nor does it hear."""
    edits, cut = EDITS[name]
    filter_bridged(lab, switch)
    lab.command("rm -f /run/enough")
    apply_in(lab, SPEC)
    begun = conversations(lab, cut)
    try:
        apply_in(lab, edited(SPEC, *edits))
    finally:
        lab.command("touch /run/enough")
    found = {each: answer() for each, answer in begun.items()}

    assert found == {each: (False, False) if each in cut.split() else (True, True) for each in TALKS}


def test_the_entries_of_what_is_cut_are_gone_and_no_others(quiet_lab: Lab) -> None:
    """Conntrack forgets two connections to web, and keeps that to db."""
    lab = quiet_lab
    begun = conversations(lab, "published direct")
    before = flows(lab)
    try:
        apply_in(lab, edited(SPEC, (FIRST, f"{FIRST}  - deny: {{from: 192.0.2.9, to: web}}\n")))
        after = flows(lab)
    finally:
        lab.command("touch /run/enough")
        for answer in begun.values():
            answer()

    assert before["172.17.0.2"] - after["172.17.0.2"] >= len(("published", "direct"))
    assert {**after, "172.17.0.2": 0} == {**before, "172.17.0.2": 0}


def test_hits_are_kept_while_other_policies_come_and_go(quiet_lab: Lab) -> None:
    """And `netspec show` tells them."""
    lab = quiet_lab
    check(lab, "db -> 172.17.0.2:80  blocked")
    before = hits(lab, "deny db -> web")
    assert before > 0
    apply_in(lab, edited(SPEC, (FIRST, f"{FIRST}  - deny: {{from: sib, to: db}}\n")))
    assert hits(lab, "deny db -> web") == before
    assert hits(lab, "deny sib -> db") == 0
    check(lab, "db -> 172.17.0.2:80  blocked")
    more = hits(lab, "deny db -> web")
    assert more > before
    apply_in(lab, SPEC)
    assert hits(lab, "deny db -> web") == more


def hits(lab: Lab, policy: str) -> int:
    """New connections that a policy has decided, as `netspec show` has it."""
    shown = lab.command(f"{sys.executable} -m netspec show")
    line = next(each for each in shown.splitlines() if policy in each)
    return int(line.partition("(")[2].partition(" ")[0].replace(",", ""))
