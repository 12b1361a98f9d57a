"""What became of a packet, told from trails that a real network seldom shows; the others are in tests/live."""

import errno
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import pytest

from netspec.engine.checking import ask, explained
from netspec.engine.explaining import Case, Explainer
from netspec.kernel.operations import Address
from netspec.kernel.port import KernelError
from netspec.kernel.probes import Answer, Probe, Service, TraceStep, Verdict, patient
from netspec.kinds._checks import Check, Question
from netspec.kinds._intent import Present
from netspec.spec.desired import desired
from netspec.spec.probing import Resolver
from tests.specs import loaded

SPEC = loaded("""
netspec: 1
bridges: {lan: {subnets: [10.1.0.0/24]}, dmz: {subnets: [10.2.0.0/24]}}
endpoints: {web: {bridge: lan}, db: {bridge: dmz}}
checks: [{from: web, to: db:80}, {from: host, to: host:22}]
""")
EXPLAINER = Explainer(SPEC.document, SPEC.place_at, "netspec-default")


def check(number: int = 0) -> Check:
    """One of the checks."""
    return Resolver(SPEC.document, desired(SPEC.document, Present()).attachments).checks()[number]


def question() -> Question:
    """That from web to db."""
    (found,) = check().questions
    return found


def step(chain: str, rule: str = "drop", **more: object) -> TraceStep:
    """A rule that drops."""
    fields = {"family": "inet", "table": "netspec-default", "verdict": "drop", "iif": "lan", "oif": "dmz", **more}
    return TraceStep(chain=chain, rule=rule, **fields)  # type: ignore[arg-type]  # the test's own words


SILENCE = Answer(verdict=Verdict.BLOCKED, local=ip_address("10.1.0.2"), local_port=4711)


@pytest.mark.parametrize(
    ("trail", "words"),
    [
        (
            [step("FORWARD", "", table="filter", family="ip")],
            "chain FORWARD of table ip filter dropped it: not netspec's",
        ),
        (
            [step("ingress", table="netspec-other")],
            "chain ingress of table inet netspec-other dropped it: that of stack other",
        ),
        (
            [step("guard", family="bridge", iif="veth0", oif="")],
            "endpoint/web has sent under an address that is not its own (antispoof) [chain guard]",
        ),
        ([step("own_sources")], "bridge/lan sends under its own addresses only [chain own_sources]"),
        (
            [step("loopback_guard", "iifname @segments ip daddr 127.0.0.0/8 drop", oif="")],
            "chain loopback_guard of our table dropped it: iifname @segments ip daddr 127.0.0.0/8 drop",
        ),
        (
            [step("guard", family="bridge", answers=True)],
            "endpoint/db answers under an address its interface may not have (antispoof) [chain guard]",
        ),
        (
            [step("FORWARD", "", table="filter", family="ip", answers=True)],
            "chain FORWARD of table ip filter dropped the answer",
        ),
        ([step("ingress", verdict="accept")], "all rules of the host let it pass, and endpoint/db does not answer"),
        ([], "nobody answers at 10.2.0.2"),
    ],
)
def test_where_a_packet_ends(trail: Sequence[TraceStep], words: str) -> None:
    """The first rule that drops it decides."""
    found = EXPLAINER.explain(Case(spec=check().spec, question=question(), answer=SILENCE, trail=trail))

    assert found.words == words


class Untraced:
    """A kernel that does not trace."""

    def __call__(
        self,
        probes: Sequence[Probe],  # noqa: ARG002  the port's
        again: Callable[[], Sequence[Answer]],  # noqa: ARG002
    ) -> Sequence[tuple[TraceStep, ...]]:
        """See Tracer."""
        raise KernelError(errno.EPERM, None)

    def has_route(self, netns: str, address: Address) -> bool:  # noqa: ARG002
        """See Tracer."""
        return netns != "db"


def prober(verdict: Verdict) -> Callable[..., Sequence[Answer]]:
    """One that always gives the same answer."""

    def answers(probes: Sequence[Probe], _services: Sequence[Service], _tick: object = patient) -> Sequence[Answer]:
        return [Answer(verdict=verdict, local=ip_address("10.1.0.2")) for _ in probes]

    return answers


def test_where_nothing_can_be_followed_routes_still_tell() -> None:
    """And what cannot be told is said so, with the kernel's reason."""
    for verdict, words in (
        (Verdict.BLOCKED, "endpoint/db has no route back to 10.1.0.2"),
        (Verdict.REFUSED, "what the rules did with it cannot be followed here: Operation not permitted (EPERM)"),
    ):
        outcomes = ask([check()], prober(verdict))
        (outcome,) = explained(outcomes, prober(verdict), Untraced(), EXPLAINER)

        assert [each.explanation.words for each in outcome.met if each.explanation] == [words]


def test_what_passes_is_not_sent_again() -> None:
    """Only what failed is explained."""
    outcomes = ask([check()], prober(Verdict.OPEN))

    assert explained(outcomes, prober(Verdict.OPEN), Untraced(), EXPLAINER) == outcomes
