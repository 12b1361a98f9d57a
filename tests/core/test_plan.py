"""The planner's laws, as properties over toy resources that stand on each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from netspec.core.change import Action, Change, diff
from netspec.core.plan import Plan, Verb, make_plan
from netspec.core.resource import Disruption, Key, Mark, Resource, identity, in_place, replaces
from netspec.core.state import State, merge, owned_by

OURS = Mark("toy", "toy/one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing(Resource):
    """A toy: `level` and `name` are its key; it stands on things of lower levels."""

    level: int = identity()
    name: str = identity()
    color: str | None = in_place()
    shape: str | None = replaces(default=None)
    on: tuple[Key, ...] = in_place(default=())
    far_end: str = replaces(default="")
    with_parent: bool = False

    def key(self) -> Key:
        """`LEVEL/NAME`."""
        return Key(str(self.level), "", self.name)

    def requires(self) -> Iterator[Key]:
        """What it stands on."""
        return iter(self.on)

    def provides(self) -> Iterator[Key]:
        """Its far end."""
        if self.far_end:
            yield Key(str(self.level), "far", self.far_end)

    def cascades(self) -> Iterator[Key]:
        """Goes with the first thing it stands on."""
        if self.with_parent:
            yield from self.on[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting(Thing):
    """A toy that is made before its like is broken."""

    make_before_break: ClassVar[bool] = True


def state(*things: Resource) -> State:
    """The state of these resources."""
    merged, contradictions = merge(things)
    assert contradictions == ()
    return merged


@st.composite
def states(draw: st.DrawFn) -> State:
    """States of up to nine things on three levels, each standing on things of the level below."""
    things: list[Thing] = []
    for level in range(3):
        below = [key for thing in things if thing.level == level - 1 for key in (thing.key(), *thing.provides())]
        for name in draw(st.sets(st.sampled_from("abc"))):
            on = draw(st.lists(st.sampled_from(below), unique=True, max_size=2)) if below else []
            things.append(
                # What is not compared depends on the name alone, as a class and its cascade do in the kernel.
                (Lasting if name == "c" else Thing)(
                    mark=OURS,
                    level=level,
                    name=name,
                    color=draw(st.sampled_from(["red", "blue"])),
                    shape=draw(st.sampled_from(["round", "square"])),
                    on=tuple(on),
                    # A far end has the name of its owner, so that no two things provide one key.
                    far_end=draw(st.sampled_from(["", name])),
                    with_parent=name == "b",
                )
            )
    return state(*things)


def plan_between(before: State, after: State) -> Plan:
    """The plan from one state to another, everything marked being ours."""
    return make_plan(diff(after, before, owned_by("toy")))


class World:
    """A kernel of toys: refuses what a real one refuses, and takes along what goes with its ground."""

    def __init__(self, start: State) -> None:
        self.now: dict[Key, Resource] = dict(start)

    def run(self, plan: Plan) -> None:
        """Run all steps that are sent."""
        for step in plan.steps:
            match step.verb:
                case Verb.DELETE:
                    assert step.before is not None
                    assert step.implied or step.key in self.now, f"{step}: it went behind our back"
                    if not step.implied:
                        self._delete(step.key)
                case Verb.CREATE:
                    assert step.after is not None
                    assert step.key not in self.now, f"{step}: it is there already"
                    self._put(step.after)
                case Verb.UPDATE:
                    assert step.after is not None
                    assert step.key in self.now, f"{step}: it went behind our back"
                    self._put(step.after)

    def _present(self) -> set[Key]:
        return {key for thing in self.now.values() for key in (thing.key(), *thing.provides())}

    def _put(self, thing: Resource) -> None:
        missing = set(thing.requires()) - self._present() - {thing.key(), *thing.provides()}
        assert not missing, f"{thing.key()} stands on nothing: {missing}"
        self.now[thing.key()] = thing

    def _delete(self, key: Key) -> None:
        gone = self.now.pop(key)
        lost = {gone.key(), *gone.provides()}
        for other_key, other in list(self.now.items()):
            if lost & set(other.cascades()):
                if other_key in self.now:
                    self._delete(other_key)
            else:
                assert not lost & set(other.requires()), f"{other_key} still stands on {lost}"


@given(states(), states())
def test_steps_lead_from_any_state_to_any_other(before: State, after: State) -> None:
    """Laws 1 to 3: nothing stands on air at any moment, and the end is what was wanted."""
    world = World(before)
    world.run(plan_between(before, after))

    assert world.now == dict(after)


@given(states())
def test_equal_states_need_no_plan(one: State) -> None:
    """A state is never different from itself."""
    assert not plan_between(one, one)


@given(states(), states())
def test_a_plan_does_not_depend_on_the_order_of_declarations(before: State, after: State) -> None:
    """The same resources in another order give the same plan."""
    turned = dict(reversed(list(after.items())))

    assert plan_between(before, after) == plan_between(before, turned)


@given(states(), states(), states())
def test_what_is_not_ours_stays(before: State, after: State, foreign: State) -> None:
    """Foreign resources on ground that is not ours appear in no change."""
    strangers = {
        Key("foreign", "", f"{key.kind}{key.name}"): Thing(level=9, name=f"{key.kind}{key.name}") for key in foreign
    }
    observed = {**before, **strangers}
    plan = make_plan(diff(after, observed, owned_by("toy")))

    assert not {change.key for change in plan.changes} & set(strangers)


def thing(name: str, **fields: object) -> Thing:
    """A red round thing of ours on level 0."""
    return Thing(**{"mark": OURS, "level": 0, "name": name, "color": "red", "shape": "round", **fields})  # type: ignore[arg-type]  # a test's shorthand


def words(plan: Plan) -> list[str]:
    """Steps as text."""
    return [str(step) for step in plan.steps]


def test_an_in_place_field_updates() -> None:
    """A field the kernel can change never rebuilds."""
    (change,) = plan_between(state(thing("a")), state(thing("a", color="blue"))).changes

    assert (change.action, change.disruption) == (Action.UPDATE, Disruption.LIVE)
    assert [(each.name, each.before, each.after) for each in change.fields] == [("color", "red", "blue")]


def test_what_stands_on_a_replaced_thing_is_replaced_and_says_so() -> None:
    """Law 3, and its reason."""
    ground = Key("0", "", "a")
    upper = thing("b", level=1, on=(ground,))
    plan = plan_between(state(thing("a"), upper), state(thing("a", shape="square"), upper))

    assert [(str(change.key), change.action, change.reason) for change in plan.changes] == [
        ("0/a", Action.REPLACE, "shape cannot change in place"),
        ("1/b", Action.REPLACE, "goes with 0/a"),
    ]
    assert words(plan) == ["delete 1/b", "delete 0/a", "create 0/a", "create 1/b"]


def test_deletes_go_first_then_updates_then_creates() -> None:
    """Law 4 among what is free to go."""
    before = state(thing("a"), thing("b"))
    after = state(thing("b", color="blue"), thing("c"))

    assert words(plan_between(before, after)) == ["delete 0/a", "update 0/b", "create 0/c"]


def test_a_lasting_thing_is_made_before_another_is_broken() -> None:
    """Law 4 turned round."""
    old = Lasting(mark=OURS, level=0, name="a")
    new = Lasting(mark=OURS, level=0, name="b")

    assert words(plan_between(state(old), state(new))) == ["create 0/b", "delete 0/a"]


def test_leaving_comes_before_the_ground_goes() -> None:
    """Law 2: an update that moves away runs before the deletion of what it stood on."""
    a, b = Key("0", "", "a"), Key("0", "", "b")
    before = state(thing("a"), thing("b"), thing("x", level=1, on=(a,)))
    after = state(thing("b"), thing("x", level=1, on=(b,)))

    assert words(plan_between(before, after)) == ["update 1/x", "delete 0/a"]


def test_what_the_kernel_takes_along_is_shown_and_not_sent() -> None:
    """An implied deletion stays in the plan."""
    upper = thing("b", level=1, on=(Key("0", "", "a"),), with_parent=True)

    assert words(plan_between(state(thing("a"), upper), state())) == ["(delete 1/b)", "delete 0/a"]


def test_a_foreign_thing_on_replaced_ground_is_made_again() -> None:
    """What others put on a link of ours survives its replacement."""
    foreign = Thing(level=1, name="theirs", on=(Key("0", "", "a"),), with_parent=True)
    plan = plan_between(state(thing("a"), foreign), state(thing("a", shape="square")))

    assert words(plan) == ["(delete 1/theirs)", "delete 0/a", "create 0/a", "create 1/theirs"]


def test_a_name_is_free_before_it_is_taken_again() -> None:
    """Two resources that provide one key follow each other."""
    before = state(thing("a", far_end="same"))
    after = state(thing("b", far_end="same"))

    assert words(plan_between(before, after)) == ["delete 0/a", "create 0/b"]


def test_none_is_no_opinion() -> None:
    """A field that the spec leaves open is not compared."""
    assert not plan_between(state(thing("a", color="blue")), state(thing("a", color=None)))


def test_contradictions_are_found() -> None:
    """Two declarations of one key must agree."""
    _, contradictions = merge([thing("a"), thing("a", color="blue")])

    assert [(each.first, each.second) for each in contradictions] == [(thing("a"), thing("a", color="blue"))]


def test_equal_declarations_fold() -> None:
    """Two objects may ask for the same."""
    merged, contradictions = merge([thing("a"), thing("a", mark=Mark("toy", "toy/two"))])

    assert (list(merged.values()), contradictions) == ([thing("a")], ())


def test_a_change_needs_a_side() -> None:
    """The resource of a deletion is what was there."""
    one = thing("a")

    assert Change(one.key(), Action.DELETE, one, None).resource == one
