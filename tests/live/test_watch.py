"""`netspec watch` as a process: files, drift, mistakes and the end, on the real kernel."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import edited, plan, shell
from tests.live.specs import DOCKER0
from tests.live.typed import DEADLINE, command, environment
from tests.sandboxed import NETNS_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

OTHER_PORT = edited(DOCKER0, ("6379:6379", "6380:6379"))
WRONG = edited(DOCKER0, ("172.17.0.2", "172.18.0.2"))


@dataclass(frozen=True, slots=True)
class Watch:
    """A running watch, its spec, and where its words go."""

    process: subprocess.Popen[str]
    spec: Path
    words: Path

    def says(self) -> str:
        """All it has said."""
        return self.words.read_text(encoding="utf-8")

    def replace(self, text: str) -> None:
        """Save as editors do: a new file takes the old one's place."""
        aside = self.spec.with_name(".spec.yaml.swp")
        aside.write_text(text, encoding="utf-8")
        aside.rename(self.spec)


@contextlib.contextmanager
def watching(directory: Path, interval: str) -> Iterator[Watch]:
    """A watch of the example, once it has applied it; killed in the end where it has not ended."""
    spec, words = directory / "spec.yaml", directory / "words"
    spec.write_text(DOCKER0, encoding="utf-8")
    with words.open("w") as said:
        process = subprocess.Popen(
            command("watch", "--interval", interval, str(spec)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
    watch = Watch(process, spec, words)
    try:
        until(lambda: "Applied" in watch.says() and port() == "6379", watch)
        yield watch
    finally:
        process.kill()
        process.wait()


def until(reached: Callable[[], bool], watch: Watch) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 20
    while not reached():
        assert watch.process.poll() is None, watch.says()
        assert time.monotonic() < end, watch.says()
        time.sleep(0.02)


def port() -> str:
    """The published port, as nft lists it; empty without one."""
    listing = run("nft list map inet netspec-default publish4")
    return next((word for word in ("6379", "6380", "6399") if f"tcp . {word} " in listing), "")


def test_it_follows_its_spec_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    """A replaced file is applied; a burst of writes is one apply; of a wrong spec it says once that it is wrong."""
    with watching(tmp_path, "600") as watch:
        watch.replace(OTHER_PORT)
        until(lambda: port() == "6380" and watch.says().count("Applied") == 2, watch)

        for number in range(6390, 6400):
            watch.replace(edited(DOCKER0, ("6379:6379", f"{number}:6379")))
        until(lambda: port() == "6399" and watch.says().count("Applied") > 2, watch)
        assert watch.says().count("Applied") == 3

        watch.replace(WRONG)
        until(lambda: "172.18.0.2 is outside" in watch.says(), watch)
        watch.replace(WRONG)
        time.sleep(0.6)
        assert watch.says().count("172.18.0.2 is outside") == 1
        assert port() == "6399"
        watch.replace(DOCKER0)
        until(lambda: port() == "6379", watch)


def test_it_mends_what_drifts(tmp_path: Path) -> None:
    """At the next interval, without a change of the spec."""
    with watching(tmp_path, "0.5") as watch:
        shell("ip -n redis address del 172.17.0.2/16 dev eth0; ip link set docker0 mtu 1400")
        until(
            lambda: "172.17.0.2/16" in run("ip -n redis address") and "mtu 1500" in run("ip link show docker0"), watch
        )
    assert plan(DOCKER0) == []


def test_it_ends_with_0_and_leaves_the_network(tmp_path: Path) -> None:
    """SIGTERM is how it ends."""
    with watching(tmp_path, "600") as watch:
        before = host_state()
        watch.process.terminate()
        assert watch.process.wait(DEADLINE) == 0

    assert host_state() == before
    assert sorted(path.name for path in NETNS_DIR.iterdir()) == ["client", "redis"]
