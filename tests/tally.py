"""Cases of faults, counted by how they ended; printed after `make faults`, and kept in docs/reference/faults.md."""

from collections import Counter
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/faults.md"
BEGIN, END = "<!-- begin: written by make faults -->", "<!-- end -->"
ENDINGS = ("applied", "undone (3)", "left, then recovered (4)", "killed, then recovered", "nothing begun")
"""How a case can end: each was compared with what the host then held."""
HEAD = ("fault", "on", "cases", *ENDINGS)

_cases: Counter[tuple[str, str, str]] = Counter()


def count(fault: str, where: str, ending: str) -> None:
    """One case is over. `where` is `fake` or `Linux`."""
    assert ending in ENDINGS, ending
    _cases[fault, where, ending] += 1


def table() -> str:
    """All cases counted so far, as Markdown; empty without any."""
    if not _cases:
        return ""
    lines: list[tuple[object, ...]] = [HEAD, ("---", "---", *("---:" for _ in HEAD[2:]))]
    for fault, where in sorted({key[:2] for key in _cases}):
        numbers = [_cases[fault, where, ending] for ending in ENDINGS]
        lines.append((fault, where, sum(numbers), *numbers))
    totals = [sum(number for key, number in _cases.items() if key[2] == ending) for ending in ENDINGS]
    lines.append(("all", "", sum(totals), *totals))
    return "".join(f"| {' | '.join(map(_words, line))} |\n" for line in lines)


def _words(value: object) -> str:
    return (f"{value:,}" if value else "") if isinstance(value, int) else str(value)


def rewritten(page: str) -> str:
    """A page with the present table in the place of its own."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.partition(END)[2]}"
