"""The same intent given to Docker and to netspec, flow by flow: the same answers, or a difference that is argued.

`recorded/docker-20.10.txt` has what the containers of a real engine answered. netspec is compared with it everywhere;
the record is compared with a real engine where one is installed, and written anew with UPDATE_EXPECTED=1. The page
`docs/compared-with-docker.md` has a row for each group of differences.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live.driving import lines_of
from tests.packets import docker
from tests.packets.lab import Lab, Probe
from tests.packets.surroundings import apply_in, cases, check, host_with_neighbours

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.packets,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace"),
]

RECORD = Path(__file__).parent / "recorded/docker-20.10.txt"
PAGE = Path(__file__).parents[2] / "docs/compared-with-docker.md"
UPDATE = bool(os.environ.get("UPDATE_EXPECTED"))

NETWORKS = (
    "--subnet 172.18.0.0/16 --ipv6 --subnet fd00:18::/64 apps",
    "--subnet 172.20.0.0/16 --internal inner",
    "--subnet 172.21.0.0/16 --opt com.docker.network.bridge.enable_icc=false apart",
)
CONTAINERS = {
    "web": "-p 6379:6379 -p 8080:80 -p 5353:53/udp -p 127.0.0.1:7000:80 -p 192.0.2.77:81:80 -p 9000-9002:8000-8002",
    "peer": "",
    "app": "--network apps --ip 172.18.0.2 --ip6 fd00:18::2 -p 8081:80 -p 5354:53/udp",
    "apppeer": "--network apps --ip 172.18.0.3 --ip6 fd00:18::3",
    "db": "--network inner --ip 172.20.0.2 -p 8082:80",
    "dbpeer": "--network inner --ip 172.20.0.3",
    "left": "--network apart --ip 172.21.0.2 -p 8083:80",
    "right": "--network apart --ip 172.21.0.3",
    "alone": "--network none",
}
SPEC = """
netspec: 1
bridges:
  docker0: {subnets: [172.17.0.0/16]}
  apps: {subnets: [172.18.0.0/16, "fd00:18::/64"]}
  inner: {subnets: [172.20.0.0/16], internal: true}
  apart: {subnets: [172.21.0.0/16], port_isolation: true}
endpoints:
  web:
    bridge: docker0
    address: 172.17.0.2
    publish: ["6379:6379", "8080:80", "5353:53/udp", "127.0.0.1:7000:80", "192.0.2.77:81:80", "9000-9002:8000-8002"]
  peer: {bridge: docker0, address: 172.17.0.3}
  app: {bridge: apps, addresses: [172.18.0.2, "fd00:18::2"], publish: ["8081:80", "5354:53/udp"]}
  apppeer: {bridge: apps, addresses: [172.18.0.3, "fd00:18::3"]}
  db: {bridge: inner, address: 172.20.0.2, publish: ["8082:80"]}
  dbpeer: {bridge: inner, address: 172.20.0.3}
  left: {bridge: apart, address: 172.21.0.2, publish: ["8083:80"]}
  right: {bridge: apart, address: 172.21.0.3}
  alone: {interfaces: {}}
nat:
  masquerade: [docker0, apps, apart]
"""

FLOWS = """
# published ports, from outside
remote -> 192.0.2.1:6379
remote -> 192.0.2.1:8080
remote -> 192.0.2.1:5353/udp
remote -> 192.0.2.1:9001
remote -> 192.0.2.1:9000
remote -> 192.0.2.1:81
remote -> 192.0.2.77:81
remote -> 192.0.2.1:7000
remote -> 172.17.0.1:8080
remote -> 192.0.2.1:8081
remote -> 192.0.2.1:5354/udp
remote -> 192.0.2.1:8083
remote -> [2001:db8::1]:8081
remote -> [2001:db8::1]:5354/udp
# from the host
host -> 127.0.0.1:8080
host -> 127.0.0.1:5353/udp
host -> 127.0.0.1:7000
host -> 192.0.2.1:8080
host -> 192.0.2.1:5353/udp
host -> 192.0.2.77:81
host -> 192.0.2.1:7000
host -> 127.0.0.1:8081
host -> [2001:db8::1]:8081
host -> 172.17.0.2:80
host -> 172.17.0.2/ping
host -> 172.20.0.2:80
host -> 172.21.0.2:80
# from the container itself, its siblings, and other networks
web -> 192.0.2.1:8080
web -> 192.0.2.1:5353/udp
peer -> 172.17.0.1:8080
peer -> 192.0.2.1:8080
app -> 192.0.2.1:8081
right -> 172.21.0.1:8083
peer -> 172.17.0.2:80
peer -> 172.17.0.2:84
peer -> 172.17.0.2/ping
apppeer -> 172.18.0.2:80
apppeer -> [fd00:18::2]:80
dbpeer -> 172.20.0.2:80
dbpeer -> 172.20.0.2/ping
right -> 172.21.0.2:80
right -> 172.21.0.2/ping
app -> 192.0.2.1:8080
app -> 172.17.0.1:8080
web -> 192.0.2.1:8081
apppeer -> [fd00:18::1]:8081
# between networks, by the containers' own addresses
app -> 172.17.0.2:80
app -> 172.17.0.2/ping
web -> 172.18.0.2:80
web -> 172.20.0.2:80
db -> 172.17.0.2:80
# outward
web -> 192.0.2.9:7777
web -> 192.0.2.9:7777/udp
web -> 192.0.2.9/ping
app -> 192.0.2.9:7777
app -> [2001:db8::9]:7777
right -> 192.0.2.9:7777
db -> 192.0.2.9:7777
alone -> 192.0.2.9:7777
# services of the host
web -> 172.17.0.1:6000
web -> 192.0.2.1:6000
right -> 172.21.0.1:6000
web -> 172.17.0.1/ping
db -> 172.20.0.1/ping
db -> 172.20.0.1:6000
# from outside by a route made by hand
remote -> 172.17.0.2:80
remote -> 172.17.0.2:84
remote -> 172.17.0.2/ping
remote -> 172.18.0.2:80
remote -> [fd00:18::2]:80
remote -> [fd00:18::2]:84
remote -> [fd00:18::2]/ping
remote -> 172.20.0.2:80
intruder from 198.51.100.9 -> 127.0.0.1:7000
intruder from 198.51.100.9 -> 127.0.0.1:8080
# an internal network's publications
remote -> 192.0.2.1:8082
host -> 127.0.0.1:8082
web -> 192.0.2.1:8082
# IPv6 in front of a container with IPv4 alone, and the loopback of IPv6
remote -> [2001:db8::1]:8080
host -> [::1]:8080
host -> [::1]:8081
"""
"""Who asks whom; what the two make of it is in the record, and in `DIFFERENT`."""

DIFFERENT = """
# a published UDP port, asked by its own endpoint
web -> 192.0.2.1:5353/udp  web sees 172.17.0.1
# a published port, asked from another bridge
app -> 192.0.2.1:8080  web sees 172.18.0.2
app -> 172.17.0.1:8080  web sees 172.18.0.2
web -> 192.0.2.1:8081  app sees 172.17.0.2
# a published port, asked from outside at the endpoint's own address
remote -> 172.17.0.2:80  blocked
remote -> 172.18.0.2:80  blocked
remote -> [fd00:18::2]:80  blocked
# a port of 127.0.0.1, asked from outside by a route to it
intruder from 198.51.100.9 -> 127.0.0.1:7000  blocked
intruder from 198.51.100.9 -> 127.0.0.1:8080  blocked
# services of the host, asked from an internal bridge
db -> 172.20.0.1:6000  blocked
# a publication of an internal bridge, asked by the host
host -> 127.0.0.1:8082  db sees 172.20.0.1
# a publication of an internal bridge, asked by anybody else
remote -> 192.0.2.1:8082  blocked
web -> 192.0.2.1:8082  blocked
# an IPv6 client of an endpoint with IPv4 alone
remote -> [2001:db8::1]:8080  refused
# a published port on `[::1]`
host -> [::1]:8080  refused
host -> [::1]:8081  refused
"""
"""What netspec answers where it is not what Docker does; the headings are rows of the page."""

SERVED = {
    "web": (80, 84, 6379, 53, 8001),
    "app": (80, 84, 53),
    "db": (80,),
    "left": (80,),
    "": (6000,),
}


def serve(lab: Lab) -> None:
    """What the containers run; each answers with whom it sees."""
    for name, ports in SERVED.items():
        for port in ports:
            lab.serve(name, port)
    lab.wait_for(Probe("", "fd00:18::2", 80))


def recorded() -> dict[str, str]:
    """What Docker's containers answered, by flow."""
    rows = (line.partition("  ") for line in lines_of(RECORD.read_text(encoding="utf-8")))
    return {flow: answer.strip() for flow, _, answer in rows}


def different() -> dict[str, tuple[str, str]]:
    """The heading and netspec's answer of each flow that is listed as different."""
    found, heading = {}, ""
    for line in DIFFERENT.strip().splitlines():
        if line.startswith("#"):
            heading = line.removeprefix("# ")
        else:
            flow, _, answer = line.partition("  ")
            found[flow] = (heading, answer.strip())
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The side of netspec."""
    with host_with_neighbours() as lab:
        apply_in(lab, SPEC)
        serve(lab)
        yield lab


def test_every_flow_is_as_with_docker_or_listed_as_different(lab: Lab) -> None:
    """Nothing that Docker's users rely on, or are harmed by, is different without a word."""
    told = different()
    check(lab, "\n".join(f"{flow}  {told.get(flow, ('', answer))[1]}" for flow, answer in recorded().items()))


def test_the_record_is_of_these_flows_and_so_are_the_differences() -> None:
    """Each flow has an answer, and what is listed as different is."""
    flows = list(lines_of(FLOWS))
    known = recorded()
    assert list(known) == flows
    assert [flow for flow, (_, answer) in different().items() if answer == known[flow]] == []


def test_every_difference_is_argued_in_the_documentation() -> None:
    """Each heading is a row of the page's table, and the page has no other."""
    section = PAGE.read_text(encoding="utf-8").partition("## Flow by flow")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]

    assert sorted(rows[1:]) == sorted({heading for heading, _ in different().values()})


@pytest.mark.skipif(bool(docker.why_not()), reason=docker.why_not() or "there is one")
def test_a_real_engine_answers_as_recorded() -> None:
    """The engine of this machine, in namespaces of the lab."""
    with host_with_neighbours() as lab, docker.engine(lab):
        for network in NETWORKS:
            docker.docker(lab, f"network create {network}")
        for name, options in CONTAINERS.items():
            docker.start(lab, name, options)
        serve(lab)
        if UPDATE:
            flows = list(lines_of(FLOWS))
            probes = [replace(case.probe, timeout=3.0) for case in cases(FLOWS)]
            rows = zip(flows, lab.connect_all(probes), strict=True)
            RECORD.write_text("".join(f"{flow}  {answer}\n" for flow, answer in rows), encoding="utf-8")
        check(lab, "\n".join(f"{flow}  {answer}" for flow, answer in recorded().items()))
