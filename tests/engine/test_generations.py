"""The generations of a stack: numbered, whole or not there, whatever the power and the disk do."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.engine.generation_names import Standing
from netspec.engine.generation_record import Commit, Damaged, Head, Record, Source, Who, parse, text_of
from netspec.engine.generations import DRAFT, Generations, stacks
from netspec.errors import NetspecError, Refused

GOOD, PENDING, UNDONE = Standing.GOOD, Standing.PENDING, Standing.UNDONE


def record(spec: str = "netspec: 1\n", **more: Any) -> Record:  # noqa: ANN401  fields of the head, as they are
    """A record of a spec."""
    digest = spec.strip()
    head = {"stack": "default", "time": "2026-11-26T18:00:00Z", "command": "netspec apply", "netspec": "1", **more}
    files = (("web.yaml", spec),)
    source = Source(files=files, lock="{}", path="/etc/web.yaml", digest=digest)
    return Record(
        head=Head(who=Who(0, "root", "alice"), path="/etc/web.yaml", spec_digest=digest, **head),
        source=source,
        plan={"changes": [{"address": "link/br0", "after": {"mtu": 1500}}]},
        shown="+ bridge/br0\n",
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generations:
    """That of a stack without any; nobody waits for a disk."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return again(tmp_path)


def again(tmp_path: Path) -> Generations:
    """What the next command sees of it."""
    return Generations(tmp_path / "state", "default")


def names(store: Generations) -> list[str]:
    """The files of a stack."""
    return sorted(each.name for each in store.folder.iterdir())


def test_what_is_appended_is_read_again(store: Generations, tmp_path: Path) -> None:
    """Every field of it, by the next command; for its owner alone."""
    written = record(commit=Commit("c0ffee", dirty=True), back_to=3, summary={"add": 2})
    assert store.append(written) == 1
    found = again(tmp_path).last_good()

    assert found is not None
    assert (found.entry.number, found.entry.standing, found.record) == (1, GOOD, written)
    assert [each.head for each in again(tmp_path).listed()] == [written.head]
    assert (store.folder / "1.good.json").stat().st_mode & 0o777 == 0o600
    assert {each.stat().st_mode & 0o777 for each in (store.folder, store.folder.parent)} == {0o700}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(TEXTS, TEXTS)), TEXTS, TEXTS, st.integers(0, 2**31), TEXTS)
def test_any_text_comes_back(files: list[tuple[str, str]], lock: str, words: str, uid: int, shown: str) -> None:
    """A record is a function of what it holds, line ends and all."""
    head = Head(stack="s", time=words, command=words, who=Who(uid, words), netspec="1", path=words, spec_digest=lock)
    source = Source(files=tuple(files), lock=lock, path=words, digest=lock)
    written = Record(head=head, source=source, plan={words: [None, 1, words]}, shown=shown)

    assert parse(text_of(written)) == written


def test_a_record_cut_off_anywhere_is_seen_to_be(store: Generations, tmp_path: Path) -> None:
    """At every byte: of what is left, nothing is believed; the generation before it is the last good one."""
    store.append(record("a"))
    number = store.append(record("b"))
    path = store.folder / f"{number}.good.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        seen = again(tmp_path)
        found = seen.last_good()
        assert found is not None
        assert (length, found.entry.number, [each.code for each in seen.warnings]) == (length, 1, ["NS0643"])


WHOLE = text_of(record())


@given(st.integers(0, len(WHOLE) - 1), st.characters(exclude_categories=["Cs"]))
def test_a_changed_character_is_noticed(place: int, character: str) -> None:
    """Wherever it is."""
    changed = WHOLE[:place] + character + WHOLE[place + 1 :]
    if changed != WHOLE:
        with pytest.raises(Damaged):
            parse(changed)


@given(st.text() | st.binary().map(lambda each: each.decode(errors="replace")))
def test_any_text_is_a_record_or_is_damaged(text: str) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(Damaged):
        parse(text)


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.data())
def test_a_record_with_right_digests_and_wrong_values_is_damaged_or_can_be_printed(data: st.DataObject) -> None:
    """Whoever wrote it: what comes out has the types that it says."""
    import hashlib
    import json

    lines = [json.loads(line) for line in WHOLE.splitlines()]
    part = lines[data.draw(st.sampled_from([1, 2]))]
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(SHAPES)
    texts = [json.dumps(line) for line in lines[1:]]
    lines[0] |= {
        name: hashlib.sha256(each.encode()).hexdigest() for name, each in zip(("head", "body"), texts, strict=True)
    }
    with contextlib.suppress(Damaged):
        found = parse("\n".join([json.dumps(lines[0]), *texts, ""]))
        assert parse(text_of(found)) == found
        assert [type(each) for each in (found.head.time, found.head.who.uid, found.shown)] == [str, int, str]
        assert all(isinstance(each, str) for file in (found.source or Source()).files for each in file)


# --- power cuts -------------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing runs after it."""


def unsynced(_descriptor: int) -> None:
    """Nobody waits for a disk."""


@contextlib.contextmanager
def power_cut_at(call: int, sync: Callable[[int], None] = unsynced) -> Iterator[list[str]]:
    """The power goes at the system call number `call` that changes files; those before it are listed."""
    done: list[str] = []

    def cut(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401  whatever the system takes
            if len(done) == call:
                raise PowerCut
            done.append(name)
            return real(*arguments, **more)

        return called

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", cut("fsync", sync))
        for name in ("rename", "unlink", "mkdir"):
            patched.setattr(os, name, cut(name, getattr(os, name)))
        look, make = os.open, cut("open", os.open)

        def opened(path: Any, flags: int, *arguments: Any, **more: Any) -> int:  # noqa: ANN401  likewise
            found: int = (make if flags & os.O_CREAT else look)(path, flags, *arguments, **more)
            return found

        patched.setattr(os, "open", opened)
        with contextlib.suppress(PowerCut):
            yield done
            done.append("end")


MOVES: dict[str, Callable[[Generations], object]] = {
    "append": lambda store: store.append(record("new")),
    "append pending": lambda store: store.append(record("new"), PENDING),
    "pin": lambda store: store.draft(record("new")).commit(pinned=True),
    "settle": lambda store: store.settle(3, GOOD),
    "take back": lambda store: store.settle(3, UNDONE),
    "prune": lambda store: store.prune(1),
    "resume": lambda store: store.resume(),
}


def course(directory: Path) -> Generations:
    """A stack with a past: good, pinned, pending."""
    store = Generations(directory / "state", "default")
    store.append(record("a"))
    store.draft(record("b")).commit(pinned=True)
    store.append(record("c"), PENDING)
    return store


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("begun", [True, False], ids=["later", "at first"])
def test_a_power_cut_leaves_the_old_or_the_new(
    move: Callable[[Generations], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """At each call that changes files. What was there can be read, numbers grow, and the same can be done again."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    whole = course(tmp_path / "whole") if begun else again(tmp_path / "whole")
    before = whole.entries()
    move(whole)
    final = again(tmp_path / "whole").entries()
    for call in range(100):
        directory = tmp_path / str(call)
        directory.mkdir()
        store = course(directory) if begun else again(directory)
        assert store.entries() == before
        with power_cut_at(call) as done:
            move(again(directory))
        after = again(directory)
        if move is MOVES["prune"]:
            assert set(final) <= set(after.entries()) <= set(before)
        else:
            assert after.entries() in (before, final)
        assert len(after.listed()) == len(after.entries())
        assert after.warnings == []
        assert after.append(record("next")) > max((each.number for each in before), default=0)
        assert after.read(after.entries()[-1].number).record == record("next")
        if done[-1:] == ["end"]:
            break
    else:
        pytest.fail("it never came to its end")


def test_what_was_cut_while_it_was_written_is_written_over(store: Generations, tmp_path: Path) -> None:
    """A draft is no generation, whole or not; the next one takes its name."""
    draft = store.draft(record("a"))
    for length in (0, 10, len(draft.path.read_bytes())):
        draft.path.write_bytes(draft.path.read_bytes()[:length])
        assert again(tmp_path).entries() == ()
    assert again(tmp_path).append(record("b")) == 1
    assert names(store) == ["1.good.json"]


def test_it_is_synced_before_it_is_renamed_and_the_folder_after(tmp_path: Path) -> None:
    """A rename without it may come to an empty file; a name that was not synced may be gone."""
    course(tmp_path)
    with power_cut_at(1000) as done:
        again(tmp_path).append(record("new"))

    assert [each for each in done if each not in ("open", "mkdir")] == ["unlink", "fsync", "rename", "fsync", "end"]


# --- what becomes of them ---------------------------------------------------------------------------------------------


def test_only_what_is_good_is_the_last_good_one(store: Generations, tmp_path: Path) -> None:
    """What is pending is not; nor what was taken back, whatever the numbers."""
    numbers = [store.append(record(spec), standing) for spec, standing in (("a", GOOD), ("b", PENDING), ("c", PENDING))]
    assert numbers == [1, 2, 3]
    assert last(tmp_path) == 1
    store.settle(2, GOOD)
    assert last(tmp_path) == 2
    store.settle(3, UNDONE)
    assert last(tmp_path) == 2
    store.settle(2, UNDONE)
    assert last(tmp_path) == 1
    assert names(store) == ["1.good.json", "2.undone.json", "3.undone.json"]


def last(tmp_path: Path) -> int:
    """The number of the last good one."""
    found = again(tmp_path).last_good()
    newest = again(tmp_path).newest()
    assert found is not None
    assert newest is not None
    assert newest.entry == found.entry
    return found.entry.number


def test_a_pin_holds_until_it_is_taken_out(store: Generations, tmp_path: Path) -> None:
    """It comes with its generation, outlives settling, and goes where that is taken back."""
    assert store.pinned() is None
    store.append(record("a"))
    store.draft(record("b")).commit(PENDING, pinned=True)
    assert again(tmp_path).pinned() == store.entries()[1]
    store.settle(2, UNDONE)
    assert again(tmp_path).pinned() is None
    assert store.resume() is False
    store.draft(record("c")).commit(pinned=True)
    store.draft(record("d")).commit(pinned=True)
    pinned = again(tmp_path).pinned()
    assert pinned is not None
    assert pinned.number == 4

    assert again(tmp_path).resume() is True
    assert again(tmp_path).pinned() is None
    assert names(store) == ["1.good.json", "2.undone.json", "3.good.json", "4.good.json"]


def test_pruning_keeps_as_many_as_it_is_told(store: Generations) -> None:
    """The oldest go first; numbers are never given twice."""
    for each in "abcdef":
        store.append(record(each))
    store.prune(3)
    assert names(store) == ["4.good.json", "5.good.json", "6.good.json"]
    store.prune(0)
    assert names(store) == ["6.good.json"]

    assert store.append(record("g")) == 7


def test_pruning_spares_what_is_needed(store: Generations) -> None:
    """The last good one, the newest, what is pinned, and what still waits to be confirmed."""
    store.draft(record("a")).commit(pinned=True)
    for spec, standing in (("b", GOOD), ("c", GOOD), ("d", PENDING), ("e", UNDONE), ("f", UNDONE)):
        store.append(record(spec), standing)
    store.prune(1)

    assert names(store) == ["1.good.pinned.json", "3.good.json", "4.pending.json", "6.undone.json"]


def test_pruning_takes_repairs_before_specs(store: Generations) -> None:
    """A link that flaps all night does not cost the history."""
    for each in "abbbbc":
        store.append(record(each))
    store.prune(4)
    assert names(store) == ["1.good.json", "2.good.json", "5.good.json", "6.good.json"]
    store.prune(3)

    assert names(store) == ["1.good.json", "2.good.json", "6.good.json"]


def test_what_is_damaged_is_set_aside_by_who_writes(store: Generations, tmp_path: Path) -> None:
    """It stays to be looked at until the generations of its time are gone; its number is not given again."""
    for each in "abc":
        store.append(record(each))
    (store.folder / "3.good.json").write_text("x", "utf-8")
    reader = again(tmp_path)
    with pytest.raises(NetspecError, match=r"Generation 3 of stack default cannot be used: it is not JSON|cut off"):
        reader.read(3)
    assert [each.entry.number for each in reader.listed()] == [1, 2]
    assert [(each.code, each.hint) for each in reader.warnings] == [
        ("NS0643", f"the file is {store.folder / '3.good.json'}")
    ]
    assert "3.good.json" in names(store)
    reader.set_aside()
    assert names(store) == ["1.good.json", "2.good.json", "3.good.json.damaged"]

    assert again(tmp_path).append(record("d")) == 4
    again(tmp_path).prune(2)
    assert names(store) == ["2.good.json", "3.good.json.damaged", "4.good.json"]
    again(tmp_path).prune(1)
    assert names(store) == ["4.good.json"]


def test_what_a_newer_netspec_wrote_stays_where_it_is(store: Generations, tmp_path: Path) -> None:
    """It is not damaged; going back to that netspec finds it again."""
    store.append(record("a"))
    path = store.folder / "2.good.json"
    path.write_text(WHOLE.replace('"netspec_generation": 1', '"netspec_generation": 2'), "utf-8")
    seen = again(tmp_path)
    assert [each.entry.number for each in seen.listed()] == [1]
    assert "a newer netspec wrote it" in seen.warnings[0].message
    seen.prune(50)

    assert names(store) == ["1.good.json", "2.good.json"]


def test_a_generation_that_is_not_there_is_said_with_those_that_are(store: Generations) -> None:
    """Also where there are none."""
    with pytest.raises(NetspecError, match=r"Stack default has no generation 7\. It has none yet\."):
        store.read(7)
    store.append(record("a"))
    store.append(record("b"))
    with pytest.raises(NetspecError, match=r"There are: 1, 2\."):
        store.read(7)


# --- who else may write there -----------------------------------------------------------------------------------------


def test_links_are_not_followed(store: Generations, tmp_path: Path) -> None:
    """Neither a file, nor a folder, nor the place where the next one is written."""
    store.append(record("a"))
    other = tmp_path / "other"
    other.write_text(WHOLE, "utf-8")
    (store.folder / "2.good.json").symlink_to(other)
    seen = again(tmp_path)
    found = seen.last_good()
    assert found is not None
    assert (found.entry.number, len(seen.warnings)) == (1, 1)
    (store.folder / DRAFT).symlink_to(other)
    assert again(tmp_path).append(record("c")) == 3
    assert other.read_text("utf-8") == WHOLE
    store.folder.rename(tmp_path / "moved")
    store.folder.symlink_to(tmp_path / "moved")
    with pytest.raises(Refused, match="is not a directory"):
        again(tmp_path).entries()


def test_a_folder_that_is_open_to_others_is_not_read(store: Generations, tmp_path: Path) -> None:
    """A spec that somebody else may write is not ours to apply."""
    store.append(record("a"))
    for each in (store.folder, store.folder.parent, tmp_path / "state"):
        each.chmod(0o755)
        with pytest.raises(Refused, match="is open to others"):
            again(tmp_path).last_good()
        with pytest.raises(Refused, match="is open to others"):
            again(tmp_path).append(record("b"))
        each.chmod(0o700)


def test_a_full_disk_is_found_out_by_the_draft(store: Generations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stays; making it a generation takes no more space."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.append(record("a"))
    ready = store.draft(record("b"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Refused, match="No space left on device"):
            store.draft(record("c"))
    assert names(store) == ["1.good.json"]
    with pytest.raises(Refused, match="No such file"):
        ready.commit()


def test_every_stack_has_its_own(store: Generations, tmp_path: Path) -> None:
    """And they are listed for the boot."""
    assert stacks(tmp_path / "state") == ()
    store.append(record("a"))
    shop = Generations(tmp_path / "state", "shop.eu")
    assert shop.append(record("b", stack="shop.eu")) == 1
    (shop.folder / "2.good.json").write_bytes((store.folder / "1.good.json").read_bytes())
    assert [each.entry.number for each in shop.listed()] == [1]
    assert "it is of stack default" in shop.warnings[0].message
    (store.folder.parent / ".hidden").mkdir()

    assert stacks(tmp_path / "state") == ("default", "shop.eu")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["append", "pending", "pin", "undo", "settle", "prune", "resume"]), max_size=12))
def test_whatever_is_done_the_last_good_one_stays(moves: list[str]) -> None:
    """Against a model of numbers and standings."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _descriptor: None)
        good: list[int] = []
        pinned: list[int] = []
        for move in moves:
            store = again(Path(directory))
            pending = [each.number for each in store.entries() if each.standing is PENDING]
            if move == "append":
                good.append(store.append(record("x")))
            elif move == "pin":
                pinned.append(store.draft(record("y")).commit(pinned=True))
                good.append(pinned[-1])
            elif move == "pending":
                store.append(record("z"), PENDING)
            elif move == "settle" and pending:
                store.settle(pending[-1], GOOD)
                good.append(pending[-1])
            elif move == "undo" and pending:
                store.settle(pending[0], UNDONE)
            elif move == "prune":
                store.prune(2)
            elif move == "resume":
                assert store.resume() is bool(pinned)
                pinned.clear()
            found, held = again(Path(directory)).last_good(), again(Path(directory)).pinned()
            assert (found.entry.number if found else 0) == max(good, default=0)
            assert (held.number if held else 0) == max(pinned, default=0)
