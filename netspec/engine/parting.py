"""What leaves with a stack, and other stacks of the host go on needing."""

from collections.abc import Iterable, Iterator

from netspec.core.change import Action, Change
from netspec.core.state import State
from netspec.diagnostics import Diagnostic, Severity
from netspec.kinds._forwarding import FORWARDING
from netspec.kinds.sysctl import Sysctl


def bereaved(changes: Iterable[Change], stack: str, observed: State) -> Iterator[Diagnostic]:
    """Warnings of forwarding that is switched off again, while other stacks have links on the host.

    None of them has it on record: they need none, or were applied before records were shared, or have lost theirs.
    """
    ended = [
        change.before
        for change in changes
        if change.action is Action.DELETE and isinstance(change.before, Sysctl) and not change.before.netns
    ]
    ended = [
        each for each in ended if each.name in FORWARDING and each.former == "0" != each.value and not each.holders
    ]
    others = stacks_beside(stack, observed) if ended else []
    if not others:
        return
    whose = f"stack{'s' if len(others) > 1 else ''} {', '.join(others)}"
    for each in ended:
        yield Diagnostic(
            "NS0406",
            f"{each.name} goes back to 0, and {whose} may need it: what is forwarded for others stops",
            hint=f"apply again what stays: netspec apply, for {whose}",
            severity=Severity.WARNING,
            address=each.origin,
        )


def stacks_beside(stack: str, observed: State) -> list[str]:
    """The other stacks that have links on the host."""
    marks = (each.mark for key, each in observed.items() if key.kind == "link" and not key.netns)
    return sorted({mark.stack for mark in marks if mark is not None and mark.stack != stack})
