"""The gate of an apply: what passed before must pass after, and what is required must pass, or it is undone."""

from collections.abc import Callable, Iterable

from netspec.diagnostics import Diagnostic
from netspec.engine.checking import ask
from netspec.engine.obstacles import PlaceOf
from netspec.kernel.probes import Prober, patient
from netspec.kinds._checks import Check, Outcome, State

Tick = Callable[[], None]
Acceptance = Callable[[], tuple[Diagnostic, ...]]
"""Asked once an apply is verified: what it tells forbids to leave it so. It may raise Interrupted."""


class NotAccepted(Exception):
    """The kernel is what the spec says, and that does not do what it is for; `faults` tell."""

    def __init__(self, faults: tuple[Diagnostic, ...]) -> None:
        """See the class."""
        super().__init__(faults)
        self.faults = faults


def accepted() -> tuple[Diagnostic, ...]:
    """The Acceptance of those who want no more than a kernel that equals the spec."""
    return ()


def insist(accept: Acceptance) -> None:
    """Raises NotAccepted with what an Acceptance tells."""
    faults = accept()
    if faults:
        raise NotAccepted(faults)


def passing(checks: Iterable[Check], prober: Prober, tick: Tick = patient) -> frozenset[int]:
    """The numbers of the checks that pass now."""
    outcomes = ask((each for each in checks if not each.skipped), prober, tick)
    return frozenset(each.check.number for each in outcomes if each.state is State.PASSED)


def shut(
    checks: Iterable[Check], before: frozenset[int], prober: Prober, place_of: PlaceOf, tick: Tick = patient
) -> tuple[Diagnostic, ...]:
    """What forbids an apply: checks that passed `before` and fail now, and required ones that do not pass."""
    asked = (each for each in checks if not each.skipped and (each.spec.required or each.number in before))
    return tuple(_diagnostic(each, place_of) for each in ask(asked, prober, tick) if _forbids(each))


def required_checks_pass(checks: Iterable[Check], prober: Prober, tick: Tick = patient) -> bool:
    """Whether all that is required passes now; also where nothing is."""
    required = (each for each in checks if each.spec.required)
    return all(each.state is State.PASSED for each in ask(required, prober, tick))


def _forbids(outcome: Outcome) -> bool:
    return outcome.state is State.FAILED or (outcome.check.spec.required and outcome.state is not State.PASSED)


def _diagnostic(outcome: Outcome, place_of: PlaceOf) -> Diagnostic:
    spec, address = outcome.check.spec, outcome.check.address
    if spec.required:
        code, message = "NS0681", f"the required check {spec.label} does not pass"
        hint = "`netspec test` tells what becomes of the packets"
    else:
        code, message = "NS0680", f"the check {spec.label} passed before, and does not pass after the apply"
        hint = "`netspec test` tells what becomes of the packets; change the check where this is meant"
    return Diagnostic(code, f"{message}: {outcome.words}", place_of(address), hint, address=address)
