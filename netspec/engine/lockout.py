"""Whether a plan touches the way of this session, or of a protected peer: by route, link, port, address and filter."""

import re
from collections.abc import Mapping
from ipaddress import ip_address

from netspec.core.change import Action, Change
from netspec.core.elements import PROTOCOLS, ifname
from netspec.core.judge import INPUT, Flow
from netspec.core.resource import Disruption, Key, Resource
from netspec.engine.obstacles import Ground
from netspec.engine.paths import Path, paths
from netspec.engine.peers import Peer
from netspec.kernel.operations import Network
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.link_field import LinkField
from netspec.kinds.nat_element import NatElement
from netspec.kinds.neighbor import Neighbor
from netspec.kinds.port import Port
from netspec.kinds.qdisc import Qdisc
from netspec.kinds.redirect import Redirect
from netspec.kinds.route import MAIN, Route
from netspec.kinds.rule import Rule
from netspec.kinds.sysctl import Sysctl

_TCP = next(number for number, name in PROTOCOLS.items() if name == "tcp")
_OF_LINK = re.compile(r"net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\..+")
_OF_ALL = {4: re.compile(r"net\.ipv4\.conf\.all\.rp_filter"), 6: re.compile(r"net\.ipv6\.conf\.all\.disable_ipv6")}
_FORWARDING6 = "net.ipv6.conf.all.forwarding"
_FROM_ADVERTISEMENT = 9
"""RTPROT_RA."""


def lockouts(ground: Ground, peers: tuple[Peer, ...]) -> Mapping[Key, str]:
    """Why each change that touches a way does so, by key. What goes along with a link that is renamed does not."""
    found: dict[Key, str] = {}
    concern = [each for each in ground.plan.changes if each.action is not Action.MOVE or each.key.kind == "link"]
    for way in paths(ground.kernel, ground.snapshot, peers) if concern and peers else ():
        path = way.under(ground.names)
        for change in concern:
            why = "" if change.key in found else _touched(change, path) or _shut_out(change, path, ground)
            if why:
                found[change.key] = f"{why}: {path.peer.words}"
    return found


def _touched(change: Change, path: Path) -> str:
    """How a change touches the way; empty where it does not. What only moves a mark touches nothing."""
    if change.action is not Action.CREATE and change.disruption is Disruption.NONE:
        return ""
    match change.resource:
        case Address():
            return _by_address(change, path)
        case Route(netns=""):
            return _by_route(change, path)
        case Rule(netns="") as rule:
            return "a rule decides its route" if _decides(rule, path) else ""
        case Sysctl(netns="") as sysctl:
            return _by_sysctl(sysctl, path)
    return _by_link(change, path)


def _by_link(change: Change, path: Path) -> str:
    match change.resource:
        case Port(link=link) | LinkField(link=link) | Qdisc(link=link) | Redirect(link=link) if not change.key.netns:
            return f"the way leads over {link}" if link in path.links else ""
        case Neighbor(netns="") as known if known.link in path.links and known.address in path.prefixes:
            return f"{known.address} is the next machine on the way"
    gone = _names(change.before) & path.links if change.action is not Action.CREATE else set()
    return f"the way leads over {min(gone)}" if gone else ""


def _names(resource: Resource | None) -> set[str]:
    """The links of the host that come and go with a resource."""
    if resource is None or resource.key().kind != "link":
        return set()
    return {key.name for key in (resource.key(), *resource.provides()) if key.kind == "link" and not key.netns}


def _by_address(change: Change, path: Path) -> str:
    before, after = change.before, change.after
    if change.key.netns:
        goes = isinstance(before, Address) and before.address.ip == path.address
        return f"{path.address} is its address" if goes else ""
    if isinstance(before, Address):
        if before.address.ip == path.own:
            return f"{before.address.ip} is the address of this host on the way"
        if before.link == path.way.link and path.meets(before.address.network):
            return f"the way leads through {before.address.network} on {before.link}"
    if before is None and isinstance(after, Address) and after.link != path.way.link and path.is_best(_net(after)):
        return f"{after.address.network} would lead over {after.link}"
    return ""


def _net(address: Address) -> Network:
    return address.address.network


def _by_route(change: Change, path: Path) -> str:
    before, after = change.before, change.after
    if isinstance(before, Route) and (before.table != MAIN or path.is_best(before.to)):
        return f"the way takes the route {before.key().name}" if path.meets(before.to) else ""
    if before is None and isinstance(after, Route) and (after.table != MAIN or path.is_best(after.to)):
        return f"the route {after.key().name} would be taken" if path.meets(after.to) else ""
    return ""


def _decides(rule: Rule, path: Path) -> bool:
    """Whether packets of the host to the peer match, by what is known of them."""
    own = path.own
    return (
        rule.version == path.address.version
        and rule.iif in ("", "lo")
        and (rule.to is None or path.address in rule.to)
        and (rule.source is None or own is None or own in rule.source)
    )


def _by_sysctl(sysctl: Sysctl, path: Path) -> str:
    found = _OF_LINK.fullmatch(sysctl.name)
    if found and found[1].replace("/", ".") in path.links:
        return f"the way leads over {found[1].replace('/', '.')}"
    if _OF_ALL[path.address.version].fullmatch(sysctl.name):
        return "it concerns all links"
    # A host that forwards takes no more routes from advertisements, unless accept_ra says so.
    if sysctl.name == _FORWARDING6 and sysctl.value == "1" and path.way.protocol == _FROM_ADVERTISEMENT:
        return "the way takes a route from a router's advertisement, which ends with forwarding"
    return ""


def _shut_out(change: Change, path: Path, ground: Ground) -> str:
    """Whether our filter would no longer let the peer in, or our translation lead it elsewhere."""
    match change.resource:
        case Admission() as admission if change.action is not Action.DELETE:
            return "" if _admitted(admission, path, ground) else "it is no longer let in"
        case NatElement(family="bridge") as element:
            port = element.element.partition(" . ")[0]
            return f"what may come in by {port} changes" if port in map(ifname, path.links) else ""
        case NatElement() as element if change.action in (Action.CREATE, Action.UPDATE) and _leads_away(element, path):
            return f"port {path.peer.port}/tcp would lead to an endpoint"
    return ""


def _admitted(admission: Admission, path: Path, ground: Ground) -> bool:
    if admission.judge is None or path.own is None:
        return True
    flow = Flow(_TCP, path.address, path.own, path.peer.port, translated=False)
    if not admission.judge.admits(flow, path.local | {path.own}):
        return False
    if any(each.hook == INPUT and each.reach.has(flow) for each in admission.judge.rulings):
        return True
    # The rules ask by which link it comes, not from which prefix.
    closed = (each for each in ground.desired.values() if isinstance(each, NatElement) and each.set == "host_closed")
    return all(each.element != ifname(path.way.link) for each in closed)


def _leads_away(element: NatElement, path: Path) -> bool:
    """Whether a publication takes what the peer sends to this host."""
    if not element.set.startswith(f"publish{path.address.version}") or element.set.endswith("_lo"):
        return False
    *where, protocol, ports = element.element.split(" . ")
    first, _, last = ports.partition("-")
    if protocol != "tcp" or not int(first) <= path.peer.port <= int(last or first):
        return False
    if not where:
        return True
    if where[0].startswith('"'):
        return where[0] == ifname(path.way.link)
    return path.own is None or ip_address(where[0]) == path.own
