"""Specs that tests bring to life, by name: one is the example, the others go where it does not."""

from tests.live.driving import EXAMPLE
from tests.specs_inside import INSIDE

DOCKER0 = EXAMPLE.read_text(encoding="utf-8")

DUAL_STACK = """
netspec: 1
bridges:
  docker0: {subnets: [172.17.0.0/16, "fd00:17::/64"]}
endpoints:
  redis:
    bridge: docker0
    addresses: [172.17.0.2, "fd00:17::2"]
    publish: ["6379:6379", "5353:53/udp"]
  client: {bridge: docker0}
nat:
  masquerade: [docker0]
"""

PUBLICATIONS = """
netspec: 1
stack: shop
bridges:
  shop0: {subnets: [10.20.0.0/24, "fd00:20::/64"], mtu: 1400}
endpoints:
  web:
    bridge: shop0
    publish:
      - "80:8080"
      - "8000-8003:8000-8003"
      - "9000-9003:8000-8003/udp"
      - "127.0.0.1:7000:7000"
      - "[::1]:7001:7001"
      - {port: 53, to: 5353, protocol: udp}
"""

SEVERAL_NETWORKS = """
netspec: 1
stack: lab.2
subnets:
  front: {cidr: 10.1.0.0/24, gateway: 10.1.0.254, range: 10.1.0.100-10.1.0.110, reserve: [10.1.0.100]}
  alone: {cidr: 10.3.0.0/24, gateway: none}
bridges:
  br-front: {subnets: [front], mac: 02:00:00:00:10:01}
  br-back: {subnets: [10.2.0.0/31, "fd00:2::/127"], mtu: 9000}
  br-alone: {subnets: [alone]}
  br-bare: {}
endpoints:
  proxy:
    netns: proxy-space
    publish: ["443:8443"]
    interfaces:
      front0: {bridge: br-front, address: 10.1.0.7, mac: 02:00:00:00:10:07, host_name: to-proxy}
      back0: {bridge: br-back, mtu: 8000}
      alone0: {bridge: br-alone}
      bare0: {bridge: br-bare}
  nowhere: {interfaces: {}}
nat:
  masquerade: [front, 10.3.0.0/24]
sysctls:
  net.ipv4.conf.all.accept_redirects: 0
  net.ipv4.ip_local_port_range: 20000 40000
"""

NO_NETWORK = """
netspec: 1
stack: switch
bridges:
  sw0: {}
endpoints:
  a: {bridge: sw0}
  b: {bridge: sw0}
"""

SPANNING_TREE = """
netspec: 1
bridges:
  sw0:
    subnets: [10.4.0.0/24]
    stp: true
    priority: 4096
    forward_delay: 2
    hello_time: 1.5
    max_age: 6
    ageing_time: 60
    group_fwd_mask: 0xfff8
    multicast_snooping: false
    multicast_querier: true
endpoints:
  a: {bridge: sw0}
"""

# Without the mark that `ip` cannot set, a link-local address is one that the kernel makes.
INSIDE_ALONE = INSIDE.replace(', "fe80::10"', "") + "stack: inside\n"

ALL = {
    "inside": INSIDE_ALONE,
    "docker0": DOCKER0,
    "dual stack": DUAL_STACK,
    "publications": PUBLICATIONS,
    "several networks": SEVERAL_NETWORKS,
    "no network": NO_NETWORK,
    "spanning tree": SPANNING_TREE,
}

STACKS = {"docker0": "default", "dual stack": "default", "publications": "shop"}
STACKS |= {"inside": "inside", "several networks": "lab.2", "no network": "switch", "spanning tree": "default"}
