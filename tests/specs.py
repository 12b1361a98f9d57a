"""Specs as text, pairs of them that differ in one thing each, and what they want of a host."""

from dataclasses import dataclass

from netspec.core.state import State
from netspec.engine.intent import Intent
from netspec.engine.peers import protected
from netspec.errors import SpecError
from netspec.kinds._intent import Present
from netspec.kinds._spaces import references
from netspec.kinds.inner_sysctl import wanted_inside
from netspec.spec.desired import desired, wanted_links, wanted_sysctls
from netspec.spec.document import Loaded, parse
from netspec.spec.source import SourceFile, digest
from netspec.spec.tree import load
from tests import specs_inside as inside


def loaded(text: str) -> Loaded:
    """The document in a text. Raises SpecError."""
    files = (SourceFile("spec.yaml", text),)
    tree = load(files)
    return Loaded(parse(tree), tree, digest(files), files)


def intent(text: str) -> Intent:
    """What a spec wants of a host, as commands ask for it. Raises SpecError."""
    found = loaded(text)

    def desire(present: Present) -> State:
        wanted = desired(found.document, present)
        if wanted.findings:
            raise SpecError("The spec is invalid.", diagnostics=found.diagnostics(wanted.findings))
        return wanted.state

    sysctls = wanted_sysctls(found.document)
    return Intent(
        stack=found.document.stack,
        desire=desire,
        sysctls=sysctls,
        inner=wanted_inside(found.document),
        references=references(found.document),
        links=wanted_links(found.document),
        place_of=found.place_of,
        peers=protected(found.document.protect),
        allowed_removal=ANY,
    )


ANY = 1 << 20
"""As many objects may go as will."""

EMPTY = "netspec: 1\n"
INSIDE = inside.INSIDE
BARE = INSIDE[: INSIDE.index("    routes:\n")]

BASE = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24]}
  br1: {subnets: [10.2.0.0/24]}
endpoints:
  web:
    bridge: br0
    address: 10.1.0.10
    publish: ["8080:80", "53:53/udp"]
  db: {bridge: br0}
nat: {masquerade: [br0]}
"""

DUAL = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
endpoints:
  web: {bridge: br0, addresses: [10.1.0.10, "fd00:1::10"], publish: ["8080:80"]}
  db: {bridge: br0}
nat: {masquerade: [br0]}
"""

PORTS = """\
netspec: 1
stack: ports
bridges:
  br0: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
endpoints:
  web:
    bridge: br0
    publish: ["8000-8003:8000-8003", "9000-9003:8000-8003/udp", "127.0.0.1:7000:70", "[fd00:9::1]:7001:71"]
"""

SYSCTLS = """\
netspec: 1
bridges: {br0: {subnets: [10.1.0.0/24]}}
sysctls:
  net.ipv4.ip_local_port_range: 20000 40000
  net.ipv4.conf.all.accept_redirects: 0
  net.core.somaxconn: 4096
"""

MANY = """\
netspec: 1
subnets:
  front: {cidr: 10.1.0.0/24, gateway: 10.1.0.254, range: 10.1.0.100-10.1.0.110, reserve: [10.1.0.100]}
  alone: {cidr: 10.3.0.0/24, gateway: none}
bridges:
  br-front: {subnets: [front], mac: 02:00:00:00:10:01}
  br-back: {subnets: [10.2.0.0/31, "fd00:2::/127"], mtu: 9000}
  br-alone: {subnets: [alone]}
  br-bare: {}
endpoints:
  proxy:
    netns: proxy-space
    publish: ["443:8443"]
    interfaces:
      front0: {bridge: br-front, address: 10.1.0.7, mac: 02:00:00:00:10:07, host_name: to-proxy}
      back0: {bridge: br-back, mtu: 8000}
      alone0: {bridge: br-alone}
      bare0: {bridge: br-bare}
  nowhere: {interfaces: {}}
nat: {masquerade: [front, 10.3.0.0/24]}
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """Two specs. `in_place`: going from one to the other, either way, makes and deletes no link and no namespace."""

    name: str
    before: str
    after: str
    in_place: bool = True


def edited(spec: str, *edits: tuple[str, str]) -> str:
    """A spec with each second text in the place of the first, which must be there."""
    for old, new in edits:
        assert old in spec, f"{old!r} is not in the spec"
        spec = spec.replace(old, new)
    return spec


def _edit(name: str, spec: str, *edits: tuple[str, str], in_place: bool = True) -> Edit:
    return Edit(name, spec, edited(spec, *edits), in_place)


NAT = """\
nat:
  masquerade: [{from: br0, out: uplink}]
  snat: [{from: br1, to: 192.0.2.7}]
  dnat: [{port: 9000, to: "192.0.2.9:90"}, {port: 9001, protocol: udp, listen: 192.0.2.1, to: 192.0.2.9}]
  netmap: [{from: 10.77.0.0/24, to: 198.51.100.0/24}]
"""

REPLICAS = edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, replicas: 2, publish: [8000-8001:80]}"))
LIMITED = edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, limit: {ingress: 20mbit, egress: 10mbps}}"))

ROUTED = edited(BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], access: routed}"))

EDITS: tuple[Edit, ...] = (
    _edit("bridge mtu", BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], mtu: 1400}")),
    _edit("endpoint mtu", BASE, ("{bridge: br0}", "{bridge: br0, mtu: 1300}")),
    _edit("mtu too small for IPv6", BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], mtu: 576}")),
    _edit("bridge mac", BASE, ("[10.2.0.0/24]}", "[10.2.0.0/24], mac: 02:aa:00:00:00:01}")),
    _edit("endpoint mac", BASE, ("{bridge: br0}", "{bridge: br0, mac: 02:aa:00:00:00:02}")),
    _edit("endpoint address", BASE, ("10.1.0.10", "10.1.0.77")),
    _edit("static takes an automatic one", BASE, ("10.1.0.10", "10.1.0.2")),
    _edit("automatic becomes static", BASE, ("{bridge: br0}", "{bridge: br0, address: 10.1.0.99}")),
    _edit("subnet", BASE, ("10.1.0.", "10.7.0.")),
    _edit("subnet grows", BASE, ("[10.1.0.0/24]", "[10.1.0.0/16]")),
    _edit("subnets change places", BASE, ("10.2.0.", "10.9.0."), ("10.1.0.", "10.2.0."), ("10.9.0.", "10.1.0.")),
    _edit("gateway", BASE, ("[10.1.0.0/24]", "[{cidr: 10.1.0.0/24, gateway: 10.1.0.254}]")),
    _edit("no gateway", BASE, ("[10.1.0.0/24]", "[{cidr: 10.1.0.0/24, gateway: none}]")),
    _edit("two subnets", BASE, ("[10.1.0.0/24]", "[10.1.0.0/24, 10.5.0.0/24]")),
    _edit("second family", DUAL, (', "fd00:1::/64"', ""), (', "fd00:1::10"', "")),
    _edit("second family's subnet", DUAL, ("fd00:1::", "fd00:7::")),
    _edit("second family's prefix", DUAL, ("fd00:1::/64", "fd00:1::/56")),
    _edit("second family's address", DUAL, ("fd00:1::10", "fd00:1::77")),
    _edit("publication added", BASE, ('"8080:80"', '"8080:80", "8443:443"')),
    _edit("publication removed", BASE, ('"8080:80", ', "")),
    _edit("last publications removed", BASE, ('["8080:80", "53:53/udp"]', "[]")),
    _edit("publication of another port", BASE, ("8080:80", "8081:80")),
    _edit("publication of another protocol", BASE, ("8080:80", "8080:80/udp")),
    _edit("publication retargeted", BASE, ("8080:80", "8080:81")),
    _edit("range shifted", PORTS, ("8000-8003:8000-8003", "8000-8003:8001-8004")),
    _edit("range moved over itself", PORTS, ("8000-8003:8000-8003", "8002-8005:8002-8005")),
    _edit("range becomes a port", PORTS, ("8000-8003:8000-8003", "8001:8001")),
    _edit("range in another order", PORTS, ("9000-9003:8000-8003/udp", "9001-9004:8000-8003/udp")),
    _edit("listen address", PORTS, ("127.0.0.1:7000", "127.0.0.2:7000")),
    _edit("listen anywhere", PORTS, ("127.0.0.1:7000", "7000")),
    _edit("masquerade off", BASE, ("[br0]}", "[]}")),
    _edit("masquerade grows", BASE, ("[br0]}", "[br0, br1, 10.64.0.0/10]}")),
    _edit("masquerade of a wider prefix", BASE, ("[br0]}", "[10.64.0.0/10, br0, 10.0.0.0/8]}")),
    _edit("masquerade of prefixes within", DUAL, ("[br0]}", "[br0, 'fd00::/8', 'fd00:1::/65', 10.1.0.128/25]}")),
    _edit("masquerade changes its order", BASE, ("[br0]}", "[br1, br0]}")),
    _edit("internal", BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], internal: true}"), ("[br0]}", "[]}")),
    _edit("access", BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], access: routed}")),
    _edit("closed and apart", BASE, ("[10.1.0.0/24]}", "[10.1.0.0/24], host_access: closed, port_isolation: true}")),
    _edit("spoofing allowed", DUAL, ('64"]}', '64"], antispoof: false}')),
    _edit("publication for some", BASE, ("publish: [", "publish: [{port: 81, to: 81, from: [192.0.2.0/24]}, ")),
    _edit("publication on a link", BASE, ('"8080:80"', "{port: 8080, to: 80, listen: lan0}")),
    _edit("publication of SCTP", BASE, ("8080:80", "8080:80/sctp")),
    _edit("ports named by several", ROUTED, ('"8080:80"', '"8080:80", "81:80", "79-90:79-90"')),
    _edit("publication on loopback", BASE, ('"8080:80"', '"loopback:8080:80"')),
    _edit("nat of every sort", BASE, ("nat: {masquerade: [br0]}", NAT)),
    _edit("endpoint moved", BASE, ("db: {bridge: br0}", "db: {bridge: br1}")),
    _edit("endpoint with publications moved", BASE, ("br0\n    address: 10.1.0.10", "br1\n    address: 10.2.0.10")),
    _edit("endpoint added", BASE, ("  db:", "  cache: {bridge: br1}\n  db:"), in_place=False),
    _edit("bridge of nobody removed", BASE, ("  br1: {subnets: [10.2.0.0/24]}\n", ""), in_place=False),
    _edit("host name", BASE, ("db: {bridge: br0}", "db: {bridge: br0, host_name: to-db}"), in_place=False),
    _edit("namespace", BASE, ("db: {bridge: br0}", "db: {bridge: br0, netns: other}"), in_place=False),
    _edit("interface", BASE, ("{bridge: br0}", "{interfaces: {eth7: {bridge: br0}}}"), in_place=False),
    _edit("endpoint renamed", BASE, ("  db:", "  dc:"), in_place=False),
    _edit("bridge replaced under its ports", BASE, ("br0", "br7"), in_place=False),
    _edit("interface removed", MANY, ("      back0: {bridge: br-back, mtu: 8000}\n", ""), in_place=False),
    _edit("interface isolated", BASE, ("db: {bridge: br0}", "db: {bridge: br0, isolated: true}")),
    _edit("replicas come", REPLICAS, ("replicas: 2", "replicas: 3"), ("8001:80", "8002:80"), in_place=False),
    _edit("a replica's ports move", REPLICAS, ("8000-8001", "8001-8002")),
    _edit("limit of what is received", BASE, ("db: {bridge: br0}", "db: {bridge: br0, limit: {ingress: 20mbit}}")),
    _edit(
        "limit of what is sent",
        BASE,
        ("db: {bridge: br0}", "db: {bridge: br0, limit: {egress: 1gbit}}"),
        in_place=False,
    ),
    _edit("limits change", LIMITED, ("20mbit", "500kbit"), ("10mbps", "1gbit, burst: 1mb")),
    _edit("a limited endpoint moves", LIMITED, ("db: {bridge: br0", "db: {bridge: br1")),
    _edit("sysctl changes", SYSCTLS, ("20000 40000", "30000 50000"), ("redirects: 0", "redirects: 1")),
    _edit("sysctl leaves", SYSCTLS, ("  net.ipv4.ip_local_port_range: 20000 40000\n", "")),
    _edit("forwarding is no longer implied", SYSCTLS, ("[10.1.0.0/24]", "[]")),
    Edit("from nothing", EMPTY, BASE, in_place=False),
    Edit("another network", MANY, DUAL, in_place=False),
    Edit("sysctls come", BASE, SYSCTLS, in_place=False),
)
_FIRST, _SECOND = "  - deny: {from: db, to: web, ports: 80/tcp}\n", "  - allow: {from: any, to: br1}\n"
_POLICED = BASE + "policies:\n" + _FIRST + _SECOND
EDITS += (
    Edit("policies", BASE, _POLICED),
    Edit("policy removed", _POLICED, _POLICED.replace(_FIRST, "")),
    Edit("policies change places", _POLICED, _POLICED.replace(_FIRST + _SECOND, _SECOND + _FIRST)),
    Edit("policy refuses", _POLICED, _POLICED.replace("deny", "reject")),
    Edit("policy of other ports", _POLICED, _POLICED.replace("80/tcp}", "[81/tcp, icmp]}")),
)
EDITS += tuple(_edit(name, INSIDE, edit) for name, edit in inside.EDITS)
EDITS += (Edit("nothing is said of the inside", INSIDE, BARE, in_place=False),)
"""Every field of the language changes in one of these."""

BY_START = {
    name: tuple(edit for edit in EDITS if edit.before == start)
    for name, start in {"base": BASE, "dual": DUAL, "ports": PORTS, "sysctls": SYSCTLS, "many": MANY}.items()
}
"""Edits of one spec together."""
