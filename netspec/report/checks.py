"""What checks came to as people read it: a line for each, and below those that failed what became of the packet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netspec.counting import counted
from netspec.diagnostics import Place
from netspec.kinds._checks import Explanation, Outcome, State
from netspec.report.style import PLAIN, Style

_WORDS = {State.PASSED: "ok", State.FAILED: "FAIL", State.SKIPPED: "skip"}
_WIDEST = 48
"""Columns that the name of a check takes at most before what it came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """What a report of checks needs to know. `assumptions` say what stands for what."""

    host: str
    stack: str
    outcomes: tuple[Outcome, ...]
    seconds: float
    assumptions: tuple[str, ...] = ()
    place_of: Callable[[str], Place | None] = lambda _address: None

    def count(self, state: State) -> int:
        """How many checks came to this."""
        return sum(each.state is state for each in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether none failed."""
        return not self.count(State.FAILED)


def render(view: CheckView, style: Style = PLAIN) -> str:
    """All of it as text, ending in a newline."""
    if not view.outcomes:
        return "The spec has no checks.\n"
    head = f"{view.host}  stack {view.stack}  {counted(len(view.outcomes), 'check')}"
    lines = [style.paint("bold", head), ""]
    if view.assumptions:
        lines += ["  assumed", *(f"    {each}" for each in view.assumptions), ""]
    lines += [line for each in view.outcomes for line in _lines(each, view, style)]
    return "\n".join([*lines, "", f"{summary(view)} in {view.seconds:.2f} s."]) + "\n"


def summary(view: CheckView) -> str:
    """`Checks: 9 passed, 1 failed, 1 skipped`."""
    parts = [f"{view.count(state)} {state}" for state in State if view.count(state) or state is State.PASSED]
    return f"Checks: {', '.join(parts)}"


def explanations(outcome: Outcome) -> tuple[Explanation, ...]:
    """What became of the packets of a check, each said once."""
    return tuple(dict.fromkeys(each.explanation for each in outcome.met if each.explanation is not None))


def _lines(outcome: Outcome, view: CheckView, style: Style) -> Iterator[str]:
    width = min(_WIDEST, max(len(each.check.spec.label) for each in view.outcomes))
    state = outcome.state
    words = outcome.words or outcome.check.spec.expect
    line = f"{outcome.check.spec.label:<{width}}  {words}"
    where = _where(view.place_of(outcome.check.address)) if state is State.FAILED else ""
    yield f"  {style.paint(str(state), f'{_WORDS[state]:<4}')}  {line}{style.paint('dim', where)}"
    for each in explanations(outcome):
        yield f"          {each.words}{style.paint('dim', _where(each.place))}"


def _where(place: Place | None) -> str:
    return f"  {place.file}:{place.line}" if place else ""
