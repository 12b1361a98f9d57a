"""All that a host and its namespaces hold, as text without what changes by itself: equal before and after, or not."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sandboxed import NETNS_DIR, inside, run

VOLATILE = frozenset(
    {
        *("ifindex", "link_index", "link_netnsid", "iflink", "handle", "index"),
        *("stats", "stats64", "operstate", "qdisc", "linkmode", "promiscuity", "allmulti"),
        *("num_tx_queues", "num_rx_queues", "tso_max_size", "tso_max_segs"),
        *("valid_life_time", "preferred_life_time", "tentative", "dadfailed"),
        *(
            "hello_timer",
            "tcn_timer",
            "topology_change_timer",
            "gc_timer",
            "topology_change",
            "topology_change_detected",
        ),
        *("hold_timer", "forward_delay_timer", "message_age_timer"),
        *("state", "no", "id", "designated_port", "designated_bridge", "root_id", "bridge_id"),
    }
)
"""Keys of JSON output that counters, carriers, timers and the order of making things decide."""
STEADY_FLAGS = frozenset({"LOOPBACK", "BROADCAST", "MULTICAST", "POINTOPOINT", "NOARP", "PROMISC", "UP"})
MADE_BY_KERNEL = re.compile(r"^(fe80::|ff00::)")
"""Link-local addresses and routes come and go with the carrier."""
IFA_F_TENTATIVE, RTF_LOCAL = 0x40, 0x80000000
PATIENCE = 60
"""Seconds for what the kernel does when it gets to it."""
SYSCTLS = ("ipv4/ip_forward", "ipv4/ip_nonlocal_bind", "ipv4/ip_local_port_range")
SYSCTLS_OF_LINKS = (
    ("ipv4", "forwarding route_localnet promote_secondaries rp_filter accept_redirects arp_notify accept_local"),
    ("ipv6", "forwarding disable_ipv6 accept_ra accept_redirects addr_gen_mode proxy_ndp"),
)


def host_state() -> str:
    """Links, addresses, routes, rules, permanent neighbours, nftables, sysctls, here and in each of `/run/netns`."""
    names = sorted(path.name for path in NETNS_DIR.iterdir()) if NETNS_DIR.is_dir() else []
    parts = [_section("", "host", []), _section("", "files", list(_files(Path("/etc/netns"))))]
    for name in ("", *names):
        if name and (NETNS_DIR / name).stat().st_dev == NETNS_DIR.stat().st_dev:
            parts.append(f"== {name} is dead: {(NETNS_DIR / name).read_text(encoding='utf-8', errors='replace')!r}")
            continue
        with inside(name):
            parts.extend(_section(name, title, lines) for title, lines in _everything())
    return "\n".join(parts) + "\n"


def _section(netns: str, title: str, lines: list[str]) -> str:
    return "\n".join([f"== {netns or 'host'}: {title}", *lines])


def _everything() -> Iterator[tuple[str, list[str]]]:
    _until_addresses_have_routes()
    yield "links", sorted(map(_text, _links()))
    yield "addresses", sorted(line for row in _json("ip -j addr") for line in _addresses(row))
    for version in (4, 6):
        yield f"routes {version}", _rows(f"ip -j -{version} route show table all")
        yield f"rules {version}", _rows(f"ip -j -d -{version} rule")
        yield f"neighbors {version}", _rows(f"ip -j -{version} neigh show nud permanent")
    yield "nftables", _ruleset()
    yield "sysctls", list(_sysctls())


def _until_addresses_have_routes() -> None:
    """The kernel makes the local routes of IPv6 addresses when it gets to it, a moment after it has added them."""
    if _quickly_seen():
        return
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        held = {
            address["local"]
            for link in _json("ip -j -6 addr show up scope global")
            for address in filter(None, link.get("addr_info", []))
            if not address.get("tentative")
        }
        if not held or held <= {row["dst"] for row in _json("ip -j -6 route show table local type local")}:
            return
        time.sleep(0.02)


def _quickly_seen() -> bool:
    """Whether all of them have one, links that are down included: without any other process."""
    addresses = [line.split() for line in Path("/proc/thread-self/net/if_inet6").read_text("ascii").splitlines()]
    routes = [line.split() for line in Path("/proc/thread-self/net/ipv6_route").read_text("ascii").splitlines()]
    local = {words[0] for words in routes if int(words[8], 16) & RTF_LOCAL}
    return {words[0] for words in addresses if words[3] == "00" and not int(words[4], 16) & IFA_F_TENTATIVE} <= local


def _links() -> list[dict[str, Any]]:
    """Without what a tree of bridges changes by itself while ports come and go: how long addresses are known."""
    found = _json("ip -j -d link")
    with_ports = {row.get("master") for row in found}
    for row in found:
        bridge = row.get("linkinfo", {}).get("info_data", {})
        if row["ifname"] in with_ports and bridge.get("stp_state"):
            del bridge["ageing_time"]
    return found


def _files(path: Path) -> Iterator[str]:
    """A path and all below it: sort, mode and content."""
    if path.is_symlink() or not path.exists():
        if path.is_symlink():
            yield f"{path} -> {path.readlink()}"
        return
    if path.is_dir():
        yield f"{path}/"
        for each in sorted(path.iterdir()):
            yield from _files(each)
    else:
        yield f"{path} {path.stat().st_mode:o} {path.read_text(encoding='utf-8', errors='replace')!r}"


def _json(command: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(run(command) or "[]")
    return [row for row in answer if row]


def _rows(command: str) -> list[str]:
    kept = [row for row in _json(command) if not MADE_BY_KERNEL.match(str(row.get("dst", "")))]
    return sorted(_text(row) for row in kept)


def _addresses(link: dict[str, Any]) -> list[str]:
    held = [each for each in link.get("addr_info", []) if not MADE_BY_KERNEL.match(each["local"])]
    return sorted(f"{link['ifname']} {_text(each)}" for each in held)


def _text(value: Any) -> str:  # noqa: ANN401  of JSON
    return json.dumps(_steady(value), sort_keys=True)


def _steady(value: Any) -> Any:  # noqa: ANN401  of JSON
    if isinstance(value, dict):
        return {
            key: sorted(STEADY_FLAGS & set(each)) if key == "flags" else _steady(each)
            for key, each in value.items()
            if key not in VOLATILE
        }
    return [_steady(each) for each in value] if isinstance(value, list) else value


def _ruleset() -> list[str]:
    """Each table with what is in it, in order; only elements have none."""
    tables: dict[tuple[str, str], list[str]] = {}
    for entry in json.loads(run("nft -j list ruleset"))["nftables"]:
        ((sort, body),) = entry.items()
        if sort == "metainfo":
            continue
        if "elem" in body:
            body["elem"] = sorted(body["elem"], key=json.dumps)
        table = (body["family"], body["name"] if sort == "table" else body["table"])
        tables.setdefault(table, []).append(f"{sort} {_text(body)}")
    return [line for table in sorted(tables) for line in tables[table]]


def _sysctls() -> Iterator[str]:
    top = Path("/proc/sys/net")
    for name in SYSCTLS:
        yield f"{name} = {(top / name).read_text(encoding='ascii').strip()}"
    for family, names in SYSCTLS_OF_LINKS:
        for link in sorted((top / family / "conf").iterdir()):
            values = " ".join(f"{name}={(link / name).read_text(encoding='ascii').strip()}" for name in names.split())
            yield f"{family} {link.name}: {values}"
