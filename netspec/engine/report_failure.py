"""Errors that say what failed, in whose words, and how the undoing ended."""

from collections.abc import Iterable

from netspec.core.change import Change
from netspec.core.plan import Plan
from netspec.diagnostics import Diagnostic
from netspec.engine.executor import Refusal, Restoration
from netspec.engine.obstacles import PlaceOf
from netspec.errors import ApplyFailed, Interrupted, NetspecError, NotRestored

SHOWN = 20


def refused(refusal: Refusal, undone: Restoration, place_of: PlaceOf) -> NetspecError:
    """The kernel said no to a step: its own words, with the step and the line of the spec."""
    step = refusal.step
    resource = (step.after or step.before) if step else None
    origin = resource.origin if resource else ""
    what = f"refused to {step.verb.name.lower()} {step.key}" if step else "could not be read"
    diagnostic = Diagnostic(
        "NS0501",
        f"the kernel {what}: {refusal.error.reason}",
        place_of(origin) if origin else None,
        label=f"asked for by {origin}" if origin else "",
        address=origin,
    )
    return _ended("The apply failed", undone, diagnostic)


def did_not_converge(rest: Plan, undone: Restoration) -> NetspecError:
    """Everything was accepted, and yet the kernel is not what the spec says."""
    diagnostic = Diagnostic(
        "NS0502",
        f"the kernel accepted every step, but is not what the spec says: {_listed(rest.changes)}",
        hint="another program may be changing the same objects",
    )
    return _ended("The apply did not converge", undone, diagnostic)


def interrupted(error: Interrupted, undone: Restoration) -> NetspecError:
    """A signal came."""
    if undone.complete:
        return Interrupted(error.signal_number, "Interrupted at a safe point and undone: the host is as before.")
    return _ended("Interrupted", undone, None)


def _ended(what: str, undone: Restoration, diagnostic: Diagnostic | None) -> NetspecError:
    diagnostics = (diagnostic,) if diagnostic else ()
    if undone.complete:
        return ApplyFailed(f"{what} and was undone: the host is as before, verified.", diagnostics=diagnostics)
    why = f" The last refusal: {undone.refusal.error.reason}." if undone.refusal else ""
    left = f"Left to do: {_listed(undone.missing)}" if undone.seen else "What is left cannot be seen"
    return NotRestored(
        f"{what}, and could not be undone entirely.{why}\n{left}.\n"
        "The journal is kept: the next apply or destroy tries to undo it again.",
        diagnostics=diagnostics,
    )


def _listed(changes: Iterable[Change]) -> str:
    # What people know by name first; elements of tables are many.
    words = [_words(change) for change in sorted(changes, key=lambda each: each.key.kind == "element")]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def _words(change: Change) -> str:
    fields = ", ".join(f"{each.name} {each.before} -> {each.after}" for each in change.fields)
    return f"{change.action} {change.key}" + (f" ({fields})" if fields else "")
