"""What commands share: loading a spec, the reconciler on this host, printing, and asking."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.cli.options import Options, Output, host_name
from netspec.cli.output import complain, tell, write
from netspec.diagnostics import Diagnostic
from netspec.errors import NetspecError, UsageError

if TYPE_CHECKING:
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal, Reconciler
    from netspec.kernel.port import Kernel
    from netspec.kernel.unprivileged import UnprivilegedKernel
    from netspec.report.plan import PlanView
    from netspec.report.style import Style
    from netspec.spec.document import Loaded


@dataclass(slots=True)
class Session:
    """One run of a command with its common options."""

    options: Options
    unwritten: bool = False
    """Whether a file that was asked for could not be written."""

    @property
    def as_json(self) -> bool:
        """Whether standard output carries JSON."""
        return self.options.output is Output.JSON

    def path_of(self, path: str | None) -> str:
        """PATH, or its default."""
        import os

        from netspec.spec.source import default_path

        return path if path is not None else default_path(os.environ)

    def load(self, path: str | None, *, locked: bool = False) -> "Loaded":
        """The spec at PATH or at its default; `locked` where only its lock file gives addresses.

        Raises SpecError, and UsageError where standard input would need a lock file.
        """
        from netspec.spec.document import load_document
        from netspec.spec.lockfile import lock_path

        where = self.path_of(path)
        if locked:
            lock_path(where)  # Standard input has none.
        loaded = load_document(where)
        return replace(loaded, lock=replace(loaded.lock, strict=True)) if locked else loaded

    def intent(self, loaded: "Loaded", *, allow_removal: int = 0) -> "Intent":
        """What a loaded spec wants of this host; `allow_removal` objects may go where the guards would refuse it."""
        from netspec.cli.wanted import Wanted
        from netspec.engine.intent import Intent
        from netspec.engine.peers import protected
        from netspec.kinds._spaces import references
        from netspec.kinds.inner_sysctl import wanted_inside
        from netspec.spec.desired import wanted_links, wanted_sysctls

        document = loaded.document
        stack = self.options.stack or document.stack
        if stack != document.stack:
            raise UsageError(f"--stack {stack}, but the spec is of stack {document.stack}.")

        wanted = Wanted(loaded)
        return Intent(
            stack=stack,
            desire=wanted.state,
            files=tuple(each.name for each in loaded.files),
            allowed_removal=allow_removal,
            sysctls=wanted_sysctls(document),
            links=wanted_links(document),
            inner=wanted_inside(document),
            references=references(document),
            place_of=loaded.place_of,
            remarks=wanted.remarks,
            source=wanted.source,
            peers=protected(document.protect),
        )

    def reconciler(self) -> "Reconciler":
        """The reconciler on this host's kernel."""
        from netspec.kernel.linux import LinuxKernel

        return self._reconciler_on(LinuxKernel(ledger=self._ledger))

    @contextmanager
    def changing(self) -> "Iterator[Reconciler]":
        """The reconciler, for those who change the host: they may, and nobody else does it at the same time.

        Raises PrivilegeMissing, and Refused where somebody else goes on for too long.
        """
        from netspec.engine.lock import exclusive
        from netspec.kernel.privileges import CHANGING, require

        require(*CHANGING)
        reconciler = self.reconciler()
        with exclusive(self.options.run_dir, self.options.lock_timeout):
            yield reconciler

    def onlooker(self) -> "tuple[Reconciler, UnprivilegedKernel]":
        """A reconciler that only looks, as far as this process may, and its kernel, which says what it has not seen."""
        from netspec.kernel.unprivileged import UnprivilegedKernel

        kernel = UnprivilegedKernel(ledger=self._ledger)
        return self._reconciler_on(kernel), kernel

    @property
    def _ledger(self) -> str:
        return str(self.options.run_dir / "attached")

    def _reconciler_on(self, kernel: "Kernel") -> "Reconciler":
        from netspec.engine.peers import session_peers
        from netspec.engine.reconciler import Reconciler
        from netspec.kernel.sessions import ssh_connection

        own = session_peers(ssh_connection())
        return Reconciler(kernel, self.options.run_dir, self.options.state_dir, own)

    def view(self, proposal: "Proposal") -> "PlanView":
        """A proposal, ready to be rendered."""
        from netspec.report.plan import PlanView

        return PlanView(
            host=host_name(),
            stack=proposal.intent.stack,
            plan=proposal.plan,
            desired=proposal.desired,
            observed=proposal.observed,
            drift=proposal.drift,
            consequences=proposal.consequences,
            place_of=proposal.intent.place_of,
            aside=proposal.aside,
        )

    def style(self, *, on_stderr: bool = False) -> "Style":
        """Colour for a stream."""
        from netspec.report.style import Style

        return Style(self.options.colors(on_stderr=on_stderr))

    def say(self, text: str) -> None:
        """Print a line for people, unless they want quiet or the output is JSON."""
        if not self.options.quiet and not self.as_json:
            try:
                write(text if text.endswith("\n") else text + "\n")
            except NetspecError as error:
                # What it tells of has happened, whoever hears of it.
                tell(f"netspec: {error.message}")

    def note(self, text: str) -> None:
        """A remark on standard error."""
        if not self.options.quiet:
            tell(text)

    def name_others(self, stacks: Iterable[str]) -> None:
        """Say which stacks there are, where the one that was asked for has nothing."""
        names = ", ".join(stacks)
        if names:
            self.note(f"netspec: stacks on this host: {names}; choose one with --stack.")

    def document(self, make: Callable[[], dict[str, Any]]) -> None:
        """JSON, to where it is wanted: standard output, `--json-into`, both or neither."""
        if not self.as_json and self.options.json_into is None:
            return
        document = make()
        if self.options.json_into is not None:
            self.write_into(self.options.json_into, json.dumps(document, indent=2) + "\n")
        if self.as_json:
            write(json.dumps(document, indent=2) + "\n")

    def write_into(self, path: Path, text: str, *, asked_for: bool = True) -> None:
        """A file that cannot be written now could be at the start: no reason to take back what was done.

        But whoever has asked for it learns by the exit code that it is not there.
        """
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.unwritten = self.unwritten or asked_for
            tell(f"netspec: cannot write {path}: {error.strerror}.")

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """Show what is wrong, on standard error."""
        from netspec.report.diagnostics import render

        text = render(tuple(found), color=self.options.colors(on_stderr=True))
        if text and not self.as_json:
            complain(text)

    def warn(self, found: Iterable[Diagnostic]) -> None:
        """Show what is worth a warning, unless quiet is wanted."""
        if not self.options.quiet:
            self.diagnostics(found)

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask on a terminal. Raises UsageError where there is none and `--yes` was not given."""
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on: add --yes to go on without asking.")
        write(f"{question} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def fail(self, error: NetspecError) -> None:
        """Show an error with all its diagnostics; as JSON where JSON is wanted."""
        from netspec.report.diagnostics import as_json

        self.diagnostics(error.diagnostics)
        tell(f"{self.style(on_stderr=True).paint('error', 'netspec:')} {error.message}")
        self.document(
            lambda: {
                "format_version": "1.0",
                "error": {"message": error.message, "exit_code": error.exit_code},
                "diagnostics": [as_json(each) for each in error.diagnostics],
            }
        )


def writable(path: Path) -> None:
    """Find out before anything is done. Raises UsageError."""
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}.") from None


def existing(path: str | None) -> Path | None:
    """PATH as a Path, for what needs one."""
    return None if path is None else Path(path)
