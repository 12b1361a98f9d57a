"""The sets and chains of policies, in the form in which `nft -s -t list table` prints them."""

from collections.abc import Iterator, Sequence

from netspec.core.judge import FORWARD, INPUT, OUTPUT
from netspec.kinds._policies import Rule

PORT = "inet_proto . inet_service"
_FAMILIES = ((4, "ip"), (6, "ip6"))
_NEIGHBORS = (
    "\t\ticmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, "
    "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, mld2-listener-report } return\n"
)
"""Without it there is no IPv6: no policy is about it. As with ARP, what may be said is up to the guard."""
_REFUSE = ["\t\tct status dnat reject\n", "\t\tmeta l4proto tcp reject with tcp reset\n", "\t\treject\n"]
"""A reset that br_netfilter sends is not translated back; to ICMP a TCP that is just sending does not listen."""


def policy_sets(policies: Sequence[Rule]) -> Iterator[tuple[str, str, str, bool]]:
    """Sort, name, types, and whether it holds intervals."""
    if policies:
        yield from (("set", f"inside{version}", f"ipv{version}_addr", True) for version, _ in _FAMILIES)
    for each in policies:
        address = f"ipv{each.version}_addr"
        yield "set", each.set, f"{address} . {address}" + (f" . {PORT}" if each.ports else ""), True


def policy_chains(policies: Sequence[Rule]) -> Iterator[str]:
    """For each hook what new connections meet, and what TCP meets that is in the midst of an unknown one.

    The latter are judged in the direction of their connection, whichever that is: were it not so, the other side
    of a connection that a policy has cut would take it up again as its own.
    """
    yield chain("refuse", _REFUSE)
    # Where to the host's own publications lead is not to be told from `oifname`: that is still `lo`.
    inside = [f"\t\t{family} daddr @inside{version} goto host_asking\n" for version, family in _FAMILIES]
    yield chain("host_published", inside if policies else [])
    for hook, suffix in ((FORWARD, ""), (INPUT, "_in"), (OUTPUT, "_out")):
        backwards = {FORWARD: FORWARD, INPUT: OUTPUT, OUTPUT: INPUT}[hook]
        onward = [_policy(each, "saddr", "daddr", "dport") for each in policies if each.hook == hook]
        back = [_policy(each, "daddr", "saddr", "sport") for each in policies if each.hook == backwards]
        yield chain(f"policies{suffix}", [_NEIGHBORS, *onward] if onward else [])
        yield chain(f"midstream{suffix}", back)


def _policy(rule: Rule, source: str, target: str, port: str) -> str:
    """One rule; in the midst of a connection it has no counter, and what it allows goes on to be judged."""
    family = "ip" if rule.version == 4 else "ip6"
    ports = f" . meta l4proto . th {port}" if rule.ports else ""
    match = f"{family} {source} . {family} {target}{ports} @{rule.set}"
    if port == "dport":
        return f'\t\t{match} counter name "{rule.counter}" {rule.verdict}\n'
    return f"\t\t{match} {'return' if rule.verdict == 'accept' else 'drop'}\n"


def chain(name: str, rules: Sequence[str]) -> str:
    """The text of one chain."""
    return f"\tchain {name} {{\n{''.join(rules)}\t}}\n"
