"""`netspec watch` as a process: files, drift, mistakes and the end, on the real kernel."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from netspec.engine.triggers import QUIET
from tests.cli.running import netspec
from tests.host_state import host_state
from tests.live.driving import edited, plan, shell
from tests.live.specs import DOCKER0
from tests.live.typed import DEADLINE, command, environment
from tests.live.watches import Watch, watching
from tests.sandboxed import NETNS_DIR, STATE_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

OTHER_PORT = edited(DOCKER0, ("6379:6379", "6380:6379"))
WRONG = edited(DOCKER0, ("172.17.0.2", "172.18.0.2"))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The example."""
    path = tmp_path / "spec.yaml"
    path.write_text(DOCKER0, encoding="utf-8")
    return path


def port() -> str:
    """The published port, as nft lists it; empty without one."""
    listing = run("nft list map inet netspec-default publish4")
    return next((word for word in ("6379", "6380", "6399") if f"tcp . {word} " in listing), "")


def burst(watch: Watch) -> tuple[int, float]:
    """Ten writes, and all that comes of them: how often it had applied before, and how long the writing took.

    What took too long, as another process had its turn, was no burst.
    """
    before = watch.says().count("Applied")
    begun = time.monotonic()
    for number in range(6390, 6400):
        watch.replace(edited(DOCKER0, ("6379:6379", f"{number}:6379")))
    lasted = time.monotonic() - begun
    watch.until(lambda: port() == "6399" and watch.settled())
    return before, lasted


def test_it_follows_its_spec_and_keeps_the_last_good_one(spec: Path) -> None:
    """A replaced file is applied; a burst of writes is one apply; of a wrong spec it says once that it is wrong."""
    with watching(spec, "--interval", "600") as watch:
        watch.replace(OTHER_PORT)
        watch.until(lambda: port() == "6380" and watch.says().count("Applied") == 2)

        before, lasted = burst(watch)
        while lasted >= QUIET:
            watch.replace(OTHER_PORT)
            watch.until(lambda: port() == "6380" and watch.settled())
            before, lasted = burst(watch)
        assert watch.says().count("Applied") == before + 1

        watch.replace(WRONG)
        watch.until_said("172.18.0.2 is outside")
        watch.replace(WRONG)
        time.sleep(0.6)
        assert watch.says().count("172.18.0.2 is outside") == 1
        assert port() == "6399"
        watch.replace(DOCKER0)
        watch.until(lambda: port() == "6379")


def test_it_mends_what_drifts(spec: Path) -> None:
    """At the next interval, without a change of the spec."""
    with watching(spec, "--interval", "0.5") as watch:
        shell("ip -n redis address del 172.17.0.2/16 dev eth0; ip link set docker0 mtu 1400")
        watch.until(lambda: "172.17.0.2/16" in run("ip -n redis address"))
        watch.until(lambda: "mtu 1500" in run("ip link show docker0") and watch.settled())
    assert plan(DOCKER0) == []


def test_what_is_refused_again_and_again_is_told_once(spec: Path) -> None:
    """The plan and its warnings as well as the reason; and again once a round has succeeded in between."""
    with watching(spec, "--interval", "0.2") as watch:
        for number in (1, 2):
            told = watch.says().count("Plan: ")
            Path(STATE_DIR).chmod(0o1777)
            shell("ip link set docker0 mtu 1400")
            watch.until_said("waiting; ", number)
            time.sleep(3.5)  # two further tries, after 1 and 2 seconds
            assert watch.says().count("waiting; ") == watch.says().count("warning[NS0641]") == number
            assert watch.says().count("Plan: ") == told + 1
            Path(STATE_DIR).chmod(0o700)
            spec.touch()
            watch.until_said("Drift was repaired", number)
    assert plan(DOCKER0) == []


def test_a_stack_that_its_spec_leaves_is_named(spec: Path) -> None:
    """Once, with what removes it: nobody looks after it any more."""
    other = "netspec: 1\nstack: shop\nbridges: {br9: {}}\n"
    warning = "the spec was that of stack default until now: what default has on this host stays as it is"
    with watching(spec, "--interval", "0.2") as watch:
        watch.replace(other)
        watch.until_said("Applied", 2)
        watch.replace(other.replace("{}", "{mtu: 1400}"))
        watch.until_said("Applied", 3)

        said = watch.says()
        assert said.count("NS0722") == 1
        assert f"warning[NS0722]: {warning}\n  --> {spec}:2:8\n" in said
        assert "help: `netspec --stack default destroy` removes it" in said
        assert "docker0" in run("ip -br link")


def test_it_ends_with_0_and_leaves_the_network(spec: Path) -> None:
    """SIGTERM is how it ends."""
    with watching(spec, "--interval", "600") as watch:
        before = host_state()
        watch.process.terminate()
        assert watch.process.wait(DEADLINE) == 0

    assert host_state() == before
    assert sorted(path.name for path in NETNS_DIR.iterdir()) == ["client", "redis"]


def test_it_follows_a_link_to_another_release(tmp_path: Path) -> None:
    """As deployments do: a directory is made aside, and a link led to it. What changes there is seen as before."""
    for release, text in (("1", DOCKER0), ("2", OTHER_PORT)):
        (tmp_path / release).mkdir()
        (tmp_path / release / "spec.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "current").symlink_to("1")
    with watching(tmp_path / "current", "--interval", "600") as watch:
        (tmp_path / "aside").symlink_to("2")
        (tmp_path / "aside").rename(tmp_path / "current")
        watch.until(lambda: port() == "6380")
        watch.until_said("Applied", 2)
        (tmp_path / "2" / "spec.yaml").write_text(DOCKER0, encoding="utf-8")
        watch.until(lambda: port() == "6379")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--interval", "inf"), 64, "less than or equal to 31622400"),
        (("--interval", "1e10"), 64, "less than or equal to 31622400"),
        (("pipe",), 65, "pipe is a pipe, a socket or a device"),
    ],
)
def test_what_it_cannot_wait_for_is_refused(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """A time that no clock has; a spec that can be read once only, and that nobody may ever write."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "netspec.yaml").write_text(DOCKER0, encoding="utf-8")
    done = netspec("watch", *words, cwd=tmp_path)
    assert (done.code, said in done.err) == (code, True)


def test_a_log_on_a_full_disk_does_not_end_it(spec: Path) -> None:
    """It applies what there is to apply, and nobody hears of it."""
    words = command("watch", "--interval", "0.5", str(spec))
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        watch = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=full, stderr=full, env=environment())
    try:
        for _ in range(2):
            end = time.monotonic() + DEADLINE
            while "tcp . 6379 " not in run("nft list ruleset"):
                assert watch.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            shell("nft flush map inet netspec-default publish4")
        watch.terminate()
        assert watch.wait(DEADLINE) == 0
    finally:
        watch.kill()
        watch.wait()
