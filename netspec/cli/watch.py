"""`netspec watch`: applies, then keeps applied."""

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.generations import drafted_if_possible, kept, remember
from netspec.cli.help import add
from netspec.cli.limits import AllowLockoutOption, MaxDisruptionOption, limits
from netspec.cli.plan import AllowRemovalOption
from netspec.cli.recovery import admitted
from netspec.cli.session import Session
from netspec.cli.validate import PathArgument
from netspec.core.consequence import Limits
from netspec.diagnostics import Diagnostic
from netspec.errors import NetspecError, Refused, SpecError, UsageError

LONGEST_INTERVAL = 366 * 86_400
"""Seconds; what is much longer than that is no time that the system can wait for."""

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal
    from netspec.engine.triggers import FileTrigger, Wake
    from netspec.kinds._contract import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        watch,
        "Apply a spec, and keep it applied.",
        [
            ("netspec watch", "until SIGINT or SIGTERM; the network stays"),
            ("netspec watch --interval 5 web.yaml", "looks for drift every 5 s"),
        ],
    )


def watch(
    context: typer.Context,
    path: PathArgument = None,
    *,
    interval: Annotated[
        float,
        typer.Option(
            envvar="NETSPEC_INTERVAL",
            min=0.1,
            max=LONGEST_INTERVAL,
            metavar="SECONDS",
            help="Time between looks for drift.",
        ),
    ] = 30.0,
    max_disruption: MaxDisruptionOption = None,
    allow_lockout_risk: AllowLockoutOption = False,
    allow_removal: AllowRemovalOption = 0,
) -> None:
    """Apply a spec, then keep it applied: when its files change, and when the kernel drifts."""
    from netspec.engine.triggers import FileTrigger, Wake
    from netspec.engine.watcher import Watcher
    from netspec.kernel.privileges import CHANGING, require
    from netspec.spec.source import belongs, default_path

    require(*CHANGING)
    gc.enable()  # what runs for months does make garbage, unlike all other commands
    session: Session = context.obj
    where = path if path is not None else default_path(os.environ)
    if where == "-":
        raise UsageError("watch needs a file or a directory: standard input does not change.")
    wake, place = Wake(), Path(where)
    with _stopped_by_signals(wake), FileTrigger(place, wake, partial(belongs, place)) as files:
        allowed = limits(max_disruption, lockout=allow_lockout_risk)
        keeper = _Keeper(session, where, allowed, allow_removal, files)
        Watcher(load=keeper.load, reconcile=keeper.reconcile, report=keeper, wake=wake, interval=interval).run()
    session.say("netspec: stopped; the network stays as it is.")


@contextmanager
def _stopped_by_signals(wake: "Wake") -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda _number, _frame: wake.stop()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Keeper:
    """Loads, reconciles and reports for one watch."""

    def __init__(self, session: Session, path: str, allowed: Limits, allow_removal: int, files: "FileTrigger") -> None:
        self._files = files
        self._unwatched = False
        self._session = session
        self._path = path
        self._allowed = allowed
        self._allow_removal = allow_removal
        self._told: list[object] = []
        self._stack = ""

    def load(self) -> "Intent":
        """The spec as it is now. Raises SpecError, also for what only a full expansion shows."""
        from netspec.spec.check import check
        from netspec.spec.source import check_lasting

        self._follow()
        check_lasting(self._path)
        loaded = self._session.load(self._path)
        check(loaded)
        intent = self._session.intent(loaded, allow_removal=self._allow_removal)
        before, self._stack = self._stack, intent.stack
        if before and before != intent.stack:
            self._session.warn(loaded.warnings([_left(before)]))
        return intent

    def _follow(self) -> None:
        """Keep to the files; where they cannot be watched, that is said once."""
        try:
            self._files.follow()
        except OSError as error:
            if not self._unwatched:
                why = f"cannot watch {self._path} ({error.strerror})"
                self._session.note(f"netspec: {why}; its changes are seen at the next interval.")
            self._unwatched = True

    def reconcile(self, intent: "Intent") -> None:
        """Plan, and carry out what there is to do."""
        from netspec.engine.interrupts import interruptible
        from netspec.engine.limits import BY_HAND, check_within

        session = self._session
        with session.changing() as reconciler:
            proposal = admitted(session, reconciler, intent)
            check_within(proposal, self._allowed, window=False, way_out=BY_HAND)
            if not proposal.plan:
                self._told = []
                self._session.warn(reconciler.settle(proposal))
                remember(session, proposal)
                return
            draft, unrecorded = drafted_if_possible(session, proposal)
            with kept(session, draft), interruptible(lambda _done, _known: None) as step:
                self._tell(proposal, unrecorded)
                reconciler.carry_out(proposal, step)
        self._told = []
        drifted = len(proposal.drift) == len(proposal.plan.changes)
        session.say("Drift was repaired and verified." if drifted else "Applied and verified.")

    def _tell(self, proposal: "Proposal", unrecorded: tuple[Diagnostic, ...]) -> None:
        """Say what is about to be done, but for what the round before said already, when nothing came of it."""
        from netspec.report.plan import render

        session, before = self._session, self._told
        planned = (proposal.intent.stack, proposal.plan, proposal.drift)
        self._told = [planned, *(each.lasting() for each in (*proposal.warnings, *unrecorded))]
        session.warn(each for each in proposal.warnings if each.lasting() not in before)
        if planned not in before:
            session.say(render(session.view(proposal), session.style(), verbose=session.options.verbose))
        session.warn(each for each in unrecorded if each.lasting() not in before)

    def invalid(self, error: SpecError) -> None:
        """Say once that the last good spec stays in force."""
        self._session.fail(error)
        self._session.note("netspec: the last good spec stays in force.")

    def refused(self, error: Refused) -> None:
        """Say once what forbids it."""
        self._session.fail(error)
        self._session.note("netspec: waiting; the network stays as it is.")

    def failed(self, error: NetspecError, retry_in: float) -> None:
        """Say what failed and when the next try is."""
        self._session.fail(error)
        self._session.note(f"netspec: trying again in {retry_in:g} s, or when the spec changes.")


def _left(stack: str) -> "Finding":
    """A stack that the spec was of: nobody looks after what it has on the host."""
    from netspec.kinds._contract import Finding

    message = f"the spec was that of stack {stack} until now: what {stack} has on this host stays as it is"
    hint = f"`netspec --stack {stack} destroy` removes it"
    return Finding("NS0722", message, ("stack",), hint=hint)
