"""`apply` in a loop: wakes, waits for quiet, reconciles from scratch, backs off on failure. No logic of its own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from netspec.engine.triggers import Wake
from netspec.errors import Interrupted, NetspecError, Refused, SpecError, Suspended

Spec = TypeVar("Spec")

BACKOFF_FIRST, BACKOFF_LONGEST = 1.0, 300.0
"""Seconds to wait after a first failure, and after many; each is twice the one before."""

LOOK_FOR_RESUME = 5.0
"""Seconds between two looks whether a suspended stack has been resumed, where the interval is not shorter."""


class Reporter(Protocol):
    """Hears what becomes of a watch."""

    def invalid(self, error: SpecError) -> None:
        """The spec became invalid; the last good one stays in force."""

    def refused(self, error: Refused) -> None:
        """Something forbids to do anything; said once for each reason."""

    def failed(self, error: NetspecError, retry_in: float) -> None:
        """A reconciliation failed."""


@dataclass(slots=True)
class Watcher(Generic[Spec]):
    """Keeps a host as a spec says.

    `load` reads the spec and raises SpecError; `reconcile` makes the kernel equal it and raises NetspecError;
    `interval` is how often, in seconds, to look for drift without being woken.
    """

    load: Callable[[], Spec]
    reconcile: Callable[[Spec], None]
    report: Reporter
    wake: Wake
    interval: float
    _good: Spec | None = None
    _complaint: str = ""
    _obstacle: str = ""
    _failures: int = 0

    def run(self) -> None:
        """Work until told to stop. Raises SpecError only where the very first spec is invalid."""
        while not self.wake.stopping:
            self._reload()
            pause = self._once()
            if not self.wake.stopping:
                self.wake.wait(pause)

    def _reload(self) -> None:
        try:
            self._good = self.load()
            self._complaint = ""
        except SpecError as error:
            if self._good is None:
                raise
            complaint = _reason(error)
            if complaint != self._complaint:
                self._complaint = complaint
                self.report.invalid(error)

    def _once(self) -> float:
        """Reconcile once; the seconds to wait before the next time."""
        assert self._good is not None, "the first spec was loaded or the watch has ended"
        try:
            self.reconcile(self._good)
        except Interrupted:
            self.wake.stop()
        except Refused as error:
            return self._refused(error)
        except NetspecError as error:
            self._obstacle = ""
            pause = self._backoff()
            self.report.failed(error, pause)
            return pause
        self._failures, self._obstacle = 0, ""
        return self.interval

    def _refused(self, error: Refused) -> float:
        """Nothing was tried: the reason is said once, and its end is not missed where it can be foreseen."""
        obstacle = _reason(error)
        if obstacle != self._obstacle:
            self._obstacle = obstacle
            self.report.refused(error)
        if isinstance(error, Suspended):
            return min(self.interval, LOOK_FOR_RESUME)
        if error.passes_in is not None:
            return min(float(math.ceil(error.passes_in)), self.interval)
        return self._backoff()

    def _backoff(self) -> float:
        pause = min(BACKOFF_FIRST * 2.0 ** min(self._failures, 16), BACKOFF_LONGEST)
        self._failures += 1
        return pause


def _reason(error: NetspecError) -> str:
    """What tells an error from another one."""
    return "\n".join(repr(each.lasting()) for each in error.diagnostics) or error.message
