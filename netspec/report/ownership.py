"""What changes hands: each object with its kernel objects, of which nothing but the mark or the name changes."""

from collections.abc import Iterator

from netspec.core.change import Action, Change
from netspec.counting import counted
from netspec.report.objects import ObjectChange
from netspec.report.plan import PlanView
from netspec.report.style import PLAIN, Style
from netspec.report.words import field_value

_WHAT = {"alias": "mark", "group": "mark", "marked": "mark"}


def render(view: PlanView, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """All of it as text, ending in a newline."""
    lines = [style.paint("bold", f"{view.host}  stack {view.stack}"), ""]
    for each in view.objects:
        place = view.place_of(each.address)
        where = f"{place.file}:{place.line}" if place else ""
        line = f"{_words(each):<40}  {style.paint('dim', where)}".rstrip()
        lines.append(f"  {style.paint(each.symbol, each.symbol)} {line}")
        lines += [f"      {line}" for line in _below(each.changes, verbose=verbose)]
    return "\n".join(lines) + "\n"


def _words(each: ObjectChange) -> str:
    action = next((change.action for change in each.changes if change.action in (Action.ADOPT, Action.FORGET)), None)
    return f"{each.address}{f'  {action}' if action else ''}"


def _below(changes: list[Change], *, verbose: bool) -> Iterator[str]:
    """Links, namespaces and what stands on them; elements of nftables are counted, unless all is to be named."""
    elements = [each for each in changes if each.key.kind == "element"]
    for change in changes:
        if verbose or change.key.kind != "element":
            yield f"{change.key}{_fields(change)}"
    if elements and not verbose:
        yield f"{counted(len(elements), 'element')} of nftables"


def _fields(change: Change) -> str:
    if change.action is Action.MOVE:
        return f" -> {change.resource.key()}"
    if change.action in (Action.CREATE, Action.DELETE):
        return f"  {change.action}"
    told = dict.fromkeys(
        f"{each.name} {' -> '.join(field_value(change.resource, each, value) for value in (each.before, each.after))}"
        for each in change.fields
        if each.name not in _WHAT
    )
    return f"  {', '.join(told)}" if told else ""
