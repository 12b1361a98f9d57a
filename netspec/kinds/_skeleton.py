"""The text of our nftables table: chains, rules, and the empty sets and maps that elements fill.

It is constant but for the table's name, and in the form in which `nft -s -t list table` prints it. Rules hold
no data; the elements of kinds do. Keys and values as in `netspec.core.elements`; of each name with a `4` there
is one with a `6`:

===================== ================================= ==================================================
set or map            key : value                       what an element says
===================== ================================= ==================================================
fingerprint           mark                              kept by the kernel adapter; no resource comes of it
former                mark                              comment: a sysctl's value before us
judged                mark                              comment: a digest of who may talk to whom
segments              "link"                            a bridge of ours: judged on the way in and out
same                  "link" . "link"                   one bridge: judged on the way in alone
within                "link" . "link" : verdict         what becomes of traffic within a bridge
access                "link" : verdict                  what becomes of what enters a bridge from elsewhere
internal              "link"                            a bridge that nothing leaves
host_closed           "link"                            a bridge whose endpoints may not talk to the host
own4                  prefix . "link"                   sources that a segment may have
policy1_4, …_in4, …   prefix . prefix [. proto . ports] from whom to whom the first policy is; and so on
inside4               prefix                            the segments, where there are policies
routed4               prefix . address . proto . ports  open to the one at the endpoint's own address
masquerade4           prefix                            sources that leave under the host's address
masquerade4_out       prefix . "link"                   the same, by one link
snat4                 prefix : addresses                sources that leave under these addresses
snat4_out             prefix . "link" : addresses       the same, by one link
netmap4, netmap4_in   prefix : prefix                   one-to-one translation, outward and inward
netmapped4            prefix                            outer prefixes: what was not translated goes nowhere
return4               address                           targets whose answers would not come back by themselves
beside4               prefix . address                  the same for some clients: the target is on their network too
publish4              proto . port : address . port     open at every address of the host
publish4_range        proto . ports : address           a range that keeps its port numbers
publish4_on, …        "link" . proto . port : …         open to what arrives by one link
publish4_at, …        address . proto . port : …        open at one address of the host
publish4_lo, …        proto . port : …                  open at 127.0.0.0/8 (IPv4 only)
beyond4               proto . ports                     publications that lead away, for which 127.0.0.0/8 is not open
limited4, …_on, …_at  [where .] proto . ports           publications that are not for everybody
from4, …_on, …_at     prefix [. where] . proto . ports  who may use them
===================== ================================= ==================================================

A publication at an address beats one on a link, which beats one that is open everywhere.

What comes in and what goes out are judged in two chains: were they one, an accept for the destination would
end the judging before the source's own rules are reached. TCP in the midst of a connection that conntrack does not
know is dropped: its other side would take up as its own what has been cut. Within a bridge, conntrack may not have
seen it yet; there policies judge it both ways. No chain drops by policy, and what neither enters
nor leaves a segment of ours is let alone. All of ICMP is said as `icmp type != 255`, a type that is never given out
(RFC 2780): nft would look the protocol's own name up in /etc/protocols, which small systems lack.
"""

from collections.abc import Iterator, Sequence

from netspec.kinds._policies import Rule
from netspec.kinds._policy_chains import PORT, chain, policy_chains, policy_sets

_FIXED = (
    ("set", "fingerprint", "mark", False),
    ("set", "former", "mark", False),
    ("set", "judged", "mark", False),
    ("set", "segments", "ifname", False),
    ("set", "same", "ifname . ifname", False),
    ("map", "within", "ifname . ifname : verdict", False),
    ("map", "access", "ifname : verdict", False),
    ("set", "internal", "ifname", False),
    ("set", "host_closed", "ifname", False),
    ("set", "shared", "ifname", False),
)
_WHERE = {"": "", "_on": "ifname . ", "_at": "{address} . "}
"""Publications by where they are open: what stands before protocol and port in their keys."""

_CHAINS = """\
	chain loopback_guard {
		type filter hook prerouting priority raw; policy accept;
		iifname @segments ip saddr 127.0.0.0/8 drop
		iifname @segments ip daddr 127.0.0.0/8 drop
	}

	chain publish_arriving {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 127.0.0.0/8 accept
		fib daddr type local jump arriving
		iifname @segments accept
		dnat ip prefix to ip daddr map @netmap4_in
		dnat ip6 prefix to ip6 daddr map @netmap6_in
	}

	chain publish_local {
		type nat hook output priority -100; policy accept;
		ip6 daddr ::1 accept
		fib daddr type local jump leaving
	}

	chain ingress {
		type filter hook forward priority filter; policy accept;
		oifname != @segments ip daddr @netmapped4 drop
		oifname != @segments ip6 daddr @netmapped6 drop
		oifname != @segments accept
		ct state established,related accept
		oifname != @shared iifname . oifname != @same tcp flags != syn / syn,ack drop
		tcp flags != syn / syn,ack jump midstream
		jump policies
		iifname . oifname vmap @within
		iifname @internal drop
		oifname vmap @access
		drop
	}

	chain egress {
		type filter hook forward priority filter + 1; policy accept;
		iifname != @segments accept
		iifname . oifname @same accept
		iifname != @shared ct state invalid drop
		oifname @segments goto own_sources
		ct state established,related accept
		iifname != @shared tcp flags != syn / syn,ack drop
		tcp flags != syn / syn,ack jump midstream
		jump policies
		iifname @internal drop
		goto own_sources
	}

	chain own_sources {
		iifname @shared accept
		ip saddr . iifname @own4 accept
		ip6 saddr . iifname @own6 accept
		drop
	}

	chain published {
		ct status dnat accept
		drop
	}

	chain routed {
		icmp type != 255 accept
		icmpv6 type != 255 accept
		ip saddr . ip daddr . meta l4proto . th dport @routed4 accept
		ip6 saddr . ip6 daddr . meta l4proto . th dport @routed6 accept
		drop
	}

	chain host_access {
		type filter hook input priority filter; policy accept;
		iifname != @segments accept
		ct state established,related accept
		tcp flags != syn / syn,ack jump midstream_in
		jump policies_in
		iifname != @host_closed accept
		icmp type != 255 accept
		icmpv6 type != 255 accept
		drop
	}

	chain host_leaving {
		type filter hook output priority filter; policy accept;
		oifname @segments goto host_asking
		ct status dnat jump host_published
	}

	chain host_asking {
		ct state established,related accept
		oifname @host_closed tcp flags != syn / syn,ack drop
		tcp flags != syn / syn,ack jump midstream_out
		jump policies_out
	}

	chain source {
		type nat hook postrouting priority srcnat; policy accept;
		oifname @segments ip saddr 127.0.0.0/8 masquerade
		oifname @segments ct status dnat ip saddr . oifname @own4 masquerade
		oifname @segments ct status dnat ip6 saddr . oifname @own6 masquerade
		oifname @segments ct status dnat ip daddr @return4 masquerade
		oifname @segments ct status dnat ip6 daddr @return6 masquerade
		oifname @segments ct status dnat ip saddr . ip daddr @beside4 masquerade
		oifname @segments ct status dnat ip6 saddr . ip6 daddr @beside6 masquerade
		oifname @segments accept
		oifname "lo" accept
		snat ip prefix to ip saddr map @netmap4
		snat ip6 prefix to ip6 saddr map @netmap6
		snat ip to ip saddr . oifname map @snat4_out
		snat ip6 to ip6 saddr . oifname map @snat6_out
		snat ip to ip saddr map @snat4
		snat ip6 to ip6 saddr map @snat6
		ip saddr . oifname @masquerade4_out masquerade
		ip6 saddr . oifname @masquerade6_out masquerade
		ip saddr @masquerade4 masquerade
		ip6 saddr @masquerade6 masquerade
	}
"""


def skeleton(table: str, policies: Sequence[Rule] = ()) -> str:
    """The complete text of table `inet TABLE`, with the rules of policies."""
    named = {each.counter: each.words for each in policies}
    counters = [f'\tcounter {name} {{\n\t\tcomment "{words}"\n\t}}\n' for name, words in named.items()]
    parts = [_declared(*each) for each in (*_FIXED, *_families(), *policy_sets(policies))]
    chains = [*_publishing(), *policy_chains(policies)]
    return f"table inet {table} {{\n" + "\n".join([*counters, *parts, *chains]) + "\n" + _CHAINS + "}\n"


def _families() -> Iterator[tuple[str, str, str, bool]]:
    for version in (4, 6):
        address = f"ipv{version}_addr"
        for name, types in (
            ("own", f"{address} . ifname"),
            ("routed", f"{address} . {address} . {PORT}"),
            ("masquerade", address),
            ("masquerade{}_out", f"{address} . ifname"),
            ("snat", f"{address} : interval {address}"),
            ("snat{}_out", f"{address} . ifname : interval {address}"),
            ("netmap", f"{address} : interval {address}"),
            ("netmap{}_in", f"{address} : interval {address}"),
            ("netmapped", address),
            ("beside", f"{address} . {address}"),
        ):
            named = name.format(version) if "{}" in name else f"{name}{version}"
            yield "map" if ":" in types else "set", named, types, True
        yield "set", f"return{version}", address, False
        for where, before in _WHERE.items():
            key = before.format(address=address) + PORT
            yield "map", f"publish{version}{where}", f"{key} : {address} . inet_service", False
            yield "map", f"publish{version}_range{where}", f"{key} : {address}", True
            yield "set", f"limited{version}{where}", key, True
            yield "set", f"from{version}{where}", f"{address} . {key}", True
    yield "set", "beyond4", PORT, True
    yield "map", "publish4_lo", f"{PORT} : ipv4_addr . inet_service", False
    yield "map", "publish4_range_lo", f"{PORT} : ipv4_addr", True


def _publishing() -> Iterator[str]:
    """The chains that choose a publication, the most specific first."""
    arriving, leaving = [], ["\t\tip daddr 127.0.0.0/8 jump publish_lo\n"]
    yield chain("publish_lo", [_translation(4, "meta l4proto . th dport", f"{run}_lo") for run in ("", "_range")])
    for where in ("_at", "_on", ""):
        rules, limits = [], []
        for version, family in ((4, "ip"), (6, "ip6")):
            place = {"_at": f"{family} daddr . ", "_on": "iifname . ", "": ""}[where]
            key = f"{place}meta l4proto . th dport"
            rules += [_translation(version, key, f"{run}{where}") for run in ("", "_range")]
            limits.append(f"\t\t{key} @limited{version}{where} {family} saddr . {key} != @from{version}{where} drop\n")
        yield chain(f"publish{where}", rules)
        arriving += [*limits, f"\t\tjump publish{where}\n"]
        leaving += [] if where == "_on" else [f"\t\tjump publish{where}\n"]
    leaving.insert(2, "\t\tip daddr 127.0.0.0/8 meta l4proto . th dport @beyond4 accept\n")
    yield chain("arriving", arriving)
    # What 127.0.0.1 alone is published for beats what all of 127/8 is.
    yield chain("leaving", [leaving[1], leaving[0], *leaving[2:]])


def _translation(version: int, key: str, suffix: str) -> str:
    family = "ip" if version == 4 else "ip6"
    return f"\t\tdnat {family} to {key} map @publish{version}{suffix}\n"


def _declared(sort: str, name: str, types: str, interval: bool) -> str:  # noqa: FBT001  a row of the tables above
    flags = "\t\tflags interval\n" if interval else ""
    return f"\t{sort} {name} {{\n\t\ttype {types}\n{flags}\t}}\n"
