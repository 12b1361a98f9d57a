"""What was measured, side by side with its yardstick, as a table."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

RUNS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Wall-clock seconds and peak memory, in MiB, of a whole process."""

    seconds: float
    memory: float


def run(*words: str, expect: int = 0) -> Cost:
    """One run of a program. AssertionError with what it said where it ends otherwise than expected."""
    begun = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None, "it was asked for"
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == expect, f"`{' '.join(words)}` ended with {child.returncode}: {said}"
    return Cost(seconds, usage.ru_maxrss / 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """The median time, and the median memory."""
    return Cost(statistics.median(each.seconds for each in costs), statistics.median(each.memory for each in costs))


def repeated(measure: Callable[[], Cost], runs: int = RUNS) -> Cost:
    """The median of some runs."""
    return median([measure() for _ in range(runs)])


@dataclass(slots=True)
class Table:
    """Rows of what, netspec's figure, the yardstick's, their ratio, and the most it should be."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def compare(self, what: str, ours: float, yardstick: str, theirs: float, most: float) -> None:
        """A ratio; times in seconds."""
        ratio = ours / theirs
        verdict = f"<= {most:g}" if ratio <= most else f"<= {most:g} MISSED"
        self.rows.append((what, _time(ours), f"{yardstick} {_time(theirs)}", f"{ratio:.3g}", verdict))

    def add(self, what: str, ours: float, base: float, most: float) -> None:
        """A difference to a base, in seconds."""
        more = ours - base
        verdict = f"+ {_time(most)}" if more <= most else f"+ {_time(most)} MISSED"
        self.rows.append((what, _time(ours), f"no-op plan {_time(base)}", f"+ {_time(more)}", verdict))

    def note(self, what: str, ours: str, most: str = "") -> None:
        """A figure of its own."""
        self.rows.append((what, ours, "", "", most))

    def text(self) -> str:
        """All rows, as Markdown."""
        head = [("what", "netspec", "yardstick", "ratio", "target"), ("---",) * 5]
        return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *self.rows]) + "\n"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if abs(seconds) >= 1 else f"{1000 * seconds:.0f} ms"
