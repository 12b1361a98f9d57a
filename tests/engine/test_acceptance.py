"""The gate of an apply: what it asks, what it forbids, and that the host is then as before."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from netspec.diagnostics import Diagnostic
from netspec.engine.acceptance import passing, required_checks_pass, shut
from netspec.errors import ApplyFailed, Interrupted, NetspecError, NotRestored
from netspec.kernel.port import KernelError
from netspec.kernel.probes import Answer, Probe, Service, Verdict, patient
from netspec.kinds._checks import Check
from netspec.kinds._intent import Present
from netspec.spec.desired import desired
from netspec.spec.probing import Resolver
from tests.engine.sites import Site
from tests.specs import loaded

BEFORE = """
netspec: 1
bridges: {lan: {subnets: [10.1.0.0/24]}}
endpoints: {web: {bridge: lan}, db: {bridge: lan}}
"""
AFTER = BEFORE.replace("db: {", "db: {publish: ['80:80'], ")

CHECKS = (
    BEFORE
    + """
checks:
  - {from: web, to: db:80}
  - {from: web, to: db:81, expect: refused}
  - {from: web, to: ping db, required: true}
  - {from: outside, to: db:80}
"""
)


@dataclass
class Told:
    """A prober that answers as it is told by port, and remembers what it was asked."""

    verdicts: dict[int, Verdict | None] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)

    def __call__(
        self, probes: Sequence[Probe], services: Sequence[Service], tick: Callable[[], None] = patient
    ) -> Sequence[Answer]:
        """See Prober."""
        tick()
        self.asked += [each.port for each in probes]
        self.services += services
        verdicts = (self.verdicts.get(each.port, Verdict.OPEN) for each in probes)
        return [Answer(verdict=each, words="" if each else "nobody knows") for each in verdicts]


def checks(text: str = CHECKS) -> tuple[Check, ...]:
    """The checks of a spec on an empty host."""
    document = loaded(text).document
    return Resolver(document, desired(document, Present()).attachments).checks()


def codes(told: Told, before: frozenset[int]) -> list[str]:
    """What forbids an apply, and where."""
    found = shut(checks(), before, told, loaded(CHECKS).place_of)
    assert all(each.place is not None for each in found)
    return [f"{each.code} {each.address}" for each in found]


def test_all_that_can_be_asked_is_asked_before() -> None:
    """Not what begins outside; somebody stands in for what is not to be refused."""
    told = Told({81: Verdict.REFUSED})

    assert passing(checks(), told) == {0, 1, 2}
    assert (told.asked, [each.port for each in told.services]) == ([80, 81, 0], [80])


def test_what_passed_before_must_pass_after() -> None:
    """And what did not is not asked, unless it is required."""
    told = Told({80: Verdict.BLOCKED})

    assert codes(told, frozenset({0})) == ["NS0680 checks[0]"]
    assert codes(Told({80: Verdict.BLOCKED}), frozenset()) == []
    assert told.asked == [80, 0]


def test_what_is_required_must_pass() -> None:
    """Whether it did before or not; also where it cannot be asked."""
    assert codes(Told({0: Verdict.BLOCKED}), frozenset()) == ["NS0681 checks[2]"]
    assert codes(Told({0: None}), frozenset()) == ["NS0681 checks[2]"]
    assert codes(Told({80: None}), frozenset({0})) == []
    assert required_checks_pass(checks(), Told())
    assert not required_checks_pass(checks(), Told({0: Verdict.BLOCKED}))
    assert required_checks_pass(checks(BEFORE + "checks: [{from: web, to: db:80}]"), Told({80: Verdict.BLOCKED}))


def test_an_apply_that_is_not_accepted_is_undone(in_memory: Site) -> None:
    """3, with what forbids it; the host is as before, and nothing is left to recover."""
    in_memory.apply(BEFORE)
    whole = in_memory.rows()
    reconciler = in_memory.reconciler()

    with pytest.raises(ApplyFailed) as caught:
        reconciler.carry_out(
            in_memory.propose(AFTER),
            accept=lambda: shut(checks(), frozenset({0}), Told({80: Verdict.BLOCKED}), loaded(CHECKS).place_of),
        )
    assert caught.value.message == "The apply did not pass its checks and was undone: the host is as before, verified."
    assert [each.code for each in caught.value.diagnostics] == ["NS0680"]
    assert in_memory.rows() == whole
    assert reconciler.recover() is None


@pytest.mark.parametrize(
    ("error", "ends"),
    [(Interrupted(2), Interrupted), (NetspecError("No sockets."), ApplyFailed)],
    ids=["signal", "error"],
)
def test_a_question_that_fails_undoes_as_well(in_memory: Site, error: NetspecError, ends: type[NetspecError]) -> None:
    """A signal while checks are asked, or a prober that cannot ask."""
    in_memory.apply(BEFORE)
    whole = in_memory.rows()

    def fails() -> tuple[()]:
        raise error

    with pytest.raises(ends) as caught:
        in_memory.reconciler().carry_out(in_memory.propose(AFTER), accept=fails)
    assert "undone" in caught.value.message
    assert in_memory.rows() == whole


def test_what_cannot_be_undone_is_said(in_memory: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """4, with the checks that failed, and the journal stays."""
    in_memory.apply(BEFORE)
    reconciler = in_memory.reconciler()

    def refuse(*_: object) -> None:
        raise KernelError(errno.EBUSY, None)

    def fails() -> tuple[Diagnostic, ...]:
        monkeypatch.setattr(in_memory.kernel, "execute", refuse)
        return shut(checks(), frozenset({0}), Told({80: Verdict.BLOCKED}), loaded(CHECKS).place_of)

    with pytest.raises(NotRestored) as caught:
        reconciler.carry_out(in_memory.propose(AFTER), accept=fails)

    assert [each.code for each in caught.value.diagnostics] == ["NS0680"]
    assert reconciler.journal.read() is not None


def test_an_accepted_apply_stays(in_memory: Site) -> None:
    """And is asked only once it is verified."""
    seen = []

    def look() -> tuple[()]:
        seen.append(in_memory.steps(AFTER))
        return ()

    in_memory.reconciler().carry_out(in_memory.propose(AFTER), accept=look)

    assert seen == [[]]
