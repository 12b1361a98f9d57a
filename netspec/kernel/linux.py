"""LinuxKernel: the kernel of the network namespace that the calling thread is in."""

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from netspec.errors import PrivilegeMissing
from netspec.kernel.execution import Run
from netspec.kernel.files import read_files
from netspec.kernel.ledger import LEDGER, Ledger
from netspec.kernel.namespaces import RUN_NETNS
from netspec.kernel.netlink import DumpUnsteady, NoAnswer
from netspec.kernel.operations import Operation
from netspec.kernel.port import KernelError, Progress, no_progress
from netspec.kernel.privileges import require
from netspec.kernel.reading import read
from netspec.kernel.sightings import FlowRow, Way
from netspec.kernel.snapshot import Listener, Scope, Snapshot, TableRow
from netspec.kernel.spaces import Spaces
from netspec.kernel.values import Address

MARKS_CHANGE = (6, 4)
"""The first Linux that gives an IPv4 address that is there another IFA_PROTO."""


class LinuxKernel:
    """The Kernel port over rtnetlink, ip-netns(8)'s directory, `/proc/sys/net`, libnftables and ctnetlink.

    One thread; it is always back in its own namespace when a call returns.
    """

    def __init__(self, run_netns: str = RUN_NETNS, deadline: float = 10.0, ledger: str = LEDGER) -> None:
        """`deadline` in seconds: an answer that takes longer counts as lost. `ledger` holds records of names."""
        self._run_netns = run_netns
        self._ledger = ledger
        self._deadline = deadline

    def snapshot(self, scope: Scope) -> Snapshot:
        """Look once. Raises KernelError and PrivilegeMissing."""
        try:
            view = read(scope, self._run_netns, Ledger(self._ledger).read(), self._deadline)
            links = view.rows()
        except NoAnswer:
            words = f"the kernel did not answer within {self._deadline:g} s"
            raise KernelError(errno.ETIMEDOUT, None, words) from None
        except DumpUnsteady:
            raise KernelError(errno.EAGAIN, None, "links change faster than they can be read") from None
        except PermissionError as error:
            raise PrivilegeMissing(
                f"reading the network needs CAP_NET_ADMIN: run it as root ({error.strerror})."
            ) from error
        except OSError as error:
            words = "" if not error.strerror or error.strerror == os.strerror(error.errno or 0) else error.strerror
            raise KernelError(error.errno or errno.EIO, None, words) from error
        tables, beside = self._tables(scope.stack)
        return Snapshot(
            stack=scope.stack,
            named=scope.named,
            claimed=scope.claimed,
            netns=tuple(sorted(view.netns, key=lambda row: row.name)),
            links=links,
            addresses=tuple(view.addresses),
            routes=tuple(view.routes),
            rules=tuple(view.rules),
            neighbors=tuple(view.neighbors),
            sysctls=tuple(view.sysctls),
            files=tuple(read_files()),
            tables=tables,
            beside=beside,
            references=tuple(view.references),
            qdiscs=tuple(view.qdiscs),
            redirects=tuple(view.redirects),
            fixed_marks=_release() < MARKS_CHANGE,
        )

    def execute(self, operations: Sequence[Operation], progress: Progress = no_progress) -> None:
        """Do all of it in order; stop at the first refusal with KernelError."""
        try:
            spaces = Spaces(self._run_netns, self._ledger, self._deadline)
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, None) from error
        run = Run(spaces, self._deadline, progress)
        try:
            run.execute(operations)
        finally:
            run.close()

    def listeners(self) -> Sequence[Listener]:
        """The sockets that processes listen on, with their owners."""
        from netspec.kernel.listeners import listeners  # noqa: PLC0415  only publications need it

        found = listeners()
        return listeners({(each.protocol, each.port) for each in found})

    def flows(self) -> Sequence[FlowRow] | None:
        """The established flows of the host namespace; None where they cannot be told in passing."""
        from netspec.kernel.conntrack import flows  # noqa: PLC0415  only changes that cut flows need it

        return flows()

    def way_to(self, address: Address, link: str = "") -> Way | None:
        """How the host reaches an address that is not its own, by `link` if that is said; None where it does not."""
        from netspec.kernel.ways import way_to  # noqa: PLC0415  only sessions and peers need it

        return way_to(address, link, self._deadline)

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """What sysctls are in a new network namespace; without those that it does not have."""
        from netspec.kernel.features import fresh_sysctls  # noqa: PLC0415  only new namespaces need it

        return fresh_sysctls(keys)

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """Those of `features` that the kernel lacks, tried in a scratch namespace."""
        from netspec.kernel.features import missing_features  # noqa: PLC0415  only the first apply needs it

        return missing_features(features)

    def _tables(self, stack: str) -> tuple[tuple[TableRow, ...], tuple[TableRow, ...]]:
        """Those of a stack, and what others have on record."""
        from netspec.kernel.nftables import Nftables  # noqa: PLC0415  importing netspec must not need the library

        # Asked before: the library complains on standard error by itself.
        require("CAP_NET_ADMIN")
        with Nftables() as tables:
            found = [tables.table("", family, f"netspec-{stack}") for family in ("inet", "bridge")]
            beside = tuple(tables.records(except_for=f"netspec-{stack}"))
        return tuple(table for table in found if table is not None), beside


def _release() -> tuple[int, int]:
    """Version and patch level of the kernel."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(takewhile(str.isdigit, minor)))
