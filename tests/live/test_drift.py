"""Whatever somebody does by hand to what netspec made, plan shows it, apply mends it, and nothing else is touched."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import apply, destroy, line_of, lines_of, plan, propose, shell
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges:
  br0: {subnets: [172.17.0.0/16, "fd00:17::/64"]}
  br1: {subnets: [172.18.0.0/16]}
endpoints:
  web:
    bridge: br0
    host_name: to-web
    addresses: [172.17.0.2, "fd00:17::2"]
    publish: ["8080:80", "192.0.2.1:9000-9003:9000-9003"]
  db: {bridge: br0, host_name: to-db}
nat:
  masquerade: [br0]
"""

IN_VETH = """
create address/web/eth0/172.17.0.2/16
create address/web/eth0/fd00:17::2/64
create route/web/::/0
create route/web/default
"""
NEW_VETH = f"{IN_VETH}\ncreate port/to-web\ncreate link/to-web"
LONG_TAIL = "peer_addr_gen_mode peer_ipv6 promote_secondaries peer_txqlen"
REPLACED_VETH = f"{IN_VETH}\nreplace port/to-web\nreplace link/to-web"

TABLE = "table/inet netspec-default"
RECORDS = ("former 0x499c4038", "former 0xf61b9651")
"""Elements that keep what the sysctls were before netspec."""
ELEMENTS = (
    "masquerade4 172.17.0.0/16",
    "masquerade6 fd00:17::/64",
    'own4 172.17.0.0/16 . "br0"',
    'own4 172.18.0.0/16 . "br1"',
    'own6 fd00:17::/64 . "br0"',
    "publish4 tcp . 8080",
    "publish4_range_at 192.0.2.1 . tcp . 9000-9003",
    "publish6 tcp . 8080",
    'same "br0" . "br0"',
    'same "br1" . "br1"',
    'within "br0" . "br0"',
    'within "br1" . "br1"',
    'access "br0"',
    'access "br1"',
    'segments "br0"',
    'segments "br1"',
)
GUARDED = (
    'guarded "to-web"',
    'guarded "to-db"',
    'guarded_mac "to-web" . 02:d7:13:8a:03:d5',
    'guarded_mac "to-db" . 02:67:65:27:8a:02',
    'guarded4 "to-web" . 172.17.0.2',
    'guarded4 "to-db" . 172.17.0.3',
    'guarded6 "to-db" . ::',
    'guarded6 "to-db" . fd00:17::3',
    'guarded6 "to-db" . fe80::67:65ff:fe27:8a02',
    'advertised6 "to-db" . 0xfd000017000000000000000000000003',
    'advertised6 "to-db" . 0xfe80000000000000006765fffe278a02',
    'guarded6 "to-web" . ::',
    'guarded6 "to-web" . fd00:17::2',
    'guarded6 "to-web" . fe80::d7:13ff:fe8a:3d5',
    'advertised6 "to-web" . 0xfd000017000000000000000000000002',
    'advertised6 "to-web" . 0xfe8000000000000000d713fffe8a03d5',
)
NEW_TABLE = "\n".join(
    [f"create {TABLE}", "create flows/netspec-default", *(f"create element/{each}" for each in ELEMENTS)]
)
NEW_GUARD = "\n".join(["create table/bridge netspec-default", *(f"create element/{each}" for each in GUARDED)])
REPLACED_TABLE = "\n".join(
    [
        f"replace {TABLE} rules",
        "replace flows/netspec-default",
        *(f"replace element/{each}" for each in (*ELEMENTS, *RECORDS)),
    ]
)

GONE = "while ip link show dev to-web >&2; do sleep 0.02; done"
"""A namespace goes later than the command that removes it."""
HOLDER = Path("/run/holder")
HELD = f"ip netns exec web sleep 600 >&- 2>&- & echo $! >{HOLDER}; "
HELD += 'while [ -z "$(ip netns pids web)" ]; do sleep 0.02; done'
"""A process keeps the namespace alive without its name, until it is ended."""

DRIFTS = {
    # links
    "ip link set br0 down": """
        create address/br0/fd00:17::1/64
        update link/br0 up""",
    "ip link set br0 mtu 1400": "update link/br0 mtu",
    "ip link set br0 mtu 9000": "update link/br0 mtu",
    "ip link set br0 address 02:00:00:00:00:01": "update link/br0 mac",
    "ip link set br0 alias mine": "update link/br0 alias",
    "ip link set br0 group 5": "update link/br0 group",
    "ip link set br0 addrgenmode random": "update link/br0 addr_gen_mode",
    "sysctl -qw net.ipv4.conf.br0.route_localnet=0": "update link/br0 route_localnet",
    "sysctl -qw net.ipv4.conf.br0.promote_secondaries=0": "update link/br0 promote_secondaries",
    "ip link set to-web down": "update link/to-web up",
    "ip link set to-web mtu 1400": "update link/to-web mtu",
    "ip link set to-web address 02:00:00:00:00:01": "update link/to-web mac",
    "ip link set to-web alias mine": "update link/to-web alias",
    "ip link set to-web group 5": "update link/to-web group",
    "ip link set to-web addrgenmode eui64": "update link/to-web addr_gen_mode",
    "ip -n web link set eth0 mtu 1400": "update link/to-web peer_mtu",
    "ip -n web link set eth0 address 02:00:00:00:00:01": "update link/to-web peer_mac",
    "ip -n db link set eth0 addrgenmode none": "update link/to-db peer_addr_gen_mode",
    "ip netns exec web sysctl -qw net.ipv4.conf.eth0.promote_secondaries=0": "update link/to-web promote_secondaries",
    "ip -n web link set eth0 down": """
        create address/web/eth0/fd00:17::2/64
        create route/web/::/0
        create route/web/default
        update link/to-web peer_up""",
    "ip link del to-web": NEW_VETH,
    "ip -n web link set eth0 down; ip -n web link set eth0 name other": f"""
        {REPLACED_VETH} peer_name peer_up
        delete address/web/other/172.17.0.2/16""",
    "ip link del br0": """
        create address/br0/172.17.0.1/16
        create address/br0/fd00:17::1/64
        create link/br0
        create port/to-db
        create port/to-web""",
    # ports
    "ip link set to-web nomaster": "create port/to-web",
    "ip link set to-web master br1": "update port/to-web bridge hairpin",
    "bridge link set dev to-web hairpin off": "update port/to-web hairpin",
    "bridge link set dev to-db hairpin on": "update port/to-db hairpin",
    "bridge link set dev to-db isolated on": "update port/to-db isolated",
    # addresses and routes
    "ip address del 172.17.0.1/16 dev br0": "create address/br0/172.17.0.1/16",
    "ip -6 address del fd00:17::1/64 dev br0": "create address/br0/fd00:17::1/64",
    "ip address flush dev br0": """
        create address/br0/172.17.0.1/16
        create address/br0/fd00:17::1/64""",
    "ip -n web address del 172.17.0.2/16 dev eth0": """
        create address/web/eth0/172.17.0.2/16
        create route/web/default""",
    "ip -n web route del default": "create route/web/default",
    "ip -n web route replace default via 172.17.0.99 proto 110": "update route/web/default via",
    "ip -n web route replace default via 172.17.0.1 proto static": "update route/web/default marked",
    "ip -n web -6 route del default": "create route/web/::/0",
    # namespaces
    "ip -n web link set lo down": "update netns/web lo_up",
    f"ip netns del web; {GONE}": f"""
        {NEW_VETH}
        create netns/web""",
    f"umount -l /run/netns/web; {GONE}": f"""
        {NEW_VETH}
        replace netns/web alive""",
    f"{HELD}; ip netns del web": f"""
        {REPLACED_VETH} peer_netns peer_name peer_mac peer_mtu peer_up {LONG_TAIL}
        create netns/web""",
    # nftables
    "nft add rule inet netspec-default ingress counter": REPLACED_TABLE,
    "nft insert rule inet netspec-default ingress accept": REPLACED_TABLE,
    "nft flush chain inet netspec-default ingress": REPLACED_TABLE,
    "nft flush table inet netspec-default": REPLACED_TABLE,
    "nft add chain inet netspec-default mine": REPLACED_TABLE,
    "nft 'add set inet netspec-default mine { type mark; }'": REPLACED_TABLE,
    "nft delete table bridge netspec-default": NEW_GUARD,
    "nft flush set bridge netspec-default guarded4": """
        create element/guarded4 "to-db" . 172.17.0.3
        create element/guarded4 "to-web" . 172.17.0.2""",
    "nft delete element inet netspec-default publish4 { tcp . 8080 }": "create element/publish4 tcp . 8080",
    "nft delete element inet netspec-default masquerade4 { 172.17.0.0/16 }": "create element/masquerade4 172.17.0.0/16",
    "nft flush map inet netspec-default publish4": "create element/publish4 tcp . 8080",
    "nft add element inet netspec-default publish4 { tcp . 22 : 172.17.0.2 . 22 }": "delete element/publish4 tcp . 22",
    "nft add element inet netspec-default segments { mine }": 'delete element/segments "mine"',
    "nft 'delete element inet netspec-default publish4 { tcp . 8080 };"
    "add element inet netspec-default publish4 { tcp . 8080 : 172.17.0.9 . 80 }'": """
        update element/publish4 tcp . 8080 value""",
    # sysctls
    "sysctl -qw net.ipv4.ip_forward=0": "update sysctl/net.ipv4.ip_forward value",
    "sysctl -qw net.ipv6.conf.all.forwarding=0": "update sysctl/net.ipv6.conf.all.forwarding value",
}
"""What is done by hand, and the plan that it leads to."""


class Site:
    """A host with the spec on it, made anew where a test has left it broken."""

    def __init__(self) -> None:
        """Nothing is built."""
        self._host = contextlib.ExitStack()
        self._good = ""

    def close(self) -> None:
        """Give the host up."""
        self._host.close()

    @contextlib.contextmanager
    def as_it_was(self) -> Iterator[None]:
        """The spec is applied; what is inside must end with the host equal to what it was."""
        if not self._good:
            self._host.close()
            self._host.enter_context(fresh_host())
            apply(SPEC)
            self._good = host_state()
        before, self._good = self._good, ""
        yield
        assert plan(SPEC) == []
        assert host_state() == before
        self._good = before


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One for all drifts."""
    site = Site()
    yield site
    site.close()


@contextlib.contextmanager
def nobody_holds() -> Iterator[None]:
    """In the end, any more."""
    try:
        yield
    finally:
        if HOLDER.exists():
            shell(f"kill $(cat {HOLDER}); rm {HOLDER}")


@pytest.mark.parametrize("by_hand", DRIFTS)
def test_what_is_done_by_hand_is_seen_and_mended(site: Site, by_hand: str) -> None:
    """The plan names what was done and nothing else, calls it drift, and its apply makes all as it was."""
    with site.as_it_was(), nobody_holds():
        shell(by_hand)
        found = propose(SPEC)

        assert sorted(line_of(change) for change in found.plan.changes) == sorted(lines_of(DRIFTS[by_hand]))
        wanted = {change.key for change in found.plan.changes if change.after is not None}
        assert found.drift == wanted
        apply(SPEC)


@pytest.mark.parametrize(
    ("by_hand", "mended"),
    [
        ("nft delete table inet netspec-default", NEW_TABLE),
        ("nft flush ruleset", f"{NEW_TABLE}\n{NEW_GUARD}"),
    ],
)
def test_a_table_that_is_gone_is_made_again(site: Site, by_hand: str, mended: str) -> None:
    """All of it but what the table alone knew: what the sysctls were before us."""
    with site.as_it_was():
        before = host_state().splitlines()
        shell(by_hand)
        assert sorted(plan(SPEC)) == sorted(lines_of(mended))
        apply(SPEC)

        changed = set(before) ^ set(host_state().splitlines())
        assert [line for line in changed if '"name": "former"' not in line] == []
        destroy()
        shell("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
        apply(SPEC)


def test_a_namespace_without_its_mark_is_somebody_elses(site: Site) -> None:
    """It is refused by name, and nothing is changed."""
    with site.as_it_was():
        shell("ip -n web link set lo alias mine")
        before = host_state()
        with pytest.raises(AssertionError, match=r"netns/web is in the way.* netspec did not make it"):
            propose(SPEC)

        assert host_state() == before
        shell("ip -n web link set lo alias netspec:default:endpoint/web")
