"""The text of our table in the bridge family, in the form in which `nft -s -t list table` prints it."""

_GUARD = """\
	set fingerprint {
		type mark
	}

	set guarded {
		type ifname
	}

	set guarded_mac {
		type ifname . ether_addr
	}

	set guarded4 {
		type ifname . ipv4_addr
	}

	set guarded6 {
		type ifname . ipv6_addr
	}

	set advertised6 {
		typeof iifname . @th,64,128
	}

	set apart {
		type ifname
	}

	chain guard {
		type filter hook prerouting priority dstnat; policy accept;
		iifname != @guarded accept
		ether type { 8021q, 8021ad } drop
		iifname . ether saddr != @guarded_mac drop
		arp operation { request, reply } iifname . arp saddr ether @guarded_mac goto guard_arp
		iifname . ip saddr @guarded4 accept
		icmpv6 type { nd-router-advert, nd-redirect } drop
		icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @advertised6 drop
		ip6 saddr != :: iifname . ip6 saddr @guarded6 accept
		icmpv6 type { nd-neighbor-solicit, mld2-listener-report } iifname . ip6 saddr @guarded6 accept
		drop
	}

	chain guard_arp {
		arp saddr ip 0.0.0.0 accept
		iifname . arp saddr ip @guarded4 accept
		drop
	}

	chain keep_apart {
		type filter hook forward priority filter; policy accept;
		iifname @apart oifname @apart meta pkttype != host drop
	}
"""
"""What an endpoint may send: by its port, its own MAC and addresses. 0.0.0.0 asks whether an address is free.

And between which ports no frame passes, but one that was for the host, and that br_netfilter sends on to where it
is published: the kernel's own flag for isolated ports would drop that as well.
"""


def guard_skeleton(table: str) -> str:
    """The complete text of table `bridge TABLE`, which keeps endpoints from sending under other addresses."""
    return f"table bridge {table} {{\n{_GUARD}}}\n"
