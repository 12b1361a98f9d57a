"""What commands do with generations: refuse where a stack is pinned, record what they did, go back."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from netspec import __version__
from netspec.cli.output import printable
from netspec.cli.session import Session
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.generation_names import Standing
from netspec.errors import NetspecError, Refused, Suspended

if TYPE_CHECKING:
    from netspec.engine.generation_names import Entry
    from netspec.engine.generation_record import Commit, Record, Source, Who
    from netspec.engine.generations import Draft, Generation, Generations
    from netspec.engine.intent import Intent
    from netspec.engine.reconciler import Proposal

LONGEST_COMMAND = 500
"""Characters of a command line that are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A way back: `to` is the generation whose spec is applied again."""

    to: int


def generations(session: Session, stack: str) -> "Generations":
    """Those of a stack on this host."""
    from netspec.engine.generations import Generations

    return Generations(session.options.state_dir, stack)


def suspensions(session: Session, stack: str) -> tuple[Diagnostic, ...]:
    """Why a stack is not to be changed; nothing where it may be, or where that may not be read."""
    try:
        store = generations(session, stack)
        pinned = store.pinned()
    except Refused:
        return ()
    return () if pinned is None else (_suspended(store, pinned),)


def refuse_if_suspended(session: Session, stack: str) -> None:
    """Raises Suspended where the stack was rolled back and not resumed."""
    found = suspensions(session, stack)
    if found:
        raise Suspended("Refused: nothing was changed.", diagnostics=found)


def drafted(session: Session, proposal: "Proposal", back: Return | None = None) -> "Draft":
    """What is about to be done, on disk before the first change. Raises Refused where it could not be recorded."""
    store = generations(session, proposal.intent.stack)
    try:
        return store.draft(_record(session, proposal, back))
    except Refused as error:
        message = f"the generation could not be recorded: {_words(error)}"
        hint = "make room, or name another directory with --state-dir"
        raise Refused(
            "Refused: nothing was changed.", diagnostics=[Diagnostic("NS0641", message, hint=hint)]
        ) from error


def drafted_if_possible(session: Session, proposal: "Proposal") -> "tuple[Draft | None, tuple[Diagnostic, ...]]":
    """Likewise, for those who repair: None where it cannot be recorded, and the warnings that say so."""
    try:
        return drafted(session, proposal), ()
    except Refused as error:
        return None, tuple(replace(each, severity=Severity.WARNING) for each in error.diagnostics)


@contextmanager
def kept(
    session: Session, draft: "Draft | None", back: Return | None = None, standing: Standing = Standing.GOOD
) -> Iterator[None]:
    """Make a draft a generation once what stands inside has been carried out and verified; drop it where it failed."""
    try:
        yield
    except BaseException:
        if draft is not None:
            draft.drop()
        raise
    if draft is not None:
        try:
            draft.commit(standing, pinned=back is not None)
        except NetspecError as error:
            session.warn([_not_on_record(error)])
        _prune(session, draft.stack)


def remember(session: Session, proposal: "Proposal", back: Return | None = None) -> None:
    """Record a spec that changes nothing, where it is another than that of the last good generation.

    The boot shall bring it, and not the one before. Also after a crash between an apply and its record.
    """
    stack = proposal.intent.stack
    try:
        store = generations(session, stack)
        newest, source = store.newest(), proposal.intent.source()
        known = newest.head.spec_digest if newest is not None else ""
        if back is None and (source is None or source.digest == known):
            return
        if newest is None and not proposal.desired:
            return
        store.draft(_record(session, proposal, back)).commit(pinned=back is not None)
    except NetspecError as error:
        session.warn([_not_on_record(error)])
    _prune(session, stack)


def intent_of(session: Session, generation: "Generation") -> "Intent":
    """What the spec of a generation wants of this host. Raises NetspecError where it has none, and SpecError."""
    from netspec.engine.intent import Intent
    from netspec.spec.document import document_in
    from netspec.spec.source import SourceFile

    number, record = generation.entry.number, generation.record
    source = record.source
    if source is None:
        raise NetspecError(f"Generation {number} of stack {record.head.stack} does not hold the spec it came from.")
    if not source.files:
        return Intent(stack=record.head.stack, source=lambda: source)
    files = tuple(SourceFile(f"{name}@{number}", text) for name, text in source.files)
    intent = session.intent(document_in(files, source.lock))
    # Fewer files than at the last apply are no loss here.
    return replace(intent, source=lambda: _again(source, intent), files=())


def _suspended(store: "Generations", pinned: "Entry") -> Diagnostic:
    head = next((each.head for each in store.listed() if each.entry == pinned), None)
    since = f" since {head.time}" if head is not None else ""
    back = f", which went back to generation {head.back_to}" if head is not None and head.back_to else ""
    message = f"stack {store.stack} is suspended{since} at generation {pinned.number}{back}"
    return Diagnostic("NS0640", message, hint="netspec history shows what it was before; netspec resume lets it go on")


def intent_at(session: Session, path: str | None, number: int) -> "Intent":
    """What generation `number` wants: of the stack that PATH names, else of that of --stack, else of `default`."""
    stack = session.options.stack or "default"
    if path is not None:
        stack = session.intent(session.load(path)).stack
    store = generations(session, stack)
    return intent_of(session, store.read(number))


def _again(source: "Source", intent: "Intent") -> "Source":
    """The source of a generation, with the addresses that its spec has come to now."""
    now = intent.source()
    return replace(source, lock=now.lock) if now is not None else source


def _record(session: Session, proposal: "Proposal", back: Return | None) -> "Record":
    from netspec.engine.generation_record import Head, Record
    from netspec.report.objects import counts
    from netspec.report.plan import render
    from netspec.report.plan_json import plan_document

    source, view = proposal.intent.source(), session.view(proposal)
    if back is None and proposal.intent.approval is None:
        source = with_commit(source)  # A saved plan has the one that its spec was in.
    shown = "".join(f"{printable(line)}\n" for line in render(view).splitlines())
    head = Head(
        stack=proposal.intent.stack,
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=printable(shlex.join(["netspec", *sys.argv[1:]]))[:LONGEST_COMMAND],
        who=_who(),
        netspec=__version__,
        path=source.path if source is not None else "",
        spec_digest=source.digest if source is not None else "",
        commit=source.commit if source is not None else None,
        back_to=back.to if back is not None else None,
        summary=counts(view.objects),
    )
    return Record(head=head, source=source, plan=plan_document(view, ()), shown=shown)


def with_commit(source: "Source | None") -> "Source | None":
    """A spec with the commit that it is in now, unless it has one."""
    return replace(source, commit=_commit(source)) if source is not None and source.commit is None else source


def _commit(source: "Source") -> "Commit | None":
    from netspec.engine.gitops import commit_of
    from netspec.spec.lockfile import lock_path

    if not source.path:
        return None
    locked = lock_path(source.path)
    return commit_of([*(Path(name) for name, _ in source.files), *([locked] if locked.exists() else [])])


def _who() -> "Who":
    import pwd

    from netspec.engine.generation_record import Who

    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = ""
    return Who(uid, printable(user), printable(os.environ.get("SUDO_USER", "")))


def _prune(session: Session, stack: str) -> None:
    try:
        store = generations(session, stack)
        store.prune(session.options.keep_generations)
    except NetspecError:
        return  # Tried again after the next apply.
    session.warn(store.warnings)


def _not_on_record(error: NetspecError) -> Diagnostic:
    message = f"the generation is not on record: {_words(error)}"
    hint = "apply again when that is mended: until then a reboot brings the generation before it"
    return Diagnostic("NS0642", message, hint=hint, severity=Severity.WARNING)


def _words(error: NetspecError) -> str:
    return error.message.rstrip(".")
