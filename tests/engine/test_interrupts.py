"""Signals between two sends: undone at a safe point, told by exit code, and never lost."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netspec.engine.interrupts import interruptible
from netspec.errors import Interrupted, NotRestored
from netspec.kernel.faulty import FaultyKernel
from tests.engine.sites import Site, fake
from tests.specs import BASE, edited


class After:
    """A progress that sends this process a signal when so many steps are done."""

    def __init__(self, steps: int, *numbers: int) -> None:
        self.steps, self.numbers, self.calls = steps, numbers, 0

    def __call__(self, _done: int, _known: int) -> None:
        """One send is over."""
        self.calls += 1
        if self.calls == self.steps:
            for number in self.numbers:
                os.kill(os.getpid(), number)


@contextmanager
def handler(number: int, action: object) -> Iterator[None]:
    """Another handler for a signal, for a while."""
    old = signal.signal(number, action)  # type: ignore[arg-type]  # a test's handler
    try:
        yield
    finally:
        signal.signal(number, old)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_two_sends_undoes_everything(in_memory: Site, number: int) -> None:
    """Wherever it comes: the host is as before, the exit code is the shell's."""
    in_memory.apply(BASE)
    before = in_memory.rows()
    after = edited(BASE, ("10.1.0.", "10.7.0."), ("db:", "dc:"))
    sends = After(0)
    Site(fake(in_memory).copy(), in_memory.directory).reconciler().carry_out(in_memory.propose(after), sends)
    assert sends.calls > 10

    for steps in range(1, sends.calls, 3):
        with pytest.raises(Interrupted) as caught, interruptible(After(steps, number)) as progress:
            in_memory.reconciler().carry_out(in_memory.propose(after), progress)
        assert caught.value.exit_code == 128 + number
        assert caught.value.message == "Interrupted at a safe point and undone: the host is as before."
        assert (in_memory.rows(), in_memory.reconciler().recover()) == (before, None)


def test_a_second_signal_does_not_stop_the_undoing(in_memory: Site) -> None:
    """The first one counts; undoing is not interrupted."""
    before = in_memory.rows()
    after = After(3, signal.SIGTERM, signal.SIGINT)
    with pytest.raises(Interrupted) as caught, interruptible(after) as progress:
        in_memory.reconciler().carry_out(in_memory.propose(BASE), progress)

    assert caught.value.exit_code in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert in_memory.rows() == before


def test_an_interrupted_apply_that_cannot_be_undone_says_so(in_memory: Site) -> None:
    """Exit 4, not 130: the host is not as before."""

    class Refusing(FaultyKernel):
        calls = 0

        def execute(self, sent, progress=lambda _done: None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            self.calls += 1
            if self.calls > 1:
                FaultyKernel(self.inner, fail_at=0).execute(sent, progress)
            self.inner.execute(sent, progress)

    after = After(9, signal.SIGINT)
    expected = pytest.raises(NotRestored, match=r"^Interrupted, and could not be undone")
    with expected, interruptible(after) as progress:
        in_memory.reconciler(Refusing(in_memory.kernel)).carry_out(in_memory.propose(BASE), progress)
    recovery = in_memory.reconciler().recover()
    assert recovery is not None
    assert recovery.restoration.complete


def test_a_signal_after_the_last_send_reaches_whoever_listens_outside(in_memory: Site) -> None:
    """The apply is done and stays; a watch still hears that it shall end."""
    heard: list[int] = []
    listening = handler(signal.SIGTERM, lambda number, _frame: heard.append(number))
    with listening, interruptible(lambda _done, _known: None) as progress:
        in_memory.reconciler().carry_out(in_memory.propose(BASE), progress)
        os.kill(os.getpid(), signal.SIGTERM)

    assert heard == [signal.SIGTERM]
    assert in_memory.steps(BASE) == []


def test_handlers_are_what_they_were(in_memory: Site) -> None:
    """Also after a failure inside."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(ZeroDivisionError), interruptible(lambda _done, _known: None):
        _ = 1 // 0

    assert [signal.getsignal(number) for number in numbers] == before
    assert in_memory.steps("netspec: 1\n") == []


def test_what_was_ignored_stays_ignored(in_memory: Site) -> None:
    """`nohup netspec apply` outlives its terminal."""
    with handler(signal.SIGHUP, signal.SIG_IGN), interruptible(After(3, signal.SIGHUP)) as progress:
        in_memory.reconciler().carry_out(in_memory.propose(BASE), progress)

    assert in_memory.steps(BASE) == []
