"""What a kernel shows, as lines of text that are the same for the fake and for Linux.

Left out is what Linux makes by itself and in its own time (link-local addresses and their routes), loopback's
addresses, indexes, and MACs that nobody chose.
"""

import errno
import os
from collections.abc import Mapping

import pytest

from netspec.kernel.fake import FakeKernel
from netspec.kernel.operations import Operation
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import AddressRow, LinkRow, RouteRow, Scope, Snapshot

STACK = "test"
CHOSEN = "02:aa:"
"""How MACs begin that the tests choose."""
ZERO = "00:00:00:00:00:00"
CONF4 = (1, 4, 20, 26)
BRIDGE_DATA = (2, 3, 4, 5, 6, 9, 23, 25)
PORT_DATA = (2, 4, 5, 6, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30, 31, 32, 33)
_MADE_BY_ITSELF = ("fe80::/64", "ff00::/8")


def older_than(kernel: Kernel, *release: int) -> bool:
    """Whether it is a Linux before that release, such as 6, 2."""
    return not isinstance(kernel, FakeKernel) and tuple(map(int, os.uname().release.split(".")[:2])) < release


def needs_live_rename(kernel: Kernel) -> None:
    """What follows renames a link that is up."""
    if missing := kernel.missing_features(["live-rename"]):
        pytest.skip(f"this kernel renames no link that is up: {missing}")


def seen(kernel: Kernel, *sysctls: tuple[str, str]) -> Snapshot:
    """One look."""
    return kernel.snapshot(Scope(stack=STACK, sysctls=frozenset(sysctls)))


def everything(kernel: Kernel, *sysctls: tuple[str, str]) -> dict[str, list[str]]:
    """All of it, by sort."""
    return {
        "netns": namespaces(kernel),
        "links": details(kernel),
        "addresses": addresses(kernel),
        "routes": routes(kernel),
        "sysctls": [f"{row.netns}:{row.key}={row.value}" for row in seen(kernel, *sysctls).sysctls],
        "tables": tables(kernel),
    }


def namespaces(kernel: Kernel) -> list[str]:
    """`NAME alias`, `NAME dead CONTENT`."""
    return sorted(
        f"{row.name} {row.alias}" if row.alive else f"{row.name} dead {row.content}" for row in seen(kernel).netns
    )


def links(kernel: Kernel) -> list[str]:
    """What tests look at most: `NETNS:NAME kind mtu up master`."""
    return sorted(
        f"{row.netns}:{row.name} {row.kind or '-'} {row.mtu} {'up' if row.up else 'down'}"
        + (f" master {row.master}" if row.master else "")
        for row in seen(kernel).links
    )


def link(kernel: Kernel, name: str, netns: str = "") -> LinkRow:
    """The row of one link."""
    (found,) = (row for row in seen(kernel).links if (row.netns, row.name) == (netns, name))
    return found


def mac(kernel: Kernel, name: str, netns: str = "") -> str:
    """The MAC of a link, where tests have chosen it; else `random`."""
    return _mac(link(kernel, name, netns))


def details(kernel: Kernel) -> list[str]:
    """Every field of every link but its index."""
    return sorted(_details(row) for row in seen(kernel).links)


def _details(row: LinkRow) -> str:
    return (
        f"{row.netns}:{row.name} {row.kind} {_mac(row)} {row.mtu} up={row.up} group={row.group} alias={row.alias}"
        f" txqlen={row.txqlen} master={row.master} parent={row.parent} peer={row.peer} gen={row.addr_gen_mode}"
        f" no6={row.disabled6} conf4={_some(row.conf4, CONF4)}"
        f" data={_packed(row.data, BRIDGE_DATA) if row.kind == 'bridge' else ''}"
        f" port={row.port_kind} {_packed(row.port_data, PORT_DATA)}"
    )


def _mac(row: LinkRow) -> str:
    return row.mac if row.mac.startswith(CHOSEN) or row.mac == ZERO else "random"


def _some(values: Mapping[int, int], wanted: tuple[int, ...]) -> str:
    return ",".join(f"{number}:{values.get(number, 0)}" for number in wanted)


def _packed(values: Mapping[int, bytes], wanted: tuple[int, ...]) -> str:
    return ",".join(f"{number}:{values[number].hex()}" for number in wanted if number in values)


def addresses(kernel: Kernel) -> list[str]:
    """`NETNS:LINK ADDRESS [brd X] [proto N] [scope N]`, sorted."""
    found = (row for row in seen(kernel).addresses if row.link != "lo" and not row.address.is_link_local)
    return sorted(_address(row) for row in found)


def _address(row: AddressRow) -> str:
    words = [f"{row.netns}:{row.link} {row.address}"]
    words += [f"brd {row.broadcast}"] if row.broadcast else []
    words += [f"proto {row.protocol}"] if row.protocol else []
    words += [f"scope {row.scope}"] if row.scope else []
    return " ".join(words)


def routes(kernel: Kernel) -> list[str]:
    """`NETNS:DESTINATION [via X] [dev X] [table N] [metric N] proto N [scope N] [src X] [type N]`, sorted."""
    found = (row for row in seen(kernel).routes if str(row.to) not in _MADE_BY_ITSELF)
    return sorted(_route(row) for row in found)


def _route(row: RouteRow) -> str:
    words = [f"{row.netns}:{row.to}"]
    words += [f"via {row.via}"] if row.via else []
    words += [f"dev {row.link}"] if row.link else []
    words += [f"table {row.table}"] if row.table != 254 else []
    words += [f"metric {row.metric}"] if row.metric else []
    words += [f"proto {row.protocol}"]
    words += [f"scope {row.scope}"] if row.scope else []
    words += [f"src {row.source}"] if row.source else []
    words += [f"type {row.type}"] if row.type != 1 else []
    words += [f"mtu {row.mtu}"] if row.mtu else []
    words += ["onlink"] if row.onlink else []
    words += [f"nexthop {hop.via} {hop.link} {hop.weight}" for hop in row.nexthops]
    return " ".join(words)


def tables(kernel: Kernel) -> list[str]:
    """`NETNS:FAMILY NAME digest`, and below it its elements, sorted."""
    lines = []
    for row in sorted(seen(kernel).tables, key=lambda row: (row.netns, row.family, row.name)):
        lines.append(f"{row.netns}:{row.family} {row.name} {row.written}")
        lines += sorted(f"  {each.set} {each.key} : {each.value} # {each.comment}" for each in row.elements)
    return lines


def sysctl(kernel: Kernel, key: str, netns: str = "") -> str | None:
    """One value."""
    (row,) = seen(kernel, (netns, key)).sysctls
    assert (row.netns, row.key) == (netns, key)
    return row.value


def refusal(kernel: Kernel, *operations: Operation) -> str:
    """The errno's symbol with which the last operation is refused; the others must succeed."""
    kernel.execute(operations[:-1])
    with pytest.raises(KernelError) as caught:
        kernel.execute(operations[-1:])
    assert caught.value.operation == operations[-1]
    return "EOPNOTSUPP" if caught.value.number == errno.EOPNOTSUPP else caught.value.name
