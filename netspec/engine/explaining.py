"""What became of a packet, in words of the spec: from the rules that it met, and from what they stand for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netspec.diagnostics import Place
from netspec.kernel.probes import Answer, TraceStep, Verdict
from netspec.kinds._check_specs import HOST, CheckSpec
from netspec.kinds._checks import Explanation, Question
from netspec.kinds._contract import Place as Path
from netspec.kinds._policies import in_short

_POLICY = re.compile(r"@policy(\d+)_")
_LOOKED_UP = re.compile(r"(v?(?P<sort>map) )?@(?P<name>\w+)")
OUTSIDE_NETNS = "netspec-outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of one question: its answer, the rules that its packets met, and whether answers find back.

    `untold` says why the rules could not be followed, where that is so.
    """

    spec: CheckSpec
    question: Question
    answer: Answer
    trail: Sequence[TraceStep] = ()
    finds_back: bool = True
    untold: str = ""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Knows a document, where things stand in it, and the name of its table."""

    document: Any
    place_at: Callable[[Path], Place | None]
    table: str

    def explain(self, case: Case) -> Explanation:
        """Where the packet ended, and what in the spec says so."""
        dropped = next((index for index, each in enumerate(case.trail) if each.verdict == "drop"), None)
        if dropped is not None:
            step, found = case.trail[dropped], self._dropped(case, case.trail[: dropped + 1])
            return found if found.words.startswith("chain ") else replace(found, words=f"{found.words} [{_at(step)}]")
        if case.answer.verdict is Verdict.BLOCKED:
            return self._unanswered(case)
        if case.untold:
            return self._say(f"what the rules did with it cannot be followed here: {case.untold}")
        return self._let_in(case) if case.answer.verdict is Verdict.OPEN else self._nobody_listens(case)

    def _say(self, words: str, *path: str | int) -> Explanation:
        return Explanation(words, _address(path), self.place_at(path) if path else None)

    def _dropped(self, case: Case, way: Sequence[TraceStep]) -> Explanation:
        step = way[-1]
        if step.answers:
            return self._answer_dropped(case, step)
        if step.table != self.table:
            stack = step.table.removeprefix("netspec-")
            whose = f"that of stack {stack}" if stack != step.table else "not netspec's"
            return self._say(f"chain {step.chain} of table {step.family} {step.table} dropped it: {whose}")
        if step.family == "bridge":
            return self._apart(case) if step.chain == "keep_apart" else self._spoofed(case)
        policy = next((found for each in reversed(way) if (found := _POLICY.search(each.rule))), None)
        if policy and step.chain == "refuse":
            return self._by_policy(policy, "refuses")
        if policy and step.chain.startswith(("policies", "midstream")):
            return self._by_policy(policy, "drops")
        iif, oif = (
            next((link for each in reversed(way) if each.family == "inet" and (link := getattr(each, side))), "")
            for side in ("iif", "oif")
        )
        return self._by_chain(case, step, iif, oif)

    def _answer_dropped(self, case: Case, step: TraceStep) -> Explanation:
        target = case.question.target
        name = target.removeprefix("endpoint/")
        if step.table == self.table and step.family == "bridge" and name in self.document.endpoints:
            words = f"{target} answers under an address its interface may not have (antispoof)"
            return self._say(words, "endpoints", name)
        rule = f": {step.rule}" if step.rule else ""
        return self._say(f"chain {step.chain} of table {step.family} {step.table} dropped the answer{rule}")

    def _by_policy(self, found: "re.Match[str]", does: str) -> Explanation:
        index = int(found[1]) - 1
        return self._say(f"policies[{index}] {does} it: {in_short(self.document.policies[index])}", "policies", index)

    def _by_chain(self, case: Case, step: TraceStep, iif: str, oif: str) -> Explanation:
        bridges = self.document.bridges
        if "iifname @internal" in step.rule:
            return self._say(f"bridge/{iif} is internal: nothing leaves it", "bridges", iif, "internal")
        if step.chain == "published" and iif == oif:
            return self._say(f"bridge/{oif} keeps its endpoints apart", "bridges", oif, "port_isolation")
        if step.chain in ("ingress", "published", "routed") and oif in bridges:
            return self._shut(case, iif, oif)
        if step.chain in ("host_access", "host_asking") and (iif or oif) in bridges:
            return self._without_host(iif or oif)
        if step.chain in ("own_sources", "egress") and iif in bridges:
            return self._say(f"bridge/{iif} sends under its own addresses only", "bridges", iif, "subnets")
        return self._by_publication(case, step)

    def _by_publication(self, case: Case, step: TraceStep) -> Explanation:
        if step.chain == "arriving":
            for path, publication in self._publications(case):
                if publication.from_:
                    return self._say(f"the publication {publication} is not for {case.answer.local}", *path)
        return self._say(f"chain {step.chain} of our table dropped it: {step.rule or 'its policy'}")

    def _without_host(self, bridge: str) -> Explanation:
        key = "internal" if self.document.bridges[bridge].internal else "host_access"
        words = "internal" if key == "internal" else "host_access: closed"
        return self._say(f"bridge/{bridge} has no way to the host ({words})", "bridges", bridge, key)

    def _shut(self, case: Case, iif: str, oif: str) -> Explanation:
        bridge, probe = self.document.bridges[oif], case.question.probe
        if bridge.internal:
            return self._say(f"bridge/{oif} is internal: nothing enters it from elsewhere", "bridges", oif, "internal")
        if iif in self.document.bridges:
            words = f"bridge/{iif} and bridge/{oif} are isolated from each other, and no policy allows it"
            return self._say(words, "bridges", oif, "access")
        what = f"{probe.port}/{probe.protocol} of {case.question.target}" if probe.port else "a ping"
        words = f"bridge/{oif} lets in what is published, and {what} is not (access: {bridge.access})"
        return self._say(words, "bridges", oif, "access")

    def _spoofed(self, case: Case) -> Explanation:
        name = str(case.spec.from_)
        words = f"endpoint/{name} has sent under an address that is not its own (antispoof)"
        return self._say(words, "endpoints", name)

    def _apart(self, case: Case) -> Explanation:
        """Two interfaces of a bridge that are isolated: by the bridge, or each by itself."""
        for bridge in self._shared(case):
            if self.document.bridges[bridge].port_isolation:
                return self._say(f"bridge/{bridge} keeps its endpoints apart", "bridges", bridge, "port_isolation")
        names = f"endpoint/{case.spec.from_} and {case.question.target}"
        return self._say(f"{names} are isolated from each other", "endpoints", str(case.spec.from_), "isolated")

    def _let_in(self, case: Case) -> Explanation:
        """What allowed that which was to be kept out, or what has translated its source."""
        if case.spec.expect == "open":
            return self._translated(case)
        accepting = [each for each in case.trail if each.verdict == "accept" and not each.answers]
        for step in reversed(accepting):
            policy = _POLICY.search(step.rule)
            if policy:
                return self._by_policy(policy, "allows")
        if any(each.chain == "published" for each in accepting):
            path, what = next(((path, f"it is published: {each}") for path, each in self._publications(case)), ((), ""))
            return self._say(what or "it is published", *(path or ("nat", "dnat")))
        entering = next((each.iif for each in case.trail if each.chain == "host_access" and each.iif), "")
        if entering in self.document.bridges:
            return self._say(f"bridge/{entering} may talk to the host (host_access: open)", "bridges", entering)
        for bridge in self._shared(case):
            return self._say(f"both are on bridge/{bridge}, and no policy forbids it", "bridges", bridge)
        return self._say("nothing in the spec forbids it")

    def _translated(self, case: Case) -> Explanation:
        """Which rule has changed the source, or that none has."""
        rules = (each.rule for each in case.trail if each.chain == "source")
        rule = next((each for each in rules if "masquerade" in each or "snat" in each), "")
        for word in ("netmap", "snat", "masquerade"):
            if f"@{word}" in rule:
                return self._say(f"its source was translated on the way out ({word})", "nat", word)
        if rule:
            return self._say("its source was translated, so that the answers come back through the host")
        return self._say("nothing has translated its source")

    def _nobody_listens(self, case: Case) -> Explanation:
        probe = case.question.probe
        what = f"{probe.port}/{probe.protocol}"
        led_on = any(each.chain.startswith("publish") and each.rule.startswith("dnat") for each in case.trail)
        if case.spec.to.party == HOST and not led_on:
            return self._say(f"nobody listens at {what} of the host, and no publication leads from there")
        return self._say(f"the packet arrived: nobody listens at {what} of {case.question.target}")

    def _unanswered(self, case: Case) -> Explanation:
        address = case.question.probe.address
        if case.answer.words == "there is no route":
            return self._no_route(str(case.spec.from_), f"{_named(case.spec)} has no route to {address}")
        if not case.trail and self._are_apart(case):
            return self._apart(case)
        if not case.finds_back:
            return self._no_way_back(case)
        if case.untold:
            words = f"what the rules did with it cannot be followed here: {case.untold}"
        elif not case.trail or case.answer.words:
            words = f"nobody answers at {address}"
        else:
            words = f"all rules of the host let it pass, and {case.question.target} does not answer"
        return self._say(words)

    def _no_way_back(self, case: Case) -> Explanation:
        service, local = case.question.probe.service, case.answer.local
        if service is not None and service.netns == OUTSIDE_NETNS:
            return self._say(f"outside there is no way back to {local}: nothing translates it (masquerade)", "nat")
        return self._no_route(str(case.spec.to.party), f"{case.question.target} has no route back to {local}")

    def _no_route(self, name: str, words: str) -> Explanation:
        """An endpoint without a way: its bridge is internal, or has no gateway."""
        endpoint = self.document.endpoints.get(name)
        for bridge in _bridges(endpoint):
            if self.document.bridges[bridge].internal:
                return self._say(f"{words}: bridge/{bridge} is internal", "bridges", bridge, "internal")
        return self._say(words) if endpoint is None else self._say(words, "endpoints", name)

    def _publications(self, case: Case) -> list[tuple[Path, Any]]:
        """The publications of the port that was asked, with their paths."""
        probe = case.question.probe
        return [
            (("endpoints", name, "publish", index), each)
            for name, endpoint in self.document.endpoints.items()
            for index, each in enumerate(endpoint.publish)
            if each.protocol == probe.protocol and each.port.first <= probe.port <= each.port.last
        ]

    def _ends(self, case: Case) -> tuple[Any, Any]:
        """The endpoints on both sides; None where it is none."""
        names = (str(case.spec.from_), case.question.target.removeprefix("endpoint/"))
        return self.document.endpoints.get(names[0]), self.document.endpoints.get(names[1])

    def _shared(self, case: Case) -> list[str]:
        """The bridges that client and target are both on."""
        client, target = self._ends(case)
        return [each for each in _bridges(client) if each in _bridges(target)]

    def _are_apart(self, case: Case) -> bool:
        """Whether the kernel itself lets no frame pass between them: no rule sees that."""
        alone = all(
            end is not None and any(each.isolated for each in end.all_interfaces().values()) for end in self._ends(case)
        )
        return any(alone or self.document.bridges[each].port_isolation for each in self._shared(case))


def _at(step: TraceStep) -> str:
    """Where a packet was dropped: `chain ingress, map access`."""
    looked_up = _LOOKED_UP.search(step.rule)
    if looked_up is None:
        return f"chain {step.chain}"
    return f"chain {step.chain}, {looked_up['sort'] or 'set'} {looked_up['name']}"


def _address(path: Path) -> str:
    """A path as people write it: `bridge/data.internal`, `policies[0]`, `endpoint/web.publish[0]`."""
    if not path:
        return ""
    words = {"bridges": "bridge", "endpoints": "endpoint"}
    head, rest = (f"{words[str(path[0])]}/{path[1]}", path[2:]) if path[0] in words else (str(path[0]), path[1:])
    return head + "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in rest)


def _named(spec: CheckSpec) -> str:
    return "the host" if spec.from_ == HOST else "outside" if spec.is_outside else f"endpoint/{spec.from_}"


def _bridges(endpoint: Any) -> list[str]:  # noqa: ANN401  an EndpointSpec, or None
    interfaces = endpoint.all_interfaces().values() if endpoint is not None else ()
    return [each.bridge for each in interfaces if each.bridge is not None]
