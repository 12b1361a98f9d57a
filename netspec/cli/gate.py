"""The checks of a spec as the gate of its apply, on the live host."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.cli.session import Session
from netspec.diagnostics import Diagnostic

if TYPE_CHECKING:
    from netspec.engine.executor import StepProgress
    from netspec.engine.explaining import Explainer
    from netspec.kernel.prober import LinuxProber
    from netspec.kernel.tracing import LinuxTracer
    from netspec.kinds._checks import Check
    from netspec.spec.document import Loaded


@dataclass(frozen=True, slots=True)
class Gate:
    """Asks before an apply what passes, and after it whether it still does."""

    session: Session
    loaded: "Loaded"

    def before(self, step: "StepProgress") -> Callable[[], tuple[Diagnostic, ...]]:
        """Ask now; what comes back asks again, and tells what forbids the apply. `step` may raise to stop."""
        from netspec.engine.acceptance import passing, shut

        def tick() -> None:
            step(0, 0)

        prober = live_prober(self.session)
        passed = passing(live_checks(self.session, self.loaded), prober, tick)
        return lambda: shut(live_checks(self.session, self.loaded), passed, prober, self.loaded.place_of, tick)


def live_prober(session: Session) -> "LinuxProber":
    """The prober of this host."""
    from netspec.kernel.prober import LinuxProber

    return LinuxProber(ledger=str(session.options.run_dir / "attached"))


def live_tracer(session: Session) -> "LinuxTracer":
    """What follows packets on this host."""
    from netspec.kernel.tracing import LinuxTracer

    return LinuxTracer(ledger=str(session.options.run_dir / "attached"))


def explainer_of(loaded: "Loaded") -> "Explainer":
    """What tells in words of the spec what became of a packet."""
    from netspec.engine.explaining import Explainer
    from netspec.kinds.nat_element import table_name

    return Explainer(loaded.document, loaded.place_at, table_name(loaded.document.stack))


def live_checks(session: Session, loaded: "Loaded") -> "tuple[Check, ...]":
    """The checks of a spec as they are asked on this host: of interfaces with the addresses that they have now."""
    from netspec.errors import SpecError
    from netspec.spec.desired import desired
    from netspec.spec.probing import Resolver, as_held

    present = session.reconciler().present(session.intent(loaded))
    wanted = desired(loaded.document, present, loaded.lock)
    if wanted.findings:
        raise SpecError("The spec is invalid.", diagnostics=loaded.diagnostics(wanted.findings))
    return Resolver(loaded.document, as_held(wanted.attachments, present.held)).checks()
