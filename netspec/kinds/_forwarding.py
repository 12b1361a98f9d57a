"""What the kernel sets along with forwarding."""

import re
from collections.abc import Mapping

FOLLOWERS: Mapping[str, Mapping[str, bool]] = {
    "net.ipv4.ip_forward": {"net.ipv4.conf.all.accept_redirects": False, "net.ipv4.conf.default.forwarding": True},
    "net.ipv6.conf.all.forwarding": {"net.ipv6.conf.default.forwarding": True},
}
"""What the kernel sets along with forwarding, to the same value or to the opposite (`inet_forward_change`)."""
IMPLIED = frozenset({*FOLLOWERS, *(name for followers in FOLLOWERS.values() for name in followers)})
"""Those that a spec may concern without naming them."""
OF_LINKS = re.compile(r"net\.(ipv[46])\.conf\.(?!(?:all|default)\.)[^.]+\.forwarding")
"""`forwarding` of single links, which the kernel sets along too."""
_LEADERS = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}
FORWARDING = frozenset(_LEADERS.values())
"""Those that decide whether the host forwards at all, by family."""


def leader_of(name: str) -> str:
    """The key that a sysctl follows; empty for none."""
    of_a_link = OF_LINKS.fullmatch(name)
    if of_a_link:
        return _LEADERS[of_a_link[1]]
    return next((leader for leader, followers in FOLLOWERS.items() if name in followers), "")


def led(name: str, value: str) -> str:
    """What the kernel makes of a follower once its leader has a value."""
    same = FOLLOWERS.get(leader_of(name), {}).get(name, True)
    return value if same else str(int(value == "0"))
