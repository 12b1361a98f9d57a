"""Namespaces of endpoints in memory: shared ones, those of others, faults on the way; the host's own."""

import pytest

from netspec.core.resource import Mark
from netspec.engine.observation import observed_state
from netspec.kernel.snapshot import Reference, Scope
from netspec.kinds.attached_netns import AttachedNetns
from tests.engine.sites import Site, fake, faulty, operations
from tests.engine.test_faults import carried_out
from tests.specs import intent

SHARED = """\
netspec: 1
bridges: {br0: {subnets: [10.1.0.0/24]}}
endpoints:
  one: {netns: pod, bridge: br0}
  two: {netns: pod, interfaces: {eth1: {bridge: br0}}}
"""
ATTACHED = """\
netspec: 1
bridges: {br0: {subnets: [10.1.0.0/24]}}
endpoints:
  web: {netns: {pid: 4711}, bridge: br0, publish: ["80:80"]}
  side: {netns: web, interfaces: {eth1: {bridge: br0}}}
  redis: {netns: {container: redis}, bridge: br0}
"""


def _without(text: str, name: str) -> str:
    return "".join(line + "\n" for line in text.splitlines() if not line.startswith(f"  {name}:"))


def changes(site: Site, text: str) -> list[str]:
    """Actions and keys, in order of keys."""
    return [f"{each.action} {each.key}" for each in site.propose(text).plan.changes]


def test_a_shared_namespace_is_one(site: Site) -> None:
    """Two endpoints, one namespace and one default route in it; the first by name has made it."""
    site.apply(SHARED)
    rows = site.kernel.snapshot(Scope(stack="default"))

    assert [(row.name, row.alias) for row in rows.netns] == [("pod", "netspec:default:endpoint/one")]
    assert sorted(row.name for row in rows.links if row.netns == "pod") == ["eth0", "eth1", "lo"]
    defaults = [row.link for row in rows.routes if row.netns == "pod" and not row.to.prefixlen]
    assert defaults == ["eth0"]
    assert site.steps(SHARED) == []


def test_one_of_two_leaves_and_the_other_stays(site: Site) -> None:
    """Nothing of the one that stays is made again; the namespace changes hands; the last takes it along."""
    whole = site.rows()
    site.apply(SHARED)
    rest = _without(SHARED, "one")
    told = changes(site, rest)
    assert "update netns/pod" in told
    assert [each for each in told if "eth1" in each] == []
    site.apply(rest)
    assert site.steps(rest) == []
    site.apply(SHARED)
    site.apply(_without(SHARED, "two"))
    assert site.steps(_without(SHARED, "two")) == []
    site.destroy()
    assert site.rows() == whole


def test_whose_a_shared_namespace_is(in_memory: Site) -> None:
    """The endpoint's that it is named after, whatever the order; else the first by name."""
    text = "netspec: 1\nendpoints:\n  a: {netns: web, interfaces: {}}\n  web: {interfaces: {}}\n"
    in_memory.apply(text)

    assert [row.alias for row in in_memory.kernel.snapshot(Scope(stack="default")).netns] == [
        "netspec:default:endpoint/web"
    ]


def test_the_host_itself_and_no_interfaces(site: Site) -> None:
    """Docker's `host` makes nothing, `none` an empty namespace."""
    site.apply("netspec: 1\nendpoints: {a: {netns: host, interfaces: {}}, b: {interfaces: {}}}\n")

    rows = site.kernel.snapshot(Scope(stack="default"))
    assert [(row.netns, row.name) for row in rows.links if row.netns] == [("b", "lo")]


def test_namespaces_of_others_are_joined_and_left(in_memory: Site) -> None:
    """With two endpoints in one of them, and one of a container's."""
    fake(in_memory).start_process(4711)
    fake(in_memory).start_process(12, container="redis")
    whole = in_memory.rows()
    in_memory.apply(ATTACHED)
    assert in_memory.steps(ATTACHED) == []
    observed = observed_state(in_memory.kernel.snapshot(Scope(stack="default")))
    found = {each.name: each.path for each in observed.values() if isinstance(each, AttachedNetns)}
    assert found == {"web": "/proc/4711/ns/net", "redis": "/proc/12/ns/net"}

    in_memory.apply(_without(ATTACHED, "side"))
    in_memory.destroy()
    assert in_memory.rows() == whole


def test_a_container_that_comes_back_is_joined_anew(in_memory: Site) -> None:
    """Another namespace behind the same name is a replacement, and what is in it with it."""
    kernel = fake(in_memory)
    kernel.start_process(4711)
    kernel.start_process(12, container="redis")
    in_memory.apply(ATTACHED)
    kernel.start_process(13, container="redis")

    assert [each for each in changes(in_memory, ATTACHED) if each.startswith("replace netns")] == [
        "replace netns/redis"
    ]
    in_memory.apply(ATTACHED)
    assert in_memory.steps(ATTACHED) == []


def test_the_same_namespace_by_another_way_stays_bound(in_memory: Site) -> None:
    """Only the record changes: in place, and without touching an interface."""
    kernel = fake(in_memory)
    kernel.start_process(4711)
    kernel.start_process(12, container="redis")
    in_memory.apply(ATTACHED)
    kernel.host.attached["web"] = kernel.host.attached["web"]._replace(path="/run/elsewhere", started=0)
    kernel.host.attached["redis"] = kernel.host.attached["redis"]._replace(started=1)

    reference = Reference("pid", "4711")
    row = kernel.snapshot(Scope(stack="default", references=(("web", reference),))).references[0]
    assert row.problem == "there is no such process"
    wanted = intent(_without(_without(ATTACHED, "web"), "side"))
    told = [each for each in in_memory.reconciler().propose(wanted).plan.changes if each.key.name == "redis"]
    assert [(each.action, [field.name for field in each.fields]) for each in told] == [("update", ["started"])]


@pytest.mark.parametrize("mode", ["error", "lost", "crash"])
@pytest.mark.parametrize("way", ["there", "away"])
def test_a_fault_at_any_operation(in_memory: Site, way: str, mode: str) -> None:
    """Nothing of the plan stays, neither here nor there."""
    fake(in_memory).start_process(4711)
    fake(in_memory).start_process(12, container="redis")
    if way == "away":
        in_memory.apply(ATTACHED)
    wanted = ATTACHED if way == "there" else "netspec: 1\n"
    proposal = in_memory.reconciler().propose(intent(wanted))
    start, before = fake(in_memory).copy(), in_memory.rows()

    for at in range(len(operations(proposal))):
        in_memory.kernel = start.copy()
        carried_out(in_memory, proposal, faulty(in_memory, at, mode))
        assert in_memory.rows() == before, at


def test_another_stack_has_the_name(in_memory: Site) -> None:
    """A name on record of another stack is refused."""
    fake(in_memory).start_process(4711)
    text = "netspec: 1\nendpoints: {web: {netns: {pid: 4711}, interfaces: {}}}\n"
    in_memory.apply(text)
    other = in_memory.reconciler().propose(intent(text.replace("netspec: 1\n", "netspec: 1\nstack: shop\n")))

    assert [each.code for each in other.diagnostics] == ["NS0401"]
    observed = observed_state(in_memory.kernel.snapshot(Scope(stack="shop")))
    assert [each.mark for each in observed.values() if isinstance(each, AttachedNetns)] == [
        Mark("default", "endpoint/web")
    ]
