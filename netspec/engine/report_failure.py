"""Errors that say what failed, in whose words, and how the undoing ended."""

from collections.abc import Iterable, Mapping

from netspec.core.change import Change
from netspec.core.plan import Plan
from netspec.diagnostics import Diagnostic
from netspec.engine.acceptance import NotAccepted
from netspec.engine.executor import NotConverged, Refusal, Restoration, StepRefused
from netspec.engine.obstacles import PlaceOf
from netspec.errors import ApplyFailed, Interrupted, NetspecError, NotRestored
from netspec.kernel.port import KernelError
from netspec.kinds._field_words import moves_of

SHOWN = 20


def explained(error: Exception, undone: Restoration, place_of: PlaceOf) -> NetspecError:
    """What ended an apply, and how undoing it ended."""
    if isinstance(error, Interrupted) and undone.complete:
        words = "Interrupted at a safe point and undone: the host is as before."
        return Interrupted(error.signal_number, words + _unclosed(undone))
    if isinstance(error, NotAccepted):
        return _ended("The apply did not pass its checks", undone, *error.faults)
    why = _why(error, place_of)
    return _ended(_WHAT.get(type(error), "The apply failed"), undone, *([why] if why else []))


_WHAT: Mapping[type[Exception], str] = {NotConverged: "The apply did not converge", Interrupted: "Interrupted"}


def _why(error: Exception, place_of: PlaceOf) -> Diagnostic | None:
    match error:
        case StepRefused():
            return _refused(error.refusal, place_of)
        case KernelError():
            return _refused(Refusal(None, error), place_of)
        case NotConverged():
            return _did_not_converge(error.rest)
        case Interrupted():
            return None
        case _:
            return _unforeseen(error)


def _refused(refusal: Refusal, place_of: PlaceOf) -> Diagnostic:
    """The kernel said no to a step: its own words, with the step and the line of the spec."""
    step = refusal.step
    resource = (step.after or step.before) if step else None
    origin = resource.origin if resource else ""
    what = f"refused to {step.verb.name.lower()} {step.key}" if step else "could not be read"
    return Diagnostic(
        "NS0501",
        f"the kernel {what}: {refusal.error.reason}",
        place_of(origin) if origin else None,
        label=f"asked for by {origin}" if origin else "",
        address=origin,
    )


def _did_not_converge(rest: Plan) -> Diagnostic:
    """Everything was accepted, and yet the kernel is not what the spec says."""
    return Diagnostic(
        "NS0502",
        f"the kernel accepted every step, but is not what the spec says: {_listed(rest.changes)}",
        hint="another program may be changing the same objects",
    )


def _unforeseen(error: Exception) -> Diagnostic:
    """Something that the kernel did not say: a privilege or a library that was lost on the way, or a defect of ours."""
    if isinstance(error, NetspecError | OSError):
        return Diagnostic("NS0720", f"the apply was stopped: {error}".rstrip("."))
    return Diagnostic(
        "NS0720",
        f"a defect in netspec stopped the apply: {type(error).__name__}: {error}",
        hint="please report it with the spec and what was on the host",
    )


def _ended(what: str, undone: Restoration, *diagnostics: Diagnostic) -> NetspecError:
    if undone.complete:
        words = f"{what} and was undone: the host is as before, verified."
        return ApplyFailed(words + _unclosed(undone), diagnostics=diagnostics)
    return NotRestored(
        f"{what}, and could not be undone entirely.{what_is_left(undone)}\n"
        "The journal is kept: netspec recover, and any apply or destroy, tries to undo it again.",
        diagnostics=diagnostics,
    )


def what_is_left(undone: Restoration) -> str:
    """What restoring has not put back, and why: sentences that follow others."""
    why = f" The last refusal: {undone.refusal.error.reason}." if undone.refusal else ""
    if not undone.seen:
        return f"{why}\nWhat is left cannot be seen."
    left = [each for each in undone.missing if each.key not in undone.lost]
    lost = [each for each in undone.missing if each.key in undone.lost]
    parts = [f"Left to do: {_listed(left)}."] if left else []
    parts += [f"Cannot come back, as what it stood on has gone: {_listed(lost)}."] if lost else []
    return "\n".join([why, *parts])


def _unclosed(undone: Restoration) -> str:
    said = f" The journal of it is still there: {undone.unclosed}"
    return f"{said} It undoes nothing more." if undone.unclosed else ""


def _listed(changes: Iterable[Change]) -> str:
    # What people know by name first; elements of tables are many.
    words = [words_of(change) for change in sorted(changes, key=lambda each: each.key.kind == "element")]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def words_of(change: Change) -> str:
    """A change in a line: `update link/br0 (mtu 1500 -> 1450)`."""
    fields = ", ".join(moves_of(change))
    return f"{change.action} {change.key}" + (f" ({fields})" if fields else "")
