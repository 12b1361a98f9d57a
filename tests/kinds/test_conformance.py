"""What every kind promises, tried on the example of each: a new kind only has to bring an example."""

import dataclasses
import inspect

import pytest

from netspec.core.change import Action, diff
from netspec.core.plan import make_plan
from netspec.core.resource import FieldRule, Policy, Resource, compared_fields
from netspec.core.state import State, merge, owned_by, same
from netspec.engine.executor import execute
from netspec.engine.observation import kind_of, observed_state
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Scope
from netspec.kinds import kinds, modules, sections
from netspec.kinds._contract import Kind
from netspec.kinds._encoding import Unreadable, decode, encode
from netspec.kinds.inner_sysctl import InnerSysctl
from netspec.kinds.link_field import LinkField
from netspec.kinds.sysctl import Sysctl
from tests.kinds.examples import BY_KIND, EXAMPLES, KEYS, STACK, TITLES, Example

every = pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.resource.__name__)
made = pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if each.made and each.stands], ids=lambda each: type(each.resource).__name__
)
FIELDS = [
    pytest.param(example, rule, id=f"{type(example.resource).__name__}.{rule.name}")
    for example in EXAMPLES
    for rule in compared_fields(type(example.resource))
    if example.made and example.stands
]


def look(kernel: Kernel, example: Example) -> State:
    """What the kinds see."""
    key = example.resource.key()
    sysctls = frozenset({(key.netns, key.name)} if key.kind == "sysctl" else ())
    return observed_state(kernel.snapshot(Scope(stack=STACK, sysctls=sysctls, named=frozenset({"v0"}))))


def built(kernel: Kernel, example: Example) -> Resource:
    """The example in the kernel, as it is seen there."""
    kernel.execute(example.ground)
    kernel.execute(tuple(kind_of(example.resource).create(example.resource)))
    return look(kernel, example)[example.resource.key()]


@every
def test_a_kind_has_an_example_words_and_frozen_values(kind: Kind) -> None:
    """Docstrings of module, class and functions; a frozen, slotted resource; a key and words for people."""
    module = inspect.getmodule(kind.resource)
    assert module is not None
    assert module.__doc__
    for function in (kind.observe, kind.create, kind.update, kind.delete):
        assert function.__doc__, function
    example = BY_KIND[kind.resource].resource
    assert kind.resource.__doc__
    assert dataclasses.is_dataclass(kind.resource)
    assert not hasattr(example, "__dict__")
    name = dataclasses.fields(kind.resource)[-1].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(example, name, None)
    assert (example.key(), example.title()) == (KEYS[kind.resource], TITLES[kind.resource])


@every
def test_every_compared_field_has_a_variant(kind: Kind) -> None:
    """Or the tests below would pass over it."""
    example = BY_KIND[kind.resource]
    names = [rule.name for rule in compared_fields(kind.resource)]

    assert sorted(example.variants) == sorted(names)
    assert all(example.variants[name] != getattr(example.resource, name) for name in names)


@every
def test_a_resource_survives_being_written_as_json(kind: Kind) -> None:
    """The journal gives back what it was given."""
    example = BY_KIND[kind.resource].resource

    assert decode(encode(example)) == example


@made
def test_what_is_observed_is_what_was_created(kernel: Kernel, example: Example) -> None:
    """A plan that wants the example again is empty: nothing in it is lost or read differently."""
    seen = built(kernel, example)
    plan = diff({example.resource.key(): example.resource}, look(kernel, example), lambda _: False)

    assert plan == ()
    assert seen.mark == example.resource.mark
    for each in dataclasses.fields(seen):
        wanted = getattr(example.resource, each.name)
        policy = each.metadata.get("policy")
        if policy in (Policy.IDENTITY, Policy.IN_PLACE, Policy.REPLACES):
            assert getattr(seen, each.name) == wanted, each.name


@made
def test_what_is_observed_is_enough_to_make_it_again(kernel: Kernel, example: Example) -> None:
    """Deleted, and created from what was seen: it is seen as before. Restoring stands on this."""
    seen = built(kernel, example)
    kind = kind_of(seen)
    kernel.execute(tuple(kind.delete(seen)))
    if not isinstance(seen, InnerSysctl | Sysctl | LinkField):
        assert seen.key() not in look(kernel, example)
    kernel.execute(tuple(kind.create(seen)))

    assert look(kernel, example)[seen.key()] == seen


@made
def test_deleting_twice_is_fine(kernel: Kernel, example: Example) -> None:
    """What is gone already is no error: a crash may have come in between."""
    seen = built(kernel, example)
    for _ in range(2):
        kernel.execute(tuple(kind_of(seen).delete(seen)))


@pytest.mark.parametrize(("example", "rule"), FIELDS)
def test_a_field_changes_as_its_policy_says(kernel: Kernel, example: Example, rule: FieldRule) -> None:
    """In place: an update with the kernel's object kept. Replaces: a replacement with that reason. Both converge."""
    name, policy = rule.name, rule.policy
    needed = tuple(kind_of(example.resource).needs(example.varied(name)))
    if missing := kernel.missing_features(needed):
        pytest.skip(str(dict(missing)))
    built(kernel, example)
    wanted, _ = merge([example.varied(name)])
    observed = look(kernel, example)
    plan = make_plan(diff(wanted, observed, lambda _: False))
    change = next(each for each in plan.changes if each.key == example.resource.key())

    compared = {each.name for each in compared_fields(type(example.resource))}
    assert {each.name for each in change.fields} == {name, *(compared & set(example.along.get(name, ())))}
    if policy is Policy.IN_PLACE:
        assert change.action is Action.UPDATE
        assert len(plan.steps) == 1
        execute(kernel, plan)
        assert not diff(wanted, look(kernel, example), lambda _: False)
        execute(kernel, make_plan(diff(dict(observed), look(kernel, example), lambda _: False)))
        assert same(look(kernel, example)[change.key], observed[change.key])
    else:
        assert (change.action, change.reason) == (Action.REPLACE, f"{name} cannot change in place")


@made
def test_a_deletion_by_plan_takes_what_stands_on_it(kernel: Kernel, example: Example) -> None:
    """What the kernel takes along is in the plan, implied; afterwards the key is free."""
    seen = built(kernel, example)
    if seen.mark is None:
        return
    observed = look(kernel, example)
    plan = make_plan(diff({}, observed, owned_by(STACK)))
    execute(kernel, plan)

    assert seen.key() in {step.key for step in plan.steps}
    assert {key for key, each in look(kernel, example).items() if each.mark is not None} == set()


def test_what_netspec_never_makes_has_no_operations() -> None:
    """Other people's links are seen, and that is all."""
    for example in EXAMPLES:
        if not example.made:
            kind = kind_of(example.resource)
            assert list(kind.create(example.resource)) == list(kind.update(example.resource, example.resource)) == []


def test_every_module_is_a_kind_or_a_section() -> None:
    """Discovery is complete, and sections have names, descriptions and an order."""
    assert all(hasattr(module, "KIND") or hasattr(module, "SECTION") for module in modules())
    assert [section.name for section in sections()] == [
        "bridges",
        "subnets",
        "endpoints",
        "nat",
        "policies",
        "sysctls",
        "protect",
        "checks",
    ]
    assert all(section.description for section in sections())
    assert len({kind.resource for kind in kinds()}) == len(kinds())


def test_unknown_json_is_refused() -> None:
    """Neither another kind, nor a field too many or of another shape, becomes a resource."""
    good = encode(BY_KIND[kinds()[0].resource].resource)
    assert good is not None
    bad: tuple[object, ...] = ([], {}, {"kind": "Nothing"}, {"kind": good["kind"]}, "text")
    for value in bad:
        with pytest.raises(Unreadable):
            decode(value)
