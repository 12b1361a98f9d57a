"""Checks on a live host: asked by the command, and as the gate of an apply."""

import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from netspec.spec.schemas import schemas
from tests import sandboxed
from tests.host_state import host_state
from tests.live.typed import command, environment, netspec

pytestmark = [pytest.mark.kernel, pytest.mark.packets, pytest.mark.usefixtures("fresh_netns")]

SPEC = """\
netspec: 1
bridges:
  front: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  data: {subnets: [10.2.0.0/24]}
endpoints:
  web: {bridge: front, publish: ["8080:80"]}
  db: {bridge: data}
policies:
  - allow: {from: web, to: db, ports: 5432/tcp}
checks:
  - {from: web, to: db:5432}
  - {from: host, to: host:8080}
  - {from: web, to: db:22, expect: blocked, within: 500ms}
  - {from: outside, to: host:8080}
"""


def state() -> str:
    """All that the host holds, but for how often a policy was hit: probes are hits like any other packet."""
    return re.sub(r'"(bytes|packets)": \d+', "", host_state())


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec in a file."""
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def changed(spec: Path, *edits: tuple[str, str]) -> str:
    """The spec with other words."""
    text = SPEC
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text, encoding="utf-8")
    return str(spec)


def test_check_asks_and_leaves_nothing(spec: Path) -> None:
    """0 where nothing fails, 8 where something does; JSON as its schema has it; the host is byte for byte as before."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    whole = state()
    done = netspec("check", "--output", "json", str(spec))
    document = json.loads(done.output)
    Draft7Validator(schemas()["check"]).validate(document)

    assert done.code == 0
    assert [each["state"] for each in document["checks"]] == ["passed", "passed", "passed", "skipped"]
    assert document["summary"] == {"passed": 3, "failed": 0, "skipped": 1}
    assert state() == whole

    failing = changed(spec, ("to: db:22, expect: blocked", "to: db:22"))
    done = netspec("check", failing)
    assert done.code == 8
    assert re.search(r"FAIL  web -> db:22 +blocked, not open .*spec.yaml:13$", done.output, re.MULTILINE)
    assert state() == whole


def test_check_of_what_is_not_there(spec: Path) -> None:
    """Before the first apply there is nobody to ask."""
    done = netspec("check", str(spec))

    assert done.code == 8
    assert "the namespace web is not there" in done.output


def test_an_apply_that_breaks_what_passed_is_undone(spec: Path) -> None:
    """3, with the check and its place; the host is as before, byte for byte. --no-checks lets it happen."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    whole = state()
    broken = changed(spec, ("policies:\n  - allow: {from: web, to: db, ports: 5432/tcp}\n", ""), ("8080:80", "8081:80"))
    with sandboxed.inside("web"):
        server = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    with server:
        done = netspec("apply", "--yes", broken)

    assert done.code == 3
    assert (
        "error[NS0680]: the check web -> db:5432 passed before, and does not pass after the apply: blocked"
        in done.errors
    )
    assert "error[NS0680]: the check host -> host:8080 passed before" in done.errors
    assert f"--> {spec}:9:" in done.errors
    assert state() == whole
    assert netspec("apply", "--yes", "--no-checks", broken).code == 0
    assert state() != whole


def test_an_endpoint_that_moves_is_still_the_same_to_its_checks(spec: Path) -> None:
    """Before the apply it is asked at the address that it has then: what passed there must pass at the new one."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    closed = ("policies:\n  - allow: {from: web, to: db, ports: 5432/tcp}\n", "")
    moved = changed(spec, ("db: {bridge: data}", "db: {bridge: data, address: 10.2.0.77}"), closed)

    assert "web -> db:5432 passed before" in netspec("apply", "--yes", moved).errors


def test_what_is_required_must_pass_from_the_start(spec: Path) -> None:
    """Also where nothing was there before."""
    whole = state()
    wanted = changed(spec, ("to: db:22, expect: blocked", "to: db:22, required: true"))
    done = netspec("apply", "--yes", wanted)

    assert done.code == 3
    assert "error[NS0681]: the required check web -> db:22 does not pass: blocked, not open" in done.errors
    assert state() == whole


def test_trace_tells_what_became_of_the_packet(spec: Path) -> None:
    """On the live host only where it is asked for; the table that follows packets goes, also with a killed process."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    whole = state()
    failing = changed(spec, ("to: db:22, expect: blocked", "to: db:22"))
    without, traced = netspec("check", failing), netspec("check", "--trace", failing)

    words = "bridge/front and bridge/data are isolated from each other, and no policy allows it"
    assert (without.code, traced.code) == (8, 8)
    assert words not in without.output
    assert words in traced.output
    assert state() == whole


def seen_and_killed(spec: str) -> bool:
    """Whether there was a table that follows packets when a check with a trace was killed, or it had ended before."""
    words = command("check", "--trace", spec)
    child = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while "netspec-trace-" not in sandboxed.run("nft list tables"):
            if child.poll() is not None:
                return False
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait()
    return child.returncode == -signal.SIGKILL


def test_the_table_that_follows_packets_goes_with_its_process(spec: Path) -> None:
    """However it ends."""
    assert netspec("apply", "--yes", str(spec)).code == 0
    slow = changed(spec, ("to: db:22, expect: blocked, within: 500ms", "to: db:22"))
    end = time.monotonic() + 60
    # On a busy machine its time may be over before anybody has looked.
    while not seen_and_killed(slow):
        assert time.monotonic() < end, "there is no such table"
    end = time.monotonic() + 10
    while "netspec-trace-" in sandboxed.run("nft list tables"):
        assert time.monotonic() < end
        time.sleep(0.05)
