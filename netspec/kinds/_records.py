"""Records of what was before us, as elements of our nftables table: the kernel is the only state."""

import hashlib
from collections.abc import Mapping

from netspec.core.elements import mark as mark_number
from netspec.core.resource import Mark
from netspec.kernel.snapshot import Snapshot
from netspec.kinds.nat_element import NatElement, element


def former_record(mark: Mark, name: str, value: str) -> NatElement:
    """The element that keeps a former value; `name` is a sysctl, `port/LINK`, `link/LINK/FIELD` or `address/…`."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return element(mark, "former", mark_number(number), comment=f"{name}={','.join(value.split())}")


def former_values(snapshot: Snapshot) -> Mapping[str, str]:
    """All that is recorded of the time before this stack, by name."""
    records = (row.comment for table in snapshot.tables for row in table.elements if row.set == "former")
    parted = (record.partition("=") for record in records)
    return {name: value for name, sign, value in parted if sign}
