"""Saved plans as people use them: plan --out, show, apply; and every refusal with its words."""

import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from netspec import cli
from netspec.cli import saved
from netspec.cli.options import Options
from netspec.cli.saved import approved, saved_plan_at
from netspec.cli.session import Session
from netspec.engine.planfile import parse, write
from netspec.engine.saved_plan import Origin, SavedPlan
from netspec.errors import Stale
from netspec.kinds._intent import Present
from netspec.spec.schemas import schemas
from tests.cli import running
from tests.cli.running import DEADLINE, SPEC, Done, command, environment
from tests.host_state import host_state
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

PLAN = Path("plan.json")
FILE = Draft7Validator(schemas()["planfile"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with a spec, which is the current one, on a host of a known name."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    Path("netspec.yaml").write_text(SPEC, encoding="utf-8")


def netspec(*words: str) -> Done:
    """Run one command, in this process: there are many of them."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main(list(words))
    return Done(code, out.getvalue(), err.getvalue())


def save(*words: str) -> Done:
    """Save the plan, which must work."""
    done = netspec("plan", "--out", str(PLAN), *words)
    assert (done.code, done.err) == (0, "")
    return done


def edit(old: str, new: str) -> None:
    """Change the spec."""
    path = Path("netspec.yaml")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def made_at(host: str, boot: str) -> None:
    """The saved plan, as if it had been made elsewhere."""
    write(PLAN, replace(plan(), origin=Origin(host, boot)))


def plan() -> SavedPlan:
    """The saved plan."""
    return parse(PLAN.read_text("utf-8"), str(PLAN))


def refusal(*words: str, code: int = 5) -> str:
    """Apply the saved plan, which is refused before any change: what is said of it."""
    before = host_state()
    done = netspec("apply", str(PLAN), *words)
    assert (done.code, done.out, host_state()) == (code, "", before), done.err
    return done.err


def test_from_plan_to_apply_without_the_spec() -> None:
    """What was shown is what is done, without a question, and the spec may be gone by then."""
    shown = save().out.removesuffix("Saved. To do exactly this: netspec apply plan.json\n")
    Path("netspec.yaml").rename("kept.yaml")

    assert netspec("show", "plan.json") == Done(0, shown, "")
    done = netspec("apply", "plan.json")

    assert (done.code, done.err, done.out[: len(shown)]) == (0, "", shown)
    assert done.out.endswith(" s. Verified: the kernel is as planned.\n")
    assert netspec("plan", "--detailed-exitcode", "kept.yaml").code == 0


CHANGED = {
    "one more publication": ('"8080:80", ', '"8080:80", "8081:81", '),
    "another rate": ("limit: {ingress: 20mbit}", "limit: {ingress: 30mbit}"),
    "an object that goes": ("  db: {bridge: br0, limit: {ingress: 20mbit}}\n", ""),
    "an object that is rebuilt": ("  db: {bridge: br0,", "  db: {bridge: br0, host_name: to-db,"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_plan_over_what_lives_is_shown_as_it_was_printed(name: str) -> None:
    """Though only what it was made from is in the file."""
    edit("  db: {bridge: br0}", "  db: {bridge: br0, limit: {ingress: 20mbit}}")
    assert netspec("apply", "--yes").code == 0
    edit(*CHANGED[name])
    printed = save().out

    assert netspec("show", str(PLAN)).out == printed.removesuffix(f"Saved. To do exactly this: netspec apply {PLAN}\n")
    assert netspec("apply", str(PLAN)).out.startswith(printed.partition("\nSaved.")[0])


def test_its_file_is_as_the_schema_says() -> None:
    """With changes of all sorts, the ground they stand on, and places."""
    save()
    FILE.validate(json.loads(PLAN.read_text("utf-8")))
    assert netspec("apply", "plan.json", "--quiet") == Done(0, "", "")
    edit("  db: {bridge: br0}\n", "  cache: {bridge: br0}\n")
    edit("8080:80", "8081:80")
    save()

    document = json.loads(PLAN.read_text("utf-8"))
    FILE.validate(document)
    assert {each["action"] for each in document["changes"]} >= {"create", "delete"}
    assert "link" in {each["key"][0] for each in document["read"]}
    assert document["places"]["endpoint/web"]["line"] == 5


def test_as_json() -> None:
    """`plan`, `show` and `apply` print the plan; the file is written as well."""
    first = json.loads(save("--output", "json").out)
    assert json.loads(netspec("show", "plan.json", "--output", "json").out) == first
    assert json.loads(netspec("apply", "plan.json", "--output", "json").out) == first

    stale = json.loads(netspec("apply", "plan.json", "--output", "json").out)
    assert stale["error"] == {"message": "The plan is stale: nothing was changed.", "exit_code": 5}
    assert {each["code"] for each in stale["diagnostics"]} == {"NS0605"}


def test_what_was_applied_is_on_record_with_its_spec() -> None:
    """The generation of a saved plan is like any other: a plan can go back to it, and that can be saved as well."""
    save()
    edit("8080:80", "8081:80")
    assert netspec("apply", "plan.json", "--quiet") == Done(0, "", "")
    assert netspec("plan", "--against", "1", "--detailed-exitcode").code == 0
    assert netspec("apply", "--yes", "--quiet") == Done(0, "", "")

    save("--against", "1")
    assert netspec("apply", "plan.json", "--quiet") == Done(0, "", "")
    assert [each["spec_digest"] for each in history()[::2]] == [history()[0]["spec_digest"]] * 2
    assert netspec("plan", "--against", "1", "--detailed-exitcode").code == 0


def history() -> list[dict[str, object]]:
    """The generations so far."""
    found: list[dict[str, object]] = json.loads(netspec("history", "--output", "json").out)["generations"]
    return found


def test_its_checks_are_asked_though_the_spec_is_gone() -> None:
    """What is required by the spec that was planned must pass after the apply, or all is undone; unless told not to."""
    edit("  db: {bridge: br0}", "  db: {bridge: br0, isolated: true}")
    edit("  web:\n", "  web:\n    isolated: true\n")
    text = Path("netspec.yaml").read_text("utf-8")
    Path("netspec.yaml").write_text(text + "checks: [{from: db, to: 'web:80', required: true}]\n", encoding="utf-8")
    save()
    Path("netspec.yaml").unlink()

    done = netspec("apply", "plan.json")
    assert (done.code, run("ip -o link").count("\n")) == (3, 1)
    assert "error[NS0681]: the required check db -> web:80 does not pass" in done.err
    assert netspec("apply", "plan.json", "--no-checks").code == 0


def test_a_removal_that_was_allowed_is_carried_out() -> None:
    """The guards against a mistake stand before the plan is saved: what is in the file was looked at."""
    assert netspec("apply", "--yes", "--quiet") == Done(0, "", "")
    Path("netspec.yaml").write_text("netspec: 1\n", encoding="utf-8")
    assert netspec("plan", "--out", "plan.json").code == 6
    assert not PLAN.exists()

    save("--allow-removal", "9")
    assert netspec("apply", "plan.json", "--quiet") == Done(0, "", "")
    assert run("ip -o link").count("\n") == 1


def test_two_at_once_do_it_once() -> None:
    """Whoever gets the lock second looks again, and finds that the plan has been carried out."""
    save()
    both = [
        subprocess.Popen(
            command("apply", "plan.json"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]

    assert sorted(each.wait(DEADLINE) for each in both) == [0, 5]


def test_what_has_moved_is_named() -> None:
    """Object, field, planned and present value, and the line of the spec that it was for."""
    assert netspec("apply", "--yes", "--quiet").code == 0
    edit("br0: {", "br0: {mtu: 1400, ")
    save()
    run("ip link set br0 mtu 1300")

    assert (
        refusal()
        == """\
error[NS0605]: link/br0 has changed since the plan: mtu was 1500, and is 1300
  --> netspec.yaml:3:3
   |   br0: {mtu: 1400, subnets: [10.1.0.0/24, "fd00:1::/64"]}
   |   ^^^
  help: look at what has changed, and plan again

netspec: The plan is stale: nothing was changed.
"""
    )
    unapproved = "the plan would now update link/br0 (mtu 1300 -> 1400), which was not approved"
    assert unapproved in refusal("--replan-if-stale")
    run("ip link set br0 mtu 1400")
    assert netspec("apply", "plan.json", "--replan-if-stale").code == 0
    assert netspec("plan", "--detailed-exitcode").code == 0


def test_what_moves_elsewhere_is_said_and_left() -> None:
    """Drift of another endpoint is neither a reason to refuse nor repaired on the way."""
    assert netspec("apply", "--yes", "--quiet").code == 0
    edit("10.1.0.10", "10.1.0.11")
    save()
    run("ip link add stranger type bridge")
    run("ip -n db link set eth0 mtu 1300")

    done = netspec("apply", "plan.json")
    assert done.code == 0
    assert "warning[NS0607]: not as the spec wants it, and not in the plan: endpoint/db\n" in done.err
    assert "stack default  6 objects, 4 in sync\n" in done.out
    assert "mtu 1300" in run("ip -n db link show eth0")
    assert netspec("plan", "--detailed-exitcode").code == 2


def test_nothing_to_do_is_a_plan_too() -> None:
    """It is applied, and says what it has looked at."""
    assert netspec("apply", "--yes", "--quiet").code == 0
    save()
    assert netspec("apply", "plan.json") == Done(0, "No changes. The kernel equals the spec (6 objects).\n", "")
    run("ip -n db link set eth0 mtu 1300")

    done = netspec("apply", "plan.json")
    assert (done.code, done.out) == (0, "No changes. What the plan is about is as planned.\n")
    assert "endpoint/db" in done.err


def test_of_another_host_or_boot() -> None:
    """Both are named; nothing is looked at."""
    save()
    made_at("edge-07", plan().origin.boot)
    assert "NS0604]: plan.json was made on edge-07, and this is host\n" in refusal()
    assert "NS0604]: plan.json was made on edge-07, and this is host\n" in refusal("--replan-if-stale")
    made_at("host", "5f2c")
    assert "NS0604]: plan.json was made before this host was started\n" in refusal()


def test_of_another_stack() -> None:
    """As with a spec."""
    save()
    assert refusal("--stack", "shop", code=64) == "netspec: --stack shop, but the plan is of stack default.\n"
    assert netspec("apply", "plan.json", "--stack", "default").code == 0


def test_changed_cut_off_or_newer() -> None:
    """Neither applied nor shown."""
    save()
    text = PLAN.read_text("utf-8")
    told = {
        text.replace("10.1.0.10", "10.1.0.66"): "NS0602]: plan.json was changed after it was written: ",
        text[:5000]: "NS0602]: plan.json is damaged or cut off: ",
        text.replace('"netspec_plan": 1', '"netspec_plan": 2'): "NS0603]: plan.json has format 2; this netspec knows 1",
    }
    for wrong, words in told.items():
        PLAN.write_text(wrong, encoding="utf-8")
        assert words in refusal(code=6)
        shown = netspec("show", "plan.json")
        assert (shown.code, shown.out) == (6, "")
        assert words in shown.err


@pytest.mark.parametrize("line", ["plan", "apply -", "destroy --yes", "watch"])
def test_it_is_no_spec(line: str) -> None:
    """Commands that want a spec say so in one sentence."""
    save()
    words = line.split()
    done = running.netspec(*words, *(() if "-" in words else ("plan.json",)), stdin=PLAN.read_text("utf-8"))

    assert done.code == 65
    assert " is a saved plan, and no spec\n" in done.err


def test_options_that_do_not_go_together() -> None:
    """Each says what it is for."""
    save()
    assert "--locked is for specs" in refusal("--locked", code=64)
    done = netspec("apply", "--replan-if-stale", "--yes")
    told = "netspec: --replan-if-stale is for saved plans: a spec is planned anew anyway.\n"
    assert (done.code, done.err) == (64, told)


def test_what_something_forbids_is_not_saved() -> None:
    """The refusal is shown as ever, and an older plan is left as it was."""
    save()
    before = PLAN.read_bytes()
    run("ip link add br0 type bridge")

    done = netspec("plan", "--out", "plan.json")
    assert (done.code, PLAN.read_bytes()) == (6, before)
    assert "NS0401" in done.err
    assert "Saved" not in done.out


def test_where_it_cannot_be_saved() -> None:
    """Found out before the kernel is looked at; a spec is never written over."""
    done = netspec("plan", "--out", "netspec.yaml")
    told = "netspec: cannot write netspec.yaml: it is there, and no saved plan. Name another file, or remove it.\n"
    assert done == Done(64, "", told)
    assert Path("netspec.yaml").read_text("utf-8") == SPEC
    assert netspec("plan", "--out", "nowhere/plan.json").code == 64


def test_with_the_exit_code_for_differences() -> None:
    """Whoever saves plans in a script can see whether there is something in one."""
    assert netspec("plan", "--out", "plan.json", "--detailed-exitcode", "--quiet") == Done(2, "", "")
    assert netspec("apply", "plan.json", "--quiet") == Done(0, "", "")
    assert netspec("plan", "--out", "plan.json", "--detailed-exitcode", "--quiet") == Done(0, "", "")


def test_a_plan_that_is_withdrawn_while_it_waits_is_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the lock looks at the file again: removed, or written anew, it is no longer what was meant."""
    save()
    monkeypatch.setattr(saved, "here", lambda: plan().origin)
    wanted = approved(Session(Options()), plan(), str(PLAN), replan=False)
    assert wanted.desire(Present()) == plan().desired

    write(PLAN, replace(plan(), source=None))
    with pytest.raises(Stale, match=r"plan\.json has changed while netspec waited for the lock"):
        wanted.desire(Present())
    PLAN.unlink()
    assert saved_plan_at(str(PLAN)) is None
    with pytest.raises(Stale):
        wanted.desire(Present())


def test_places_come_from_the_file() -> None:
    """What has appeared is told with the line of a spec that is not there any more."""
    save()
    Path("netspec.yaml").unlink()
    run("ip netns add web")

    assert refusal() == (
        "error[NS0605]: netns/web has appeared since the plan: network namespace /run/netns/web\n"
        "  --> netspec.yaml:5:3\n   |   web:\n   |   ^^^\n"
        "  help: look at what has changed, and plan again\n\n"
        "netspec: The plan is stale: nothing was changed.\n"
    )
