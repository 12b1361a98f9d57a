"""What an endpoint says of the inside of its namespace, on the real kernel."""

import errno
import os
from pathlib import Path

import pytest

from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import FileDelete, FileWrite
from netspec.kernel.port import KernelError
from tests.host_state import host_state
from tests.live.driving import apply, destroy, plan, propose
from tests.sandboxed import fresh_host, run
from tests.specs import edited
from tests.specs_inside import INSIDE

pytestmark = pytest.mark.kernel


def sysctl(key: str) -> str:
    """A value inside the namespace."""
    return run(f"ip netns exec web sysctl -n {key}").strip()


def test_a_sysctl_that_leaves_the_spec_gets_its_former_value_back() -> None:
    """That of a new namespace; others stay, also those that the kernel changes along."""
    with fresh_host():
        apply(INSIDE)
        assert sysctl("net.ipv4.ip_local_port_range") == "20000\t40000"
        assert sysctl("net.ipv4.conf.eth0.forwarding") == "0"
        assert sysctl("net.ipv4.ip_unprivileged_port_start") == "80"
        apply(
            edited(
                INSIDE,
                ("      net.ipv4.ip_local_port_range: 20000 40000\n", ""),
                ("      net.ipv4.ip_forward: 1\n", ""),
            )
        )

        assert sysctl("net.ipv4.ip_local_port_range") == "32768\t60999"
        assert sysctl("net.ipv4.ip_forward") == "0"
        assert sysctl("net.ipv4.conf.all.accept_redirects") == "1"
        assert sysctl("net.ipv4.conf.eth1.arp_notify") == "1"


def test_directories_go_where_the_file_system_has_attributes_of_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tmpfs before Linux 6.6, which may be what lies over /etc."""
    real = os.setxattr

    def setxattr(descriptor: int, name: str, value: bytes) -> None:
        if name.startswith("user."):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        real(descriptor, name, value)

    monkeypatch.setattr(os, "setxattr", setxattr)
    with fresh_host():
        try:
            real("/etc", "trusted.netspec-tests", b"1")
            os.removexattr("/etc", "trusted.netspec-tests")
        except OSError as error:
            pytest.skip(f"no attributes of root here: {error.strerror}")
        before = host_state()
        apply(INSIDE)
        destroy()
        assert host_state() == before


BEHIND = """\
netspec: 1
bridges:
  front: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  back: {subnets: [10.2.0.0/24, "fd00:2::/64"]}
endpoints:
  web:
    interfaces:
      eth0: {bridge: front}
      eth1: {bridge: back, default_route: 200}
"""


@pytest.mark.parametrize("version", [4, 6])
def test_default_routes_with_a_metric_stand_behind_those_without(version: int) -> None:
    """In IPv6 a route without one has 1024: all that is less would stand before it."""
    somewhere = {4: "198.51.100.1", 6: "2001:db8::1"}[version]
    with fresh_host():
        apply(BEHIND)
        assert " dev eth0 " in run(f"ip -n web -{version} route get {somewhere}")
        run("ip -n web link set eth0 down")
        assert " dev eth1 " in run(f"ip -n web -{version} route get {somewhere}")


def test_a_route_of_ipv4_at_1024_is_another_one_than_one_without_a_metric() -> None:
    """1024 stands for none in IPv6 only."""
    two = "{to: 10.9.0.0/16, dev: eth0}, {to: 10.9.0.0/16, dev: eth1, metric: 1024}"
    with fresh_host():
        apply(edited(BEHIND, ("default_route: 200}\n", f"default_route: 200}}\n    routes: [{two}]\n")))
        assert run("ip -n web route show 10.9.0.0/16").count("10.9.0.0/16") == 2


def test_drift_inside_is_put_back() -> None:
    """Routes, rules, neighbours, sysctls, names and flags, one after the other; then nothing is left on the host."""
    drifts = (
        "ip -n web route del 10.50.0.0/16",
        "ip -n web -6 route replace fd00:50::/64 via fd00:1::99",
        "ip -n web rule del priority 1000",
        "ip -n web neigh del 10.1.0.7 dev eth0",
        "ip netns exec web sysctl -qw net.ipv4.conf.eth1.arp_notify=0",
        "ip netns exec web sysctl -qw net.ipv4.ip_forward=0",
        "ip -n web link set eth1 promisc on",
        "ip -n web link property add dev eth1 altname another",
        "ip -n web link set eth1 txqueuelen 7",
    )
    with fresh_host():
        before = host_state()
        apply(INSIDE)
        whole = host_state()
        for drift in drifts:
            run(drift)
            assert plan(INSIDE) != [], drift
            apply(INSIDE)
            assert plan(INSIDE) == []
        assert host_state() == whole
        destroy()
        assert host_state() == before


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("net.ipv4.no_such_key", "check the spelling"),
        ("net.sctp.no_such_key", "SCTP"),
        ("net.core.bpf_jit_enable", "host"),
    ],
)
def test_a_sysctl_that_is_not_there_is_refused_by_name(key: str, hint: str) -> None:
    """Before anything is changed, and with the feature that would bring it."""
    with fresh_host(), pytest.raises(AssertionError) as caught:
        propose(edited(INSIDE, ("net.ipv4.ip_forward: 1", f"{key}: 1")))

    assert f"error[NS0404]: a new network namespace has no sysctl {key}\n" in str(caught.value)
    assert hint in str(caught.value)


def test_ip_netns_exec_shows_the_files() -> None:
    """Name servers and hosts as the spec has them, localhost beside; without them what the host has."""
    with fresh_host():
        apply(INSIDE)
        assert run("ip netns exec web getent hosts db").split() == ["10.1.0.5", "db"]
        assert run("ip netns exec web getent ahosts cache.lan").split()[0] in ("10.1.0.6", "fd00:1::6")
        assert "localhost" in run("ip netns exec web getent hosts ::1")
        assert run("ip netns exec web cat /etc/resolv.conf") == (
            "# netspec:default:endpoint/web\n"
            "search example.com lan\nnameserver 10.1.0.1\nnameserver fd00:1::1\noptions ndots:2 rotate\n"
        )
        assert (Path("/etc/netns/web/hosts").stat().st_mode & 0o7777) == 0o644
        assert not Path("/etc/netns/db").exists()
        destroy()
        assert not Path("/etc/netns").exists()


def test_files_of_others_and_their_directories_stay() -> None:
    """Beside ours, under ours, and where there was a directory before."""
    with fresh_host():
        Path("/etc/netns/web").mkdir(parents=True)
        Path("/etc/netns/web/nsswitch.conf").write_text("theirs\n", encoding="utf-8")
        Path("/etc/netns/db").mkdir()
        before = host_state()
        apply(INSIDE)
        Path("/etc/netns/web/hosts").unlink()
        assert plan(INSIDE) == ["create file/web/hosts"]
        apply(INSIDE)
        destroy()
        assert host_state() == before


@pytest.mark.parametrize("way", ["file", "symlink", "directory", "parent"])
def test_what_others_have_there_is_refused(way: str, tmp_path: Path) -> None:
    """Never overwritten, never followed."""
    target = tmp_path / "theirs"
    target.mkdir()
    place = Path("/etc/netns/web/hosts")
    with fresh_host():
        place.parent.parent.mkdir(exist_ok=True)
        if way == "parent":
            place.parent.symlink_to(target)
        else:
            place.parent.mkdir()
        if way == "file":
            place.write_text("10.0.0.1 theirs\n", encoding="utf-8")
        elif way == "symlink":
            place.symlink_to(target / "hosts")
        elif way == "directory":
            place.mkdir()
        before = host_state()
        with pytest.raises(AssertionError) as caught:
            propose(INSIDE)

        assert "error[NS0401]: file/web/hosts is in the way: /etc/netns/web/hosts" in str(caught.value)
        assert "netspec did not make it" in str(caught.value)
        with pytest.raises(KernelError):
            LinuxKernel().execute([FileWrite(netns="web", name="hosts", mark="netspec:default:x", text="")])
        LinuxKernel().execute([FileDelete(netns="web", name="hosts")])
        assert (host_state(), list(target.iterdir())) == (before, [])


def test_a_file_is_there_whole_or_not_at_all() -> None:
    """What a killed run has left waiting is no obstacle, and goes with the file."""
    with fresh_host():
        apply(INSIDE)
        waiting = Path("/etc/netns/.web.hosts.netspec")
        waiting.write_text("half", encoding="utf-8")
        apply(edited(INSIDE, ("db: 10.1.0.5", "db: 10.1.0.55")))
        assert not waiting.exists()
        waiting.write_text("half", encoding="utf-8")
        destroy()
        assert not Path("/etc/netns").exists()
