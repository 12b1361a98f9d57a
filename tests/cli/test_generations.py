"""History, going back, suspension and boot, by the functions of the commands on a kernel in memory."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from netspec.cli import boot
from netspec.cli.apply import Request, bring_about
from netspec.cli.boot import bring_back, worst
from netspec.cli.destroy import destroy
from netspec.cli.generations import generations, suspensions
from netspec.cli.history import history, show_generation
from netspec.cli.limits import Level
from netspec.cli.options import Options, Output
from netspec.cli.plan import plan
from netspec.cli.resume import resume
from netspec.cli.rollback import rollback
from netspec.cli.session import Session
from netspec.cli.show import show
from netspec.engine.generation_names import Standing
from netspec.engine.generation_record import Commit
from netspec.engine.generations import Generations
from netspec.engine.reconciler import Reconciler
from netspec.errors import ApplyFailed, NetspecError, Refused, Suspended, UsageError
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.port import Kernel
from netspec.kernel.snapshot import Scope
from netspec.spec.schemas import schemas
from tests.cli.running import netspec
from tests.engine.test_gitops import git

ONE = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\nendpoints: {a: {bridge: br0}, b: {bridge: br0}}\n"
TWO = "netspec: 1\nbridges: {br0: {subnets: [10.1.0.0/24]}}\nendpoints: {b: {bridge: br0}, c: {bridge: br0}}\n"
THREE = "netspec: 1\nbridges: {br1: {mtu: 1400}}\n"
EMPTY = "netspec: 1\n"


class Host:
    """A host in memory, and the commands on it. `reboot` empties its kernel and loses its run directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kernel: Kernel = FakeKernel()
        self._boots = 0

    def session(self, **options: Any) -> Session:  # noqa: ANN401  options of several types
        """One command's."""
        run_dir = self.directory / f"run{self._boots}"
        common = {"run_dir": run_dir, "state_dir": self.directory / "state", "quiet": True, **options}
        return OnThatHost(Options(**common), self)

    def reboot(self) -> None:
        """Nothing is left but the state directory."""
        self.kernel = FakeKernel()
        self._boots += 1

    def apply(self, spec: str, **options: Any) -> None:  # noqa: ANN401
        """`netspec apply --yes`."""
        path = self.directory / "web.yaml"
        path.write_text(spec, "utf-8")
        session = self.session(**options)
        bring_about(session, session.intent(session.load(str(path)), allow_removal=99), Request(yes=True))

    def run(self, command: Callable[..., None], *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        """Another command."""
        flags: dict[str, Any] = {"yes": True} if command in (rollback, destroy) else {}
        flags |= {"allow_removal": 99} if command is rollback else {}
        flags |= {name: options.pop(name) for name in ("allow_removal", "max_disruption") if name in options}
        command(context(self.session(**options)), *arguments, **flags)

    def store(self, stack: str = "default") -> Generations:
        """The generations of a stack."""
        return generations(self.session(), stack)

    def names(self) -> list[str]:
        """Their files."""
        return [each.name for each in self.store().entries()]

    def rows(self) -> object:
        """All that the kernel holds."""
        assert isinstance(self.kernel, FakeKernel)
        return self.kernel.rows()


class OnThatHost(Session):
    """A session on a kernel in memory."""

    def __init__(self, options: Options, host: Host) -> None:
        super().__init__(options)
        object.__setattr__(self, "host", host)

    host: Host

    def reconciler(self) -> Reconciler:
        """One on the kernel of the host."""
        return Reconciler(self.host.kernel, self.options.run_dir, self.options.state_dir)


def context(session: Session) -> typer.Context:
    """What of typer's context a command uses."""
    return cast("typer.Context", SimpleNamespace(obj=session))


@pytest.fixture(autouse=True)
def _privileged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel in memory asks for no privileges; nobody waits for a disk."""
    monkeypatch.setattr("netspec.kernel.privileges.require", lambda *_names: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """One without a past."""
    return Host(tmp_path)


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_each_apply_that_changes_something_is_a_generation(host: Host) -> None:
    """Apply, destroy and rollback; one that finds nothing to do is none."""
    for spec in (ONE, ONE, TWO):
        host.apply(spec)
    host.run(destroy)
    host.run(destroy)
    host.run(rollback)

    assert host.names() == ["1.good.json", "2.good.json", "3.good.json", "4.good.pinned.json"]
    heads = [each.head for each in host.store().listed()]
    assert [(each.back_to, sum(each.summary.values())) for each in heads] == [(None, 5), (None, 2), (None, 5), (2, 5)]
    assert heads[1].spec_digest == heads[3].spec_digest != ""


def test_a_generation_holds_spec_lock_plan_and_who(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a person asks for later."""
    monkeypatch.setenv("SUDO_USER", "alice\x1b[31m")
    monkeypatch.setattr("sys.argv", ["netspec", "apply", "a b\n\udcff"])
    host.apply(ONE)
    record = host.store().read(1).record
    source = record.source

    assert source is not None
    assert source.files == ((str(host.directory / "web.yaml"), ONE),)
    assert source.path == str(host.directory / "web.yaml")
    assert json.loads(source.lock)["stacks"]["default"]["addresses"] == {
        "a": {"eth0": ["10.1.0.2"]},
        "b": {"eth0": ["10.1.0.3"]},
    }
    assert (record.head.command, record.head.who.sudo_user) == ("netspec apply 'a b??'", "alice?[31m")
    assert (record.head.who.uid, record.head.netspec[0].isdigit()) == (os.getuid(), True)
    Draft7Validator(schemas()["plan"]).validate(record.plan)
    assert "+ bridge/br0" in record.shown
    assert "netns/a" in [each["address"] for each in record.plan["changes"]]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_generation_holds_the_commit_of_its_spec(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """With whether the spec and its lock file are as in it; going back is to the commit of then."""
    host.apply(ONE)
    git(host.directory, "init", "--quiet")
    (host.directory / ".gitignore").write_text("state\nrun*\n", "utf-8")
    (host.directory / "web.yaml").write_text(TWO, "utf-8")
    git(host.directory, "add", ".")
    git(host.directory, "commit", "--quiet", "-m", "two")
    head = git(host.directory, "rev-parse", "HEAD")
    host.apply(TWO)
    (host.directory / "netspec.lock").write_text('{"netspec_lock": 1, "stacks": {}}', "utf-8")
    host.apply(f"{TWO}# a remark\n")
    host.apply(THREE)
    host.run(rollback, 2)

    commits = [each.head.commit for each in host.store().listed()]
    dirty = Commit(head, dirty=True)
    assert commits == [None, Commit(head, dirty=False), dirty, dirty, Commit(head, dirty=False)]
    capsys.readouterr()
    host.run(history)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [head[:12] in row for row in rows[1:]] == [True, False, False, True, False]
    assert [f"{head[:12]}+" in row for row in rows[1:]] == [False, True, True, False, False]


@pytest.mark.parametrize("command", [history, show])
def test_who_asks_for_a_stack_that_has_nothing_is_told_which_have(
    host: Host, capsys: pytest.CaptureFixture[str], command: Callable[..., None]
) -> None:
    """Not where there are none, and not where it has something."""
    host.run(command, quiet=False)
    assert capsys.readouterr().err == ""

    host.apply(ONE.replace("netspec: 1\n", "netspec: 1\nstack: cafe\n"))
    capsys.readouterr()
    host.run(command, quiet=False)
    assert capsys.readouterr().err == "netspec: stacks on this host: cafe; choose one with --stack.\n"
    host.run(command, quiet=False, stack="cafe")
    assert capsys.readouterr().err == ""


def test_an_apply_that_failed_is_no_generation(host: Host) -> None:
    """Nor does its draft stay."""
    host.apply(ONE)
    whole = host.kernel
    host.kernel = FaultyKernel(whole, fail_at=2)
    with pytest.raises(ApplyFailed):
        host.apply(TWO)
    host.kernel = whole

    assert [each.name for each in host.store().folder.iterdir()] == ["1.good.json"]


def test_another_spec_that_changes_nothing_is_recorded_for_the_boot(host: Host) -> None:
    """A remark, or what a crash between an apply and its record has left; the same spec is not recorded again."""
    host.apply(EMPTY)
    assert host.names() == []
    host.apply(ONE)
    (host.store().folder / "1.good.json").unlink()
    host.apply(ONE)
    host.apply(ONE)
    host.apply(f"# a remark\n{ONE}")
    host.apply(f"# a remark\n{ONE}")

    assert host.names() == ["1.good.json", "2.good.json"]


def test_a_stack_that_is_gone_from_the_kernel_is_destroyed_on_record(host: Host) -> None:
    """Or the boot would bring it back."""
    host.apply(ONE)
    host.kernel = FakeKernel()
    host.run(destroy)
    last = host.store().last_good()

    assert last is not None
    assert last.record.source is not None
    assert (last.entry.number, last.record.source.files) == (2, ())


def test_what_cannot_be_recorded_is_refused_before_anything_is_changed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, found by the draft; the host is as it was, and so is the history."""
    host.apply(ONE)
    before = host.rows()

    def full(_path: Path, _text: str) -> None:
        raise Refused("cannot write it: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr("netspec.engine.generations.write_aside", full)
        for change in (partial(host.apply, TWO), partial(host.run, destroy)):
            with pytest.raises(Refused) as caught:
                change()
            assert [each.code for each in caught.value.diagnostics] == ["NS0641"]
    assert host.rows() == before
    assert host.names() == ["1.good.json"]


def test_what_was_verified_is_not_failed_by_its_record(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fails after the draft was written is a warning; applying again records it."""

    def broken(*_arguments: object) -> None:
        raise Refused("cannot rename it: Input/output error.")

    host.apply(ONE)
    with monkeypatch.context() as patched:
        patched.setattr("netspec.engine.generations.rename_private", broken)
        host.apply(TWO, quiet=False)
    said = capsys.readouterr()
    assert "warning[NS0642]: the generation is not on record" in said.err
    assert "Verified: the kernel equals the spec." in said.out
    assert host.names() == ["1.good.json"]
    host.apply(TWO)

    assert host.names() == ["1.good.json", "2.good.json"]


def test_as_many_are_kept_as_are_asked_for(host: Host) -> None:
    """By the option of whoever applies."""
    for number in range(6):
        host.apply(f"netspec: 1\nbridges: {{br{number}: {{}}}}\n", keep_generations=3)

    assert host.names() == ["4.good.json", "5.good.json", "6.good.json"]


# --- going back -------------------------------------------------------------------------------------------------------


def test_going_back_brings_the_host_of_then(host: Host) -> None:
    """With the addresses of then: b had the second, though the lowest is free now."""
    host.apply(ONE)
    then = host.rows()
    host.apply(TWO)
    host.apply(THREE)
    assert host.rows() != then
    host.run(rollback, 1)

    assert host.rows() == then


SPECS = st.sampled_from([ONE, TWO, THREE, EMPTY])


@settings(max_examples=20, deadline=None)
@given(st.lists(SPECS, min_size=1, max_size=5), st.data())
def test_any_generation_can_be_gone_back_to(course: list[str], data: st.DataObject) -> None:
    """Also to one that was gone back to, and to a destroyed one: what the kernel holds is what it held then."""
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        states: dict[int, object] = {}
        for spec in course:
            host.apply(spec)
            states[max([each.number for each in host.store().entries()], default=0)] = host.rows()
        host.run(destroy)
        states[max([each.number for each in host.store().entries()], default=0)] = host.rows()
        for _ in range(3):
            known = [each.number for each in host.store().entries()]
            if not known:
                return
            target = data.draw(st.sampled_from(known))
            host.run(rollback, target)
            assert host.rows() == states[target]
            newest = host.store().entries()[-1]
            states[newest.number] = host.rows()
            assert newest.pinned
            host.reboot()
            bring_back(host.session())
            assert host.rows() == states[newest.number]


def test_twice_back_is_further_back(host: Host) -> None:
    """And not to where it went wrong; what repairs drift has no spec of its own, and is passed over."""
    for spec in (ONE, TWO, f"# a remark\n{TWO}", THREE):
        host.apply(spec)
    host.kernel = FakeKernel()
    host.apply(THREE)
    for _ in range(3):
        host.run(rollback)
    assert [each.head.back_to for each in host.store().listed()] == [None] * 5 + [3, 2, 1]
    with pytest.raises(NetspecError, match=r"Stack default has no earlier generation with another spec\."):
        host.run(rollback)


def test_without_a_past_there_is_no_way_back(host: Host) -> None:
    """A clear word, whatever is asked for."""
    with pytest.raises(NetspecError, match="has no earlier generation"):
        host.run(rollback)
    with pytest.raises(NetspecError, match=r"has no generation 3\. It has none yet"):
        host.run(rollback, 3)
    host.apply(ONE)
    with pytest.raises(NetspecError, match="has no earlier generation"):
        host.run(rollback)


def test_what_was_taken_back_is_not_gone_back_to_by_itself(host: Host) -> None:
    """By its number it can be."""
    for spec in (ONE, TWO, THREE):
        host.apply(spec)
    host.store().settle(2, Standing.UNDONE)
    host.run(rollback)
    assert host.store().listed()[-1].head.back_to == 1
    host.run(rollback, 2)

    assert host.store().listed()[-1].head.back_to == 2


def test_going_back_that_fails_suspends_nothing_and_loosens_nothing(host: Host) -> None:
    """A pin comes and stays with a generation that was verified."""
    host.apply(ONE)
    host.apply(TWO)
    whole = host.kernel
    host.kernel = FaultyKernel(whole, fail_at=2)
    with pytest.raises(ApplyFailed):
        host.run(rollback)
    host.kernel = whole
    assert suspensions(host.session(), "default") == ()
    host.run(rollback)
    host.kernel = FaultyKernel(whole, fail_at=2)
    with pytest.raises(ApplyFailed):
        host.run(rollback, 2)
    host.kernel = whole

    assert "at generation 3, which went back to generation 1" in suspensions(host.session(), "default")[0].message


def test_going_back_is_held_to_limits_and_guards(host: Host) -> None:
    """As an apply is; what is refused suspends nothing."""
    many = "".join(f", e{each}: {{bridge: br0}}" for each in range(9))
    host.apply(ONE.replace("br0: {", "br0: {mtu: 1400, "))
    host.apply(ONE)
    host.apply(ONE.replace(", b: {bridge: br0}", many))

    for options, code in (({"allow_removal": 0}, "NS0712"), ({"max_disruption": Level.NONE}, "NS0620")):
        with pytest.raises(Refused) as refused:
            host.run(rollback, 1, **options)
        assert code in {each.code for each in refused.value.diagnostics}
    assert (len(host.names()), suspensions(host.session(), "default")) == (3, ())
    host.run(rollback, 1, max_disruption=Level.REBUILD)
    assert host.names()[-1] == "4.good.pinned.json"


def test_going_back_to_what_is_there_suspends_all_the_same(host: Host) -> None:
    """Somebody wants it to stay so."""
    host.apply(ONE)
    host.apply(f"# a remark\n{ONE}")
    host.run(rollback)

    assert host.names() == ["1.good.json", "2.good.json", "3.good.pinned.json"]


def test_a_generation_without_its_spec_is_shown_but_not_gone_back_to(host: Host) -> None:
    """Nothing is removed because a spec is not known."""
    host.apply(ONE)
    record = host.store().read(1).record
    host.store().append(replace(record, source=None))
    before = host.rows()
    for command in (rollback, plan_against):
        with pytest.raises(NetspecError, match="Generation 2 of stack default does not hold the spec it came from"):
            host.run(command, 2)
    assert host.rows() == before
    host.run(lambda context, number: show_generation(context.obj, number), 2)


# --- suspension -------------------------------------------------------------------------------------------------------


def test_a_suspended_stack_is_changed_by_nobody_but_those_who_go_back(host: Host) -> None:
    """Apply refuses, also where it would change nothing; destroy and rollback are a person's; other stacks are free."""
    host.apply(ONE)
    host.apply(TWO)
    host.run(rollback)
    before = host.rows()
    for spec in (TWO, ONE):
        with pytest.raises(Suspended) as caught:
            host.apply(spec)
        assert [each.code for each in caught.value.diagnostics] == ["NS0640"]
    assert host.rows() == before
    host.apply("netspec: 1\nstack: other\nbridges: {br7: {}}\n")
    host.run(destroy)
    with pytest.raises(Suspended):
        host.apply(TWO)
    host.run(resume)
    host.apply(TWO)

    assert host.names()[-1] == "5.good.json"


def test_a_plan_says_so_and_a_plan_against_does_not(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """The one would be refused, the other not."""
    host.apply(ONE)
    host.apply(TWO)
    host.run(rollback)
    path = str(host.directory / "web.yaml")
    with pytest.raises(typer.Exit) as caught:
        plan(context(host.session()), path)
    assert caught.value.exit_code == 6
    assert "NS0640" in capsys.readouterr().err
    host.run(plan_against, 2, quiet=False)

    assert "web.yaml@2:3" in capsys.readouterr().out


def plan_against(context: typer.Context, number: int) -> None:
    """`netspec plan --against`."""
    plan(context, against=number)


def test_resuming_what_is_not_suspended_is_nothing(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said."""
    host.run(resume, quiet=False)

    assert capsys.readouterr().out == "Stack default is not suspended.\n"


# --- boot -------------------------------------------------------------------------------------------------------------


def test_a_boot_brings_the_last_good_one_without_any_source(host: Host) -> None:
    """Not what was pending, nor what was taken back; again and again, and without a record of its own."""
    host.apply(ONE)
    host.apply(TWO)
    then = host.rows()
    for standing in (Standing.PENDING, Standing.UNDONE):
        host.apply(f"{THREE}# {standing}\n")
        host.store().settle(host.store().entries()[-1].number, standing)
    (host.directory / "web.yaml").unlink()
    files = {
        path: path.read_bytes() for path in (host.directory / "state").rglob("*.json") if "applied" not in path.name
    }
    host.reboot()
    bring_back(host.session())
    assert host.rows() == then
    bring_back(host.session())
    assert host.rows() == then

    assert {path: path.read_bytes() for path in files} == files
    assert len(host.names()) == 4


def test_a_boot_without_a_past_says_so(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """And ends well: of all stacks, and of one."""
    bring_back(host.session(quiet=False))
    bring_back(host.session(quiet=False, stack="shop"))

    assert capsys.readouterr().out == (
        f"No stack has a generation in {host.directory}/state: there is nothing to bring back.\n"
        "Stack shop: no good generation, nothing to bring back.\n"
    )
    assert host.rows() == FakeKernel().rows()


def test_one_stack_does_not_stop_the_others(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """The worst code is what it ends with."""
    for stack in "abc":
        host.apply(f"netspec: 1\nstack: {stack}\nbridges: {{br{stack}: {{}}}}\n")
    record = host.store("a").read(1).record
    assert record.source is not None
    wrong = replace(record.source, files=(("web.yaml", "netspec: 1\nstack: a\nbridges: {br0: {mtu: 1}}\n"),))
    host.store("a").append(replace(record, source=wrong))
    host.store("b").append(replace(host.store("b").read(1).record, source=None))
    capsys.readouterr()
    host.reboot()
    with pytest.raises(typer.Exit) as caught:
        bring_back(host.session(quiet=False))
    said = capsys.readouterr()

    assert caught.value.exit_code == 1
    assert "Stack c: generation 1 is back: 2 changes, verified." in said.out
    assert "netspec: stack a:\nerror[NS" in said.err
    assert "netspec: stack b:\nnetspec: Generation 2 of stack b does not hold the spec" in said.err
    assert [each.name for each in host.kernel.snapshot(Scope(stack="c")).links if each.name.startswith("br")] == ["brc"]


@pytest.mark.parametrize(
    ("codes", "code"), [([6], 6), ([65, 6], 6), ([6, 3], 3), ([3, 4, 1], 4), ([65, 1], 1), ([130, 65], 65), ([5], 5)]
)
def test_the_worst_code_counts(codes: list[int], code: int) -> None:
    """First what a person is needed for."""
    assert worst(codes) == code


def test_a_damaged_generation_is_passed_over_at_boot(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """With a warning, and without touching it: the directory may be read-only."""
    host.apply(ONE)
    then = host.rows()
    host.apply(TWO)
    (host.store().folder / "2.good.json").write_text("", "utf-8")
    host.reboot()
    capsys.readouterr()
    bring_back(host.session(quiet=False))

    assert host.rows() == then
    assert "warning[NS0643]: generation 2 of stack default is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "--confirm-within=90s",
        "--confirm-if-checks-pass",
        "--wait",
        "--max-disruption=live",
        "--allow-removal=1",
        "--locked",
        "--replan-if-stale",
    ],
)
def test_a_boot_takes_no_option_that_it_would_not_heed(option: str, tmp_path: Path) -> None:
    """Who asks for a confirm window, or a limit, must not be left to believe that there is one."""
    done = netspec(
        "apply", "--boot", option, "--state-dir", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run")
    )

    assert (done.code, done.out) == (64, "")
    assert f"--boot and {option.partition('=')[0]} do not go together" in done.err
    assert not (tmp_path / "run").exists()


def test_a_boot_has_no_json_form(host: Host) -> None:
    """One document for several stacks would be another form."""
    for options in ({"output": Output.JSON}, {"json_into": host.directory / "x"}):
        with pytest.raises(UsageError, match="has no JSON form"):
            bring_back(host.session(**options))
    assert boot.WORST_FIRST[0] == 4


# --- looking back -----------------------------------------------------------------------------------------------------


def test_lists_and_generations_have_the_form_of_their_schemas(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every sort of generation, and of none."""
    host.run(history, output=Output.JSON)
    Draft7Validator(schemas()["history"]).validate(json.loads(capsys.readouterr().out))
    host.apply(ONE)
    host.apply(TWO)
    host.run(rollback)
    host.run(destroy)
    host.store().settle(2, Standing.UNDONE)
    host.run(history, output=Output.JSON)
    document = json.loads(capsys.readouterr().out)
    Draft7Validator(schemas()["history"]).validate(document)
    for number in range(1, 5):
        show_generation(host.session(output=Output.JSON), number)
        one = json.loads(capsys.readouterr().out)
        Draft7Validator(schemas()["generation"]).validate(one)
        Draft7Validator(schemas()["plan"]).validate(one["plan"])

    assert (document["last_good"], document["suspended_at"]) == (4, 3)
    assert [(each["generation"], each["state"], each["pinned"]) for each in document["generations"]] == [
        (1, "good", False),
        (2, "undone", False),
        (3, "good", True),
        (4, "good", False),
    ]


def test_no_words_of_others_move_the_cursor(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    """Names of files are others' words."""
    path = host.directory / "e\x1b[2Jvil.yaml"
    path.write_text(ONE, "utf-8")
    session = host.session()
    bring_about(session, session.intent(session.load(str(path)), allow_removal=99), Request(yes=True))
    capsys.readouterr()
    host.run(history)
    show_generation(host.session(), 1)
    said = capsys.readouterr().out

    assert "e?[2Jvil.yaml" in said
    assert "\x1b" not in said
