"""Situations in which faults are tried: a host, what is on it, and a plan that is about to be carried out.

`KINDS` has one for every way in which a resource of any kind is made, changed field by field, and deleted: together
they cover all there is to change (`test_every_fault.py` asserts it). `SPECS` are the edits of `tests/specs.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.core.resource import Key, Policy, Resource, compared_fields
from netspec.core.state import State, owned_by, same
from netspec.engine.intent import Intent
from netspec.engine.observation import kind_of, observed_state
from netspec.engine.reconciler import Proposal
from netspec.kernel.fake import FakeKernel
from netspec.kernel.operations import AddressAdd, LinkAdd, LinkSet, Operation, Peer
from netspec.kernel.snapshot import Scope
from netspec.kinds._contract import PROTOCOL
from tests.engine.sites import Site, live_in, stack_of
from tests.kinds.examples import ENDPOINT, EXAMPLES, STACK, Example
from tests.sandboxed import NETNS_DIR
from tests.specs import BASE, EDITS, Edit, edited, intent


@dataclass(frozen=True, slots=True)
class Situation:
    """`prepare` brings a fresh host into it, and returns what is about to be carried out."""

    name: str
    prepare: Callable[[Site], Proposal]


def _of_example(example: Example, name: str, build: Callable[[Site, Example], Intent]) -> Situation:
    def prepare(site: Site) -> Proposal:
        site.kernel.execute([_made_ours(each) for each in example.ground])
        return site.reconciler().propose(build(site, example))

    return Situation(f"{type(example.resource).__name__} {name}", prepare)


def _made_ours(operation: Operation) -> Operation:
    """What somebody else takes of others' is not ours to put back: all that stands in namespaces of ours is ours."""
    if isinstance(operation, AddressAdd):
        return replace(operation, protocol=PROTOCOL)
    if isinstance(operation, LinkAdd) and operation.netns:
        return replace(operation, alias=str(ENDPOINT))
    return operation


def _wanted(site: Site, example: Example) -> State:
    """All of ours that is there, and the example."""
    found = _look(site, example)
    ours = {key: each for key, each in found.items() if owned_by(STACK)(each)}
    return {**ours, example.resource.key(): example.resource}


def _look(site: Site, example: Example) -> State:
    key = example.resource.key()
    sysctls = frozenset({(key.netns, key.name)} if key.kind == "sysctl" else ())
    return observed_state(site.kernel.snapshot(Scope(stack=STACK, sysctls=sysctls, named=frozenset({"v0"}))))


def _asking(example: Example, wanted: State) -> Intent:
    key = example.resource.key()
    inner = frozenset({(key.netns, key.name)} if key.kind == "sysctl" and key.netns else ())
    sysctls = frozenset({key.name} if key.kind == "sysctl" and not key.netns else ())
    return Intent(
        stack=STACK,
        desire=lambda _present: wanted,
        allowed_removal=len(EXAMPLES),
        sysctls=sysctls,
        inner=inner,
        links=frozenset({"v0"}),
    )


def _creation(site: Site, example: Example) -> Intent:
    return _asking(example, _wanted(site, example))


def _deletion(site: Site, example: Example) -> Intent:
    wanted = _wanted(site, example)
    site.kernel.execute(tuple(kind_of(example.resource).create(example.resource)))
    return _asking(example, {key: each for key, each in wanted.items() if key != example.resource.key()})


def _change(name: str, *, back: bool) -> Callable[[Site, Example], Intent]:
    """From the example to its variant; `back`, from what somebody has made of it to the example."""

    def build(site: Site, example: Example) -> Intent:
        one, other = example.resource, example.varied(name)
        one, other = (other, one) if back else (one, other)
        wanted = {**_wanted(site, example), one.key(): other}
        _put(site, example, one)
        return _asking(example, wanted)

    return build


def _put(site: Site, example: Example, wanted: Resource) -> None:
    """The example on the host, in place or made anew where a field differs."""
    kind = kind_of(example.resource)
    site.kernel.execute(tuple(kind.create(example.resource)))
    if same(wanted, example.resource):
        return
    seen = _look(site, example)[wanted.key()]
    stuck = [rule for rule in compared_fields(type(wanted)) if rule.policy is Policy.REPLACES]
    if any(getattr(wanted, rule.name) != getattr(example.resource, rule.name) for rule in stuck):
        site.kernel.execute([*kind.delete(seen), *kind.create(wanted)])
    else:
        site.kernel.execute(tuple(kind.update(seen, wanted)))


def _of_kinds() -> list[Situation]:
    found = []
    for example in EXAMPLES:
        if not (example.made and example.stands):
            continue
        found += [_of_example(example, "made", _creation), _of_example(example, "deleted", _deletion)]
        for rule in compared_fields(type(example.resource)):
            if (type(example.resource).__name__, rule.name) in UNSEEN:
                continue
            found.append(_of_example(example, f"{rule.name} there", _change(rule.name, back=False)))
            if (type(example.resource).__name__, rule.name) not in REFUSED_BACK:
                found.append(_of_example(example, f"{rule.name} back", _change(rule.name, back=True)))
    return found


UNSEEN = {
    ("Netns", "alive"): "a name without a namespace is no work of ours: `of a dead name` has it",
    ("File", "sort"): "what is no file is somebody else's: it is refused before",
    ("NatTable", "rules"): "a digest is no text: the edits have it",
    ("Admission", "rules"): "likewise",
    ("Qdisc", "discipline"): "only somebody else makes another: it is refused before",
}
"""What no example changes, and where it is covered, or why it cannot be."""
REFUSED_BACK = {("File", "marked")}
"""A file that was let go of is somebody else's, and in the way."""


def _dead_name(site: Site) -> Proposal:
    if isinstance(site.kernel, FakeKernel):
        site.kernel.leave_dead_name("db", "netspec:default:endpoint/db")
    else:
        Path(NETNS_DIR, "db").write_text("netspec:default:endpoint/db", encoding="ascii")
    return site.propose(BASE)


HOST: tuple[Operation, ...] = (
    LinkAdd(name="eth1", kind="veth", peer=Peer(netns="", name="far1")),
    LinkAdd(name="eth2", kind="veth", peer=Peer(netns="", name="far2")),
    LinkSet(name="eth2", up=True),
    LinkAdd(name="lab0", kind="bridge", mac="02:00:00:00:00:77"),
)
_PORTED = edited(BASE, ("br1: {subnets: [10.2.0.0/24]}", "br1: {subnets: [10.2.0.0/24], ports: [eth1, eth2]}"))
_OPTIONED = edited(_PORTED, ("[eth1, eth2]", "{eth1: {hairpin: true, cost: 4}, eth2: }"))
_EXISTING = BASE.replace("  br1: {subnets: [10.2.0.0/24]}\n", "  lab0: {existing: true, mtu: 1400, ports: [eth1]}\n")
_OTHERWISE = edited(_EXISTING, ("mtu: 1400, ports: [eth1]", "stp: true, hello_time: 1, ports: {eth2: {cost: 9}}"))


def _on_host(before: str, after: str | None) -> Callable[[Site], Proposal]:
    def prepare(site: Site) -> Proposal:
        site.kernel.execute(HOST)
        site.apply(before)
        return site.reconciler().propose(intent(after) if after else Intent(stack="default"))

    return prepare


def _of_edit(edit: Edit, way: str) -> Callable[[Site], Proposal]:
    def prepare(site: Site) -> Proposal:
        live_in(site)
        site.apply(edit.after if way == "back" else edit.before)
        wanted = {"there": edit.after, "back": edit.before}.get(way)
        return site.reconciler().propose(intent(wanted) if wanted else Intent(stack=stack_of(edit)))

    return prepare


ATTACHED = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\nendpoints:\n"
ATTACHED += "  web: {netns: {path: /proc/4711/ns/net}, interfaces: {eth0: {bridge: br0}}}\n"


def _attached(way: str) -> Callable[[Site], Proposal]:
    """Only on the fake: `test_attach.py` has real processes."""

    def prepare(site: Site) -> Proposal:
        assert isinstance(site.kernel, FakeKernel)
        for pid in (4711, 4712):
            site.kernel.start_process(pid)
        if way != "made":
            site.apply(ATTACHED)
        if way in ("alias", "started"):
            return site.reconciler().propose(_otherwise_attached(site, way))
        wanted = {"made": ATTACHED, "other process": edited(ATTACHED, ("4711", "4712"))}.get(way)
        return site.reconciler().propose(intent(wanted) if wanted else Intent(stack="default"))

    return prepare


def _otherwise_attached(site: Site, name: str) -> Intent:
    """What a spec changes only along with the namespace itself."""
    observed = site.propose(ATTACHED).desired
    key = Key("netns", "", "web")
    values: dict[str, Any] = {"alias": "netspec:default:endpoint/other", "started": 7}
    wanted = {**observed, key: replace(observed[key], **{name: values[name]})}
    return replace(intent(ATTACHED), desire=lambda _present: wanted)


SPECS = tuple(
    Situation(f"{edit.name} {way}", _of_edit(edit, way)) for edit in EDITS for way in ("there", "back", "away")
)
HOSTED = tuple(
    Situation(f"host {name}", _on_host(before, after))
    for name, before, after in (
        ("ports come", BASE, _PORTED),
        ("ports leave", _PORTED, BASE),
        ("ports get options", _PORTED, _OPTIONED),
        ("ports away", _OPTIONED, None),
        ("existing bridge comes", BASE, _EXISTING),
        ("existing bridge changes", _EXISTING, _OTHERWISE),
        ("existing bridge away", _OTHERWISE, None),
    )
)
KINDS = (*_of_kinds(), Situation("Netns of a dead name", _dead_name))
OF_PROCESSES = tuple(
    Situation(f"AttachedNetns {way}", _attached(way))
    for way in ("made", "other process", "alias", "started", "deleted")
)


def covered(proposal: Proposal) -> set[tuple[str, str]]:
    """What a plan does to which kinds: actions, and names of fields."""
    found = set()
    for change in proposal.plan.changes:
        kind = type(change.resource).__name__
        found |= {(kind, str(change.action)), *((kind, each.name) for each in change.fields)}
    return found
