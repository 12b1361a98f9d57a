"""Sysctls of the fake kernel: a few keys with the defaults of a fresh namespace, and those of each link."""

import errno
import re
from dataclasses import replace

from netspec.kernel.fake_addresses import lose_ipv6
from netspec.kernel.fake_host import FakeLink, Host
from netspec.kernel.operations import SysctlWrite

CONF4 = {
    "forwarding": (1, "0"),
    "mc_forwarding": (2, "0"),
    "proxy_arp": (3, "0"),
    "accept_redirects": (4, "1"),
    "secure_redirects": (5, "1"),
    "send_redirects": (6, "1"),
    "shared_media": (7, "1"),
    "rp_filter": (8, "0"),
    "accept_source_route": (9, "1"),
    "log_martians": (11, "0"),
    "arp_filter": (13, "0"),
    "arp_announce": (18, "0"),
    "arp_ignore": (19, "0"),
    "promote_secondaries": (20, "0"),
    "arp_accept": (21, "0"),
    "arp_notify": (22, "0"),
    "accept_local": (23, "0"),
    "src_valid_mark": (24, "0"),
    "proxy_arp_pvlan": (25, "0"),
    "route_localnet": (26, "0"),
}
"""IPV4_DEVCONF_* (`linux/ip.h`) by the name below `net.ipv4.conf.LINK`, and the default."""

CONF6 = {
    "forwarding": "0",
    "accept_ra": "1",
    "accept_redirects": "1",
    "autoconf": "1",
    "dad_transmits": "1",
    "disable_ipv6": "0",
    "proxy_ndp": "0",
    "use_tempaddr": "0",
}
"""Defaults by the name below `net.ipv6.conf.LINK`."""

DEFAULTS = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ip_nonlocal_bind": "0",
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.ping_group_range": "1\t0",
    "net.ipv4.tcp_syncookies": "1",
    "net.core.somaxconn": "4096",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
} | {
    f"net.{family}.conf.{scope}.{name}": value
    for scope in ("all", "default")
    for family, values in (("ipv4", {name: value for name, (_, value) in CONF4.items()}), ("ipv6", CONF6))
    for name, value in values.items()
}
"""What a fresh namespace has, as `sysctl` prints it."""

_CONF = re.compile(r"net\.(ipv4|ipv6)\.conf\.([^.]+)\.([^.]+)")


def read_sysctl(host: Host, netns: str, key: str) -> str | None:
    """The present value; None where the key, its link or its namespace does not exist."""
    space = host.spaces.get(netns)
    if space is None:
        return None
    if key in DEFAULTS:
        return space.sysctls.get(key, DEFAULTS[key])
    family, link, name = _of_link(host, netns, key)
    if link is None:
        return None
    if family == "ipv6":
        return link.conf6.get(name, CONF6[name])
    number, default = CONF4[name]
    return str(link.conf4.get(number, default))


def write_sysctl(host: Host, operation: SysctlWrite) -> None:
    """Write a value. Raises ENOENT for an unknown key, EINVAL for what is no number where one belongs."""
    space = host.space(operation.netns)
    present = read_sysctl(host, operation.netns, operation.key)
    if present is None:
        raise OSError(errno.ENOENT, "")
    value = _numbers(operation.value, len(present.split()))
    if operation.key in DEFAULTS:
        space.sysctls[operation.key] = value
        _follow(host, operation.netns, operation.key, value)
        return
    family, link, name = _of_link(host, operation.netns, operation.key)
    if link is not None:
        host.put(_with_conf(link, family, name, value))
        if name == "disable_ipv6" and value != "0":
            lose_ipv6(host, link)


def inherited(host: Host, netns: str) -> tuple[dict[int, int], dict[str, str]]:
    """What a new link takes over of the `default` keys: conf4 by number, conf6 by name; only what was set."""
    sysctls = host.space(netns).sysctls
    conf4 = {
        number: int(sysctls[key])
        for name, (number, _) in CONF4.items()
        if (key := f"net.ipv4.conf.default.{name}") in sysctls
    }
    conf6 = {name: sysctls[key] for name in CONF6 if (key := f"net.ipv6.conf.default.{name}") in sysctls}
    return conf4, conf6


def _of_link(host: Host, netns: str, key: str) -> tuple[str, FakeLink | None, str]:
    """Family, link and name of a key below `conf`; a dot in a link's name is a slash, as sysctl(8) has it."""
    found = _CONF.fullmatch(key)
    if not found:
        return "", None, ""
    family, link, name = found.groups()
    known = name in (CONF4 if family == "ipv4" else CONF6)
    return family, host.find(netns, link.replace("/", ".")) if known else None, name


def _with_conf(link: FakeLink, family: str, name: str, value: str) -> FakeLink:
    if family == "ipv6":
        return replace(link, conf6={**link.conf6, name: value})
    return replace(link, conf4={**link.conf4, CONF4[name][0]: int(value)})


def _numbers(value: str, count: int) -> str:
    words = value.split()
    if len(words) != count or not all(re.fullmatch(r"-?\d+", word) for word in words):
        raise OSError(errno.EINVAL, "")
    return "\t".join(str(int(word)) for word in words)


def _follow(host: Host, netns: str, key: str, value: str) -> None:
    """Switching forwarding on or off for all reaches every link, and `default`."""
    sysctls = host.space(netns).sysctls
    links = [link for link in host.links.values() if link.netns == netns]
    if key in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"):
        sysctls["net.ipv4.ip_forward"] = sysctls["net.ipv4.conf.all.forwarding"] = value
        sysctls["net.ipv4.conf.default.forwarding"] = value
        sysctls["net.ipv4.conf.all.accept_redirects"] = "0" if value != "0" else "1"
        for link in links:
            host.put(_with_conf(link, "ipv4", "forwarding", value))
    elif key == "net.ipv6.conf.all.forwarding":
        sysctls["net.ipv6.conf.default.forwarding"] = value
        for link in links:
            host.put(_with_conf(link, "ipv6", "forwarding", value))
    elif key == "net.ipv6.conf.all.disable_ipv6":
        sysctls["net.ipv6.conf.default.disable_ipv6"] = value
        for link in links:
            host.put(_with_conf(link, "ipv6", "disable_ipv6", value))
            if value != "0":
                lose_ipv6(host, link)
