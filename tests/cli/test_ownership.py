"""What adopt, forget and move print and end with; and the guards of apply, plan and watch."""

import json
from pathlib import Path

import pytest

from tests.cli.running import SPEC, netspec
from tests.host_state import host_state
from tests.sandboxed import RUN_DIR, STATE_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

WWW = SPEC.replace("  web:", "  www:")


@pytest.fixture
def applied(fresh_netns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001  it must be first
    """A spec that is in force, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "netspec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    assert netspec("apply", "--yes", "--quiet").code == 0
    return path


REFUSED = [
    ("adopt endpoint/nowhere", 1, 'The spec has no object "endpoint/nowhere".'),
    ("forget endpoint/nowhere --yes", 1, 'Stack default on this host has no object "endpoint/nowhere".'),
    ("forget nat --yes", 1, "nat cannot be let go of: only bridges, endpoints and sysctls can."),
    ("forget endpoint/web", 64, "there is no terminal to ask on"),
    ("move endpoint/nowhere endpoint/web --yes", 1, "Stack default on this host has no object"),
    ("move endpoint/web bridge/br0 --yes", 64, "name two bridges, or two endpoints"),
    ("move endpoint/web endpoint/db --yes", 6, "error[NS0705]: the spec still has endpoint/web"),
    ("move endpoint/web endpoint/www --yes", 6, "error[NS0705]: the spec has no endpoint/www"),
]


@pytest.mark.usefixtures("applied")
def test_what_is_refused_changes_nothing() -> None:
    """Each with its exit code and its words."""
    before = host_state()
    for line, code, words in REFUSED:
        done = netspec(*line.split())
        assert (done.code, words in done.err) == (code, True), f"{line}: {done}"
    assert host_state() == before


def test_let_go_taken_back_and_renamed(applied: Path) -> None:
    """As people see it: what is said, what a plan says in between, and JSON."""
    let_go = netspec("forget", "--yes", "endpoint/web")
    assert let_go.code == 0
    assert let_go.out.startswith("host  stack default\n\n  ~ endpoint/web  forget")
    assert "Let go of endpoint/web: " in let_go.out
    refused = netspec("plan")
    assert refused.code == 6
    assert "`netspec adopt endpoint/web` takes it over" in refused.err
    assert "drift" not in refused.out

    taken = json.loads(netspec("adopt", "--yes", "--output", "json", "endpoint/web").out)
    assert {change["action"] for change in taken["changes"]} == {"adopt"}
    assert {change["object"] for change in taken["changes"]} == {"endpoint/web"}
    assert netspec("adopt", "--yes").out == "Nothing to adopt: there is nothing of this that is not ours.\n"
    assert netspec("plan", "--detailed-exitcode").code == 0

    applied.write_text(WWW, encoding="utf-8")
    plan = json.loads(netspec("plan", "--output", "json").out)
    assert plan["suggestions"] == [
        {"object": "endpoint/www", "like": "endpoint/web", "command": "netspec move endpoint/web endpoint/www"}
    ]
    assert "`netspec move endpoint/web endpoint/www` renames it without a rebuild" in netspec("plan").out
    assert netspec("move", "--yes", "--quiet", "endpoint/web", "endpoint/www").code == 0
    assert netspec("plan", "--detailed-exitcode").code == 0
    assert run("ip netns list").split() == ["db", "www"] or "www" in run("ip netns list")


def test_a_boot_after_a_move_brings_the_new_name(applied: Path) -> None:
    """A move whose plan is empty is a generation: or the boot would rebuild what was renamed, under its old name."""
    applied.write_text(WWW, encoding="utf-8")
    assert netspec("move", "--yes", "--quiet", "endpoint/web", "endpoint/www").code == 0
    before = host_state()

    boot = netspec("apply", "--boot")
    past = json.loads(netspec("history", "--output", "json").out)

    assert (boot.code, boot.out) == (0, "Stack default: as generation 2 wants it.\n")
    assert host_state() == before
    assert past["last_good"] == 2


def test_two_stacks_cannot_take_from_each_other(applied: Path) -> None:
    """The other one's adopt is refused, and says whose it is."""
    applied.write_text(SPEC.replace("netspec: 1", "netspec: 1\nstack: thieves"), encoding="utf-8")
    before = host_state()
    done = netspec("adopt", "--yes", "bridge/br0")

    assert done.code == 6
    assert "error[NS0701]: link/br0 belongs to stack default" in done.err
    assert host_state() == before


def test_a_spec_that_does_not_load_whole_removes_nothing(tmp_path: Path) -> None:
    """One file of a directory is broken, or cannot be read as text: 65, and all stays."""
    (tmp_path / "a.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("bridges: {br7: {}}\n", encoding="utf-8")
    assert netspec("apply", "--yes", "--quiet", str(tmp_path)).code == 0
    before = host_state()

    for broken in (b"bridges: {br7: {mtu: wide}}\n", b"bridges: {\n", b"\xff\xfe", b""):
        (tmp_path / "b.yaml").write_bytes(broken)
        assert netspec("apply", "--yes", "--quiet", str(tmp_path)).code == 65
        assert host_state() == before
    (tmp_path / "b.yaml").unlink()
    done = netspec("apply", "--yes", "--quiet", str(tmp_path))
    assert (done.code, "error[NS0711]" in done.err, host_state() == before) == (6, True, True)
    assert netspec("apply", "--yes", "--quiet", "--allow-removal", "1", str(tmp_path)).code == 0


def test_lost_directories_cost_no_object(tmp_path: Path) -> None:
    """State and run directories are deleted; destroying leaves the host as it was, byte by byte."""
    before = host_state()
    path = tmp_path / "netspec.yaml"
    path.write_text(SPEC, encoding="utf-8")
    assert netspec("apply", "--yes", "--quiet", str(path)).code == 0
    run(f"rm -rf {STATE_DIR} {RUN_DIR}")

    assert netspec("plan", "--detailed-exitcode", str(path)).code == 0
    assert netspec("destroy", "--yes", "--quiet").code == 0
    assert host_state() == before
