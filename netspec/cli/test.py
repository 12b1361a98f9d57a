"""`netspec test`: builds a spec in throw-away namespaces, asks its checks, removes it. Needs no root."""

import os
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from netspec.cli.annotations import Annotations, annotate
from netspec.cli.check import show
from netspec.cli.gate import explainer_of
from netspec.cli.help import add
from netspec.cli.options import host_name
from netspec.cli.session import Session, writable
from netspec.cli.validate import PathArgument
from netspec.diagnostics import Diagnostic
from netspec.errors import NetspecError, SpecError

if TYPE_CHECKING:
    from netspec.kinds._checks import Outcome
    from netspec.spec.document import Loaded
    from netspec.spec.surroundings import Surroundings

Result = TypeVar("Result")


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        test,
        "Build a spec in throw-away namespaces and ask its checks.",
        [
            ("netspec test", "the spec in this directory; needs no root"),
            ("netspec test --junit report.xml web.yaml", "for a CI"),
        ],
    )


def test(
    context: typer.Context,
    path: PathArgument = None,
    *,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a report in the form of JUnit.")
    ] = None,
    annotations: Annotated[
        Annotations,
        typer.Option("--annotations", metavar="auto|github|gitlab|none", help="Mark failures in a CI; auto: as it is."),
    ] = Annotations.AUTO,
) -> None:
    """Build a spec in throw-away namespaces, ask its checks with real packets, and remove it. Needs no root.

    What is not there, such as links of the host and machines outside, is stood in for; the output names each. Ends
    with 8 where a check fails, and tells what became of the packet.
    """
    from netspec.report.checks import CheckView
    from netspec.report.junit import junit_text

    session: Session = context.obj
    loaded = session.load(path)
    if junit is not None:
        writable(junit)
    begun = time.monotonic()
    around = _surroundings(loaded)
    outcomes = _sandboxed(_trial(session, loaded, around))
    view = CheckView(
        host=host_name(),
        stack=loaded.document.stack,
        outcomes=outcomes,
        seconds=time.monotonic() - begun,
        assumptions=around.assumptions,
        place_of=loaded.place_of,
    )
    if junit is not None:
        session.write_into(junit, junit_text(view))
    annotate(session, view, annotations)
    show(session, view)


def _surroundings(loaded: "Loaded") -> "Surroundings":
    from netspec.kinds._intent import Present
    from netspec.spec.desired import desired
    from netspec.spec.surroundings import surroundings

    wanted = desired(loaded.document, Present(), loaded.lock)
    findings = [each for each in wanted.findings if each.code != "NS0410"]  # whose namespace is stood in for
    if findings:
        raise SpecError("The spec is invalid.", diagnostics=loaded.diagnostics(findings))
    return surroundings(loaded.document, wanted.attachments)


def _trial(session: Session, loaded: "Loaded", around: "Surroundings") -> "Callable[[], tuple[Outcome, ...]]":
    """What is to be done in the sandbox: apply, ask, explain. All it needs is imported before."""
    from netspec.engine.checking import ask, explained
    from netspec.engine.rehearsal import rehearse
    from netspec.kernel.linux import LinuxKernel
    from netspec.kernel.prober import LinuxProber
    from netspec.kernel.tracing import LinuxTracer
    from netspec.spec.desired import desired
    from netspec.spec.probing import Resolver

    tried = replace(loaded, document=around.document)
    explainer = explainer_of(tried)

    def trial() -> "tuple[Outcome, ...]":
        run_dir, state_dir = (Path(os.environ[name]) for name in ("NETSPEC_RUN_DIR", "NETSPEC_STATE_DIR"))
        ledger = str(run_dir / "attached")
        within = Session(replace(session.options, run_dir=run_dir, state_dir=state_dir))
        kernel = LinuxKernel(ledger=ledger)
        present = rehearse(kernel, within.reconciler(), around.operations, within.intent(tried))
        attachments = desired(tried.document, present, tried.lock).attachments
        checks = Resolver(tried.document, attachments, around.outside).checks()
        prober, tracer = LinuxProber(ledger=ledger), LinuxTracer(ledger=ledger)
        return explained(ask(checks, prober, alone=True), prober, tracer, explainer, alone=True)

    return trial


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    diagnostics: tuple[Diagnostic, ...]
    exit_code: int


def _sandboxed(function: Callable[[], Result]) -> Result:
    """What a function gives in a sandbox. Raises NetspecError, that of the function among others."""
    from netspec.kernel.sandbox import run

    with os.fdopen(os.memfd_create("netspec.test"), "w+b") as shared:
        code = run(lambda: _told(function, shared.fileno()))
        shared.seek(0)
        said = shared.read()
    if not said:
        raise typer.Exit(code)
    found = pickle.loads(said)  # noqa: S301  written by our own child
    if isinstance(found, _Failure):
        error = NetspecError(found.message, diagnostics=found.diagnostics)
        error.exit_code = found.exit_code
        raise error
    result: Result = found
    return result


def _told(function: Callable[[], Result], descriptor: int) -> int:
    try:
        said: Result | _Failure = function()
    except NetspecError as error:
        said = _Failure(error.message, error.diagnostics, error.exit_code)
    with os.fdopen(os.dup(descriptor), "wb") as shared:
        shared.write(pickle.dumps(said))
    return 0
