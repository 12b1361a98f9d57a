"""Checks as they are asked on one host: who connects from which namespace to which address; and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from netspec.diagnostics import Place
from netspec.kernel.operations import Address
from netspec.kernel.probes import Answer, Probe, Service, Verdict
from netspec.kinds._check_specs import CheckSpec

NOT_FROM_HERE = "nobody outside can be asked from this host; `netspec test` asks a stand-in"


@dataclass(frozen=True, slots=True)
class Question:
    """A check over one IP version.

    `gateways` are the addresses of the host that the target may see where the source is to be the gateway's;
    `target` says in words who is to answer.
    """

    probe: Probe
    target: str
    gateways: tuple[Address, ...] = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.probe.address.version


@dataclass(frozen=True, slots=True)
class Check:
    """One check with its questions; `skipped` says why none can be asked here."""

    number: int
    spec: CheckSpec
    questions: tuple[Question, ...] = ()
    skipped: str = ""

    @property
    def address(self) -> str:
        """Where it stands in the spec: `checks[0]`."""
        return f"checks[{self.number}]"


class State(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a packet: in words, with the address (`policies[0]`) and the place of what in the spec says so."""

    words: str
    address: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Met:
    """A question and its answer; `state` says whether that is what was expected, `words` what is wrong with it."""

    question: Question
    answer: Answer
    state: State
    words: str = ""
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check and all that was met."""

    check: Check
    met: tuple[Met, ...] = ()

    @property
    def state(self) -> State:
        """Failed where one question failed; skipped where one could not be asked; else passed."""
        found = {each.state for each in self.met} or {State.SKIPPED}
        return next(each for each in (State.FAILED, State.SKIPPED, State.PASSED) if each in found)

    @property
    def words(self) -> str:
        """Why it failed or was skipped."""
        wrong = [each for each in self.met if each.state is self.state]
        said = dict.fromkeys(
            f"{each.words} over IPv{each.question.version}" if len(self.met) > 1 else each.words for each in wrong
        )
        alike = {each.words for each in wrong}
        if len(alike) == 1 and len(wrong) == len(self.met):
            said = dict.fromkeys(alike)
        return self.check.skipped or "; ".join(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What stands for the world around a host: a remote machine by IP version, and the host's addresses towards it.

    `uplinks` are the host's addresses by link; `""` has those of the first. `homes` are the namespaces in which remote
    addresses stand; `routers` those of gateways that are not the host, by which the addresses are reached as well.
    """

    netns: str
    remote: Mapping[int, Address]
    uplinks: Mapping[str, Mapping[int, Address]]
    homes: Mapping[Address, str] = field(default_factory=dict)
    routers: Mapping[Address, str] = field(default_factory=dict)


def judged(check: Check, answers: Sequence[Answer]) -> Outcome:
    """A check with what its questions met."""
    return Outcome(check, tuple(_judged(check.spec, *pair) for pair in zip(check.questions, answers, strict=True)))


def _judged(spec: CheckSpec, question: Question, answer: Answer) -> Met:
    if answer.verdict is None:
        return Met(question, answer, State.FAILED if answer.missing else State.SKIPPED, answer.words)
    if answer.verdict is not Verdict(spec.expect):
        words = f"{answer.verdict}, not {spec.expect}" + (f": {answer.words}" if answer.words else "")
        return Met(question, answer, State.FAILED, words)
    if spec.source is None:
        return Met(question, answer, State.PASSED)
    wanted = (answer.local,) if spec.source == "client" else question.gateways
    if answer.seen is None:
        return Met(question, answer, State.SKIPPED, "which address the target has seen cannot be told")
    if answer.seen in wanted:
        return Met(question, answer, State.PASSED)
    whose = "the client's own" if spec.source == "client" else "the host's"
    is_ = ", ".join(str(each) for each in wanted if each is not None) or "none"
    return Met(question, answer, State.FAILED, f"the target has seen {answer.seen}, not {whose} ({is_})")


def services(checks: Iterable[Check]) -> frozenset[Service]:
    """Where somebody has to listen: what a check expects to be open, or shut off; refusals come by themselves."""
    wanted = (each for check in checks if Verdict(check.spec.expect) is not Verdict.REFUSED for each in check.questions)
    return frozenset(each.probe.service for each in wanted if each.probe.service is not None)
