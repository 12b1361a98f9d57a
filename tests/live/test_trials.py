"""`netspec test` as a person or a CI runs it: verdicts, explanations, reports; and that nothing of it stays."""

import json
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft7Validator

from netspec.spec.schemas import schemas
from tests.host_state import host_state
from tests.live.typed import DEADLINE, ROOT, netspec

pytestmark = [pytest.mark.kernel, pytest.mark.packets, pytest.mark.usefixtures("fresh_netns")]

NETWORK = """\
netspec: 1
bridges:
  front: {subnets: [172.20.0.0/24]}
  data: {subnets: [172.21.0.0/24]}
  vault: {subnets: [172.22.0.0/24], internal: true}
  guests: {subnets: [172.23.0.0/24], host_access: closed, port_isolation: true}
  lone: {subnets: [{cidr: 172.24.0.0/24, gateway: none}]}
  open: {subnets: [172.25.0.0/24], access: routed}
endpoints:
  web: {bridge: front, publish: ["8080:80", {port: 8443, to: 443, from: [192.0.2.0/24]}]}
  api: {bridge: front}
  db: {bridge: data}
  safe: {bridge: vault}
  ann: {bridge: guests}
  bob: {bridge: guests}
  hermit: {bridge: lone}
  shop: {bridge: open}
  left: {bridge: data, isolated: true}
  right: {bridge: data, isolated: true}
policies:
  - deny: {from: api, to: web, ports: 22/tcp}
  - reject: {from: api, to: web, ports: 23/tcp}
  - allow: {from: web, to: safe}
  - allow: {from: web, to: db, ports: 5432/tcp}
checks:
"""

WHY = [
    # a policy
    (
        "from: api, to: web:22",
        "policies[0] drops it: deny api -> web 22/tcp [chain policies, set policy1_4]",
        "deny: {from: api",
    ),
    ("from: api, to: web:23", "policies[1] refuses it: reject api -> web 23/tcp [chain refuse]", "reject: {from: api"),
    (
        "from: web, to: db:5432, expect: blocked",
        "policies[3] allows it: allow web -> db 5432/tcp",
        "- allow: {from: web, to: db",
    ),
    # isolation between bridges, and within one
    (
        "from: api, to: db:5432",
        "bridge/front and bridge/data are isolated from each other, and no policy allows it [chain published]",
        "data: {subnets",
    ),
    (
        "from: web, to: ping db",
        "bridge/front and bridge/data are isolated from each other, and no policy allows it [chain published]",
        "data: {subnets",
    ),
    ("from: ann, to: bob:80", "bridge/guests keeps its endpoints apart", "guests: {subnets"),
    ("from: left, to: right:80", "endpoint/left and endpoint/right are isolated from each other", "left: {bridge"),
    ("from: web, to: api:80, expect: blocked", "both are on bridge/front, and no policy forbids it", "front: {subnets"),
    # what is published, and what is not
    (
        "from: outside, to: host:8081, family: 4",
        "nobody listens at 8081/tcp of the host, and no publication leads from there",
        "",
    ),
    (
        "from: outside, to: web:81",
        (
            "bridge/front lets in what is published, and 81/tcp of endpoint/web is not (access: published)"
            " [chain published]"
        ),
        "front: {subnets",
    ),
    (
        "from: outside, to: shop:80",
        "bridge/open lets in what is published, and 80/tcp of endpoint/shop is not (access: routed) [chain routed]",
        "open: {subnets",
    ),
    (
        "from: outside, to: host:8443",
        "the publication 8443/tcp is not for 198.18.0.2 [chain arriving, set limited4]",
        "web: {bridge",
    ),
    ("from: outside, to: host:8080, expect: blocked", "it is published: 8080/tcp", "web: {bridge"),
    (
        "from: api, to: host:8080, source: client",
        "its source was translated, so that the answers come back through the host",
        "",
    ),
    # an internal bridge
    (
        "from: api, to: safe:80",
        "bridge/vault is internal: nothing enters it from elsewhere [chain ingress, map access]",
        "vault: {subnets",
    ),
    ("from: safe, to: web:80", "endpoint/safe has no route to 172.20.0.2: bridge/vault is internal", "vault: {subnets"),
    (
        "from: web, to: safe:80",
        "endpoint/safe has no route back to 172.20.0.2: bridge/vault is internal",
        "vault: {subnets",
    ),
    # the host
    (
        "from: ann, to: host:22",
        "bridge/guests has no way to the host (host_access: closed) [chain host_access]",
        "guests: {subnets",
    ),
    (
        "from: safe, to: host:22",
        "bridge/vault has no way to the host (internal) [chain host_access]",
        "vault: {subnets",
    ),
    (
        "from: web, to: host:22, expect: blocked",
        "bridge/front may talk to the host (host_access: open)",
        "front: {subnets",
    ),
    # no route, nobody there
    ('from: hermit, to: "198.51.100.7:443"', "endpoint/hermit has no route to 198.51.100.7", "hermit: {bridge"),
    (
        'from: web, to: "198.51.100.7:443"',
        "outside there is no way back to 172.20.0.2: nothing translates it (masquerade)",
        "",
    ),
    ('from: api, to: "172.20.0.99:80"', "nobody answers at 172.20.0.99", ""),
]
"""Checks that fail; what became of the packet; and the line of the spec that says so."""


def written(directory: Path, network: str, *checks: str) -> Path:
    """A spec with checks in a file."""
    path = directory / "spec.yaml"
    path.write_text(network + "".join(f"  - {{{each}}}\n" for each in checks), encoding="utf-8")
    return path


def document(*words: str, code: int) -> dict[str, Any]:
    """What the command prints as JSON, which is as its schema has it."""
    done = netspec("test", "--output", "json", *words)
    assert done.code == code, done.errors
    found: dict[str, Any] = json.loads(done.output)
    Draft7Validator(schemas()["check"]).validate(found)
    return found


def test_what_became_of_the_packet(tmp_path: Path) -> None:
    """For each sort of obstacle: what ended the packet, and the line of the spec that says so. Nothing stays."""
    spec = written(tmp_path, NETWORK, *(check for check, _, _ in WHY))
    lines = spec.read_text("utf-8").splitlines()
    before = host_state()
    found = document(str(spec), code=8)

    told = []
    for each in found["checks"]:
        (explanation,) = [probe["explanation"] for probe in each["probes"]]
        line = lines[explanation["source"]["line"] - 1] if explanation["source"] else ""
        told.append((explanation["message"], line))
    assert [words for words, _ in told] == [words for _, words, _ in WHY]
    assert [(line, part) for (_, line), (_, _, part) in zip(told, WHY, strict=True) if part not in line] == []
    assert [bool(line) for _, line in told] == [bool(part) for _, _, part in WHY]
    assert found["summary"] == {"passed": 0, "failed": len(WHY), "skipped": 0}
    assert host_state() == before


AROUND = """\
netspec: 1
bridges:
  lan: {subnets: [10.1.0.0/24, "fd00:1::/64"], ports: [eth1]}
  rt: {subnets: [{cidr: 192.168.5.0/24, gateway: 192.168.5.254, host_address: none}], ports: [eth2]}
  old: {existing: true, subnets: [10.9.0.0/24]}
endpoints:
  web:
    bridge: lan
    publish: ["203.0.113.4:80:80", {port: 443, to: 443, listen: wan0, from: [192.0.2.0/24]}, "53:53/udp"]
  c: {bridge: old, netns: {container: redis}}
  r: {bridge: rt}
nat:
  masquerade: [{from: lan, out: wan0}]
  dnat: [{port: 25, to: "10.1.0.78:2525"}]
checks:
"""

STANDING_IN = [
    'from: web, to: "198.51.100.7:443", source: gateway, family: 4',
    'from: web, to: "[2001:db8::7]:443"',
    'from: c, to: "198.51.100.7:443", expect: blocked, within: 500ms',
    "from: outside, to: host:25",
    "from: outside, to: host:80, source: client",
    "from: outside, to: host:443, expect: blocked, within: 500ms",
    "from: 192.0.2.77, to: host:443, source: client",
    'from: web, to: "10.1.0.77:22", source: client',
    "from: r, to: ping 192.168.5.254",
    'from: r, to: "198.51.100.7:443"',
    "from: host, to: host:80",
    "from: outside, to: web:80, expect: blocked, within: 500ms",
    "from: outside, to: host:53/udp",
    "from: c, to: host:22",
]


def test_what_is_not_there_is_stood_in_for(tmp_path: Path) -> None:
    """Links of the host, bridges and namespaces of others, machines near and far: each is named, and answers."""
    found = document(str(written(tmp_path, AROUND, *STANDING_IN)), code=0)

    masqueraded = found["checks"][0]["probes"][0]
    assert masqueraded["seen"] == "198.18.0.1"
    assert found["assumptions"] == [
        "outside: a stand-in beyond wan0, to which the host's default route leads",
        "eth1: a wire to a stand-in for a machine stands for the host's link",
        "10.1.0.77: the stand-in beyond eth1 answers there",
        "10.1.0.78: the stand-in beyond eth1 answers there",
        "eth2: a wire to a stand-in for a machine stands for the host's link",
        "192.168.5.254: the stand-in beyond eth2 answers there",
        "bridge old: an empty one stands for the host's own",
        "198.51.100.7, 2001:db8::7: a stand-in outside answers there",
        "services: a stand-in listens wherever a check expects a port to be open or blocked",
        "endpoint/c: a namespace of its own stands for that of container redis",
    ]


SMALL = """\
netspec: 1
bridges: {a: {subnets: [10.1.0.0/24]}, b: {subnets: [10.2.0.0/24]}}
endpoints: {web: {bridge: a, publish: ["8080:80"]}, db: {bridge: b}}
checks:
"""
CHECKS = ["from: outside, to: host:8080", 'name: "a <b> & ]]>", from: web, to: db:5432, within: 500ms']


def ordinary() -> list[str]:
    """The beginning of a command line that runs netspec as a user without any privilege."""
    if os.geteuid():
        return [sys.executable, "-m", "netspec"]
    path = f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        words = [*user, "env", "-i", f"PATH={os.environ['PATH']}", path, "PYTHONDONTWRITEBYTECODE=1", python]
        if _runs(*words, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"):
            return [*words, "-m", "netspec"]
    pytest.skip("there is no interpreter here that an ordinary user may run")


@cache
def _runs(*words: str) -> bool:
    return subprocess.run(words, check=False, capture_output=True, timeout=DEADLINE).returncode == 0


def test_it_needs_no_root(tmp_path: Path) -> None:
    """A user without any capability gets the whole of it: verdicts, and what became of the packet."""
    spec = written(tmp_path, SMALL, *CHECKS).read_text("utf-8")
    done = subprocess.run(
        [*ordinary(), "test", "-"], input=spec, check=False, capture_output=True, text=True, timeout=DEADLINE
    )

    assert done.returncode == 8, done.stderr
    assert "ok    outside -> host:8080  open" in done.stdout
    assert "bridge/a and bridge/b are isolated from each other" in done.stdout


def test_reports_for_a_ci(tmp_path: Path) -> None:
    """JUnit's XML, GitHub's commands and GitLab's report say the same; no name can break them."""
    spec, junit = written(tmp_path, SMALL, *CHECKS), tmp_path / "report.xml"
    done = netspec("test", "--junit", str(junit), "--annotations", "github", str(spec))
    suites = ET.fromstring(junit.read_text("utf-8"))  # noqa: S314  our own text
    passed, failed = suites.findall("testsuite/testcase")

    assert done.code == 8
    assert {name: suites.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "skipped": "0",
    }
    assert (passed.get("name"), list(passed)) == ("outside -> host:8080", [])
    assert (failed.get("name"), failed.get("line")) == ("a <b> & ]]>", "6")
    assert "isolated from each other, and no policy allows it [chain published] (" in (failed.findtext("failure") or "")
    (line,) = done.errors.splitlines()
    assert line.startswith(f"::error file={spec},line=6,col=5,title=check failed%3A a <b> & ]]>::blocked, not open%0A")

    subprocess.run(
        [sys.executable, "-m", "netspec", "test", str(spec)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GITLAB_CI": "true", "GITHUB_ACTIONS": ""},
        check=False,
        capture_output=True,
        timeout=DEADLINE,
    )
    (issue,) = json.loads((tmp_path / "gl-code-quality-report.json").read_text("utf-8"))
    assert issue["location"] == {"path": str(spec), "lines": {"begin": 6}}
    assert "isolated from each other" in issue["description"]


def test_what_cannot_be_tried_is_said(tmp_path: Path) -> None:
    """A report that cannot be written is found first; an invalid spec ends as everywhere; no checks are no failure."""
    spec = written(tmp_path, SMALL, *CHECKS)

    assert netspec("test", "--junit", "/nowhere/report.xml", str(spec)).code == 64
    assert netspec("test", str(written(tmp_path, SMALL, "from: web, to: nobody:1"))).code == 65
    spec.write_text(SMALL.replace("checks:\n", ""), encoding="utf-8")
    assert netspec("test", str(spec)).output == "The spec has no checks.\n"
    full = netspec("test", "--junit", "/dev/full", str(spec))
    assert (full.code, full.errors) == (1, "netspec: cannot write /dev/full: No space left on device.\n")


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*/spec.yaml")), ids=lambda path: path.parent.name)
def test_examples_are_what_they_are_for(example: Path) -> None:
    """What an example's checks say is so; one without checks can be built all the same."""
    assert netspec("test", str(example)).code == 0
