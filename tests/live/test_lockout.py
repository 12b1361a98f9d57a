"""Plans on the real kernel: connections that they cut are counted, and the way of their own session is kept."""

import json
import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from netspec.core.consequence import Limits
from netspec.engine.limits import beyond
from netspec.engine.peers import session_peers
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.sessions import ssh_connection
from netspec.kernel.sightings import Way as WayTo
from tests.cli.running import Done, command, environment, netspec
from tests.live.driving import apply, edited, intent, shell
from tests.live.flows import GOES_ON, Talks, Way
from tests.sandboxed import RUN_DIR, STATE_DIR, fresh_host

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges:
  lan0: {subnets: [192.0.2.0/24], ports: [uplink]}
  apps0: {subnets: [172.17.0.0/16]}
endpoints:
  web: {bridge: apps0, address: 172.17.0.2, publish: ["8080:80", "8081:80"]}
  db: {bridge: apps0, address: 172.17.0.3}
"""
AROUND = """
ip netns add operator
ip link add uplink type veth peer name eth0 netns operator
ip -n operator link set lo up
ip -n operator address add 192.0.2.9/24 dev eth0
ip -n operator link set eth0 up
ip -n operator route add default via 192.0.2.1
"""
SESSION = "192.0.2.9 50000 192.0.2.1 22"
WAYS = (
    Way("operator", "192.0.2.1", 8080, "web"),
    Way("operator", "172.17.0.1", 8080, "web"),
    Way("operator", "192.0.2.1", 8081, "web"),
)


@pytest.fixture(scope="module")
def talks() -> Iterator[Talks]:
    """An operator's machine behind the port of a bridge of ours, with connections to a publication."""
    with fresh_host():
        shell(AROUND)
        apply(SPEC)
        found = Talks(WAYS)
        try:
            yield found
        finally:
            found.close()


def asked(verb: str, spec: str, *options: str, session: str = SESSION) -> Done:
    """A command with a spec on standard input, from that SSH session."""
    return netspec(verb, *options, "-", stdin=spec, more={"SSH_CONNECTION": session})


def test_the_plan_says_how_many_connections_it_cuts_and_those_are_cut(talks: Talks) -> None:
    """Two through the publication that goes; the one through its neighbour goes on."""
    talks.begin()
    less = edited(SPEC, ('"8080:80", ', ""))
    shown = asked("plan", less).out
    change = next(
        each
        for each in json.loads(asked("plan", less, "--output", "json").out)["changes"]
        if each["address"] == "element/publish4 tcp . 8080"
    )

    assert "interrupts        2 established connections" in shown
    assert (change["disruption"], change["connections"], change["lockout"]) == ("reset", 2, "")
    assert talks.silent(GOES_ON) == []
    apply(less)
    assert set(talks.silent(8)) == {WAYS[0], WAYS[1]}
    apply(SPEC)


def test_a_limit_refuses_before_anything_is_changed(talks: Talks) -> None:
    """With 6, by plan as by apply, naming what would do too much."""
    talks.begin()
    less = edited(SPEC, ('"8080:80", ', ""))
    for verb, options in (("plan", ()), ("apply", ("--yes",))):
        done = asked(verb, less, "--max-disruption", "live", *options)
        assert done.code == 6
        assert "error[NS0620]: endpoint/web.publish[0] cuts established connections (2 now): that is reset" in done.err
    assert asked("apply", SPEC, "--yes", "--max-disruption", "live").code == 0
    assert talks.silent(GOES_ON) == []
    assert asked("destroy", SPEC, "--yes", "--max-disruption", "none").code == 6


TOUCHING = {
    "its port": ([(", ports: [uplink]", "")], "the way leads over uplink"),
    "an option of its port": ([("ports: [uplink]", "ports: {uplink: {learning: false}}")], "the way leads over uplink"),
    "its bridge": ([("lan0: {", "lan0: {mtu: 1400, ")], "the way leads over lan0"),
    "its address": ([("192.0.2.0/24", "192.0.3.0/24")], "192.0.2.1 is the address of this host on the way"),
    "another address": (
        [("[192.0.2.0/24]", "[{cidr: 192.0.2.0/24, gateway: 192.0.2.2}]")],
        "192.0.2.1 is the address of this host on the way",
    ),
    "a policy": ([("endpoints:", "policies: [{deny: {from: 192.0.2.9, to: host}}]\nendpoints:")], "no longer let in"),
    "access to the host": ([("lan0: {", "lan0: {host_access: closed, ")], "no longer let in"),
    "internal": ([("lan0: {", "lan0: {internal: true, ")], "no longer let in"),
    "a publication at its port": ([('"8081:80"', '"22:80"')], "port 22/tcp would lead to an endpoint"),
    "a sysctl": ([("endpoints:", "sysctls: {net.ipv4.conf.lan0.rp_filter: 1}\nendpoints:")], "leads over lan0"),
}
APART = {
    "another bridge": [("apps0: {", "apps0: {mtu: 1400, ")],
    "another endpoint": [("  db: {bridge: apps0, address: 172.17.0.3}\n", "")],
    "one more": [("  db:", "  more: {bridge: apps0}\n  db:")],
    "a policy about others": [("endpoints:", "policies: [{deny: {from: db, to: web}}]\nendpoints:")],
    "a policy that lets it in": [("endpoints:", "policies: [{allow: {from: 192.0.2.9, to: host}}]\nendpoints:")],
    "another publication": [('"8081:80"', '"8082:80"')],
    "another sysctl": [("endpoints:", "sysctls: {net.ipv4.conf.apps0.rp_filter: 1}\nendpoints:")],
}


def proposed(spec: str, session: str = SESSION) -> Proposal:
    """The plan for a spec, from that SSH session."""
    return Reconciler(LinuxKernel(), Path(RUN_DIR), Path(STATE_DIR), session_peers(session)).propose(intent(spec))


@pytest.mark.usefixtures("talks")
@pytest.mark.parametrize("name", TOUCHING)
def test_what_touches_the_way_of_the_session_is_refused(name: str) -> None:
    """With the reason; not where nobody is connected."""
    edits, why = TOUCHING[name]
    after = edited(SPEC, *edits)
    refused = beyond(proposed(after), Limits(), window=False)

    assert {each.code for each in refused} == {"NS0621"}
    assert any(f"{why}: 192.0.2.9 (the SSH client)" in each.message for each in refused), refused
    assert beyond(proposed(after), Limits(), window=True) == ()
    assert beyond(proposed(after, ""), Limits(), window=False) == ()


@pytest.mark.usefixtures("talks")
@pytest.mark.parametrize("name", APART)
def test_what_does_not_touch_it_is_not_refused(name: str) -> None:
    """However much else it does."""
    found = proposed(edited(SPEC, *APART[name]))
    assert found.plan
    assert [each.message for each in beyond(found, Limits(), window=False)] == []


@pytest.mark.usefixtures("talks")
def test_the_command_refuses_and_changes_nothing() -> None:
    """With 6 by apply, with a warning by plan."""
    after = edited(SPEC, (", ports: [uplink]", ""))
    before = asked("plan", SPEC).out
    done = asked("apply", after, "--yes")
    assert (done.code, "error[NS0621]" in done.err) == (6, True)
    assert asked("plan", SPEC).out == before

    shown = asked("plan", after)
    assert (shown.code, "warning[NS0621]" in shown.err) == (0, True)
    assert "lockout risk      the way leads over uplink: 192.0.2.9 (the SSH client)" in shown.out


def test_a_destroy_is_refused_and_can_be_meant(talks: Talks) -> None:
    """The same gate, and the same word that opens it."""
    done = asked("destroy", SPEC, "--yes")
    assert (done.code, "error[NS0621]" in done.err) == (6, True)
    assert netspec("destroy", "--yes", more={"SSH_CONNECTION": SESSION}).code == 6
    assert asked("destroy", SPEC, "--yes", "--allow-lockout-risk").code == 0
    apply(SPEC)
    talks.close()  # who listens in a namespace that has gone is asked by nobody


RENAMED = {
    "alone": ("mac: 02:00:00:00:00:01, ", ""),
    "with its MAC": ("", ""),
    "with its address": ("192.0.2.0/24", "192.0.3.0/24"),
}


@pytest.mark.usefixtures("talks")
@pytest.mark.parametrize("name", RENAMED)
def test_a_rename_of_the_way_is_refused(name: str) -> None:
    """With 6, and nothing changes; what is apart from the way is renamed."""
    here, there = RENAMED[name]
    spec = edited(SPEC, ("lan0: {", "lan0: {" + here)) if name == "alone" else SPEC
    apply(spec)
    after = edited(spec, ("lan0", "lan1"), *([(here, there)] if name == "with its address" else []))
    before = asked("plan", spec).out
    session = {"SSH_CONNECTION": SESSION}
    done = netspec("move", "--yes", "bridge/lan0", "bridge/lan1", "-", stdin=after, more=session)
    assert (done.code, "error[NS0621]: link/lan0 may not be touched" in done.err) == (6, True), done
    assert "--confirm-within" not in done.err
    assert asked("plan", spec).out == before

    words = ("move", "--yes", "bridge/apps0", "bridge/apps1", "-")
    assert netspec(*words, stdin=edited(spec, ("apps0", "apps1")), more=session).code == 0
    apply(SPEC)


@pytest.mark.usefixtures("talks")
def test_it_can_be_meant_by_apply_and_rollback_too() -> None:
    """Going back is no way around the gate."""
    session = {"SSH_CONNECTION": SESSION}
    assert asked("apply", edited(SPEC, (", ports: [uplink]", "")), "--yes", "--allow-lockout-risk").code == 0
    assert asked("apply", SPEC, "--yes").code == 0

    done = netspec("rollback", "--yes", more=session)
    assert (done.code, "error[NS0621]" in done.err) == (6, True)
    assert netspec("rollback", "--yes", "--allow-lockout-risk", more=session).code == 0
    assert netspec("resume").code == 0
    apply(SPEC)


@pytest.mark.usefixtures("talks")
def test_a_boot_that_is_typed_keeps_the_session() -> None:
    """Refused with 6 over SSH, unless it is meant; where nobody is connected, nobody is waited for."""
    guarded = SPEC + "protect: [192.0.2.9]\n"
    for session, options, code in ((SESSION, (), 6), (SESSION, ("--allow-lockout-risk",), 0), ("", (), 0)):
        shell("ip link set lan0 mtu 1500")
        assert asked("apply", guarded, "--yes", "--allow-lockout-risk").code == 0
        shell("ip link set lan0 mtu 1400")
        done = netspec("apply", "--boot", *options, more={"SSH_CONNECTION": session})
        assert (done.code, "error[NS0621]: link/lan0" in done.err) == (code, code == 6), done
    apply(SPEC)


@pytest.mark.usefixtures("talks")
def test_protected_peers_are_kept_without_any_session() -> None:
    """By the list in the spec, a prefix here; also where the whole of it is destroyed."""
    guarded = SPEC + "protect: [192.0.2.8/29]\n"
    done = asked("apply", edited(guarded, (", ports: [uplink]", "")), "--yes", session="")
    assert (done.code, "the way leads over uplink: 192.0.2.8/29 (protected)" in done.err) == (6, True)
    assert asked("destroy", guarded, "--yes", session="").code == 6


@pytest.mark.usefixtures("talks")
def test_sudo_does_not_hide_the_session() -> None:
    """It drops the variable; an ancestor still has it."""
    spec = Path("/run/touching.yaml")
    spec.write_text(edited(SPEC, (", ports: [uplink]", "")), encoding="utf-8")
    words = " ".join(command("apply", "--yes", str(spec)))
    done = subprocess.run(
        ["sh", "-c", f"env -u SSH_CONNECTION {words}; exit $?"],
        env=environment(SSH_CONNECTION=SESSION),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    spec.unlink()
    assert (done.returncode, "192.0.2.9 (the SSH client)" in done.stderr) == (6, True), done.stderr


def test_who_may_not_be_asked_is_passed_over(tmp_path: Path) -> None:
    """The nearest one that has it counts; programs may be called anything."""

    def process(pid: str, parent: int, said: bytes | None) -> None:
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(f"{pid} (a) b) S {parent} 1 1", encoding="ascii")
        if said is not None:
            (tmp_path / pid / "environ").write_bytes(said)

    process(str(os.getppid()), 30, None)
    process("30", 20, b"A=1\0B=2\0")
    process("20", 10, b"A=1\0SSH_CONNECTION=192.0.2.9 1 192.0.2.1 22\0")
    process("10", 1, b"SSH_CONNECTION=203.0.113.1 1 192.0.2.1 22\0")
    assert ssh_connection({}, tmp_path) == "192.0.2.9 1 192.0.2.1 22"
    assert ssh_connection({"SSH_CONNECTION": "x"}, tmp_path) == "x"
    (tmp_path / "20" / "environ").write_bytes(b"")
    (tmp_path / "10" / "environ").write_bytes(b"")
    assert ssh_connection({}, tmp_path) == ""


def test_the_kernel_tells_the_way(talks: Talks) -> None:
    """Link, gateway, source, and the port of the bridge behind which the next machine is; none to oneself."""
    kernel = LinuxKernel()
    talks.begin()  # bridges learn from what they hear
    shell("ip route add 10.0.0.0/8 via 192.0.2.9")
    own, operator = ip_address("192.0.2.1"), ip_address("192.0.2.9")

    assert kernel.way_to(operator) == WayTo(link="lan0", source=own, port="uplink")
    far = kernel.way_to(ip_address("10.1.2.3"))
    assert far == WayTo(link="lan0", via=operator, source=own, port="uplink")
    assert [kernel.way_to(ip_address(each)) for each in ("192.0.2.1", "127.0.0.1", "203.0.113.1")] == [None] * 3
    shell("ip -6 route add fd99::/64 dev lan0 proto ra; ip route del 10.0.0.0/8")
    advertised = kernel.way_to(ip_address("fd99::1"))
    assert advertised is not None
    assert (advertised.link, advertised.protocol) == ("lan0", 9)
    shell("ip -6 route del fd99::/64")
