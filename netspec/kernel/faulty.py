"""FaultyKernel: wraps any Kernel; fails, crashes, loses an answer or drifts on cue."""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netspec.kernel.operations import Operation
from netspec.kernel.port import Kernel, KernelError, Progress, no_progress
from netspec.kernel.sightings import FlowRow, Way
from netspec.kernel.snapshot import Listener, Scope, Snapshot
from netspec.kernel.values import Address


class Crash(BaseException):
    """The process ends here, as by SIGKILL: nothing but a test may catch it."""


@dataclass(slots=True)
class FaultyKernel:
    """A kernel that does the first `fail_at` operations, over all executions, and goes wrong at the next.

    It refuses that one with errno `number`; with `crash` it raises Crash instead; with `lost` it does the
    operation, and then says ETIMEDOUT. Having gone wrong it works, so that restoring can, unless `again_at`
    says how many operations it does from there until the same goes wrong a second time. `before` is called
    once, ahead of the first execution, with the inner kernel: drift between looking and doing. With `meddle`
    nothing is refused: it is called with the inner kernel in the middle of the run, which then goes on.
    """

    inner: Kernel
    fail_at: int | None = field(default=None, kw_only=True)
    number: int = field(default=errno.EBUSY, kw_only=True)
    crash: bool = field(default=False, kw_only=True)
    lost: bool = field(default=False, kw_only=True)
    meddle: Callable[[Kernel], None] | None = field(default=None, kw_only=True)
    again_at: int | None = field(default=None, kw_only=True)
    before: Callable[[Kernel], None] | None = field(default=None, kw_only=True)
    count: int = field(default=0, init=False)
    """Operations seen so far, the one that went wrong among them."""
    faults: int = field(default=0, init=False)
    """How often it went wrong."""
    _left: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._left = self.fail_at

    def snapshot(self, scope: Scope) -> Snapshot:
        """What the inner kernel tells."""
        return self.inner.snapshot(scope)

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """What the inner kernel does, up to the fault."""
        drift, self.before = self.before, None
        if drift is not None:
            drift(self.inner)
        if self._left is None or self._left >= len(operations):
            self._left = None if self._left is None else self._left - len(operations)
            self.count += len(operations)
            self.inner.execute(operations, progress)
            return
        at = self._left
        self.count += at + 1
        self.inner.execute(operations[: at + 1 if self.lost else at], progress)
        self._left, self.again_at = self.again_at, None
        self.faults += 1
        if self.meddle is None:
            self._go_wrong(operations[at])
            return
        self.meddle(self.inner)
        self.inner.execute(operations[at:], lambda done: progress(at + done))

    def listeners(self) -> Sequence[Listener]:
        """What the inner kernel tells."""
        return self.inner.listeners()

    def flows(self) -> Sequence[FlowRow] | None:
        """What the inner kernel tells."""
        return self.inner.flows()

    def way_to(self, address: Address, link: str = "") -> Way | None:
        """What the inner kernel tells."""
        return self.inner.way_to(address, link)

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """What the inner kernel tells."""
        return self.inner.fresh_sysctls(keys)

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """What the inner kernel tells."""
        return self.inner.missing_features(features)

    def _go_wrong(self, operation: Operation) -> None:
        if self.crash:
            raise Crash(operation)
        if self.lost:
            raise KernelError(errno.ETIMEDOUT, operation, "no answer came")
        raise KernelError(self.number, operation)
