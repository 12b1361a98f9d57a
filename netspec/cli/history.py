"""`netspec history`: the generations of a stack; and one of them, for `netspec show`."""

from typing import TYPE_CHECKING

import typer

from netspec.cli.generations import generations
from netspec.cli.help import add
from netspec.cli.output import write
from netspec.cli.session import Session

if TYPE_CHECKING:
    from netspec.engine.generation_names import Entry
    from netspec.engine.generation_record import Head
    from netspec.report.history import GenerationView


def register(app: typer.Typer) -> None:
    """Add the command."""
    add(
        app,
        history,
        "List the generations of a stack.",
        [
            ("netspec history", "those of the stack `default`"),
            ("netspec show 12", "what generation 12 changed"),
            ("netspec rollback 12", "go back to it"),
        ],
    )


def history(context: typer.Context) -> None:
    """List the generations of a stack: each apply that changed something, the newest first.

    The stack is that of --stack, else `default`.
    """
    from netspec.engine.generations import stacks
    from netspec.report.history import history_document, render

    session: Session = context.obj
    stack = session.options.stack or "default"
    store = generations(session, stack)
    views = [view_of(each.entry, each.head) for each in store.listed()]
    session.warn(store.warnings)
    if not views:
        session.name_others(stacks(session.options.state_dir))
    session.document(lambda: history_document(views, stack))
    if not session.as_json:
        write(render(views, stack, session.style()))


def show_generation(session: Session, number: int) -> None:
    """Print one generation. Raises NetspecError where there is none."""
    from netspec.engine.generation_record import source_document
    from netspec.report.history import generation_document, render_one

    store = generations(session, session.options.stack or "default")
    found = store.read(number)
    view, record = view_of(found.entry, found.record.head), found.record
    spec = None if record.source is None else source_document(record.source)
    files = [name for name, _ in record.source.files] if record.source is not None else ["not on record"]
    session.document(lambda: generation_document(view, record.plan, spec))
    if not session.as_json:
        write(render_one(view, record.shown, files, session.style()))


def view_of(entry: "Entry", head: "Head") -> "GenerationView":
    """A generation, ready to be rendered."""
    from netspec.report.history import GenerationView

    return GenerationView(
        stack=head.stack,
        number=entry.number,
        state=str(entry.standing),
        pinned=entry.pinned,
        time=head.time,
        command=head.command,
        uid=head.who.uid,
        user=head.who.user,
        sudo_user=head.who.sudo_user,
        netspec=head.netspec,
        path=head.path,
        spec_digest=head.spec_digest,
        commit=head.commit.id if head.commit is not None else "",
        dirty=head.commit.dirty if head.commit is not None else False,
        back_to=head.back_to,
        summary=head.summary,
    )
