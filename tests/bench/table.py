"""What was measured, side by side with its yardstick, as a table."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

RUNS = 3


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(*words: str) -> float:
    """The wall-clock seconds of a whole program. AssertionError with what it said where it fails."""
    begun = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - begun
    assert done.returncode == 0, f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr}"
    return seconds


def peak(*words: str) -> float:
    """The most memory, in MiB, that a program has at once.

    Asked of a small process between: until it runs the program, a child counts as large as who has started it.
    """
    answer = subprocess.run((sys.executable, "-c", PEAK, *words), capture_output=True, text=True, check=True)
    return int(answer.stdout) / 1024


def repeated(measure: Callable[[], float], runs: int = RUNS) -> float:
    """The median of some runs."""
    return statistics.median(measure() for _ in range(runs))


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

    def note(self, what: str, ours: float, unit: str, most: float) -> None:
        """A figure of its own."""
        verdict = f"<= {most:g} {unit}" if ours <= most else f"<= {most:g} {unit} MISSED"
        self.rows.append((what, f"{ours:.3g} {unit}", "", "", verdict))

    def text(self) -> str:
        """All rows, as Markdown."""
        head = [("what", "netspec", "yardstick", "ratio", "target"), ("---",) * 5]
        return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *self.rows]) + "\n"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if abs(seconds) >= 1 else f"{1000 * seconds:.0f} ms"
