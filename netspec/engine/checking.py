"""Asks checks by a prober: all their questions at once, and each check judged by its own."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from netspec.engine.explaining import Case, Explainer
from netspec.kernel.port import KernelError
from netspec.kernel.probes import Answer, Probe, Prober, Tracer, TraceStep, Verdict, patient
from netspec.kinds._checks import Check, Explanation, Met, Outcome, Question, State, judged, services

AGAIN = 1.0
"""Seconds that a packet is followed at most: the first of a probe tells where it ends."""
SILENCE = 1.2
"""Seconds of silence that are enough where nothing is far away: a second SYN, too, has found nobody."""


def ask(
    checks: Iterable[Check], prober: Prober, tick: Callable[[], None] = patient, *, alone: bool = False
) -> tuple[Outcome, ...]:
    """What each check comes to. Somebody stands in where nobody listens.

    `alone` on a host that is ours: there somebody stands in on the host itself, too, and silence need not last long.
    """
    wanted = tuple(checks)
    longest = SILENCE if alone else float("inf")
    probes = [_probe(question, check, longest) for check in wanted for question in check.questions]
    standing_in = sorted((each for each in services(wanted) if each.netns or alone), key=str)
    answers = iter(prober(probes, standing_in, tick) if probes else ())
    return tuple(judged(check, _taken(answers, len(check.questions))) for check in wanted)


def explained(
    outcomes: Iterable[Outcome], prober: Prober, tracer: Tracer, explainer: Explainer, *, alone: bool = False
) -> tuple[Outcome, ...]:
    """The same, those that failed with what became of their packets: each is sent again and followed."""
    found = tuple(outcomes)
    failed = [(each.check.spec, met) for each in found for met in each.met if _is_to_explain(met)]
    if not failed:
        return found
    standing_in = [each for each in services(each.check for each in found) if each.netns or alone]
    probes = [replace(met.question.probe, within=min(met.question.probe.within, AGAIN)) for _, met in failed]
    answers: list[Answer] = []

    def again() -> Sequence[Answer]:
        answers.extend(prober(probes, standing_in))
        return answers

    trails: Sequence[tuple[TraceStep, ...]] = [()] * len(probes)
    untold = ""
    try:
        trails = tracer(probes, again)
    except KernelError as error:
        untold = error.reason
        answers = answers or [met.answer for _, met in failed]
    words: dict[int, Explanation] = {}
    for (spec, met), answer, trail in zip(failed, answers, trails, strict=True):
        finds_back = _finds_back(met, answer, tracer)
        case = Case(spec=spec, question=met.question, answer=answer, trail=trail, finds_back=finds_back, untold=untold)
        words[id(met)] = explainer.explain(case)
    return tuple(
        replace(each, met=tuple(replace(met, explanation=words.get(id(met))) for met in each.met)) for each in found
    )


def _is_to_explain(met: Met) -> bool:
    return met.state is State.FAILED and met.answer.verdict is not None


def _finds_back(met: Met, answer: Answer, tracer: Tracer) -> bool:
    service = met.question.probe.service
    return service is None or answer.local is None or tracer.has_route(service.netns, answer.local)


def _probe(question: Question, check: Check, longest: float) -> Probe:
    if Verdict(check.spec.expect) is not Verdict.BLOCKED:
        return question.probe
    return replace(question.probe, within=min(question.probe.within, longest))


def _taken(answers: Iterable[Answer], count: int) -> Sequence[Answer]:
    rest = iter(answers)
    return [next(rest) for _ in range(count)]
