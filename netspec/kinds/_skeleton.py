"""The text of our nftables table: chains, rules, and the empty sets and maps that elements fill.

It is constant but for the table's name, and in the form in which `nft -s -t list table` prints it. Rules hold
no data; the elements of kinds do. Keys and values as in `netspec.core.elements`:

===================== ============================== =====================================================
set or map            key : value                    what an element says
===================== ============================== =====================================================
fingerprint           mark                           kept by the kernel adapter; no resource comes of it
former                mark                           comment: a sysctl's value before us
segments              "link"                         a bridge of ours: judged on the way in and out
same                  "link" . "link"                traffic from the one to the other is not judged
own4, own6            prefix . "link"                sources that a segment may have
masquerade4, …6       prefix                         sources that leave under the host's address
publish4, …6          proto . port : address . port  open at every address of the host
publish4_at, …6_at    address . proto . port : …     open at one address of the host; beats the former
publish4_range, …     proto . first-last : address   a range that keeps its port numbers
publish4_range_at, …  address . proto . … : address  the same at one address of the host
===================== ============================== =====================================================

What comes in and what goes out are judged in two chains: were they one, an accept for the destination would
end the judging before the source's own rules are reached. No chain drops by policy, and what neither enters
nor leaves a segment of ours is let alone.
"""

_SETS = (
    ("fingerprint", "mark", False),
    ("former", "mark", False),
    ("segments", "ifname", False),
    ("same", "ifname . ifname", False),
    ("own4", "ipv4_addr . ifname", True),
    ("own6", "ipv6_addr . ifname", True),
    ("masquerade4", "ipv4_addr", True),
    ("masquerade6", "ipv6_addr", True),
)

_CHAINS = """\
	chain publish {
		dnat ip to ip daddr . meta l4proto . th dport map @publish4_at
		dnat ip to ip daddr . meta l4proto . th dport map @publish4_range_at
		dnat ip to meta l4proto . th dport map @publish4
		dnat ip to meta l4proto . th dport map @publish4_range
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @publish6_at
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @publish6_range_at
		dnat ip6 to meta l4proto . th dport map @publish6
		dnat ip6 to meta l4proto . th dport map @publish6_range
	}

	chain loopback_guard {
		type filter hook prerouting priority raw; policy accept;
		iifname @segments ip saddr 127.0.0.0/8 drop
		iifname @segments ip daddr 127.0.0.0/8 drop
	}

	chain publish_arriving {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 127.0.0.0/8 accept
		fib daddr type local jump publish
	}

	chain publish_local {
		type nat hook output priority -100; policy accept;
		ip6 daddr ::1 accept
		fib daddr type local jump publish
	}

	chain ingress {
		type filter hook forward priority filter; policy accept;
		oifname != @segments accept
		ct state established,related accept
		ct status dnat accept
		iifname . oifname @same accept
		drop
	}

	chain egress {
		type filter hook forward priority filter + 1; policy accept;
		iifname != @segments accept
		iifname . oifname @same accept
		ct state invalid drop
		ip saddr . iifname @own4 accept
		ip6 saddr . iifname @own6 accept
		drop
	}

	chain source {
		type nat hook postrouting priority srcnat; policy accept;
		oifname @segments ip saddr 127.0.0.0/8 masquerade
		oifname @segments ct status dnat ip saddr . oifname @own4 masquerade
		oifname @segments ct status dnat ip6 saddr . oifname @own6 masquerade
		oifname @segments accept
		oifname "lo" accept
		ip saddr @masquerade4 masquerade
		ip6 saddr @masquerade6 masquerade
	}
"""


def skeleton(table: str) -> str:
    """The complete text of table `inet TABLE`."""
    parts = [_declared("set", name, types, interval) for name, types, interval in _SETS]
    parts += [_declared("map", *each) for version in (4, 6) for each in _maps(version)]
    return f"table inet {table} {{\n" + "\n".join(parts) + "\n" + _CHAINS + "}\n"


def _maps(version: int) -> list[tuple[str, str, bool]]:
    address, port = f"ipv{version}_addr", "inet_proto . inet_service"
    return [
        (f"publish{version}", f"{port} : {address} . inet_service", False),
        (f"publish{version}_at", f"{address} . {port} : {address} . inet_service", False),
        (f"publish{version}_range", f"{port} : {address}", True),
        (f"publish{version}_range_at", f"{address} . {port} : {address}", True),
    ]


def _declared(sort: str, name: str, types: str, interval: bool) -> str:  # noqa: FBT001  a row of the tables above
    flags = "\t\tflags interval\n" if interval else ""
    return f"\t{sort} {name} {{\n\t\ttype {types}\n{flags}\t}}\n"
