"""Namespaces that netspec did not make: joined, left, never deleted; those that cannot be joined, and why."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.engine.intent import Intent
from netspec.engine.reconciler import Reconciler
from netspec.errors import ApplyFailed, SpecError
from netspec.kernel.faulty import Crash, FaultyKernel
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import NetnsAttach
from netspec.kernel.port import KernelError
from tests.host_state import host_state
from tests.kernel.engines import engine, not_found, recorded
from tests.live.driving import apply, destroy, intent, line_of, plan, propose, reconciler, shell
from tests.live.guardians import until
from tests.live.strangers import all_of, end, inside, start, stranger
from tests.sandboxed import NETNS_DIR, RUN_DIR, STATE_DIR, fresh_host, run

pytestmark = pytest.mark.kernel

ATTACHED = Path(RUN_DIR) / "attached"


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """A host of its own for each test."""
    with fresh_host():
        yield


def spec(netns: str, rest: str = "bridge: br0") -> str:
    """An endpoint in a namespace of others."""
    bridge = 'br0: {subnets: [10.1.0.0/24, "fd00:1::/64"]}'
    return f"netspec: 1\nbridges: {{{bridge}}}\nendpoints:\n  web: {{netns: {netns}, {rest}}}\n"


def found(text: str) -> list[tuple[str, str]]:
    """Code and message of what forbids a spec on this host."""
    try:
        return [(each.code, each.message) for each in reconciler().propose(intent(text)).diagnostics]
    except SpecError as error:
        return [(each.code, each.message) for each in error.diagnostics]


def test_a_process_is_joined_and_left() -> None:
    """Its namespace gets an interface and a name that `ip netns` knows; afterwards it is as it was, and lives on."""
    with stranger("ip link set lo up; ip link add own0 type bridge; ip addr add 192.0.2.1/24 dev own0") as pid:
        before, whole = all_of(pid), host_state()
        apply(spec(f"{{pid: {pid}}}"))

        assert plan(spec(f"{{pid: {pid}}}")) == []
        assert run("ip netns list").split() == ["web", "(id:", "0)"]
        assert "10.1.0.2/24" in inside(pid, "ip -br addr show eth0")
        assert "10.1.0.2/24" in run("ip -n web -br addr show eth0")
        assert "192.0.2.1/24" in inside(pid, "ip -br addr show own0")
        assert inside(pid, "ip route show default").split()[:3] == ["default", "via", "10.1.0.1"]
        destroy()
        assert (all_of(pid), host_state()) == (before, whole)
        assert not ATTACHED.exists()


def test_a_path_and_a_namespace_that_has_a_name() -> None:
    """A name of somebody's stays his: the namespace has two as long as the endpoint is there."""
    shell("ip netns add own; ip -n own link set lo up")
    whole = host_state()
    text = spec("{path: /run/netns/own}")
    apply(text)

    assert plan(text) == []
    assert sorted(path.name for path in NETNS_DIR.iterdir()) == ["own", "web"]
    # Its carrier may come between the two.
    until(lambda: run("ip -n own -br addr show eth0") == run("ip -n web -br addr show eth0"))
    destroy()
    assert host_state() == whole


def test_without_interfaces_only_the_name_is_there() -> None:
    """An attachment alone is one too."""
    with stranger() as pid:
        before = all_of(pid)
        text = f"netspec: 1\nendpoints: {{web: {{netns: {{pid: {pid}}}, interfaces: {{}}}}}}\n"
        apply(text)
        assert (plan(text), all_of(pid), [path.name for path in NETNS_DIR.iterdir()]) == ([], before, ["web"])
        destroy()
        assert list(NETNS_DIR.iterdir()) == []


def test_a_container_is_found_by_its_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is the engine's to tell; after a restart it is another one, and the endpoint follows."""
    socket = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    text = spec("{container: redis}")
    with stranger() as first, stranger() as second:
        with engine(socket, recorded("docker-running", Pid=first)):
            apply(text)
            assert plan(text) == []
        with engine(socket, recorded("docker-running", Pid=second)):
            changes = [line_of(change) for change in propose(text).plan.changes]
            assert "replace netns/web inode path started" in changes
            apply(text)
            assert plan(text) == []
        assert "10.1.0.2/24" in inside(second, "ip -br addr show eth0")
        assert "eth0" not in inside(first, "ip -br link")
        with engine(socket, not_found("redis")):
            words = f"endpoint/web cannot join container redis: {socket} knows no container of that name"
            assert found(text) == [("NS0410", words)]
        with engine(socket, recorded("docker-running", Pid=3999999)):
            words = "endpoint/web cannot join container redis: its process 3999999 cannot be seen from here"
            assert found(text) == [("NS0410", words)]


def test_namespaces_that_cannot_be_joined(tmp_path: Path) -> None:
    """Each with its reason, at plan time."""
    (tmp_path / "file").touch()
    cases = [
        ("{pid: 3999999}", "process 3999999: there is no such process"),
        (f"{{path: {tmp_path}/none}}", f"{tmp_path}/none: {tmp_path}/none: No such file or directory"),
        (f"{{path: {tmp_path}/file}}", f"{tmp_path}/file: {tmp_path}/file is no network namespace"),
        ("{path: /proc/self/ns/mnt}", "/proc/self/ns/mnt: /proc/self/ns/mnt is no network namespace"),
        ("{path: /proc/self/ns/net}", "/proc/self/ns/net: that is the namespace of this host itself"),
    ]
    told = [found(spec(netns)) for netns, _ in cases]

    assert told == [[("NS0410", f"endpoint/web cannot join {words}")] for _, words in cases]


def test_a_process_that_has_died() -> None:
    """Both before the endpoint is there and after; what it has left is removed with the endpoint."""
    whole = host_state()
    pid = start()
    apply(spec(f"{{pid: {pid}}}"))
    end(pid)

    words = f"endpoint/web cannot join process {pid}: there is no such process"
    assert found(spec(f"{{pid: {pid}}}")) == [("NS0410", words)]
    destroy()
    assert host_state() == whole
    assert list(NETNS_DIR.iterdir()) == []


def test_a_number_that_is_used_again() -> None:
    """Another process with the same id is not silently joined in the place of the first."""
    pid = start()
    apply(spec(f"{{pid: {pid}}}"))
    end(pid)
    with stranger(pid=pid) as again:
        if again != pid:
            pytest.skip("the kernel gave the process another id")
        words = f"process {pid} is another one than endpoint/web was attached to: its number is used again"
        assert found(spec(f"{{pid: {pid}}}")) == [("NS0411", words)]


def test_two_endpoints_in_one_namespace_of_others() -> None:
    """One attaches, the other names it; two that attach to the same one are told so."""
    with stranger() as pid:
        both = spec(f"{{pid: {pid}}}") + "  side: {netns: web, interfaces: {eth1: {bridge: br0}}}\n"
        apply(both)
        assert plan(both) == []
        apply(spec(f"{{pid: {pid}}}"))
        links = inside(pid, "ip -br link")
        assert ("eth0" in links, "eth1" in links) == (True, False)

        twice = spec(f"{{pid: {pid}}}") + f"  n: {{netns: {{path: /proc/{pid}/ns/net}}, interfaces: {{}}}}\n"
        assert found(twice) == [("NS0260", "endpoint/n is attached to the same namespace as endpoint/web")]
        named = spec(f"{{pid: {pid}}}").replace("web:", "other:") + "  web: {netns: web, interfaces: {}}\n"
        assert [code for code, _ in found(named)] == ["NS0260"]


def test_what_stands_there_already_is_in_the_way() -> None:
    """A link of that name, and a default route: neither is taken over."""
    with stranger("ip link add eth0 type bridge") as pid:
        words = "link/web/eth0 is in the way: bridge, and netspec did not make it"
        assert found(spec(f"{{pid: {pid}}}")) == [("NS0401", words)]
    script = "ip link add own0 type bridge; ip link set own0 up; ip addr add 192.0.2.1/24 dev own0"
    with stranger(f"{script}; ip route add default via 192.0.2.9") as pid:
        words = "route/web/default is in the way: via 192.0.2.9 dev own0, and netspec did not make it"
        assert found(spec(f"{{pid: {pid}}}")) == [("NS0412", words)]


def test_a_name_that_is_taken() -> None:
    """A namespace of somebody's with the endpoint's name is refused, not covered."""
    shell("ip netns add web")
    with stranger() as pid:
        assert [code for code, _ in found(spec(f"{{pid: {pid}}}"))] == ["NS0401"]


def test_drift_inside_is_repaired() -> None:
    """An interface or a name that somebody has removed comes back."""
    with stranger() as pid:
        text = spec(f"{{pid: {pid}}}")
        apply(text)
        for script in ("ip -n web link del eth0", "ip -n web addr flush dev eth0", "ip netns del web"):
            shell(script)
            assert plan(text) != []
            apply(text)
            assert plan(text) == []
            assert "10.1.0.2/24" in inside(pid, "ip -br addr show eth0")


def test_attaching_checks_again() -> None:
    """Between plan and apply a path may come to lead elsewhere: nothing is bound then."""
    kernel = LinuxKernel()
    with stranger() as pid:
        path = f"/proc/{pid}/ns/net"
        with pytest.raises(KernelError) as caught:
            kernel.execute([NetnsAttach(name="web", alias="", path=path, inode=1)])
        assert caught.value.number == errno.ESRCH
    assert list(NETNS_DIR.iterdir()) == []
    assert not ATTACHED.exists()


@pytest.mark.parametrize("mode", ["error", "lost", "crash"])
@pytest.mark.parametrize("way", ["there", "away"])
def test_a_fault_at_any_operation_leaves_both_as_they_were(way: str, mode: str) -> None:
    """The host, and the namespace of others."""
    with stranger() as pid:
        text = spec(f"{{pid: {pid}}}", "bridge: br0, publish: [80:80]")
        if way == "away":
            apply(text)
        before = host_state(), all_of(pid)
        wanted = intent(text) if way == "there" else Intent(stack="default")
        at = 0
        while True:
            kernel = FaultyKernel(LinuxKernel(), fail_at=at, lost=mode == "lost", crash=mode == "crash")
            faulty = Reconciler(kernel, Path(RUN_DIR), Path(STATE_DIR))
            proposal = faulty.propose(wanted)
            try:
                faulty.carry_out(proposal)
                break
            except Crash:
                assert reconciler().recover() is not None
            except ApplyFailed:
                pass
            assert (host_state(), all_of(pid)) == before, at
            at += 1 if mode == "error" else 3
        assert at > 5
