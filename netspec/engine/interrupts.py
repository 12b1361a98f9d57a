"""Signals that ask an apply to stop: noted when they come, obeyed between two sends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from netspec.engine.executor import StepProgress
from netspec.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(inner: StepProgress) -> Iterator[StepProgress]:
    """A progress that raises Interrupted once a signal has come. A second one changes nothing: undoing goes on."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    def progress(done: int, known: int) -> None:
        inner(done, known)
        if received:
            raise Interrupted(received[0])

    # What was ignored stays so: nohup, and shells for jobs in the background, mean it.
    obeyed = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {int(number): signal.signal(number, note) for number in obeyed}
    try:
        yield progress
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # All was done before the signal could be obeyed: whoever listens outside must still hear of it.
    for number in received:
        handler = before[number]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(number, None)
