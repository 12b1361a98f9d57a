"""The way of a session through VLANs and bonds, on a kernel that has them; elsewhere these are skipped, and counted."""

import errno
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from netspec.core.consequence import Limits
from netspec.engine.limits import beyond
from netspec.engine.paths import paths
from netspec.engine.peers import session_peers
from netspec.engine.reconciler import Reconciler
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.snapshot import Scope
from tests.live.driving import intent, shell
from tests.sandboxed import RUN_DIR, STATE_DIR, fresh_host

pytestmark = pytest.mark.kernel

SESSION = "192.0.2.9 50000 192.0.2.1 22"
PATIENCE = 60
"""Seconds for a bridge to learn where the operator is."""
CABLES = """
ip netns add operator
ip link add eth0 type veth peer name far0 netns operator
ip link add eth1 type veth peer name far1 netns operator
ip link add eth2 type veth peer name far2 netns operator
ip link set eth2 up
"""
VLAN = """
ip link add link eth0 name eth0.7 type vlan id 7
ip link set eth0 up
ip link set eth0.7 up
ip -n operator link add link far0 name far type vlan id 7
ip -n operator link set far0 up
"""
BOND = """
ip link add bond0 type bond mode active-backup
ip link set eth0 master bond0
ip link set eth1 master bond0
ip link set bond0 up
ip -n operator link add far type bond mode active-backup
ip -n operator link set far0 master far
ip -n operator link set far1 master far
"""
BEHIND = """
ip link add bond0 type bond mode active-backup
ip link set eth0 master bond0
ip link set eth1 master bond0
ip link set bond0 up
ip link add link bond0 name bond0.7 type vlan id 7
ip link add br9 type bridge
ip link set bond0.7 up master br9
ip link set eth2 master br9
ip link set br9 up
ip -n operator link add bond type bond mode active-backup
ip -n operator link set far0 master bond
ip -n operator link set far1 master bond
ip -n operator link set bond up
ip -n operator link add link bond name far type vlan id 7
"""


@dataclass(frozen=True, slots=True)
class Site:
    """How an operator is connected: what makes that, the link that has the address, and all that the way leads over."""

    setting: str
    link: str
    links: str


SITES = {
    "a VLAN": Site(VLAN, "eth0.7", "eth0 eth0.7"),
    "a bond": Site(BOND, "bond0", "bond0 eth0 eth1"),
    "a VLAN on a bond, port of a bridge": Site(BEHIND, "br9", "bond0 bond0.7 br9 eth0 eth1"),
}


@pytest.fixture(params=SITES, ids=str)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A host that talks to an operator."""
    found = SITES[request.param]
    with fresh_host():
        for kind in ("vlan", "bond"):
            if kind in found.setting and not _made(kind):
                pytest.skip(f"this kernel makes no {kind}")
        shell(CABLES + found.setting)
        shell(f"ip address add 192.0.2.1/24 dev {found.link}")
        shell("ip -n operator address add 192.0.2.9/24 dev far; ip -n operator link set far up")
        _talk()
        yield found


def _made(kind: str) -> bool:
    """Whether the kernel makes a link of this kind: tried, on two that are thrown away."""
    words = "link probe0 name probe1 type vlan id 1" if kind == "vlan" else "name probe1 type bond"
    tried = f"ip link add probe0 type veth peer probe2 && ip link add {words}; code=$?; ip link del probe0; exit $code"
    return not subprocess.run(["sh", "-c", tried], capture_output=True, check=False).returncode


def _talk() -> None:
    """Until the operator's machine has answered, if only that nobody listens: all on the way has seen it then."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket() as near:
            near.settimeout(1)
            if near.connect_ex(("192.0.2.9", 9)) == errno.ECONNREFUSED:
                return
    raise AssertionError("nobody answers")


def test_the_way_leads_over_what_carries_it(site: Site) -> None:
    """The parent of a VLAN, the members of a bond, and not the link beside them."""
    kernel = LinuxKernel()
    (path,) = paths(kernel, kernel.snapshot(Scope(stack="default")), session_peers(SESSION))
    assert (path.way.link, path.address, " ".join(sorted(path.links))) == (
        site.link,
        ip_address("192.0.2.9"),
        site.links,
    )


def test_what_touches_a_link_below_is_refused(site: Site) -> None:
    """Each of them, though the route names but the topmost; what touches the link beside is not."""
    for link in (*site.links.split(), "eth2"):
        name = link.replace(".", "/")
        wanted = intent(f"netspec: 1\nsysctls: {{net.ipv4.conf.{name}.rp_filter: 2}}\n")
        driven = Reconciler(LinuxKernel(), Path(RUN_DIR), Path(STATE_DIR), session_peers(SESSION))
        refused = beyond(driven.propose(wanted), Limits(), window=False)
        why = [each.message.partition(": ")[2] for each in refused if each.code == "NS0621"]
        assert (link, [f"the way leads over {link}" in each for each in why]) == (link, [True] * (link != "eth2"))
