"""Who asks whom when a check is asked: namespaces, addresses, who stands in, and over which IP versions."""

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from netspec.errors import SpecError
from netspec.kinds._checks import Question
from netspec.kinds._intent import Present
from netspec.spec.desired import desired
from netspec.spec.probing import Resolver, as_held
from netspec.spec.surroundings import surroundings
from tests.specs import loaded

NETWORK = """
netspec: 1
bridges:
  both: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  four: {subnets: [10.2.0.0/24]}
  shut: {subnets: [10.3.0.0/24], access: routed}
endpoints:
  web:
    interfaces:
      eth0: {bridge: both, addresses: [10.1.0.2, "fd00:1::2"]}
      eth1: {bridge: four, address: 10.2.0.2}
    publish: ["8080:80", "127.0.0.1:9000:90", "8443:443/udp", "7000-7009:7000-7009"]
  db: {bridge: four, address: 10.2.0.3, netns: other}
  far: {bridge: shut, address: 10.3.0.2, publish: ["8081:81"]}
nat:
  dnat: [{port: 25, to: "198.51.100.9:2525"}]
checks: [%s]
"""


def asked(check: str, *, tried: bool = False) -> list[str]:
    """The questions of a check, a line each; `tried` where the world outside is stood in for."""
    found = loaded(NETWORK % f"{{{check}}}")
    attachments = desired(found.document, Present()).attachments
    outside = surroundings(found.document, attachments).outside if tried else None
    (resolved,) = Resolver(found.document, attachments, outside).checks()
    return [_line(each) for each in resolved.questions] or [resolved.skipped]


def _line(question: Question) -> str:
    probe, service = question.probe, question.probe.service
    source = f" as {probe.source}" if probe.source else ""
    stands = f"; {service.netns or 'host'} {service.address} {service.port}" if service else ""
    return f"{probe.netns or 'host'}{source} -> {probe.address} {probe.port}/{probe.protocol} {question.target}{stands}"


@pytest.mark.parametrize(
    ("check", "questions"),
    [
        ("from: web, to: db:5432", ["web -> 10.2.0.3 5432/tcp endpoint/db; other 10.2.0.3 5432"]),
        ("from: db, to: ping web", ["other -> 10.2.0.2 0/ping endpoint/web"]),
        ("from: far, to: web:1", ["far -> 10.1.0.2 1/tcp endpoint/web; web 10.1.0.2 1"]),
        (
            "from: host, to: web:1/udp",
            [
                "host -> 10.1.0.2 1/udp endpoint/web; web 10.1.0.2 1",
                "host -> fd00:1::2 1/udp endpoint/web; web fd00:1::2 1",
            ],
        ),
        ("from: host, to: web:1, family: 6", ["host -> fd00:1::2 1/tcp endpoint/web; web fd00:1::2 1"]),
        (
            "from: host, to: host:8080",
            [
                "host -> 127.0.0.1 8080/tcp endpoint/web; web 10.1.0.2 80",
                "host -> fd00:1::1 8080/tcp endpoint/web; web fd00:1::2 80",
            ],
        ),
        ("from: host, to: host:9000", ["host -> 127.0.0.1 9000/tcp endpoint/web; web 10.1.0.2 90"]),
        ("from: db, to: host:8443/udp", ["other -> 10.2.0.1 8443/udp endpoint/web; web 10.1.0.2 443"]),
        ("from: db, to: host:7004", ["other -> 10.2.0.1 7004/tcp endpoint/web; web 10.1.0.2 7004"]),
        ("from: db, to: host:8443", ["other -> 10.2.0.1 8443/tcp the host; host 10.2.0.1 8443"]),
        ("from: db, to: host:8081", ["other -> 10.2.0.1 8081/tcp the host; host 10.2.0.1 8081"]),
        ("from: db, to: ping host", ["other -> 10.2.0.1 0/ping the host"]),
        ('from: db, to: "10.3.0.2:81"', ["other -> 10.3.0.2 81/tcp endpoint/far; far 10.3.0.2 81"]),
        ('from: db, to: "192.0.2.1:81"', ["other -> 192.0.2.1 81/tcp 192.0.2.1"]),
        ("from: outside, to: web:80", ["nobody outside can be asked from this host; `netspec test` asks a stand-in"]),
    ],
)
def test_on_a_live_host(check: str, questions: list[str]) -> None:
    """Near addresses first; publications lead to their endpoints; nobody outside is asked."""
    assert asked(check) == questions


@pytest.mark.parametrize(
    ("check", "questions"),
    [
        (
            "from: outside, to: host:8080",
            [
                "netspec-outside as 198.18.0.2 -> 198.18.0.1 8080/tcp endpoint/web; web 10.1.0.2 80",
                "netspec-outside as 2001:2::2 -> 2001:2::1 8080/tcp endpoint/web; web fd00:1::2 80",
            ],
        ),
        (
            "from: outside, to: host:1",
            [
                "netspec-outside as 198.18.0.2 -> 198.18.0.1 1/tcp the host",
                "netspec-outside as 2001:2::2 -> 2001:2::1 1/tcp the host",
            ],
        ),
        (
            "from: 192.0.2.7, to: db:1",
            ["netspec-outside as 192.0.2.7 -> 10.2.0.3 1/tcp endpoint/db; other 10.2.0.3 1"],
        ),
        (
            "from: outside, to: host:25",
            ["netspec-outside as 198.18.0.2 -> 198.18.0.1 25/tcp 198.51.100.9; netspec-outside 198.51.100.9 2525"],
        ),
        ('from: db, to: "192.0.2.1:1"', ["other -> 192.0.2.1 1/tcp 192.0.2.1; netspec-outside 192.0.2.1 1"]),
    ],
)
def test_on_a_throw_away_host(check: str, questions: list[str]) -> None:
    """A stand-in asks from outside, and answers there."""
    assert asked(check, tried=True) == questions


def test_the_wires_meet_nothing_of_the_spec() -> None:
    """Whatever subnets the spec has."""
    found = loaded(NETWORK.replace("10.2.0.", "198.18.0.") % "{from: outside, to: ping web}")
    attachments = desired(found.document, Present()).attachments

    assert str(surroundings(found.document, attachments).outside.remote[4]) == "198.18.1.2"


def test_the_uplink_has_a_name_of_its_own() -> None:
    """Whatever links the spec names."""
    text = "netspec: 1\nbridges: {uplink0: {subnets: [10.1.0.0/24]}}\n"
    found = loaded(
        text + "endpoints: {web: {bridge: uplink0, host_name: uplink1}}\nchecks: [{from: outside, to: ping web}]"
    )
    around = surroundings(found.document, desired(found.document, Present()).attachments)

    assert [each for each in around.outside.uplinks if each] == ["uplink2"]


def test_what_runs_is_asked_where_it_is() -> None:
    """With the addresses that interfaces have, not those that they shall have."""
    found = loaded(NETWORK % "{from: web, to: db:1}")
    present = replace(Present(), held={("other", "eth0"): (ip_interface("10.2.0.99/24"),)})
    attachments = as_held(desired(found.document, Present()).attachments, present.held)
    (check,) = Resolver(found.document, attachments).checks()

    assert [str(each.probe.address) for each in check.questions] == ["10.2.0.99"]


def test_a_spec_has_at_most_a_thousand_checks() -> None:
    """Each is a connection, or two."""
    many = ", ".join(f"{{from: web, to: db:{number + 1}}}" for number in range(1001))
    with pytest.raises(SpecError) as caught:
        loaded(NETWORK % many)

    assert [each.code for each in caught.value.diagnostics] == ["NS0317"]
