"""Generations as people and programs read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.report.style import PLAIN, Style

FORMAT_VERSION = "1.0"
SHORT = 12
"""Digits of a commit that people are shown."""
WIDEST = 60
"""Characters of a command in a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationView:
    """What a report of a generation needs to know."""

    stack: str
    number: int
    state: str
    pinned: bool
    time: str
    command: str
    uid: int
    user: str
    sudo_user: str
    netspec: str
    path: str
    spec_digest: str
    commit: str
    dirty: bool
    back_to: int | None
    summary: Mapping[str, int] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """In a word."""
        return self.sudo_user or self.user or str(self.uid)

    @property
    def short_commit(self) -> str:
        """With a plus where the spec was not as in it."""
        return self.commit[:SHORT] + ("+" if self.dirty else "")

    @property
    def changes(self) -> int:
        """How many objects changed."""
        return sum(self.summary.values())


def render(views: Sequence[GenerationView], stack: str, style: Style = PLAIN) -> str:
    """A line for each generation, the newest first."""
    if not views:
        return f"Stack {stack} has no generations on this host.\n"
    head = ("generation", "state", "time", "changes", "commit", "who", "command")
    rows = [_row(each) for each in sorted(views, key=lambda view: -view.number)]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(f"{word:<{width}}" for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = "  ".join(f"{word:<{width}}" for word, width in zip(head, widths, strict=True)).rstrip()
    return "\n".join([style.paint("bold", title), *lines]) + "\n"


def render_one(view: GenerationView, shown: str, files: Iterable[str], style: Style = PLAIN) -> str:
    """One generation: who, when, from what, and the plan as it was shown then."""
    head = f"generation {view.number} of stack {view.stack}: {_state(view)}"
    by = f"{view.who} (user {view.user or view.uid})" if view.sudo_user else view.who
    rows = [
        ("applied", f"{view.time} by {by}"),
        ("command", view.command),
        ("went back to", f"generation {view.back_to}" if view.back_to else ""),
        ("spec", ", ".join(files) or "none: everything was removed"),
        ("read from", view.path),
        ("commit", view.commit + (" (the spec was not as in it)" if view.dirty else "")),
        ("netspec", view.netspec),
    ]
    lines = [f"  {name:<12}  {words}" for name, words in rows if words]
    return "\n".join([style.paint("bold", head), *lines, "", shown.rstrip("\n")]) + "\n"


def history_document(views: Iterable[GenerationView], stack: str) -> dict[str, Any]:
    """What `history --output json` prints; the oldest comes first."""
    listed = sorted(views, key=lambda view: view.number)
    good = [each.number for each in listed if each.state == "good"]
    pinned = [each.number for each in listed if each.pinned and each.state != "undone"]
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "last_good": good[-1] if good else None,
        "suspended_at": pinned[-1] if pinned else None,
        "generations": [head_document(each) for each in listed],
    }


def generation_document(
    view: GenerationView, plan: Mapping[str, Any], spec: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What `show GENERATION --output json` prints."""
    shown = None if spec is None else {"files": spec["files"], "lock": spec["lock"]}
    return {"format_version": FORMAT_VERSION, **head_document(view), "spec": shown, "plan": dict(plan)}


def head_document(view: GenerationView) -> dict[str, Any]:
    """A generation in a list."""
    return {
        "stack": view.stack,
        "generation": view.number,
        "state": view.state,
        "pinned": view.pinned,
        "time": view.time,
        "command": view.command,
        "who": {"uid": view.uid, "user": view.user, "sudo_user": view.sudo_user},
        "netspec": view.netspec,
        "path": view.path,
        "spec_digest": view.spec_digest,
        "commit": {"id": view.commit, "dirty": view.dirty} if view.commit else None,
        "back_to": view.back_to,
        "summary": dict(view.summary),
    }


def _row(view: GenerationView) -> tuple[str, ...]:
    command = view.command if len(view.command) <= WIDEST else view.command[: WIDEST - 1] + "…"
    return (str(view.number), _state(view), view.time, str(view.changes), view.short_commit or "-", view.who, command)


def _state(view: GenerationView) -> str:
    return f"{view.state}, pinned" if view.pinned else view.state
