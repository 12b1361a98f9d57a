"""Namespaces, sysctls, and what a run of operations is."""

from pathlib import Path

import pytest

from netspec.kernel.operations import (
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
from tests.kernel.contract.look import details, links, namespaces, refusal, sysctl
from tests.kernel.contract.make import said

WEB = NetnsAdd(name="web", alias="netspec:test:endpoint/web")


def test_a_namespace_is_born_with_its_lo_up_and_marked(kernel: Kernel) -> None:
    """Its alias is that of its lo."""
    kernel.execute([WEB])

    assert namespaces(kernel) == ["web netspec:test:endpoint/web"]
    assert links(kernel) == [":lo - 65536 up", "web:lo - 65536 up"]
    assert "alias=netspec:test:endpoint/web" in details(kernel)[1]


def test_the_mark_of_a_namespace_changes_with_its_lo(kernel: Kernel) -> None:
    """There is no other place where it is."""
    kernel.execute([WEB, LinkSet(netns="web", name="lo", alias="other", up=False)])

    assert namespaces(kernel) == ["web other"]
    assert links(kernel)[1] == "web:lo - 65536 down"


def test_a_namespace_goes_with_what_is_in_it(kernel: Kernel) -> None:
    """And can be made again at once, as a new one."""
    kernel.execute([WEB, LinkAdd(netns="web", name="br0", kind="bridge"), NetnsDelete(name="web")])
    gone = namespaces(kernel), links(kernel)
    kernel.execute([WEB])

    assert gone == ([], [":lo - 65536 up"])
    assert links(kernel) == [":lo - 65536 up", "web:lo - 65536 up"]


def test_two_namespaces_do_not_see_each_other(kernel: Kernel) -> None:
    """The same name may be in each."""
    db = NetnsAdd(name="db", alias="")
    bridges = [LinkAdd(netns=netns, name="br0", kind="bridge") for netns in ("", "web", "db")]
    kernel.execute([WEB, db, *bridges, LinkDelete(netns="web", name="br0")])

    assert [line.split()[0] for line in links(kernel)] == [":br0", ":lo", "db:br0", "db:lo", "web:lo"]


def test_a_pair_may_span_two_namespaces(kernel: Kernel) -> None:
    """Neither of them the host's."""
    pair = LinkAdd(netns="web", name="eth0", kind="veth", peer=Peer(netns="db", name="eth0"))
    kernel.execute([WEB, NetnsAdd(name="db", alias=""), pair])

    assert [line.split(" peer=")[1].split(" gen=")[0] for line in details(kernel) if "veth" in line] == [
        "('web', 'eth0')",
        "('db', 'eth0')",
    ]


def test_deleting_a_namespace_that_is_not_there_is_no_error(kernel: Kernel) -> None:
    """Nothing happens."""
    kernel.execute([NetnsDelete(name="no")])

    assert namespaces(kernel) == []


@pytest.mark.parametrize(
    ("name", "number"), [("web", "EEXIST"), ("a/b", "EINVAL"), (".", "EINVAL"), ("..", "EINVAL"), ("", "EINVAL")]
)
def test_a_name_must_be_free_and_a_file_name(kernel: Kernel, name: str, number: str) -> None:
    """It is refused, and nothing is left."""
    assert refusal(kernel, WEB, NetnsAdd(name=name, alias="")) == number
    assert namespaces(kernel) == ["web netspec:test:endpoint/web"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv6.conf.all.forwarding", "0"),
        ("net.ipv4.conf.all.promote_secondaries", "0"),
        ("net.ipv4.conf.lo.route_localnet", "0"),
        ("net.ipv6.conf.lo.disable_ipv6", "0"),
        ("net.ipv4.ip_local_port_range", "32768\t60999"),
        ("net.ipv4.ping_group_range", "1\t0"),
        ("net.ipv4.ip_unprivileged_port_start", "1024"),
        ("net.bridge.bridge-nf-call-iptables", "1"),
        ("net.ipv4.no_such_key", None),
        ("net.ipv4.conf.no.route_localnet", None),
        ("net.ipv4.conf.lo.no_such_key", None),
    ],
)
@pytest.mark.parametrize("netns", ["", "web"])
def test_a_fresh_namespace_has_the_defaults(kernel: Kernel, netns: str, key: str, value: str | None) -> None:
    """None for what does not exist."""
    kernel.execute([WEB])
    if key.startswith("net.bridge.") and not Path("/proc/sys/net/bridge").exists():
        pytest.skip("br_netfilter is not loaded")

    assert sysctl(kernel, key, netns) == value


def test_a_sysctl_of_a_namespace_that_is_not_there_does_not_exist(kernel: Kernel) -> None:
    """It is no error to ask."""
    assert sysctl(kernel, "net.ipv4.ip_forward", "no") is None


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("net.ipv4.ip_forward", "1", "1"),
        ("net.ipv6.conf.all.forwarding", "1", "1"),
        ("net.ipv4.conf.br0.route_localnet", "1", "1"),
        ("net.ipv6.conf.br0.accept_ra", "0", "0"),
        ("net.ipv4.conf.all.rp_filter", "2", "2"),
        ("net.ipv4.ip_local_port_range", "20000 30000", "20000\t30000"),
        ("net.ipv4.ip_local_port_range", "20001\t30001", "20001\t30001"),
    ],
)
def test_a_sysctl_is_written_in_its_namespace(kernel: Kernel, key: str, value: str, read: str) -> None:
    """And nowhere else."""
    bridges = [LinkAdd(netns=netns, name="br0", kind="bridge") for netns in ("", "web")]
    kernel.execute([WEB, *bridges])
    elsewhere = sysctl(kernel, key)
    kernel.execute([SysctlWrite(netns="web", key=key, value=value)])

    assert sysctl(kernel, key, "web") == read
    assert sysctl(kernel, key) == elsewhere


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        (SysctlWrite(key="net.ipv4.no_such_key", value="1"), "ENOENT"),
        (SysctlWrite(key="net.ipv4.conf.no.route_localnet", value="1"), "ENOENT"),
        (SysctlWrite(netns="no", key="net.ipv4.ip_forward", value="1"), "ENOENT"),
        (SysctlWrite(key="net.ipv4.ip_forward", value="yes"), "EINVAL"),
    ],
    ids=said,
)
def test_what_linux_refuses_of_a_sysctl(kernel: Kernel, operation: Operation, number: str) -> None:
    """With its errno."""
    assert refusal(kernel, operation) == number


def test_a_links_sysctls_come_and_go_with_it(kernel: Kernel) -> None:
    """They follow its name, dots in it written as slashes, and are those that netlink sets."""
    key = "net.ipv4.conf.br0/7.route_localnet"
    kernel.execute([LinkAdd(name="br0", kind="bridge"), LinkSet(name="br0", rename="br0.7", conf4=((26, 1),))])
    values = [sysctl(kernel, key), sysctl(kernel, "net.ipv4.conf.br0.route_localnet")]
    kernel.execute([SysctlWrite(key=key, value="0")])
    values.append(sysctl(kernel, key))
    kernel.execute([LinkDelete(name="br0.7")])

    assert [*values, sysctl(kernel, key)] == ["1", None, "0", None]


def test_forwarding_for_all_reaches_every_link(kernel: Kernel) -> None:
    """Those that are there, those to come, and the two names it has; IPv4 redirects follow it."""
    keys = [
        "net.ipv4.ip_forward",
        "net.ipv4.conf.all.forwarding",
        "net.ipv4.conf.all.accept_redirects",
        "net.ipv4.conf.br0.forwarding",
        "net.ipv4.conf.br1.forwarding",
        "net.ipv6.conf.br0.forwarding",
        "net.ipv6.conf.br1.forwarding",
    ]
    seen = []
    kernel.execute([LinkAdd(name="br0", kind="bridge")])
    for value in ("1", "0"):
        kernel.execute(
            [
                SysctlWrite(key="net.ipv4.ip_forward", value=value),
                SysctlWrite(key="net.ipv6.conf.all.forwarding", value=value),
                LinkAdd(name="br1", kind="bridge"),
            ]
        )
        seen.append([sysctl(kernel, key) for key in keys])
        kernel.execute([LinkDelete(name="br1")])

    assert seen == [["1", "1", "0", "1", "1", "1", "1"], ["0", "0", "1", "0", "0", "0", "0"]]


def test_defaults_reach_links_to_come(kernel: Kernel) -> None:
    """Not those that are there."""
    kernel.execute([LinkAdd(name="br0", kind="bridge")])
    kernel.execute([SysctlWrite(key="net.ipv4.conf.default.promote_secondaries", value="1")])
    kernel.execute([LinkAdd(name="br1", kind="bridge")])

    assert [sysctl(kernel, f"net.ipv4.conf.{name}.promote_secondaries") for name in ("br0", "br1")] == ["0", "1"]


def test_a_run_stops_at_the_first_refusal(kernel: Kernel) -> None:
    """What came before is done, and the refused operation is named; progress is told on the way."""
    told: list[int] = []
    refused = LinkSet(name="no", mtu=1400)
    operations: list[Operation] = [
        LinkAdd(name="br0", kind="bridge"),
        LinkSet(name="br0", mtu=1400),
        refused,
        LinkSet(name="br0", up=True),
    ]
    with pytest.raises(KernelError) as caught:
        kernel.execute(operations, told.append)

    assert (caught.value.operation, caught.value.name) == (refused, "ENODEV")
    assert links(kernel)[0] == ":br0 bridge 1400 down"
    assert all(done <= 2 for done in told)


def test_progress_ends_with_all(kernel: Kernel) -> None:
    """It never runs backwards."""
    told: list[int] = []
    kernel.execute([LinkAdd(name="br0", kind="bridge"), LinkSet(name="br0", up=True), WEB], told.append)

    assert told == sorted(told)
    assert told[-1] == 3


def test_an_exception_of_progress_stops_the_run(kernel: Kernel) -> None:
    """At a point where it is known what is done: some prefix of the operations."""

    class Stop(Exception):
        """What the caller raises."""

    def stop(_done: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        kernel.execute([NetnsAdd(name=f"n{number}", alias="") for number in range(3)], stop)

    names = [line.strip() for line in namespaces(kernel)]
    assert names == [f"n{number}" for number in range(len(names))]
