"""Namespaces: made as ip makes them, whole or with our mark on what is left; the thread always comes back."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.errors import Astray
from netspec.kernel import namespaces
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import (
    AddressAdd,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    NetnsDelete,
    Operation,
    Peer,
    SysctlWrite,
)
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import NetnsRow, Scope
from netspec.kernel.spaces import Spaces
from tests.kernel.contract.make import interface
from tests.sandboxed import NETNS_DIR, run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

ALIAS = "netspec:test:endpoint/web"
WEB = NetnsAdd(name="web", alias=ALIAS)


def descriptors() -> list[str]:
    """What this process has open, but for the folder that tells it."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return sorted(found)


def here() -> str:
    """The namespace this thread is in."""
    return str(Path("/proc/thread-self/ns/net").readlink())


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Nothing is left open, and the thread is where it was."""
    before = here(), descriptors()
    yield
    assert (here(), descriptors()) == before


def rows(kernel: Kernel) -> tuple[NetnsRow, ...]:
    """The entries."""
    return kernel.snapshot(Scope(stack="test")).netns


def test_a_namespace_is_one_for_ip_too(linux: Kernel) -> None:
    """It is listed, entered and deleted by ip-netns; those of ip are seen and deleted by us."""
    linux.execute([WEB])
    run("ip netns add db")

    assert sorted(line.split()[0] for line in run("ip netns list").splitlines()) == ["db", "web"]
    assert "LOOPBACK,UP,LOWER_UP" in run("ip netns exec web ip link show lo")
    assert ALIAS in run("ip -n web link show lo")
    assert [row.name for row in rows(linux)] == ["db", "web"]
    run("ip netns delete web")
    linux.execute([NetnsDelete(name="db")])
    assert (rows(linux), list(NETNS_DIR.iterdir())) == ((), [])


def test_a_namespace_has_an_id_on_the_host(linux: Kernel) -> None:
    """So that one socket hears its events."""
    linux.execute([WEB])

    assert "web" in run("ip netns list-id")


def test_a_name_mounted_twice_is_removed(linux: Kernel) -> None:
    """Both mounts go."""
    linux.execute([WEB])
    run("mount --bind /run/netns/web /run/netns/web")
    linux.execute([NetnsDelete(name="web")])

    assert list(NETNS_DIR.iterdir()) == []


def test_what_is_no_namespace_is_seen_as_dead(linux: Kernel) -> None:
    """With what it holds; it can be removed."""
    (NETNS_DIR / "junk").write_text("hello", encoding="ascii")
    (NETNS_DIR / "empty").touch()

    assert rows(linux) == (
        NetnsRow(name="empty", alive=False),
        NetnsRow(name="junk", alive=False, content="hello"),
    )
    linux.execute([NetnsDelete(name="junk"), NetnsDelete(name="empty")])
    assert list(NETNS_DIR.iterdir()) == []


def test_a_foreign_entry_is_not_touched(linux: Kernel) -> None:
    """Making one of its name fails, and leaves it as it was."""
    (NETNS_DIR / "web").write_text("theirs", encoding="ascii")
    with unchanged(), pytest.raises(KernelError) as caught:
        linux.execute([WEB])

    assert (caught.value.name, caught.value.operation) == ("EEXIST", WEB)
    assert (NETNS_DIR / "web").read_text(encoding="ascii") == "theirs"


class Broken:
    """The C library, with calls that fail or end the process."""

    def __init__(self, call: str, *, crash: bool) -> None:
        self._inner = namespaces._libc
        self._call = call
        self._crash = crash

    def __getattr__(self, name: str) -> object:
        if name != self._call:
            return getattr(self._inner, name)
        if self._crash:
            os._exit(9)
        return lambda *_: -1


CALLS = ["linkat", "unshare", "mount"]


@pytest.mark.parametrize("call", CALLS)
def test_a_creation_that_fails_leaves_nothing(linux: Kernel, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Wherever it does: no entry, no descriptor, and the thread is at home."""
    namespaces.prepare(str(NETNS_DIR))
    monkeypatch.setattr(namespaces, "prepare", lambda _directory: None)
    with unchanged():
        monkeypatch.setattr(namespaces, "_libc", Broken(call, crash=False))
        with pytest.raises(KernelError) as caught:
            linux.execute([WEB])
        monkeypatch.undo()
        assert caught.value.operation == WEB

    assert list(NETNS_DIR.iterdir()) == []


@pytest.mark.parametrize(("call", "left"), [("linkat", []), ("unshare", ["web"]), ("mount", ["web"])])
def test_a_creation_that_is_killed_leaves_our_mark(linux: Kernel, call: str, left: list[str]) -> None:
    """Wherever it is: nothing, or a name with our mark, which can be removed and made again."""
    namespaces.prepare(str(NETNS_DIR))
    child = os.fork()
    if not child:
        namespaces._libc = Broken(call, crash=True)  # type: ignore[assignment]  # it has all that is used
        namespaces.create("web", ALIAS, 5.0, str(NETNS_DIR))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    assert rows(linux) == tuple(NetnsRow(name=name, alive=False, content=ALIAS) for name in left)
    linux.execute([NetnsDelete(name="web"), WEB])
    assert rows(linux) == (NetnsRow(name="web", alias=ALIAS),)


ENDPOINT: list[Operation] = [
    WEB,
    LinkAdd(name="v0", kind="veth", peer=Peer(netns="web", name="eth0")),
    LinkSet(netns="web", name="eth0", up=True),
    AddressAdd(netns="web", link="eth0", address=interface("10.0.0.2/24")),
    SysctlWrite(netns="web", key="net.ipv4.conf.eth0.rp_filter", value="2"),
]
REFUSED: list[Operation] = [
    LinkSet(netns="web", name="no", up=True),
    LinkSet(netns="no", name="eth0", up=True),
    AddressAdd(netns="web", link="no", address=interface("10.0.0.3/24")),
    SysctlWrite(netns="web", key="net.ipv4.no_such_key", value="2"),
    SysctlWrite(netns="web", key="net.ipv4.ip_forward", value="yes"),
    LinkAdd(name="v1", kind="veth", peer=Peer(netns="web", name="eth0")),
    NetnsAdd(name="web", alias=""),
]


def test_nothing_stays_open_after_success(linux: Kernel) -> None:
    """Neither of a run nor of a look; the namespaces can go."""
    with unchanged():
        linux.execute(ENDPOINT)
        linux.snapshot(Scope(stack="test", sysctls=frozenset({("web", "net.ipv4.ip_forward")})))
        linux.execute([NetnsDelete(name="web")])


@pytest.mark.parametrize("refused", REFUSED, ids=lambda each: type(each).__name__)
def test_nothing_stays_open_after_a_refusal(linux: Kernel, refused: Operation) -> None:
    """And the thread is where it was, wherever the run has stopped."""
    with unchanged():
        with pytest.raises(KernelError) as caught:
            linux.execute([*ENDPOINT, refused])
        assert caught.value.operation == refused


def test_an_exception_of_progress_leaves_nothing_open(linux: Kernel) -> None:
    """At every call of it."""

    class Stop(Exception):
        """What the caller raises."""

    for stop_at in range(1, len(ENDPOINT)):

        def progress(done: int, stop_at: int = stop_at) -> None:
            if done == stop_at:
                raise Stop

        with unchanged():
            with pytest.raises(Stop):
                linux.execute(ENDPOINT, progress)
            linux.execute([LinkDelete(name="v0"), NetnsDelete(name="web")])


@pytest.mark.usefixtures("linux")
def test_the_directory_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """As ip makes it: a mount of its own."""
    directory = tmp_path / "netns"
    kernel = LinuxKernel(run_netns=str(directory))
    kernel.execute([WEB])
    try:
        assert rows(kernel) == (NetnsRow(name="web", alias=ALIAS),)
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        assert [line.split()[4] for line in mounts].count(str(directory)) == 1
    finally:
        kernel.execute([NetnsDelete(name="web")])
        run(f"umount {directory}")


def test_a_look_may_leave_namespaces_out(linux: Kernel) -> None:
    """What is asked for is seen whole; the host always is."""
    pairs = [LinkAdd(name=f"v{name}", kind="veth", peer=Peer(netns=name, name="eth0")) for name in ("web", "db")]
    linux.execute([WEB, NetnsAdd(name="db", alias=""), *pairs])
    seen = linux.snapshot(Scope(stack="test", netns=frozenset({"", "web", "no"})))

    assert {(row.netns, row.name): row.peer for row in seen.links if row.kind == "veth"} == {
        ("", "vdb"): None,
        ("", "vweb"): ("web", "eth0"),
        ("web", "eth0"): ("", "vweb"),
    }
    assert [row.name for row in seen.netns] == ["web"]


def test_a_thread_that_cannot_come_back_does_nothing_more(linux: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did would hit another namespace: not even undoing is tried. Once is no reason: it tries again."""
    linux.execute([NetnsAdd(name="web", alias="")])
    home, real, refused = namespaces.current(), namespaces.enter, list[int]()
    limits = [3]

    def refuse(descriptor: int) -> None:
        if descriptor == home and len(refused) < limits[-1]:
            refused.append(descriptor)
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        real(descriptor)

    there = namespaces.open_entry("web")
    monkeypatch.setattr(namespaces, "enter", refuse)
    try:
        for limit, led_astray in ((3, False), (1000, True)):
            refused.clear()
            limits.append(limit)
            real(there)
            with pytest.raises(Astray) if led_astray else contextlib.nullcontext():
                namespaces.come_back(home)
        real(home)
        refused.clear()
        namespaces.come_back(home)
    finally:
        real(home)
        os.close(home)
        os.close(there)

    assert refused == [home]


def test_a_socket_goes_where_there_is_no_way_back(linux: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep the namespace alive."""
    linux.execute([NetnsAdd(name="web", alias="")])
    spaces = Spaces(str(NETNS_DIR), "/run/netspec/attached", 1)
    spaces.descriptor("web")
    home, real, before = namespaces.current(), namespaces.come_back, _descriptors()

    def refuse(_home: int) -> None:
        raise Astray("no memory")

    monkeypatch.setattr(namespaces, "come_back", refuse)
    try:
        with pytest.raises(Astray):
            spaces.channel("web")
        assert _descriptors() == before
    finally:
        real(home)
        os.close(home)
        spaces.close()


def _descriptors() -> set[int]:
    """Those that are open, but for the one that looks."""
    return {int(each.name) for each in Path("/proc/self/fd").iterdir() if each.exists()}
