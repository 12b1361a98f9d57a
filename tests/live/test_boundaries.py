"""Every call that leaves the process goes wrong once, on the real kernel: as before, or it is said what is left."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.engine.intent import Intent
from netspec.errors import Astray, NetspecError, Refused
from netspec.kernel import namespaces
from tests import tally
from tests.host_state import host_state
from tests.live.boundaries import ERRORS, Calls, Fault, lost, refusing, shortened, watched
from tests.live.driving import apply, destroy, edited, intent, reconciler
from tests.live.specs import DOCKER0
from tests.sandboxed import RUN_DIR, STATE_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

CHANGED = edited(DOCKER0, ("172.17.0.", "172.18.0."), ("6379:6379", "6380:6379"), ("client:", "other:"))
WAYS = {"create": intent(DOCKER0), "change": intent(CHANGED), "destroy": Intent(stack="default")}


def begin(way: str) -> str:
    """The host as it is before the way; what it holds."""
    if way != "create":
        apply(DOCKER0)
    return host_state()


def carried_out(way: str, calls: Calls) -> int:
    """Plan and carry out with these calls; the exit code it would end with."""
    home = namespaces.current()
    try:
        with watched(calls):
            reconciler().carry_out(reconciler().propose(WAYS[way]))
    except (NetspecError, Astray) as error:
        return error.exit_code
    finally:
        # Who went astray was ended there; this thread goes on.
        namespaces.enter(home)
        os.close(home)
    return 0


def tried(way: str, calls: Calls, before: str) -> str:
    """One case, and how it ended. The host is as before afterwards."""
    code = carried_out(way, calls)
    pending = reconciler().recover()
    if code == 0:
        assert pending is None
        assert not reconciler().propose(WAYS[way]).plan
        destroy()
        assert begin(way) == before
        return "applied"
    assert pending is None or pending.restoration.complete
    assert host_state() == before, calls.struck
    if code == 4:
        return "left, then recovered (4)"
    assert code in (1, 3, 6, 77)
    return "undone (3)" if code == 3 else "nothing begun"


def points(way: str, *, only: str = "") -> list[int]:
    """The numbers of the calls that a way makes where nothing goes wrong, all or those of one name."""
    calls = Calls(-1, lost)
    assert carried_out(way, calls) == 0
    destroy()
    begin(way)
    assert len(calls.seen) > 60
    return [number for number, name in enumerate(calls.seen) if only in ("", name)]


def swept(
    way: str, fault: Callable[[int], tuple[str, Fault]], some: slice, *, only: str = "", stays: bool = False
) -> None:
    """Some of the calls of a way; `fault` takes the number of one, and names what it gives."""
    before = begin(way)
    for number in points(way, only=only)[some]:
        name, strike = fault(number)
        calls = Calls(number, strike, stays=stays)
        ending = tried(way, calls, before)
        assert calls.struck
        tally.count(name, "Linux", ending)


def error_in_turn(number: int) -> tuple[str, Fault]:
    """Another errno at each call."""
    found = ERRORS[number % len(ERRORS)]
    return f"{errno.errorcode[found]} from a system call", refusing(found)


FAULTS: dict[str, Callable[[int], tuple[str, Fault]]] = {
    "": error_in_turn,
    "send": lambda _number: ("request that is never answered", lost),
    "receive": lambda _number: ("short read", shortened),
}
"""By the name of the calls that they strike; the first strikes all."""


def going_on(number: int) -> tuple[str, Fault]:
    """An errno that is there from then on."""
    return "system call that goes on failing", error_in_turn(number)[1]


@pytest.mark.parametrize("only", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_calls_that_go_wrong(way: str, only: str) -> None:
    """Some of them; the sweep over all is a run of its own."""
    swept(way, FAULTS[only], slice(20, None, 31 if only else 101), only=only)


@pytest.mark.faults
@pytest.mark.parametrize("only", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_call_that_goes_wrong(way: str, only: str) -> None:
    """All of them."""
    swept(way, FAULTS[only], slice(None), only=only)


@pytest.mark.parametrize("way", WAYS)
def test_calls_that_go_on_going_wrong(way: str) -> None:
    """Some of them, those that undo among them."""
    swept(way, going_on, slice(75, None, 151), stays=True)


@pytest.mark.faults
@pytest.mark.parametrize("way", WAYS)
def test_every_other_call_that_goes_on_going_wrong(way: str) -> None:
    """Many of them: all calls of that name from then on."""
    swept(way, going_on, slice(None, None, 3), stays=True)


def stopped(number: int) -> tuple[str, Fault]:
    """The process is stopped before a call, and goes on a while later: longer than any deadline it has."""

    def stop(_name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401  as the call would
        this, child = os.getpid(), os.fork()
        if not child:
            # Who is told to go on before it has stopped stays so for ever.
            while _state(this) != "T":
                time.sleep(0.01)
            time.sleep(0.3)
            os.kill(this, signal.SIGCONT)
            os._exit(0)
        os.kill(this, signal.SIGSTOP)
        os.waitpid(child, 0)
        return call()

    del number
    return "SIGSTOP and resume", stop


def _state(pid: int) -> str:
    """What a process does, as proc(5) has it: `T` where it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]


def jumped(number: int) -> tuple[str, Fault]:
    """All clocks leap: the wall clock back by years, the monotonic one on by a day, as over a suspend."""
    back = number % 2

    def jump(_name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401  as the call would
        real, wall = time.monotonic, time.time
        time.monotonic = lambda: real() + 86_400
        time.time = lambda: wall() + (-(10**9) if back else 10**9)
        return call()

    return "clock jump", jump


@contextlib.contextmanager
def real_clocks() -> Iterator[None]:
    """Whatever became of the clocks, they are the real ones afterwards."""
    real, wall = time.monotonic, time.time
    try:
        yield
    finally:
        time.monotonic, time.time = real, wall


@pytest.mark.tallied
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [stopped, jumped], ids=["stopped", "jumped"])
def test_time_that_passes_is_no_failure(way: str, fault: Callable[[int], tuple[str, Fault]]) -> None:
    """The kernel had answered long ago: everything is applied."""
    before = begin(way)
    for number in range(40, 320, 125):
        name, strike = fault(number)
        with real_clocks():
            calls = Calls(number, strike)
            code = carried_out(way, calls)
        if not calls.struck:
            break
        assert (code, reconciler().recover()) == (0, None), calls.struck
        assert not reconciler().propose(WAYS[way]).plan
        tally.count(name, "Linux", "applied")
        destroy()
        assert begin(way) == before


def fill(directory: str) -> None:
    """Write until there is no room for a byte."""
    with contextlib.suppress(OSError), Path(directory, "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.tallied
@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=1", "ro"])
@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_is_full_or_read_only_changes_nothing(way: str, options: str) -> None:
    """What cannot be written down is not begun: 6, and not a link is touched."""
    before = begin(way)
    Path(RUN_DIR).mkdir(mode=0o700, exist_ok=True)
    run(f"mount -t tmpfs -o mode=0700,{options} none {RUN_DIR}")
    try:
        if options.startswith("size"):
            fill(RUN_DIR)
        with pytest.raises(Refused, match=f"cannot write {RUN_DIR}/journal.json: "):
            reconciler().carry_out(reconciler().propose(WAYS[way]))
        assert host_state() == before
        tally.count("read-only directory" if options == "ro" else "full disk", "Linux", "nothing begun")
    finally:
        run(f"umount {RUN_DIR}")


@pytest.mark.tallied
@pytest.mark.parametrize("options", ["size=64k", "ro"])
def test_a_state_directory_that_is_full_or_read_only_loses_but_records(options: str) -> None:
    """The network is what counts: applied, with a warning; what could not be recorded is told."""
    Path(STATE_DIR).mkdir(mode=0o700, exist_ok=True)
    run(f"mount -t tmpfs -o mode=0700,{options} none {STATE_DIR}")
    try:
        if options.startswith("size"):
            fill(STATE_DIR)
        warnings = reconciler().carry_out(reconciler().propose(WAYS["create"]))
        assert [each.code for each in warnings] == ["NS0452"]
        assert not reconciler().propose(WAYS["create"]).plan
        tally.count("read-only directory" if options == "ro" else "full disk", "Linux", "applied")
    finally:
        run(f"umount {STATE_DIR}")
