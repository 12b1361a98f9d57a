"""A host in words for people: what of it a spec decides, and nothing that counters, clocks or carriers do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from tests.host_state import MADE_BY_KERNEL, STEADY_FLAGS
from tests.sandboxed import NETNS_DIR, inside, run

SYSCTLS_OF_LINKS = ("ipv4/conf/{}/route_localnet", "ipv4/conf/{}/promote_secondaries", "ipv6/conf/{}/addr_gen_mode")
IFAPROT_KERNEL_LL = 3
"""The last of the protocols that newer kernels give to addresses of their own (`linux/if_addr.h`)."""
SYSCTLS = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")


def describe() -> str:
    """Namespaces; in each its links, ports, addresses, routes and sysctls; and nftables."""
    names = sorted(path.name for path in NETNS_DIR.iterdir()) if NETNS_DIR.is_dir() else []
    parts = ["# namespaces", *names]
    for name in ("", *names):
        with inside(name):
            parts += [line for title, lines in _parts() for line in (f"\n# {name or 'host'}: {title}", *lines)]
            ruleset = run("nft list ruleset")
            parts += [f"\n# {name or 'host'}: nftables", ruleset.replace("\t", "    ").rstrip()] if ruleset else []
    return "\n".join(parts) + "\n"


def _parts() -> Iterator[tuple[str, list[str]]]:
    links = _json("ip -j -d link")
    yield "links", sorted(_link(each) for each in links)
    yield "bridge ports", sorted(_port(each) for each in links if "master" in each)
    yield "addresses", sorted(_addresses())
    yield "routes", sorted(_route(each) for version in (4, 6) for each in _json(f"ip -j -{version} route"))
    yield "sysctls", [f"{path.replace('/', '.')} = {_sysctl(path)}" for path in _sysctls(links)]


def _json(command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(command) or "[]")
    return [each for each in found if each and not MADE_BY_KERNEL.match(str(each.get("dst", "")))]


def _link(link: dict[str, Any]) -> str:
    flags = ",".join(sorted(STEADY_FLAGS & set(link["flags"])))
    words = [link["ifname"], link.get("linkinfo", {}).get("info_kind", "-"), link["address"], f"mtu {link['mtu']}"]
    words += [f"group {link['group']}", f"addrgenmode {link['inet6_addr_gen_mode']}", f"qlen {link.get('txqlen')}"]
    words += [f"alias {link['ifalias']}"] if "ifalias" in link else []
    return f"{' '.join(words)} <{flags}>"


def _port(link: dict[str, Any]) -> str:
    port = link["linkinfo"]["info_slave_data"]
    on = sorted(name for name, value in port.items() if value is True)
    return f"{link['ifname']} master {link['master']}: {' '.join(on)}"


def _addresses() -> Iterator[str]:
    with IPRoute() as route:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in route.get_links()}
        for each in route.get_addr():
            address, name = each.get_attr("IFA_ADDRESS"), names[each["index"]]
            if not MADE_BY_KERNEL.match(address):
                broadcast = each.get_attr("IFA_BROADCAST")
                words = [name, f"{address}/{each['prefixlen']}", *(["brd", broadcast] if broadcast else [])]
                protocol = each.get_attr("IFA_PROTO") or 0
                words += [f"proto {protocol}"] if protocol > IFAPROT_KERNEL_LL else []
                yield " ".join([*words, f"scope {each['scope']}"])


def _route(route: dict[str, Any]) -> str:
    words = [str(route[key]) for key in ("type", "dst") if key in route]
    pairs = [("via", "gateway"), ("dev", "dev"), ("proto", "protocol"), ("scope", "scope"), ("src", "prefsrc")]
    words += [f"{word} {route[key]}" for word, key in pairs if key in route]
    return " ".join([*words, f"metric {route.get('metric', 0)}"])


def _sysctls(links: list[dict[str, Any]]) -> list[str]:
    names = sorted(each["ifname"] for each in links)
    return [*SYSCTLS, *(path.format(name) for name in names for path in SYSCTLS_OF_LINKS)]


def _sysctl(path: str) -> str:
    return (Path("/proc/sys/net") / path).read_text(encoding="ascii").strip()
