"""Confirm windows on the fake kernel, with a clock that the test moves: how they open, and how each of them ends."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from netspec.engine.applied import Applied
from netspec.engine.confirmation import INTERRUPTED, NOBODY, RESTARTED, Confirmation, Opening
from netspec.engine.guardian import LONGEST_PAUSE, TRIES, Guardian, World, attended, on_duty
from netspec.engine.journal import Entry, entry_of
from netspec.engine.lock import exclusive
from netspec.engine.safeguard import Record
from netspec.engine.window import Applying, Stage, Window, Windows
from netspec.errors import ApplyFailed, Refused
from netspec.kernel.clock import Clock
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import Scope, Snapshot
from tests.engine.sites import Site, faulty
from tests.specs import BASE, MANY, SYSCTLS, intent

WITHIN = 90.0


@dataclass(slots=True)
class Time:
    """Two clocks that move when they are told to; `meanwhile` happens when somebody sleeps."""

    elapsed: float = 1000.0
    wall: float = 1.7e9
    boot: str = "first"
    meanwhile: Callable[[], None] = lambda: None
    said: list[str] = field(default_factory=list)
    ended: list[Applying] = field(default_factory=list)

    def clock(self) -> Clock:
        """As netspec reads it."""
        return Clock(self.boot, lambda: self.elapsed, lambda: self.wall)

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""
        self.elapsed += seconds
        self.wall += seconds
        self.meanwhile()

    def world(self) -> World:
        """What a guardian does outside, noted."""
        return World(sleep=self.sleep, tell=lambda text, but: self.said.append(f"{but}: {text}"), end=self.ended.append)


@pytest.fixture
def time() -> Time:
    """A clock of the test's own."""
    return Time()


def windows(site: Site) -> Windows:
    """Those of a site."""
    return Windows(site.reconciler().run_dir)


def ending(site: Site, time: Time, kernel: Kernel | None = None) -> Confirmation:
    """What ends windows there."""
    return Confirmation(site.reconciler(kernel), time.clock())


def guardian(site: Site, time: Time, kernel: Kernel | None = None) -> Guardian:
    """A guardian of the stack `default`."""
    return Guardian(site.reconciler(kernel), ending(site, time, kernel), "default", time.world())


def nobody(_window: Window) -> None:
    """A guardian is not wanted here."""


def opening(site: Site, time: Time, station: Callable[[Window], None] = nobody) -> Opening:
    """The Safeguard of an apply on a site."""
    return Opening(windows(site), time.clock(), WITHIN, station)


def opened(site: Site, time: Time, spec: str = BASE) -> Window:
    """Apply a spec that has to be confirmed."""
    safeguard = opening(site, time)
    site.reconciler().carry_out(site.propose(spec), safeguard=safeguard)
    assert safeguard.window is not None
    return safeguard.window


def died(site: Site, time: Time, spec: str = BASE, at: int = 5) -> None:
    """An apply with a window that is killed on its way."""
    with pytest.raises(Crash):
        site.reconciler(faulty(site, at, "crash")).carry_out(site.propose(spec), safeguard=opening(site, time))


def stage(site: Site) -> tuple[Stage, str] | None:
    """How far the window of the stack `default` is, and why it ended."""
    window = windows(site).read("default")
    return (window.stage, window.why) if window is not None else None


def test_it_is_on_disk_before_the_first_change_and_its_guardian_at_its_place(in_memory: Site, time: Time) -> None:
    """The guardian is called while nothing has changed, and finds the window with all that it needs."""
    before = in_memory.rows()
    seen = []

    def station(window: Window) -> None:
        seen.append((in_memory.rows() == before, windows(in_memory).read("default") == window, window.stage))

    proposal = in_memory.propose(BASE)
    in_memory.reconciler().carry_out(proposal, safeguard=opening(in_memory, time, station))

    assert seen == [(True, True, Stage.OPENING)]


def test_it_counts_from_when_the_apply_was_verified(in_memory: Site, time: Time) -> None:
    """Its time is for looking, not for applying."""
    safeguard = opening(in_memory, time)
    before = entry(in_memory)
    safeguard.begin(before)
    time.sleep(20)
    safeguard.hold(lambda: (Applied(), ""))

    assert safeguard.window == windows(in_memory).read("default")
    assert safeguard.window is not None
    assert (safeguard.window.before, safeguard.window.left(time.clock())) == (before, WITHIN)


def entry(site: Site) -> Entry:
    """What an apply of the example would put back."""
    proposal = site.propose(BASE)
    return entry_of("default", proposal.plan, proposal.observed)


def test_without_a_guardian_nothing_is_changed(in_memory: Site, time: Time) -> None:
    """Nor where the run directory cannot be written."""
    before = in_memory.rows()

    def none(_window: Window) -> None:
        raise Refused("there is none.")

    with pytest.raises(Refused, match="there is none"):
        in_memory.reconciler().carry_out(in_memory.propose(BASE), safeguard=opening(in_memory, time, none))
    assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (before, None)


def test_one_that_cannot_be_held_is_undone_at_once(in_memory: Site, time: Time) -> None:
    """The disk was full in the end: exit 3, and the host is as before."""
    before = in_memory.rows()

    class Full(Opening):
        def hold(self, _record: Record) -> bool:
            raise Refused("cannot write: No space left on device.")

    safeguard = Full(windows(in_memory), time.clock(), WITHIN, nobody)
    with pytest.raises(ApplyFailed) as caught:
        in_memory.reconciler().carry_out(in_memory.propose(BASE), safeguard=safeguard)
    assert ["No space left on device" in each.message for each in caught.value.diagnostics] == [True]
    assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (before, None)


@pytest.mark.parametrize("start", [None, MANY], ids=["from nothing", "from another"])
def test_undone_the_host_is_as_before(site: Site, time: Time, start: str | None) -> None:
    """On both kernels; the window is over, and so is what the journal of the apply said."""
    if start:
        site.apply(start)
    before = site.rows()
    window = opened(site, time)
    assert site.rows() != before

    assert ending(site, time).undo(window, NOBODY).complete
    assert site.rows() == before
    assert stage(site) == (Stage.UNDONE, NOBODY)
    assert site.reconciler().recover() is None


def test_confirmed_it_stays_and_is_on_record_from_then_on(in_memory: Site, time: Time) -> None:
    """The records are those that an apply without a window writes, byte by byte; none of them is there before."""
    in_memory.apply(MANY)
    state = in_memory.directory / "state"
    former = {each.name: each.read_text("utf-8") for each in state.iterdir()}
    window = opened(in_memory, time)
    after = in_memory.rows()
    meanwhile = {each.name: each.read_text("utf-8") for each in state.iterdir()}
    assert ending(in_memory, time).confirm(window) == ()
    confirmed = {each.name: each.read_text("utf-8") for each in state.iterdir()}
    in_memory.apply(MANY)
    in_memory.apply(BASE)

    assert meanwhile == former
    assert confirmed == {each.name: each.read_text("utf-8") for each in state.iterdir()}
    assert confirmed != former
    assert stage(in_memory) == (Stage.CONFIRMED, "")
    assert in_memory.rows() == after


def test_what_is_over_keeps_nothing(in_memory: Site, time: Time) -> None:
    """The file of a confirmed window is small, and can undo nothing."""
    window = opened(in_memory, time, MANY)
    ending(in_memory, time).confirm(window)
    found = windows(in_memory).read("default")

    assert found is not None
    assert (found.before.before, found.outlook) == ({}, None)


@pytest.mark.parametrize(
    ("jump", "expired"),
    [(-1e6, False), (1e6, False), (0.0, False)],
    ids=["the clock is set back", "the clock is set forward", "it is not"],
)
def test_the_time_of_day_moves_no_deadline(in_memory: Site, time: Time, jump: float, *, expired: bool) -> None:
    """Neither shortened nor made longer: one second before the end it is open, one later it is not."""
    window = opened(in_memory, time)
    time.wall += jump
    time.elapsed += WITHIN - 1
    assert window.expired(time.clock()) is expired
    time.elapsed += 2
    assert window.expired(time.clock()) is True


def test_after_a_reboot_it_is_over_and_nothing_is_put_back(in_memory: Site, time: Time) -> None:
    """What the kernel forgot is not made anew, whatever a run directory that has survived says."""
    window = opened(in_memory, time, MANY)
    fresh = Site(FakeKernel(), in_memory.directory)
    before = fresh.rows()
    time.boot, time.elapsed = "second", 3.0

    assert ending(fresh, time).due() == (window,)
    assert ending(fresh, time).undo(window, NOBODY).complete
    assert (fresh.rows(), stage(fresh)) == (before, (Stage.UNDONE, RESTARTED))


def test_the_guardian_undoes_at_the_end_and_not_before(in_memory: Site, time: Time) -> None:
    """It looks until then, and what it says to people it says to those who have not applied it."""
    before = in_memory.rows()
    opened(in_memory, time)
    after = in_memory.rows()
    begun, changed = time.elapsed, []

    def look() -> None:
        if in_memory.rows() != after:
            changed.append(time.elapsed - begun)

    time.meanwhile = look
    restoration = guardian(in_memory, time).run()

    assert restoration is not None
    assert restoration.complete
    assert (in_memory.rows(), changed) == (before, [])
    assert WITHIN <= time.elapsed - begun < WITHIN + 1
    assert [each.split(": ", 1)[1] for each in time.said] == [
        "netspec: stack default was changed, and is undone in 90 s unless: netspec confirm",
        "netspec: stack default was changed, and is undone in 30 s unless: netspec confirm",
        "netspec: stack default was not confirmed, and is as before again",
    ]


def test_the_guardian_leaves_when_somebody_confirms(in_memory: Site, time: Time) -> None:
    """At once, and what was applied stays."""
    window = opened(in_memory, time)
    after = in_memory.rows()
    begun = time.elapsed

    def confirm() -> None:
        ending(in_memory, time).confirm(window)

    time.meanwhile = confirm

    assert guardian(in_memory, time).run() is None
    assert (in_memory.rows(), time.elapsed - begun < 1) == (after, True)


def test_a_confirmation_and_the_end_at_the_same_moment_are_never_both(in_memory: Site, time: Time) -> None:
    """The end has come, and the guardian waits for the lock; its holder confirmed: it stays."""
    window = opened(in_memory, time)
    after = in_memory.rows()
    confirmation = ending(in_memory, time)
    watcher = guardian(in_memory, time)
    time.elapsed = window.deadline - 0.1
    run_dir = in_memory.reconciler().run_dir
    with exclusive(run_dir, 0):
        assert watcher._look() == window
        time.elapsed = window.deadline + 1
        confirmation.confirm(window)
    assert watcher._undo() is None
    assert (in_memory.rows(), stage(in_memory)) == (after, (Stage.CONFIRMED, ""))


@pytest.mark.parametrize("at", [0, 1, 5, 20])
def test_the_guardian_undoes_at_once_what_an_apply_has_left_that_died(in_memory: Site, time: Time, at: int) -> None:
    """The lock of the host is free, and the window still opening: nobody is at work any more."""
    before = in_memory.rows()
    died(in_memory, time, MANY, at)
    begun = time.elapsed

    assert guardian(in_memory, time).run() is None
    assert (in_memory.rows(), stage(in_memory)) == (before, (Stage.UNDONE, INTERRUPTED))
    assert (time.elapsed - begun < 1, in_memory.reconciler().journal.read(), time.ended) == (True, None, [])


def test_the_guardian_leaves_an_apply_alone_that_is_at_work(in_memory: Site, time: Time) -> None:
    """While the lock is held it only looks; if that takes too long, it ends the apply."""
    died(in_memory, time)
    running = in_memory.rows()
    begun = time.elapsed
    ends = []

    def after_an_end() -> None:
        assert in_memory.rows() == running
        if time.ended:
            ends.append(time.elapsed - begun)
            held.__exit__(None, None, None)
            time.meanwhile = lambda: None

    held = exclusive(in_memory.reconciler().run_dir, 0)
    held.__enter__()
    time.meanwhile = after_an_end
    assert guardian(in_memory, time).run() is None

    window = windows(in_memory).read("default")
    assert window is not None
    assert [round(each) for each in ends] == [90]
    assert time.ended[0] == window.applying
    assert stage(in_memory) == (Stage.UNDONE, INTERRUPTED)


def test_the_guardian_undoes_where_the_run_directory_was_lost(in_memory: Site, time: Time) -> None:
    """A file that vanished was not confirmed."""
    before = in_memory.rows()
    opened(in_memory, time)
    time.meanwhile = lambda: shutil.rmtree(in_memory.reconciler().run_dir, ignore_errors=True)

    assert guardian(in_memory, time).run() is not None
    assert in_memory.rows() == before


def test_the_guardian_writes_again_what_was_lost(in_memory: Site, time: Time) -> None:
    """Or an apply would go through, be on record as good, and be undone with the window that nobody knew of."""
    before = in_memory.rows()
    window = opened(in_memory, time)
    seen: list[Window | None] = []

    def lose_once() -> None:
        if not seen:
            shutil.rmtree(in_memory.reconciler().run_dir)
        seen.append(windows(in_memory).read("default"))

    time.meanwhile = lose_once
    assert guardian(in_memory, time).run() is not None

    assert (seen[0], seen[1]) == (None, window)
    assert in_memory.rows() == before
    assert stage(in_memory) == (Stage.UNDONE, NOBODY)


class Stubborn(FaultyKernel):
    """Refuses everything for a while."""

    def __init__(self, inner: Kernel, refusals: int) -> None:
        """`refusals` are looks at the kernel."""
        super().__init__(inner, fail_at=None)
        self.refusals = refusals

    def snapshot(self, scope: Scope) -> Snapshot:
        """Not before it has refused often enough."""
        self.refusals -= 1
        if self.refusals >= 0:
            raise KernelError(5, None)
        return super().snapshot(scope)


@pytest.mark.parametrize(("refusals", "complete"), [(8, True), (1000, False)])
def test_the_guardian_tries_again(in_memory: Site, time: Time, refusals: int, *, complete: bool) -> None:
    """With longer and longer pauses; in the end it says that somebody has to look, and the window stays."""
    before = in_memory.rows()
    opened(in_memory, time)
    restoration = guardian(in_memory, time, Stubborn(in_memory.kernel, refusals)).run()

    assert restoration is not None
    assert restoration.complete is complete
    assert (in_memory.rows() == before) is complete
    last = "is as before again" if complete else "could not be undone entirely: netspec recover"
    assert time.said[-1].endswith(last)
    assert stage(in_memory) == ((Stage.UNDONE, NOBODY) if complete else (Stage.PENDING, ""))
    if not complete:
        assert 3000 < time.elapsed - 1000 - WITHIN < TRIES * LONGEST_PAUSE


class Raising(FaultyKernel):
    """Fails as only a bug or a broken machine does, so many times."""

    times = 2

    def snapshot(self, scope: Scope) -> Snapshot:
        """Not before it has."""
        self.times -= 1
        if self.times >= 0:
            raise MemoryError
        return super().snapshot(scope)


@pytest.mark.parametrize("half_way", [False, True], ids=["at the end", "of an apply that died"])
def test_the_guardian_outlives_what_nobody_foresaw(in_memory: Site, time: Time, *, half_way: bool) -> None:
    """It is the last one who can undo: it tries again."""
    before = in_memory.rows()
    (died if half_way else opened)(in_memory, time)
    guardian(in_memory, time, Raising(in_memory.kernel, fail_at=None)).run()

    assert (in_memory.rows(), windows(in_memory).all()[0].stage) == (before, Stage.UNDONE)


def test_the_guardian_pauses_where_an_apply_that_died_cannot_be_undone(in_memory: Site, time: Time) -> None:
    """1, 2, 4 … seconds between two tries, and one try is a few looks at the kernel."""
    before = in_memory.rows()
    died(in_memory, time)
    begun = time.elapsed
    assert guardian(in_memory, time, Stubborn(in_memory.kernel, 4 * 5)).run() is None

    assert (in_memory.rows(), stage(in_memory)) == (before, (Stage.UNDONE, INTERRUPTED))
    assert 1 + 2 + 4 + 8 + 16 <= time.elapsed - begun < 70


def test_a_journal_that_cannot_be_understood_is_in_nobodys_way(in_memory: Site, time: Time) -> None:
    """Some other apply has left it; the guardian undoes its own, and leaves the journal to recover."""
    before = in_memory.rows()
    opened(in_memory, time)
    in_memory.reconciler().journal.path.write_text("{", encoding="utf-8")
    restoration = guardian(in_memory, time).run()

    assert restoration is not None
    assert (restoration.complete, in_memory.rows(), stage(in_memory)) == (True, before, (Stage.UNDONE, NOBODY))
    assert in_memory.reconciler().journal.path.exists()


def test_what_is_undone_but_cannot_be_noted_is_undone(
    in_memory: Site, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: the network is as before, and the guardian says so and leaves."""
    before = in_memory.rows()
    opened(in_memory, time)
    watcher = guardian(in_memory, time)

    def full(_window: Window) -> None:
        raise Refused("cannot write: No space left on device.")

    monkeypatch.setattr(watcher.confirmation.windows, "write", full)
    restoration = watcher.run()
    assert restoration is not None
    assert (restoration.complete, in_memory.rows()) == (True, before)
    assert time.said[-1].endswith("is as before again")


def test_who_keeps_the_lock_when_the_end_comes_is_ended(in_memory: Site, time: Time) -> None:
    """A command that asks where nobody answers would keep the host cut off for ever."""
    before = in_memory.rows()
    opened(in_memory, time)
    held = exclusive(in_memory.reconciler().run_dir, 0)
    held.__enter__()
    ended = []

    def unblock() -> None:
        ended.append(time.elapsed)
        held.__exit__(None, None, None)

    watcher = guardian(in_memory, time)
    watcher.world = replace(watcher.world, unblock=unblock, patience=0.1)
    restoration = watcher.run()
    assert restoration is not None
    assert (restoration.complete, in_memory.rows(), len(ended)) == (True, before, 1)
    assert ended[0] >= 1000 + WITHIN


def unclosed(site: Site, window: Window) -> None:
    """The apply was killed when it had opened its window, and its journal was still there."""
    site.reconciler().journal.open(window.before)


def test_an_apply_that_died_once_its_window_was_open_is_not_undone_before_the_end(in_memory: Site, time: Time) -> None:
    """It was verified: the next command finds nothing to undo, nor does the one after the confirmation."""
    window = opened(in_memory, time)
    after = in_memory.rows()
    unclosed(in_memory, window)
    assert ending(in_memory, time).recover() is None
    assert (in_memory.rows(), in_memory.reconciler().journal.read(), stage(in_memory)) == (
        after,
        None,
        (Stage.PENDING, ""),
    )

    unclosed(in_memory, window)
    ending(in_memory, time).confirm(window)
    assert ending(in_memory, time).recover() is None
    assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (after, None)


def test_an_apply_that_died_once_its_window_was_open_is_undone_at_the_end(in_memory: Site, time: Time) -> None:
    """Once, with nothing left for the next command to speak of."""
    before = in_memory.rows()
    unclosed(in_memory, opened(in_memory, time))
    assert guardian(in_memory, time).run() is not None

    assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (before, None)
    assert stage(in_memory) == (Stage.UNDONE, NOBODY)


def test_the_journal_of_another_apply_is_its_own(in_memory: Site, time: Time) -> None:
    """A stack that is to be confirmed does not keep what another one has left; nor does a damaged window."""
    window = opened(in_memory, time, "netspec: 1\nstack: shop\nsysctls: {net.ipv4.conf.all.log_martians: 1}\n")
    before = in_memory.rows()
    for _ in ("a window", "a damaged one"):
        with pytest.raises(Crash):
            in_memory.reconciler(faulty(in_memory, 5, "crash")).carry_out(in_memory.propose(BASE))
        assert in_memory.rows() != before
        assert ending(in_memory, time).recover() is not None
        assert (in_memory.rows(), in_memory.reconciler().journal.read()) == (before, None)
        windows(in_memory).write(replace(window, stack="default"))
        windows(in_memory).path("default").write_text("{", encoding="utf-8")


def test_there_is_one_guardian_for_a_stack(in_memory: Site, time: Time) -> None:
    """A second one leaves; one of another stack does not mind."""
    run_dir = in_memory.reconciler().run_dir
    window = opened(in_memory, time)
    with on_duty(run_dir, "default", time.sleep) as first, on_duty(run_dir, "default", time.sleep) as second:
        with on_duty(run_dir, "shop", time.sleep) as third:
            assert (first is None, second is None, third is None) == (False, True, False)
        assert first is not None
        assert attended(run_dir, window) is False
        first(window.identity)
        assert attended(run_dir, window) is True
        assert attended(run_dir, replace(window, identity="other")) is False
    assert attended(run_dir, window) is False


def test_the_same_stack_is_not_applied_meanwhile(in_memory: Site, time: Time) -> None:
    """Until the end."""
    window = opened(in_memory, time)
    with pytest.raises(Refused) as caught:
        ending(in_memory, time).admit("default")
    assert [each.code for each in caught.value.diagnostics] == ["NS0660"]
    ending(in_memory, time).admit("shop")
    time.elapsed = window.deadline
    ending(in_memory, time).admit("default")


def test_another_stack_is_refused_where_it_builds_on_what_may_be_undone(in_memory: Site, time: Time) -> None:
    """A sysctl that both want; one that wants others goes on."""
    opened(in_memory, time, "netspec: 1\nsysctls: {net.ipv4.ip_forward: 1}\n")
    other = "netspec: 1\nstack: shop\nsysctls: {%s: 1}\n"
    confirmation = ending(in_memory, time)
    confirmation.admit_proposal(in_memory.reconciler().propose(intent(other % "net.ipv4.conf.all.log_martians")))
    with pytest.raises(Refused) as caught:
        confirmation.admit_proposal(in_memory.reconciler().propose(intent(other % "net.ipv4.ip_forward")))
    (refused,) = caught.value.diagnostics
    assert (refused.code, refused.message.partition(" ")[0]) == ("NS0661", "sysctl/net.ipv4.ip_forward")


def test_a_record_that_may_be_undone_is_waited_for_by_who_leaves_it_behind(in_memory: Site, time: Time) -> None:
    """A sysctl stays for another stack, which owes it then: that must not be undone. Whoever stays goes on."""
    plain, shop = "netspec: 1\nbridges: {br0: {}}\n", "netspec: 1\nstack: shop\nsysctls: {net.ipv4.ip_forward: 1}\n"
    in_memory.apply(f"{plain}sysctls: {{net.ipv4.ip_forward: 1}}\n")
    opened(in_memory, time, shop)
    confirmation = ending(in_memory, time)
    more = f"{plain}sysctls: {{net.ipv4.ip_forward: 1, net.ipv4.conf.all.log_martians: 1}}\n"
    confirmation.admit_proposal(in_memory.reconciler().propose(intent(more)))
    with pytest.raises(Refused) as caught:
        confirmation.admit_proposal(in_memory.reconciler().propose(intent(plain)))
    assert [each.code for each in caught.value.diagnostics] == ["NS0661"]


def test_another_stack_is_refused_where_it_stands_in_what_may_go(in_memory: Site, time: Time) -> None:
    """A namespace that the undoing would remove, with all that others have put into it."""
    opened(in_memory, time, "netspec: 1\nendpoints: {lonely: {interfaces: {}}}\n")
    other = "netspec: 1\nstack: shop\nbridges: {br9: {subnets: [10.9.0.0/24]}}\nendpoints: {more: {%s bridge: br9%s}}\n"
    confirmation = ending(in_memory, time)
    confirmation.admit_proposal(in_memory.reconciler().propose(intent(other % ("", ""))))
    inside = other % ("netns: lonely, interfaces: {eth9: {", "}}")
    with pytest.raises(Refused) as caught:
        confirmation.admit_proposal(in_memory.reconciler().propose(intent(inside)))
    assert ["netns/lonely" in each.message for each in caught.value.diagnostics] == [True]


def test_an_apply_that_failed_leaves_no_window(in_memory: Site, time: Time) -> None:
    """Neither one that was interrupted: its guardian leaves."""
    safeguard = opening(in_memory, time)
    with pytest.raises(ApplyFailed):
        in_memory.reconciler(faulty(in_memory, 3, "error")).carry_out(in_memory.propose(BASE), safeguard=safeguard)
    safeguard.abandon(INTERRUPTED)

    assert stage(in_memory) == (Stage.UNDONE, INTERRUPTED)
    assert guardian(in_memory, time).run() is None


def test_what_is_read_is_what_was_written(in_memory: Site, time: Time) -> None:
    """Every kind of resource among it."""
    in_memory.apply(MANY)
    window = opened(in_memory, time, SYSCTLS)

    assert windows(in_memory).read("default") == window


def test_a_damaged_one_is_refused_whatever_is_wrong(in_memory: Site, time: Time) -> None:
    """Cut at any place, or with any value of another sort: NS0663, and nothing else happens."""
    opened(in_memory, time)
    text = windows(in_memory).path("default").read_text("utf-8")
    whole = json.loads(text)
    texts = [text[:length] for length in range(0, len(text), 211)]
    for name in whole:
        values: list[object] = [None, [], {}, "x", -1, 1e999, 10**400, [1, 2, 3]]
        texts += [json.dumps({**whole, name: value}) for value in values]
        texts.append(json.dumps({key: value for key, value in whole.items() if key != name}))
    harmless = sum(_understood(windows(in_memory), each) for each in texts)
    assert harmless < len(whole) * 3


def _understood(found: Windows, text: str) -> bool:
    """Whether such a file is read; if not, it is refused as it should be."""
    found.path("default").write_text(text, "utf-8")
    try:
        found.read("default")
    except Refused as error:
        return "NS0663" not in {each.code for each in error.diagnostics}
    return True


def test_one_of_another_stack_under_this_name_is_refused(in_memory: Site, time: Time) -> None:
    """Whoever moved it there."""
    opened(in_memory, time)
    path = windows(in_memory).path("default")
    path.rename(windows(in_memory).path("shop"))

    with pytest.raises(Refused):
        windows(in_memory).read("shop")


def test_a_link_in_its_place_is_not_followed(in_memory: Site, time: Time, tmp_path: Path) -> None:
    """Neither when it is read nor when it is written."""
    window = opened(in_memory, time)
    path, target = windows(in_memory).path("default"), tmp_path / "target"
    target.write_text("precious", "utf-8")
    path.unlink()
    path.symlink_to(target)

    with pytest.raises(Refused):
        windows(in_memory).read("default")
    windows(in_memory).write(window)
    assert (target.read_text("utf-8"), path.is_symlink()) == ("precious", False)
