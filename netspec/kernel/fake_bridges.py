"""What a bridge of the fake kernel can be told, and what it refuses."""

import errno
from collections.abc import Mapping

STP, FORWARD_DELAY, GROUP_FORWARD_MASK = 5, 1, 9
_ORDER = (FORWARD_DELAY, 2, 3, 4, STP)
"""What Linux sets first, in its order (`br_changelink` in net/bridge/br_netlink.c)."""
_RANGES = {2: (100, 1000), 3: (600, 4000)}
"""Hundredths of a second."""
_DELAYS = (200, 3000)
_RESERVED_GROUPS = 0x07

_PORT_RANGES = {2: (0, 63), 3: (1, 65535)}
"""Priority and cost of a port."""

BRIDGE_DATA: Mapping[int, bytes] = {
    1: (1500).to_bytes(4, "little"),
    2: (200).to_bytes(4, "little"),
    3: (2000).to_bytes(4, "little"),
    4: (30000).to_bytes(4, "little"),
    5: (0).to_bytes(4, "little"),
    6: (32768).to_bytes(2, "little"),
    7: b"\0",
    9: b"\0\0",
    23: b"\1",
    25: b"\0",
    36: b"\0",
    37: b"\0",
    39: b"\1\0",
}
"""IFLA_BR_* of a new bridge that can be set."""


def set_options(now: Mapping[int, bytes], wanted: Mapping[int, bytes]) -> dict[int, bytes]:
    """All of a bridge's options once it was told some, or OSError."""
    data = dict(now)
    for number in sorted(wanted, key=lambda number: _ORDER.index(number) if number in _ORDER else len(_ORDER)):
        _check(data, number, int.from_bytes(wanted[number], "little"))
        data[number] = wanted[number]
        if number == STP and any(data[STP]):
            low, high = _DELAYS
            delay = int.from_bytes(data[FORWARD_DELAY], "little")
            data[FORWARD_DELAY] = min(max(delay, low), high).to_bytes(4, "little")
    return data


def _check(data: Mapping[int, bytes], number: int, value: int) -> None:
    low, high = _RANGES.get(number, (0, value))
    if number == FORWARD_DELAY and any(data[STP]):
        low, high = _DELAYS
    if not low <= value <= high:
        raise OSError(errno.ERANGE, "")
    if number == GROUP_FORWARD_MASK and value & _RESERVED_GROUPS:
        raise OSError(errno.EINVAL, "")


def check_port(wanted: Mapping[int, bytes]) -> None:
    """OSError for what no port can be told."""
    for number, (low, high) in _PORT_RANGES.items():
        if number in wanted and not low <= int.from_bytes(wanted[number], "little") <= high:
            raise OSError(errno.ERANGE, "")
