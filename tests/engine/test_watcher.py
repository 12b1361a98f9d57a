"""The watch: what it does when, told by a clock and a wake of the test's own; and what wakes the real one."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from netspec.diagnostics import Diagnostic
from netspec.engine import triggers
from netspec.engine.triggers import FileTrigger, Wake
from netspec.engine.watcher import BACKOFF_LONGEST, Watcher
from netspec.errors import ApplyFailed, Interrupted, NetspecError, Refused, SpecError, Suspended
from netspec.spec.source import belongs


def invalid(words: str) -> SpecError:
    """A spec with something wrong in it."""
    return SpecError("The spec is invalid.", diagnostics=[Diagnostic("NS0000", words)])


class Script(Wake):
    """A wake that never sleeps: it notes for how long it was asked to, and what happens next is written down."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.world = world

    def wait(self, timeout: float) -> bool:
        """The next thing happens."""
        self.world.log.append(f"wait {timeout:g}")
        if not self.world.events:
            self.stop()
            return True
        self.world.events.pop(0)()
        return True


@dataclass
class World:
    """What a watcher sees, and what it did."""

    spec: object = "a"
    outcome: NetspecError | None = None
    events: list[Callable[[], None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def load(self) -> str:
        """The spec as it is."""
        if isinstance(self.spec, SpecError):
            raise self.spec
        return str(self.spec)

    def reconcile(self, spec: str) -> None:
        """It is noted, and ends as the world says."""
        self.log.append(f"reconcile {spec}")
        if self.outcome is not None:
            raise self.outcome

    def invalid(self, error: SpecError) -> None:
        """It is noted."""
        self.log.append(f"invalid {error.diagnostics[0].message}")

    def refused(self, error: Refused) -> None:
        """It is noted."""
        self.log.append(f"refused {error.message}")

    def failed(self, _error: NetspecError, retry_in: float) -> None:
        """It is noted."""
        self.log.append(f"failed, again in {retry_in:g}")

    def put(self, name: str, value: object) -> Callable[[], None]:
        """An event: something changes."""
        return lambda: setattr(self, name, value)

    def run(self, *events: Callable[[], None]) -> list[str]:
        """What a watch does over these events."""
        self.events = list(events)
        Watcher(load=self.load, reconcile=self.reconcile, report=self, wake=Script(self), interval=30).run()
        return self.log


def test_it_applies_at_once_and_looks_again_at_every_interval() -> None:
    """Each wake is a look from scratch; without one, the interval is."""
    world = World()

    assert world.run(lambda: None) == ["reconcile a", "wait 30", "reconcile a", "wait 30"]


def test_it_follows_the_spec() -> None:
    """What the files say at the moment of the look counts."""
    world = World()

    assert world.run(world.put("spec", "b"))[2:] == ["reconcile b", "wait 30"]


def test_a_suspended_stack_is_waited_for_and_said_once() -> None:
    """It is no failure: nothing backs off, and the look at it is frequent; once resumed, all is as before."""
    world = World(outcome=Suspended("held"))
    resumed, held = world.put("outcome", None), world.put("outcome", Suspended("again"))

    assert world.run(lambda: None, resumed, held) == [
        *("reconcile a", "refused held", "wait 5"),
        *("reconcile a", "wait 5"),
        *("reconcile a", "wait 30"),
        *("reconcile a", "refused again", "wait 5"),
    ]


def test_an_invalid_spec_keeps_the_last_good_one_and_says_so_once() -> None:
    """The same complaint is not repeated; another one is; drift is repaired meanwhile; a good spec ends it."""
    world = World()
    wrong, other = invalid("wrong"), invalid("other")
    events = (world.put("spec", wrong), lambda: None, world.put("spec", other), world.put("spec", "b"))
    log = world.run(*events, world.put("spec", wrong))

    assert [line for line in log if not line.startswith("wait")] == [
        "reconcile a",
        "invalid wrong",
        "reconcile a",
        "reconcile a",
        "invalid other",
        "reconcile a",
        "reconcile b",
        "invalid wrong",
        "reconcile b",
    ]


def test_an_invalid_first_spec_ends_it() -> None:
    """There is nothing to keep."""
    with pytest.raises(SpecError):
        World(spec=invalid("wrong")).run()


def test_failures_are_retried_ever_more_slowly_and_forgotten_after_a_success() -> None:
    """1, 2, 4 … seconds, at most five minutes."""
    world = World(outcome=ApplyFailed("no"))
    waits = [line for line in world.run(*[lambda: None] * 11) if line.startswith("failed")]

    assert waits[:4] == ["failed, again in 1", "failed, again in 2", "failed, again in 4", "failed, again in 8"]
    assert waits[-1] == f"failed, again in {BACKOFF_LONGEST:g}"
    world = World(outcome=ApplyFailed("no"))
    log = world.run(world.put("outcome", None), world.put("outcome", ApplyFailed("no")))
    assert log == [
        *("reconcile a", "failed, again in 1", "wait 1"),
        *("reconcile a", "wait 30"),
        *("reconcile a", "failed, again in 1", "wait 1"),
    ]


def test_an_interrupted_apply_ends_it() -> None:
    """It was undone; nothing is tried again."""
    assert World(outcome=Interrupted(15)).run() == ["reconcile a"]


def test_a_stop_before_the_start_does_nothing() -> None:
    """Told to stop, it does not begin."""
    world = World()
    wake = Script(world)
    wake.stop()
    Watcher(load=world.load, reconcile=world.reconcile, report=world, wake=wake, interval=1).run()

    assert world.log == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bursts are short here."""
    monkeypatch.setattr(triggers, "QUIET", 0.05)
    monkeypatch.setattr(triggers, "LONGEST_BURST", 0.3)


class Bursts(threading.Event):
    """An event that, each time somebody waits for quiet, is set once more, as long as a burst lasts."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def wait(self, timeout: float | None = None) -> bool:
        """The next event of the burst, or quiet."""
        if self.more:
            self.more -= 1
            self.set()
        return super().wait(timeout)


@pytest.mark.usefixtures("hasty")
def test_a_burst_of_events_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that follow within the quiet time belong to it; afterwards nothing is left of them."""
    monkeypatch.setattr(triggers, "LONGEST_BURST", 60.0)
    wake = Wake()
    wake._event = burst = Bursts(4)

    assert (wake.wait(2), burst.more, wake.wait(0.1)) == (True, 0, False)


@pytest.mark.usefixtures("hasty")
def test_events_without_end_are_acted_upon() -> None:
    """A file that is written again and again cannot keep the watch from looking."""
    wake = Wake()
    wake._event = burst = Bursts(1 << 30)

    assert wake.wait(2)
    assert burst.more > 0


def test_a_stop_wakes_at_once_and_for_good() -> None:
    """Whoever waits hears of it, now and later."""
    wake = Wake()
    wake.stop()

    assert (wake.wait(60), wake.wait(60), wake.stopping) == (True, True, True)


@contextmanager
def watching(path: Path, wake: Wake) -> Iterator[FileTrigger]:
    """What is at a path wakes."""
    with FileTrigger(path, wake, partial(belongs, path)) as trigger:
        trigger.follow()
        yield trigger


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("watched", ["spec.yaml", "."])
def test_files_wake_it(tmp_path: Path, watched: str) -> None:
    """Written in place, replaced as editors do, removed and made again; but not by being read."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("netspec: 1\n", encoding="ascii")
    wake = Wake()

    with watching(tmp_path / watched, wake):
        spec.read_text(encoding="ascii")
        assert not wake.wait(0.15)
        spec.write_text("netspec: 1\n# more\n", encoding="ascii")
        assert wake.wait(20)
        aside = tmp_path / ".spec.yaml.swp"
        aside.write_text("netspec: 1\n", encoding="ascii")
        aside.rename(spec)
        assert wake.wait(20)
        spec.unlink()
        assert wake.wait(20)
        spec.write_text("netspec: 1\n", encoding="ascii")
        assert wake.wait(20)
        (tmp_path / "netspec.lock").write_text("{}", encoding="ascii")
        assert wake.wait(20)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("watched", ["spec.yaml", "."])
def test_a_log_beside_the_spec_does_not_wake_it(tmp_path: Path, watched: str) -> None:
    """What a failed apply says would be the reason to try it again at once, and again."""
    wake = Wake()
    with (tmp_path / "log").open("w") as log, watching(tmp_path / watched, wake):
        log.write("failed\n")
        log.flush()
        assert not wake.wait(0.2)
        (tmp_path / "spec.yaml").write_text("netspec: 1\n", encoding="ascii")
        assert wake.wait(20)


@pytest.mark.usefixtures("hasty")
def test_a_link_to_a_spec_is_watched_where_it_leads(tmp_path: Path) -> None:
    """A change of what it leads to wakes it, and so does leading elsewhere."""
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    target = tmp_path / "there" / "real.yaml"
    target.write_text("netspec: 1\n", encoding="ascii")
    link = tmp_path / "here" / "spec.yaml"
    link.symlink_to(target)
    wake = Wake()

    with watching(link, wake):
        target.write_text("netspec: 1\n# more\n", encoding="ascii")
        assert wake.wait(20)
        aside = tmp_path / "here" / "aside"
        aside.symlink_to(tmp_path / "nowhere")
        aside.rename(link)
        assert wake.wait(20)


def remade(specs: Path) -> None:
    """It goes, and is made again: perhaps with the same inode."""
    shutil.rmtree(specs)
    specs.mkdir()


def replaced(specs: Path) -> None:
    """Another takes its place, and it stays for those who have it open."""
    specs.rename(specs.with_name("former"))
    specs.mkdir()


def led_elsewhere(specs: Path) -> None:
    """It is a link, which leads to the next release from now on."""
    shutil.rmtree(specs)
    specs.with_name("next").mkdir()
    specs.symlink_to("next")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("happening", [remade, replaced, led_elsewhere])
@pytest.mark.parametrize("watched", ["specs", "specs/spec.yaml"])
def test_a_directory_in_place_of_the_watched_one_is_followed(
    tmp_path: Path, watched: str, happening: Callable[[Path], None]
) -> None:
    """What is written into it wakes as what was written into the former one."""
    specs, wake = tmp_path / "specs", Wake()
    specs.mkdir()
    with watching(tmp_path / watched, wake) as trigger:
        for _ in range(3 if happening is remade else 1):
            happening(specs)
            assert wake.wait(20)
            trigger.follow()
        while wake.wait(0.3):  # what came late of the events above
            trigger.follow()
        (specs / "spec.yaml").write_text("netspec: 1\n", encoding="ascii")
        assert wake.wait(20)


@pytest.mark.usefixtures("hasty")
def test_a_directory_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """Also where it was not there at a look in between; and then it is followed."""
    specs, wake = tmp_path / "deeper" / "specs", Wake()
    specs.mkdir(parents=True)
    with watching(specs, wake) as trigger:
        for removed, made in ((specs, specs.mkdir), (specs.parent, partial(specs.mkdir, parents=True))):
            shutil.rmtree(removed)
            assert wake.wait(20)
            while wake.wait(0.3):  # what came late
                trigger.follow()
            trigger.follow()
            made()
            assert wake.wait(20)
            trigger.follow()
        while wake.wait(0.3):
            trigger.follow()
        (specs / "spec.yaml").write_text("netspec: 1\n", encoding="ascii")
        assert wake.wait(20)


def test_links_that_lead_in_a_circle_are_no_defect(tmp_path: Path) -> None:
    """They are watched as they are: one day they lead somewhere."""
    link, wake = tmp_path / "spec.yaml", Wake()
    link.symlink_to(link)
    with watching(link, wake):
        link.unlink()
        assert wake.wait(20)


def still(seconds: float, words: str = "to be confirmed") -> Refused:
    """What ends by itself."""
    return Refused("Refused.", diagnostics=[Diagnostic("NS0660", words)], passes_in=seconds)


def test_what_ends_by_itself_is_waited_for_and_said_once() -> None:
    """Its end is not missed, nor that it ended earlier; afterwards a failure is a first one."""
    world = World(outcome=still(70.2))
    log = world.run(
        world.put("outcome", still(40.2)),
        world.put("outcome", still(10.2)),
        world.put("outcome", still(50, "another")),
        world.put("outcome", ApplyFailed("no")),
    )
    assert log == [
        *("reconcile a", "refused Refused.", "wait 30"),
        *("reconcile a", "wait 30"),
        *("reconcile a", "wait 11"),
        *("reconcile a", "refused Refused.", "wait 30"),
        *("reconcile a", "failed, again in 1", "wait 1"),
    ]


def test_what_is_refused_is_said_once_for_each_reason() -> None:
    """It is looked at again ever more seldom, and in between something else may fail: then it is said again."""
    guarded, limited = (Refused(words, diagnostics=[Diagnostic("NS0700", words)]) for words in ("guarded", "limited"))
    world = World(outcome=guarded)
    log = world.run(
        lambda: None,
        world.put("outcome", limited),
        world.put("outcome", ApplyFailed("no")),
        world.put("outcome", limited),
        world.put("outcome", None),
        world.put("outcome", limited),
    )
    assert log == [
        *("reconcile a", "refused guarded", "wait 1"),
        *("reconcile a", "wait 2"),
        *("reconcile a", "refused limited", "wait 4"),
        *("reconcile a", "failed, again in 8", "wait 8"),
        *("reconcile a", "refused limited", "wait 16"),
        *("reconcile a", "wait 30"),
        *("reconcile a", "refused limited", "wait 1"),
    ]


def test_a_count_that_moves_is_no_other_reason() -> None:
    """Connections come and go while it waits."""
    few, many = (
        Refused("no", diagnostics=[Diagnostic("NS0620", f"cuts connections{count}: too much", varying=count)])
        for count in (" (2 now)", " (30 now)")
    )
    world = World(outcome=few)
    log = world.run(world.put("outcome", many), world.put("outcome", few))
    assert log == ["reconcile a", "refused no", "wait 1", "reconcile a", "wait 2", "reconcile a", "wait 4"]
