"""What `netspec watch` refuses on the real kernel, as nobody is there to ask: it says so, and keeps the network."""

import time
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import edited, plan, shell
from tests.live.specs import DOCKER0
from tests.live.test_lockout import AROUND, SESSION
from tests.live.test_lockout import SPEC as LAN
from tests.live.watches import Watch, watching
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

MILD = edited(DOCKER0, ("docker0:\n", "docker0:\n    mtu: 1400\n"))
REBUILT = edited(MILD, ("  redis:\n", "  redis:\n    netns: elsewhere\n"))
WITHOUT_PORT = edited(LAN, (", ports: [uplink]", ""))
EMPTY = "netspec: 1\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Where the spec is."""
    return tmp_path / "spec.yaml"


def refuses(watch: Watch, code: str, before: str) -> None:
    """It says so, and nothing has changed."""
    watch.until_said(f"error[{code}]")
    watch.until_said("Refused: nothing was changed.\nnetspec: waiting; the network stays as it is.\n")
    assert host_state() == before


def test_what_does_too_much_is_refused(spec: Path) -> None:
    """By --max-disruption; what does less is done. It is said once, however often it looks again."""
    spec.write_text(DOCKER0, encoding="utf-8")
    with watching(spec, "--interval", "600", "--max-disruption", "live") as watch:
        watch.replace(MILD)
        watch.until_said("Applied", 2)
        assert "mtu 1400" in run("ip link show docker0")

        before = host_state()
        watch.replace(REBUILT)
        refuses(watch, "NS0620", before)
        assert "and live is the most that is allowed" in watch.says()
        spec.touch()
        time.sleep(1)
        assert watch.says().count("error[NS0620]") == watch.says().count("waiting; ") == 1
        watch.replace(DOCKER0)
        watch.until_said("Applied", 3)
    assert plan(DOCKER0) == []


@pytest.mark.parametrize("allowed", [False, True], ids=["not allowed", "allowed"])
def test_the_way_of_its_session_is_kept_unless_it_is_allowed_to_go(spec: Path, allowed: bool) -> None:
    """By --allow-lockout-risk; without it the same change is refused."""
    shell(AROUND)
    spec.write_text(LAN, encoding="utf-8")
    options = ["--allow-lockout-risk"] if allowed else []
    with watching(spec, "--interval", "600", *options, more={"SSH_CONNECTION": SESSION}) as watch:
        before = host_state()
        watch.replace(WITHOUT_PORT)
        if allowed:
            watch.until_said("Applied", 2)
            assert "master" not in run("ip link show uplink")
        else:
            refuses(watch, "NS0621", before)
            assert "help: apply it by hand with --confirm-within 90s" in watch.says()


def test_an_empty_spec_takes_nothing_away_but_what_is_allowed(spec: Path) -> None:
    """By --allow-removal as many objects, and not one more."""
    more = DOCKER0 + "sysctls: {net.ipv4.ip_nonlocal_bind: 1}\n"
    spec.write_text(more, encoding="utf-8")
    with watching(spec, "--interval", "600", "--allow-removal", "5") as watch:
        before = host_state()
        watch.replace(EMPTY)
        refuses(watch, "NS0710", before)
        watch.replace(DOCKER0)
        watch.until_said("Applied", 2)
        watch.replace(EMPTY)
        watch.until_said("Applied", 3)
        assert run("ip -o link").count("\n") == 1


def test_a_directory_that_lost_a_file_loses_nothing_else(tmp_path: Path) -> None:
    """Half a spec is no spec: until the file is back, or as many objects are allowed to go."""
    directory = tmp_path / "netspec"
    directory.mkdir()
    (directory / "docker0.yaml").write_text(DOCKER0, encoding="utf-8")
    more = directory / "more.yaml"
    more.write_text("netspec: 1\nbridges: {br1: {}}\n", encoding="utf-8")
    with watching(directory, "--interval", "600") as watch:
        before = host_state()
        more.rename(tmp_path / "more.yaml")
        refuses(watch, "NS0711", before)
        assert "without more.yaml" in watch.says()
        more.write_text("netspec: 1\nbridges: {br1: {mtu: 1400}}\n", encoding="utf-8")
        watch.until_said("Applied", 2)
        assert "mtu 1400" in run("ip link show br1")
