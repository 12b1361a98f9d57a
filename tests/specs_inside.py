"""An endpoint with all that its namespace can be told, and edits of one thing each."""

INSIDE = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24, "fd00:1::/64"]}
  br1: {subnets: [10.2.0.0/24, "fd00:2::/64"]}
endpoints:
  web:
    interfaces:
      eth0: {bridge: br0, addresses: [10.1.0.10, "fd00:1::10"]}
      eth1: {bridge: br1, addresses: [10.2.0.10, "fd00:2::10", "fe80::10"], default_route: 200, txqueuelen: 500}
    routes:
      - {to: 10.50.0.0/16, via: 10.1.0.7}
      - {to: 10.51.0.0/16, dev: eth1}
      - {to: 10.52.0.0/16, via: 10.51.0.1}
      - {to: 10.53.0.0/16, nexthops: [{via: 10.1.0.7}, {via: 10.2.0.7, weight: 3}]}
      - {to: 10.54.0.0/16, type: blackhole}
      - {to: default, via: 10.2.0.1, table: 100, source: 10.2.0.10}
      - {to: "fd00:50::/64", via: "fd00:1::7", mtu: 1400}
      - {to: "fd00:51::/64", nexthops: [{via: "fd00:1::7"}, {via: "fd00:2::7", weight: 3}]}
      - {to: "fd00:52::/64", type: prohibit}
      - {to: 10.55.0.0/16, via: 192.0.2.1, dev: eth0, onlink: true}
    rules:
      - {from: 10.2.0.10, table: 100}
      - {fwmark: 0x10/0xff, table: 200}
      - {to: "fd00:99::/64", action: unreachable, priority: 500}
    sysctls:
      net.ipv4.ip_forward: 1
      net.ipv4.conf.all.accept_redirects: 1
      net.ipv4.conf.eth0.forwarding: 0
      net.ipv4.conf.eth1.arp_notify: 1
      net.ipv4.ip_local_port_range: 20000 40000
      net.ipv4.ip_unprivileged_port_start: 0x50
    dns: {servers: [10.1.0.1, "fd00:1::1"], search: [example.com, lan], options: ["ndots:2", rotate]}
    hosts: {db: 10.1.0.5, cache.lan: [10.1.0.6, "fd00:1::6"]}
    neighbors:
      - {address: 10.1.0.7, mac: 02:00:00:00:00:07}
      - {address: "fd00:2::7", mac: 02:00:00:00:00:07}
  db: {bridge: br0, routes: [{to: default, via: 10.1.0.254}]}
"""

EDITS = (
    ("name servers", ("servers: [10.1.0.1, ", "servers: [10.1.0.9, ")),
    ("domains", ("example.com, lan", "lan")),
    ("hosts", ("{db: 10.1.0.5, ", "{db: 10.1.0.7, backup: 10.1.0.5, ")),
    ("hosts leave", ('    hosts: {db: 10.1.0.5, cache.lan: [10.1.0.6, "fd00:1::6"]}\n', "")),
    ("inner sysctl", ("20000 40000", "30000 50000")),
    ("inner sysctl as it would be", ("arp_notify: 1", "arp_notify: 0")),
    ("inner sysctl leaves", ("      net.ipv4.ip_local_port_range: 20000 40000\n", "")),
    ("inner sysctl of an interface leaves", ("      net.ipv4.conf.eth1.arp_notify: 1\n", "")),
    ("inner forwarding leaves", ("      net.ipv4.ip_forward: 1\n", "")),
    (
        "inner sysctl comes",
        ("      net.ipv4.ip_forward: 1\n", "      net.ipv4.ip_forward: 1\n      net.core.somaxconn: 100\n"),
    ),
    ("another default route", ("default_route: 200", "default_route: true")),
    ("no default route", ("default_route: 200", "default_route: false")),
    ("metric of a default route", ("default_route: 200", "default_route: 300")),
    ("first default route off", ("eth0: {", "eth0: {default_route: false, ")),
    ("link-local address", ("fe80::10", "fe80::11")),
    ("no link-local address", (', "fe80::10"', "")),
    ("IPv4 link-local address", ("fe80::10", "169.254.0.10")),
    ("queue", ("txqueuelen: 500", "txqueuelen: 0")),
    ("other names", ("txqueuelen: 500", "altnames: [front, a-rather-long-name-of-it]")),
    ("promiscuous", ("txqueuelen: 500", "promisc: true, allmulti: true")),
    ("route's gateway", ("via: 10.1.0.7}\n      - {to: 10.51", "via: 10.1.0.8}\n      - {to: 10.51")),
    ("route's link", ("{to: 10.51.0.0/16, dev: eth1}", "{to: 10.51.0.0/16, dev: eth0}")),
    ("route's destination", ("10.51.0.0/16", "10.51.0.0/20")),
    ("route becomes direct", ('via: "fd00:1::7", mtu: 1400', "dev: eth0")),
    ("route closes", ('"fd00:50::/64", via: "fd00:1::7", mtu: 1400', '"fd00:50::/64", type: blackhole')),
    ("route has several ways", ("via: 10.1.0.7}\n", "nexthops: [{via: 10.1.0.7}, {via: 10.2.0.9}]}\n")),
    ("weight of a way", ("weight: 3", "weight: 5")),
    ("one way is left", (", {via: 10.2.0.7, weight: 3}", "")),
    ("route's type", ("type: blackhole", "type: unreachable")),
    ("route's metric", ("via: 10.51.0.1", "via: 10.51.0.1, metric: 5")),
    ("route's table", ("table: 100, source", "table: 101, source")),
    ("route's source", (", source: 10.2.0.10", "")),
    ("route's mtu", ("mtu: 1400", "mtu: 1300")),
    ("route's scope", ("via: 10.51.0.1", "via: 10.51.0.1, scope: site")),
    ("route onlink", (", dev: eth0, onlink: true", ", type: unicast, dev: eth1, onlink: true")),
    ("address that routes send from", ("10.2.0.10", "10.2.0.77")),
    ("own default route", (", routes: [{to: default, via: 10.1.0.254}]", "")),
    ("rule's priority", ("priority: 500", "priority: 501")),
    ("rule's prefix", ("{from: 10.2.0.10, table", "{from: 10.2.0.0/25, table")),
    ("rule for everybody", ("from: 10.2.0.10, table: 100", "table: 100")),
    ("rule's table", ("table: 200", "table: 201")),
    ("rule's mark", ("0x10/0xff", "0x11")),
    ("rule's action", ("unreachable, p", "blackhole, p")),
    ("rule's link", ("{fwmark", "{iif: lo, fwmark")),
    ("rule comes first", ("rules:\n", "rules:\n      - {oif: eth1, table: 300}\n")),
    ("neighbor's mac", ("02:00:00:00:00:07", "02:00:00:00:00:08")),
    ("neighbor's address", ("address: 10.1.0.7,", "address: 10.1.0.8,")),
    ("link's mac under neighbors", ("eth0: {bridge: br0,", "eth0: {bridge: br0, mac: 02:bb:00:00:00:01,")),
    ("neighbor's link", ('"fd00:2::7", mac', '"fd00:2::7", dev: eth0, mac')),
    ("subnet under routes", ("10.1.0.", "10.7.0.")),
)
"""Names, and texts with what comes in their place."""
