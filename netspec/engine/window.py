"""A confirm window: an apply that was verified, and is undone unless somebody confirms it in time. As a file."""

import json
import math
import os
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic
from netspec.engine.applied import Applied, understood
from netspec.engine.applied import document_of as applied_document
from netspec.engine.directories import private_directory, read_private, write_private
from netspec.engine.journal import Entry, document_of, parsed
from netspec.errors import Refused
from netspec.kernel.clock import Clock
from netspec.kinds._encoding import Unreadable

FORMAT = 1


class Stage(StrEnum):
    """How far it has come. From `confirmed` on it is over."""

    OPENING = "opening"
    """The apply is running; what it has done so far is in the journal."""
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Applying:
    """The process that applies, known by its start, for numbers are given again; `terminal` is where it writes."""

    pid: int
    started: int
    terminal: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What goes on record once it is confirmed: what was applied, and leases as text."""

    applied: Applied
    leases: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One of a stack. `deadline` is on the clock of `boot`, that of the apply itself until it is verified.

    `until` is the same for people, who may set their clock meanwhile; `before` is what undoing brings back;
    `generation` is the number of that which it becomes, 0 for none.
    """

    identity: str
    stack: str
    within: float
    boot: str
    deadline: float
    until: float
    stage: Stage
    applying: Applying
    before: Entry
    generation: int = 0
    outlook: Outlook | None = None
    why: str = ""

    @property
    def over(self) -> bool:
        """Whether it was confirmed or undone."""
        return self.stage in (Stage.CONFIRMED, Stage.UNDONE)

    def expired(self, clock: Clock) -> bool:
        """Whether nobody can confirm it any more; after a reboot nobody can either."""
        return self.boot != clock.boot or clock.elapsed() >= self.deadline

    def left(self, clock: Clock) -> float:
        """Seconds until it ends."""
        return max(0.0, self.deadline - clock.elapsed()) if self.boot == clock.boot else 0.0

    def ended(self, stage: Stage, why: str) -> "Window":
        """Over; what was kept for it is let go."""
        return replace(self, stage=stage, why=why, before=Entry(self.stack, {}), outlook=None)


class Windows:
    """The windows of a host: a file in the run directory for each stack, the last one of that stack."""

    def __init__(self, run_dir: Path) -> None:
        """`run_dir` is made when something is written."""
        self._run_dir = run_dir

    def path(self, stack: str) -> Path:
        """Where that of a stack is."""
        return self._run_dir / f"window-{stack}.json"

    def stacks(self) -> tuple[str, ...]:
        """Those that have one, over or not. Raises Refused where the directory cannot be read."""
        try:
            names = os.listdir(self._run_dir)  # noqa: PTH208  names are wanted, not paths
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Refused(f"cannot read {self._run_dir}: {error.strerror}.") from None
        found = (name for name in names if name.startswith("window-") and name.endswith(".json"))
        return tuple(sorted(name.removeprefix("window-").removesuffix(".json") for name in found))

    def all(self) -> tuple[Window, ...]:
        """All of them. Raises Refused where one cannot be understood."""
        found = (self.read(stack) for stack in self.stacks())
        return tuple(window for window in found if window is not None)

    def read(self, stack: str) -> Window | None:
        """That of a stack. Raises Refused where it cannot be understood."""
        path = self.path(stack)
        text = read_private(path)
        if text is None:
            return None
        try:
            return _parse(json.loads(text), stack)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError, Unreadable) as error:
            damaged = Diagnostic(
                "NS0663",
                f"the confirm window {path} cannot be understood: {error}",
                hint="look at what is there with netspec show, then set it aside: netspec recover --discard",
            )
            raise Refused("Refused: nothing was changed.", diagnostics=[damaged]) from None

    def write(self, window: Window) -> None:
        """Durably. Raises Refused where that cannot be."""
        private_directory(self._run_dir)
        write_private(self.path(window.stack), json.dumps(_document(window)))


def _document(window: Window) -> dict[str, Any]:
    outlook = window.outlook
    return {
        "format": FORMAT,
        "identity": window.identity,
        "stage": window.stage,
        "within": window.within,
        "boot": window.boot,
        "deadline": window.deadline,
        "until": window.until,
        "applying": [window.applying.pid, window.applying.started, window.applying.terminal],
        "before": document_of(window.before),
        "generation": window.generation,
        "outlook": None if outlook is None else [applied_document(outlook.applied), outlook.leases],
        "why": window.why,
    }


def _parse(document: Any, stack: str) -> Window:  # noqa: ANN401  whatever JSON held
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unreadable("it is of another format")
    pid, started, terminal = document["applying"]
    before = parsed(document["before"])
    if before.stack != stack:
        raise Unreadable(f"it is of stack {before.stack}")
    return Window(
        identity=_text(document["identity"]),
        stack=stack,
        stage=Stage(document["stage"]),
        within=_number(document["within"]),
        boot=_text(document["boot"]),
        deadline=_number(document["deadline"]),
        until=_number(document["until"]),
        applying=Applying(int(pid), int(started), _text(terminal)),
        before=before,
        generation=int(_number(document["generation"])),
        outlook=None if document["outlook"] is None else _outlook(*document["outlook"]),
        why=_text(document["why"]),
    )


def _outlook(applied: Any, leases: Any) -> Outlook:  # noqa: ANN401  likewise
    known = understood(applied)
    if known is None:
        raise TypeError("what was applied is not told")
    return Outlook(known, _text(leases))


def _text(value: Any) -> str:  # noqa: ANN401  likewise
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:  # noqa: ANN401  likewise
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
