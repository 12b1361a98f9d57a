"""Two clocks: one that nobody can set, for deadlines, and one that people read."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class Clock:
    """`elapsed` counts seconds since the boot that `boot` names, suspended ones too; `wall` is the time of day."""

    boot: str
    elapsed: Callable[[], float]
    wall: Callable[[], float] = time.time


def system_clock() -> Clock:
    """The clocks of this host."""
    return Clock(Path(BOOT_ID).read_text(encoding="ascii").strip(), lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
