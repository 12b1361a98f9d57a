"""The file of a saved plan: people can read it, and what is damaged, changed or newer is refused."""

import contextlib
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.engine import planfile
from netspec.engine.planfile import parse, read, text_of, write
from netspec.engine.planfile_place import check_target
from netspec.engine.reconciler import Reconciler
from netspec.engine.saved_plan import Origin, SavedPlan, saved
from netspec.errors import Refused, UsageError
from netspec.kernel.fake import FakeKernel
from netspec.report.diagnostics import render as shown
from netspec.report.plan import PlanView, render
from tests.specs import BASE, MANY, intent

SECONDS = 5
KEYS = ("netspec_plan", "sha256", "changes", "before", "after", "kind", "wanted", "read", "key", "mark", "address", "x")

Document = dict[str, Any]


def plan_of(spec: str, directory: Path) -> SavedPlan:
    """The plan that makes a spec on an empty host."""
    proposal = Reconciler(FakeKernel(), directory / "run", directory / "state").propose(intent(spec))
    return saved(proposal, None, Origin("host", "boot"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plan file."""
    return text_of(plan_of(BASE, tmp_path_factory.mktemp("plan")))


def signed(document: Document) -> str:
    """A document with the digest that is right for it, as somebody would make who knows how."""
    return json.dumps({**document, "sha256": planfile._digest(document)})


def refusal(text: str) -> list[str]:
    """Why a text is no plan, as users read it, without the way out."""
    with pytest.raises(Refused) as caught:
        parse(text, "plan.json")
    assert all(each.hint for each in caught.value.diagnostics)
    return [line for line in shown(caught.value.diagnostics, color=False).splitlines() if line and "help:" not in line]


def test_it_says_what_it_is_before_anything_else(text: str) -> None:
    """Format, version, where and of what it was made; then the changes with both sides."""
    document = json.loads(text)

    assert list(document)[:9] == [
        "netspec_plan", "netspec", "sha256", "host", "boot", "stack", "spec", "fingerprint", "changes",
    ]  # fmt: skip
    bridge = next(each for each in document["changes"] if each["address"] == "link/br0")
    assert (bridge["action"], bridge["before"], bridge["after"]["mtu"]) == ("create", None, 1500)


def test_how_it_is_laid_out_does_not_matter(text: str) -> None:
    """A plan that went through jq is the same plan."""
    document = json.loads(text)

    assert parse(json.dumps(document, sort_keys=True), "plan.json") == parse(text, "plan.json")


def test_the_fingerprint_is_that_of_what_was_read(tmp_path: Path) -> None:
    """Plans that were made from the same have the same one."""
    first, again, other = (json.loads(text_of(plan_of(spec, tmp_path))) for spec in (BASE, BASE, MANY))

    assert first["fingerprint"] == again["fingerprint"] != other["fingerprint"]


def change(document: Document, *path: str | int, to: object) -> None:
    """Put something else at a path."""
    *way, last = path
    place: Any = document
    for step in way:
        place = place[step]
    place[last] = to


TAMPERED: dict[str, Callable[[Document], None]] = {
    "stack": lambda found: change(found, "stack", to="other"),
    "boot": lambda found: change(found, "boot", to="other"),
    "action": lambda found: change(found, "changes", 0, "action", to="delete"),
    "side": lambda found: change(found, "changes", 0, "after", "link", to="eth0"),
    "change removed": lambda found: found["changes"].pop(),
    "key added": lambda found: change(found, "more", to=1),
    "digest": lambda found: change(found, "sha256", to="0" * 64),
    "no digest": lambda found: change(found, "sha256", to=None),
    "older format": lambda found: change(found, "netspec_plan", to=0),
    "format of another type": lambda found: change(found, "netspec_plan", to=True),
}


@pytest.mark.parametrize("edit", TAMPERED)
def test_what_was_changed_by_hand_is_refused(text: str, edit: str) -> None:
    """Whatever it was: what is applied is what was shown."""
    document = json.loads(text)
    TAMPERED[edit](document)

    assert refusal(json.dumps(document)) == [
        "error[NS0602]: plan.json was changed after it was written: its digest is another one"
    ]


def test_another_value_of_another_type_is_another_digest(text: str) -> None:
    """`1` and `true` are equal in Python; they are not the same text."""
    assert '"marked": true' in text

    assert refusal(text.replace('"marked": true', '"marked": 1', 1)) != []


INCONSISTENT: dict[str, tuple[Callable[[Document], None], str]] = {
    "a shape": (lambda found: change(found, "changes", to=7), "changes: "),
    "a key": (lambda found: change(found, "more", to=7), "more: "),
    "a kind": (lambda found: change(found, "changes", 0, "after", "kind", to="Ghost"), "a resource of no known kind"),
    "a field": (lambda found: change(found, "changes", 0, "after", "address", to="x"), "Address: address: "),
    "sides": (lambda found: change(found, "changes", 0, "action", to="delete"), "makes no delete"),
    "what was read": (lambda found: change(found, "fingerprint", to="0"), "its parts contradict each other"),
    "two changes": (lambda found: found["changes"].append(found["changes"][0]), "its parts contradict each other"),
    "what is wanted": (lambda found: change(found, "wanted", 0, to=99_999), "there is no change 99999"),
}


@pytest.mark.parametrize("edit", INCONSISTENT)
def test_what_does_not_hold_together_is_refused_with_a_right_digest_too(text: str, edit: str) -> None:
    """Nothing of it reaches the planner."""
    document = json.loads(text)
    make, words = INCONSISTENT[edit]
    make(document)

    (told,) = refusal(signed(document))
    assert told.startswith("error[NS0602]: plan.json does not hold together: ")
    assert words in told


def test_a_newer_format_is_named(text: str) -> None:
    """Its digest may be made in another way: the version is looked at first."""
    document = json.loads(text) | {"netspec_plan": 2}

    assert refusal(json.dumps(document)) == ["error[NS0603]: plan.json has format 2; this netspec knows 1"]


def test_a_file_that_is_cut_off_is_refused_wherever(text: str) -> None:
    """At every byte of the beginning, and at some of the rest."""
    whole = text.rstrip()
    for length in (*range(1, 400), *range(400, len(whole), 997), len(whole) - 1):
        (told, *_) = refusal(whole[:length])
        assert told.startswith("error[NS0602]: plan.json is damaged or cut off: "), length


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('{"netspec_plan": 1, "netspec_plan": 1}', "plan.json is damaged: a key stands twice"),
        ("[" * 100_000, "plan.json is damaged: maximum recursion depth exceeded"),
        ('{"netspec_plan": ' + "9" * 5000 + "}", "plan.json is damaged: Exceeds the limit"),
        ('["netspec_plan"]', "plan.json was changed after it was written"),
    ],
    ids=["key twice", "deep", "huge number", "list"],
)
def test_json_that_no_plan_is(wrong: str, told: str) -> None:
    """Each with its own reason."""
    assert refusal(wrong)[0].startswith(f"error[NS0602]: {told}")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_in_a_file_it_is_a_plan_or_refused_soon(text: str, data: st.DataObject) -> None:
    """Bytes cut, doubled and overwritten; and values changed by somebody who makes the digest right again."""
    begun = time.process_time()
    if data.draw(st.booleans(), label="of bytes"):
        at = data.draw(st.integers(0, len(text)))
        wrong = text[:at] + data.draw(st.text(max_size=5)) + text[at + data.draw(st.integers(0, 200)) :]
    else:
        document = json.loads(text)
        _spoil(document, data)
        wrong = signed(document)
    with contextlib.suppress(Refused):
        plan = parse(wrong, "plan.json")
        assert render(view(plan), verbose=True)
        assert parse(text_of(plan), "plan.json").plan == plan.plan
    assert time.process_time() - begun < SECONDS


def _spoil(document: Document, data: st.DataObject) -> None:
    """Go down to some value, and put another one there."""
    place: Any = document
    while True:
        steps = list(place) if isinstance(place, dict) else list(range(len(place)))
        step = data.draw(st.sampled_from(steps))
        below = place[step]
        if not isinstance(below, dict | list) or not below or data.draw(st.integers(0, 3)) == 0:
            place[step] = data.draw(values)
            return
        place = below


def view(plan: SavedPlan) -> PlanView:
    """A plan as `netspec show` renders it."""
    origin, observed = plan.origin, plan.observed
    return PlanView(host=origin.host, stack=plan.stack, plan=plan.plan, desired=plan.desired, observed=observed)


def test_it_is_written_for_its_owner_and_whole(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, nothing left beside it, and read again as it was."""
    plan = plan_of(BASE, tmp_path)
    path = tmp_path / "plan.json"
    mask = os.umask(0)
    try:
        write(path, plan)
    finally:
        os.umask(mask)

    found = read(path)
    assert found is not None
    assert found.plan == plan.plan
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    """Who may write into a directory cannot choose what root writes over."""
    victim, path = tmp_path / "victim", tmp_path / "plan.json"
    victim.write_text("precious", encoding="utf-8")
    path.symlink_to(victim)

    check_target(path)
    write(path, plan_of(BASE, tmp_path))

    assert (victim.read_text("utf-8"), path.is_symlink()) == ("precious", False)


def test_a_full_disk_leaves_the_old_plan_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one is whole, and the new one is not there by half."""
    path = tmp_path / "plan.json"
    write(path, plan_of(BASE, tmp_path))
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="No space left on device"):
        write(path, plan_of(MANY, tmp_path))

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_only_a_saved_plan_is_written_over(tmp_path: Path) -> None:
    """A spec, a directory, a pipe and a place that is not there are named before anything is read."""
    (tmp_path / "spec.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "plan.json", plan_of(BASE, tmp_path))

    for name in ("plan.json", "empty", "new"):
        check_target(tmp_path / name)
    for name in ("spec.yaml", "directory", "pipe", "nowhere/plan.json", "spec.yaml/plan.json", "..", "a\0b", "x" * 300):
        with pytest.raises(UsageError, match="cannot write "):
            check_target(tmp_path / name)


def test_what_is_no_plan_is_left_to_others(tmp_path: Path) -> None:
    """A spec, a directory, a pipe and nothing: whoever looks for a spec there says what is wrong with it."""
    (tmp_path / "spec.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "spec.json").write_text('{"netspec": 1}', encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")

    for name in ("spec.yaml", "spec.json", "pipe", "nothing", "a\0b", "."):
        assert read(tmp_path / name) is None
