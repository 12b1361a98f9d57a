"""Generations on the real kernel, by the commands that people type."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netspec.cli import main
from netspec.engine.generations import Generations
from tests.host_state import host_state
from tests.live.driving import edited, shell
from tests.live.specs import ALL, DOCKER0, STACKS
from tests.live.test_killed import killed_at
from tests.live.test_watch import port
from tests.live.typed import DEADLINE, netspec
from tests.live.watches import watching
from tests.sandboxed import STATE_DIR, fresh_host, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

OTHER = edited(DOCKER0, ("6379:6379", "6380:6379"))
SMALL = "netspec: 1\nstack: {0}\nbridges: {{br-{0}: {{subnets: [10.{1}.0.0/24]}}}}\n"


def apply(path: Path, spec: str) -> None:
    """`netspec apply --yes`, which must succeed."""
    path.write_text(spec, encoding="utf-8")
    here("apply", "--yes", str(path))


def here(*words: str) -> None:
    """A command in this process, which must succeed."""
    assert main([*words, "--quiet"]) == 0


@pytest.mark.parametrize("name", ALL)
def test_going_back_and_booting_bring_every_spec_back(name: str, tmp_path: Path) -> None:
    """After a destroy: the host is as it was, to the byte; after a reboot it is, too, but for what a reboot takes."""
    spec, stack = tmp_path / "spec.yaml", STACKS[name]
    apply(spec, ALL[name])
    built = host_state()
    here("destroy", "--yes", "--stack", stack)
    spec.unlink()

    here("rollback", "1", "--yes", "--stack", stack)
    assert host_state() == built
    done = netspec("apply", "--boot")
    assert (done.code, done.output) == (0, f"Stack {stack}: as generation 3 wants it.\n")


def test_a_boot_brings_back_what_the_kernel_has_lost(tmp_path: Path) -> None:
    """On a fresh host with nothing but the state directory, which is read-only; and again, without a change."""
    apply(tmp_path / "spec.yaml", DOCKER0)
    apply(tmp_path / "spec.yaml", OTHER)
    built = host_state()
    saved = tmp_path / "saved"
    shell(f"cp -a {STATE_DIR} {saved}; rm {tmp_path}/spec.yaml")
    here("destroy", "--yes")
    with read_only(saved):
        done = netspec("apply", "--boot", "--state-dir", str(saved))
        assert (done.code, done.errors) == (0, "")
        assert done.output.startswith("Stack default: generation 2 is back: ")
        assert host_state() == built
        again = netspec("apply", "--boot", "--state-dir", str(saved))
        assert (again.code, again.output, again.errors) == (0, "Stack default: as generation 2 wants it.\n", "")


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """A directory on a file system that cannot be written to."""
    shell(f"mount --bind {directory} {directory}; mount -o remount,bind,ro {directory}")
    try:
        with pytest.raises(OSError, match="Read-only"):
            (directory / "x").touch()
        yield
    finally:
        shell(f"umount {directory}")


def test_what_is_in_the_way_of_one_stack_at_boot_stops_no_other(tmp_path: Path) -> None:
    """A foreign bridge has the name of the first one's; the code is that of a refusal. The others need forwarding."""
    for number, stack in enumerate(("a", "b", "c")):
        apply(tmp_path / "spec.yaml", SMALL.format(stack, number))
    saved = tmp_path / "saved"
    shell(f"cp -a {STATE_DIR} {saved}")
    with fresh_host():
        shell("ip link add br-a type bridge")
        done = netspec("apply", "--boot", "--state-dir", str(saved))
        assert done.code == 6
        assert "netspec: stack a:\nerror[NS0401]" in done.errors
        assert done.output.splitlines() == [
            "Stack b: generation 1 is back: 3 changes, verified.",
            "Stack c: generation 1 is back: 3 changes, verified.",
        ]
        here("apply", "--boot", "--stack", "c", "--state-dir", str(saved))


def test_a_boot_without_any_state_is_done() -> None:
    """Neither directory nor generation: it says so; a PATH or JSON with it makes no sense."""
    done = netspec("apply", "--boot")
    assert (done.code, done.output) == (
        0,
        f"No stack has a generation in {STATE_DIR}: there is nothing to bring back.\n",
    )
    assert [netspec("apply", "--boot", "x.yaml").code, netspec("apply", "--boot", "--output", "json").code] == [64, 64]


def test_a_state_directory_of_others_is_not_booted_from(tmp_path: Path) -> None:
    """Whoever could write there could apply as root."""
    apply(tmp_path / "spec.yaml", DOCKER0)
    here("destroy", "--yes")
    before = host_state()
    shell(f"chmod 0777 {STATE_DIR}/generations/default")
    done = netspec("apply", "--boot")

    assert done.code == 6
    assert "is open to others" in done.errors
    assert host_state() == before


def test_a_full_disk_is_found_before_anything_is_changed(tmp_path: Path) -> None:
    """A real one of 64 kB. A watch only warns, and repairs."""
    state, spec = tmp_path / "state", tmp_path / "spec.yaml"
    state.mkdir(mode=0o700)
    shell(f"mount -t tmpfs -o size=256k,mode=0700 tmpfs {state}")
    try:
        apply_there = ("apply", "--yes", "--quiet", "--state-dir", str(state), str(spec))
        spec.write_text(DOCKER0, encoding="utf-8")
        assert netspec(*apply_there).code == 0
        shell(f"head -c 300k /dev/zero >{state}/rest 2>/dev/null || true")
        spec.write_text(OTHER, encoding="utf-8")
        before = host_state()
        done = netspec(*apply_there)
        assert done.code == 6
        assert "error[NS0641]: the generation could not be recorded" in done.errors
        assert "No space left on device" in done.errors
        assert host_state() == before
        with watching(spec, "--state-dir", str(state)) as watch:
            watch.until(lambda: port() == "6380")
            watch.process.terminate()
            assert watch.process.wait(DEADLINE) == 0
            assert "warning[NS0641]" in watch.says()
        assert sorted(each.name for each in (state / "generations/default").iterdir()) == ["1.good.json"]
        (state / "rest").unlink()
        assert netspec(*apply_there).code == 0
        assert sorted(each.name for each in (state / "generations/default").iterdir()) == ["1.good.json", "2.good.json"]
    finally:
        shell(f"umount {state}")


def test_a_watch_waits_while_its_stack_is_suspended(tmp_path: Path) -> None:
    """It says so once, brings nothing back, mends nothing, and goes on when the stack is resumed."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(DOCKER0, encoding="utf-8")
    with watching(spec, "--interval", "0.2") as watch:
        watch.replace(OTHER)
        watch.until(lambda: port() == "6380" and watch.says().count("Applied") == 2)
        here("rollback", "--yes")
        assert port() == "6379"
        watch.until_said("waiting; the network stays as it is")
        shell("ip link set docker0 mtu 1400")
        time.sleep(1)
        assert port() == "6379"
        assert "mtu 1400" in run("ip link show docker0")
        assert watch.says().count("error[NS0640]") == 1
        here("resume")
        watch.until_said("Applied", 3)
        assert port() == "6380"
        assert "mtu 1500" in run("ip link show docker0")

    assert [line.split()[1] for line in netspec("history").output.splitlines()] == ["state", *["good"] * 4]


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=[pytest.mark.faults, pytest.mark.slow])])
def test_a_rollback_that_is_killed_anywhere_is_done_or_undone(step: int, tmp_path: Path) -> None:
    """At each point: the next apply finds the stack suspended at the generation gone back to, or goes on as if nothing.

    Verified and not recorded is the third: the next apply then brings its spec, as after any drift.
    """
    spec = tmp_path / "spec.yaml"
    apply(spec, DOCKER0)
    there = host_state()
    apply(spec, OTHER)
    latest = host_state()
    seen = set()
    for number in range(0, 10_000, step):
        killed = killed_at(number, lambda: main(["rollback", "1", "--yes", "--quiet"]))
        code = main(["apply", "--yes", "--quiet", str(spec)])
        assert (number, host_state()) == (number, there if code else latest)
        seen.add(code)
        newest = Generations(Path(STATE_DIR), "default").entries()[-1]
        assert (number, newest.pinned, newest.standing) == (number, code == 6, "good")
        if not killed:
            break
        here("resume")
        here("apply", "--yes", str(spec))
    assert seen == {0, 6}


def test_what_belongs_to_root_is_not_read_by_others(tmp_path: Path) -> None:
    """They are told so."""
    spec = tmp_path / "spec.yaml"
    apply(spec, DOCKER0)
    done = netspec("history", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))

    assert done.code == 6
    assert f"{STATE_DIR} may not be read by user 65534: run netspec as whoever owns it" in done.errors
