"""One look at the kernel: the host's namespace, then each one under `/run/netns`, in a single pass."""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netspec.kernel import namespaces, traffic
from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_routing as routing
from netspec.kernel import rtnetlink_routing_rows as routing_rows
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.netlink import BATCH_MESSAGES, Channel, decoding
from netspec.kernel.pairs import Pairs, nsids_of, pair_up
from netspec.kernel.references import opened, resolve
from netspec.kernel.snapshot import (
    AddressRow,
    AttachedRow,
    LinkRow,
    NeighborRow,
    NetnsRow,
    QdiscRow,
    RedirectRow,
    ReferenceRow,
    RouteRow,
    RuleRow,
    Scope,
    SysctlRow,
)

LINKS = rt.ifinfomsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0) + rt.attribute(rt.IFLA_EXT_MASK, rt.u32.pack(rt.SKIP_STATS))
ADDRESSES = rt.ifaddrmsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0)
_ROUTES = _RULES = routing.rtmsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0)
_NEIGHBORS = routing.ndmsg.pack(rt.AF_UNSPEC, 0, 0, 0, 0)


@dataclass(slots=True)
class View:
    """What has been read so far."""

    links: list[rows.RawLink] = field(default_factory=list)
    addresses: list[AddressRow] = field(default_factory=list)
    routes: list[RouteRow] = field(default_factory=list)
    rules: list[RuleRow] = field(default_factory=list)
    neighbors: list[NeighborRow] = field(default_factory=list)
    netns: list[NetnsRow] = field(default_factory=list)
    sysctls: list[SysctlRow] = field(default_factory=list)
    nsids: dict[int, str] = field(default_factory=dict)
    """Names of namespaces by the id they have in the host's."""
    pairs: Pairs = field(default_factory=dict)
    references: list[ReferenceRow] = field(default_factory=list)
    qdiscs: list[QdiscRow] = field(default_factory=list)
    redirects: list[RedirectRow] = field(default_factory=list)
    attached: Mapping[str, AttachedRow] = field(default_factory=dict)
    """What is on record, by name."""

    def rows(self) -> tuple[LinkRow, ...]:
        """The links with all names resolved. Raises OSError for what the kernel cannot have said."""
        with decoding():
            return tuple(rows.resolved(self.links, self.pairs))


def read(scope: Scope, directory: str, attached: Mapping[str, AttachedRow], deadline: float) -> View:
    """Everything that a snapshot holds but nftables. Raises OSError, NoAnswer, DumpUnsteady."""
    view = View(attached=attached)
    view.references.extend(resolve(name, reference, directory) for name, reference in scope.references)
    wanted: dict[str, list[str]] = {}
    for netns, key in sorted(scope.sysctls):
        wanted.setdefault(netns, []).append(key)
    names = [name for name in namespaces.names(directory) if scope.netns is None or name in scope.netns]
    # Of two names of one namespace the later stands for it: that is ours.
    names.sort(key=lambda name: (name in attached, name))
    with Channel(deadline) as host, namespaces.coming_back():
        _read_space("", host, view)
        _read_traffic(host, view)
        view.sysctls.extend(_sysctls("", wanted.pop("", ())))
        for start in range(0, len(names), BATCH_MESSAGES):
            with contextlib.ExitStack() as opened:
                some = dict(_opened(names[start : start + BATCH_MESSAGES], directory, view, opened))
                alive = [
                    name
                    for name, descriptor in some.items()
                    if _visit(name, descriptor, view, wanted.pop(name, ()), deadline)
                ]
                known = nsids_of(host, {name: some[name] for name in alive})
                view.nsids.update((nsid, name) for name, nsid in known.items())
        for row in view.references:
            if row.name not in names and not row.problem:
                _look_ahead(row, host, view, deadline)
        view.sysctls.extend(SysctlRow(netns=netns, key=key, value=None) for netns in wanted for key in wanted[netns])
        view.pairs = pair_up(view.links, view.nsids, directory, deadline)
    return view


def _opened(
    names: Sequence[str], directory: str, view: View, opened: contextlib.ExitStack
) -> Iterator[tuple[str, int]]:
    for name in names:
        try:
            descriptor = namespaces.open_entry(name, directory)
        except FileNotFoundError:
            continue
        except PermissionError:
            view.netns.append(NetnsRow(name=name, readable=False))
            continue
        opened.callback(os.close, descriptor)
        yield name, descriptor


def _visit(name: str, descriptor: int, view: View, sysctls: Sequence[str], deadline: float) -> bool:
    """Read one namespace from inside; false where it cannot be entered."""
    try:
        namespaces.enter(descriptor)
    except OSError as error:
        if error.errno == errno.EPERM:
            view.netns.append(NetnsRow(name=name, readable=False))
        elif error.errno == errno.EINVAL:
            view.netns.append(NetnsRow(name=name, alive=False, content=namespaces.content(descriptor)))
        else:
            raise
        return False
    with Channel(deadline) as channel:
        alias = _read_space(name, channel, view)
    view.sysctls.extend(_sysctls(name, sysctls))
    view.netns.append(NetnsRow(name=name, alias=alias, attached=_record(name, descriptor, view)))
    return True


def _read_traffic(host: Channel, view: View) -> None:
    """Dump the host's qdiscs, and the filters of links that have any."""
    names = {each.ifindex: each.name for each in view.links}
    with decoding():
        view.qdiscs, filtered = traffic.qdiscs(host.dump(traffic.GETQDISC, traffic.DUMP), names)
        for index in filtered:
            if index in names:
                bodies = host.dump(traffic.GETTFILTER, traffic.filters_of(index))
                view.redirects.extend(traffic.redirects(bodies, names[index], names))


def _look_ahead(row: ReferenceRow, host: Channel, view: View, deadline: float) -> None:
    """Read a namespace that shall have a name: what is in it may be in our way."""
    with contextlib.ExitStack() as undo:
        try:
            descriptor = opened(row.path, row.inode)
            undo.callback(os.close, descriptor)
            namespaces.enter(descriptor)
        except OSError:
            # Whatever it is, attaching meets it again, and says so.
            return
        with Channel(deadline) as channel:
            _read_space(row.name, channel, view)
        view.nsids.update((nsid, name) for name, nsid in nsids_of(host, {row.name: descriptor}).items())


def _record(name: str, descriptor: int, view: View) -> AttachedRow | None:
    """What is on record of a name, if it still is that of the same namespace."""
    row = view.attached.get(name)
    return row if row is not None and os.fstat(descriptor).st_ino == row.inode else None


def _read_space(netns: str, channel: Channel, view: View) -> str:
    """Dump links, addresses, routes, rules and neighbours; the alias of `lo`."""
    with decoding():
        links = [rows.link(netns, body) for body in channel.dump(rt.GETLINK, LINKS)]
        names = {each.ifindex: each.name for each in links}
        view.links.extend(links)
        found = (rows.address(netns, names, body) for body in channel.dump(rt.GETADDR, ADDRESSES))
        view.addresses.extend(each for each in found if each is not None)
        routes = (routing_rows.route(netns, names, body) for body in channel.dump(routing.GETROUTE, _ROUTES))
        view.routes.extend(each for each in routes if each is not None)
        rules = (routing_rows.rule(netns, body) for body in channel.dump(routing.GETRULE, _RULES))
        view.rules.extend(each for each in rules if each is not None)
        known = (routing_rows.neighbor(netns, names, body) for body in channel.dump(routing.GETNEIGH, _NEIGHBORS))
        view.neighbors.extend(each for each in known if each is not None)
        return next((each.alias for each in links if each.name == "lo"), "")


def _sysctls(netns: str, keys: Sequence[str]) -> list[SysctlRow]:
    """Values as this thread's namespace has them: `/proc/sys/net` shows the reader's own."""
    return [SysctlRow(netns=netns, key=key, value=read_sysctl(key)) for key in keys]


def sysctl_path(key: str) -> Path:
    """The file of a dotted key. Dots inside a link's name are written as slashes, as sysctl(8) takes them."""
    return Path("/proc/sys", *(part.replace("/", ".") for part in key.split(".")))


def read_sysctl(key: str) -> str | None:
    """The present value; None where there is no such key or it cannot be read."""
    try:
        return sysctl_path(key).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
