"""The Kernel port: the one door between netspec's values and a kernel, real or fake."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from netspec.kernel.operations import Operation
from netspec.kernel.sightings import FlowRow, Way
from netspec.kernel.snapshot import Listener, Scope, Snapshot
from netspec.kernel.values import Address

Progress = Callable[[int], None]
"""Called between sends with the number of operations done so far. It may raise to stop at a safe point."""


def no_progress(_done: int) -> None:
    """The Progress of those who do not watch."""


class KernelError(Exception):
    """The kernel refused an operation.

    `number` is the errno (ETIMEDOUT where an answer never came), `operation` the refused request,
    `words` the kernel's own text (the extended acknowledgement) or the library's.
    """

    def __init__(self, number: int, operation: Operation | None, words: str = "") -> None:
        """See the class."""
        self.number = number
        self.operation = operation
        self.words = words
        super().__init__(self.reason)

    @property
    def name(self) -> str:
        """The symbol of the errno: `EBUSY`."""
        return errno.errorcode.get(self.number, str(self.number))

    @property
    def reason(self) -> str:
        """The kernel's own words where it gave any, and the errno's."""
        said = f"{os.strerror(self.number)} ({self.name})"
        return f"{self.words} — {said}" if self.words else said


class Kernel(Protocol):
    """What netspec needs of a kernel. Implementations: LinuxKernel, FakeKernel; FaultyKernel wraps either."""

    def snapshot(self, scope: Scope) -> Snapshot:
        """Look once. Raises KernelError where reading fails, PrivilegeMissing where it is not allowed."""
        ...

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """Do all of it in order, as if one by one; stop at the first refusal with KernelError."""
        ...

    def listeners(self) -> Sequence[Listener]:
        """The sockets that processes listen on in the host namespace."""
        ...

    def flows(self) -> Sequence[FlowRow] | None:
        """The established flows of the host namespace; None where they cannot be told in passing."""
        ...

    def way_to(self, address: Address, link: str = "") -> Way | None:
        """How the host reaches an address that is not its own, by `link` if that is said; None where it does not."""
        ...

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """What sysctls are in a new network namespace; without those that it does not have."""
        ...

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """Those of `features` (`bridge`, `veth`, `nft-nat` …) the kernel lacks, each with its own words."""
        ...
