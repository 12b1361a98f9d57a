"""LinuxKernel for those who may only look: what may not be seen is left out, and said."""

from collections.abc import Iterable, Mapping

from netspec.errors import PrivilegeMissing
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.reading import read_sysctl
from netspec.kernel.snapshot import TableRow


class UnprivilegedKernel(LinuxKernel):
    """The Kernel port without capabilities. Only for plans: whoever changes anything must have seen everything."""

    unseen: tuple[str, ...] = ()
    """What could not be looked at, in words."""

    def fresh_sysctls(self, keys: Iterable[str]) -> Mapping[str, str]:
        """What sysctls are in a new network namespace; as they are here, where none can be made."""
        wanted = tuple(keys)
        try:
            return super().fresh_sysctls(wanted)
        except PrivilegeMissing:
            self._miss(
                "the sysctls of a new network namespace were taken from this one: making one needs CAP_SYS_ADMIN"
            )
            found = {key: read_sysctl(key) for key in wanted}
            return {key: value for key, value in found.items() if value is not None}

    def missing_features(self, features: Iterable[str]) -> Mapping[str, str]:
        """Those of `features` that the kernel lacks; none where they cannot be tried."""
        try:
            return super().missing_features(features)
        except PrivilegeMissing:
            self._miss("what the kernel can do was not tried: that needs CAP_SYS_ADMIN")
            return {}

    def _tables(self, stack: str) -> tuple[tuple[TableRow, ...], tuple[TableRow, ...]]:
        try:
            return super()._tables(stack)
        except PrivilegeMissing:
            self._miss("nftables was not read: that needs CAP_NET_ADMIN")
            return (), ()

    def _miss(self, what: str) -> None:
        if what not in self.unseen:
            self.unseen = (*self.unseen, what)
