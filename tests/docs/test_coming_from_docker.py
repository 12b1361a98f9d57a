"""The page for users of Docker leaves out no option: of the command line, of Compose, of the driver, of the daemon."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/coming-from-docker.md"

CREATE = """
--attachable --aux-address --config-from --config-only --driver --gateway --ingress --internal --ip-range --ipam-driver
--ipam-opt --ipv4 --ipv6 --label --opt --scope --subnet
"""
"""`docker network create --help`."""
CONNECT = "--ip --ip6 --link --link-local-ip --driver-opt gw-priority --network-alias"
"""`docker network connect --help`; `--alias` is `--network-alias` of `run`."""
RUN = """
--add-host --dns --dns-option --dns-search --domainname --expose --hostname --ip --ip6 --link --link-local-ip
--mac-address --network --network-alias --publish --publish-all -p -P --sysctl
"""
"""What `docker run --help` has about the network."""
MODES = "host none container:ID"
"""`docker run --network`."""
COMPOSE_NETWORK = """
attachable driver driver_opts enable_ipv4 enable_ipv6 external internal ipam.config subnet ip_range gateway
aux_addresses labels name
"""
"""Keys of an entry of `networks` in the Compose specification."""
COMPOSE_SERVICE = """
aliases dns dns_opt dns_search domainname expose external_links extra_hosts gw_priority hostname interface_name
ipv4_address ipv6_address link_local_ips links mac_address network_mode networks ports priority sysctls deploy.replicas
"""
"""Keys of a service about the network, and of its entries of `networks`."""
COMPOSE_PORT = "target published protocol host_ip mode: app_protocol name"
DRIVER = """
com.docker.network.bridge.name com.docker.network.bridge.default_bridge
com.docker.network.bridge.enable_ip_masquerade com.docker.network.bridge.enable_icc
com.docker.network.bridge.host_binding_ipv4 com.docker.network.bridge.gateway_mode_ipv4 _ipv6
com.docker.network.bridge.inhibit_ipv4 com.docker.network.bridge.trusted_host_interfaces
com.docker.network.container_iface_prefix com.docker.network.driver.mtu com.docker.network.host_ipv4 host_ipv6
com.docker.network.enable_ipv4 enable_ipv6 com.docker.network.advertise_addr_nmsgs _ms internal
com.docker.network.driver.private.no_proxy_6to4 com.docker.network.endpoint.ifname
com.docker.network.endpoint.sysctls nat nat-unprotected routed isolated
"""
"""Options of the bridge driver and of its endpoints, and the gateway modes."""
OTHER_DRIVERS = "macvlan ipvlan overlay parent macvlan_mode ipvlan_mode ipvlan_flag encrypted vxlanid_list"
DAEMON = """
iptables ip6tables firewall-backend ip-forward ip-forward-no-drop ip-masq ipv6 bip bip6 bridge fixed-cidr
fixed-cidr-v6 default-gateway default-gateway-v6 icc ip userland-proxy userland-proxy-path allow-direct-routing
bridge-accept-fwmark mtu default-address-pool default-network-opt dns dns-opt dns-search host-gateway-ip
live-restore network-control-plane-mtu network-diagnostic-port --data-path-addr --data-path-port --default-addr-pool
"""
"""What `dockerd --help` has about the network, and `docker swarm init`."""

LISTS = {
    "network create": CREATE,
    "network connect": CONNECT,
    "run": RUN,
    "network modes": MODES,
    "networks of Compose": COMPOSE_NETWORK,
    "services of Compose": COMPOSE_SERVICE,
    "ports of Compose": COMPOSE_PORT,
    "bridge driver": DRIVER,
    "other drivers": OTHER_DRIVERS,
    "daemon": DAEMON,
}


def named() -> str:
    """All that stands as code in the tables and the text, abbreviated names in full."""
    text = PAGE.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join(span.replace("…", "com.docker.network.") for span in spans)


@pytest.mark.parametrize("options", LISTS.values(), ids=LISTS.keys())
def test_every_option_is_on_the_page(options: str) -> None:
    """By its name, which may have a value behind it or another one before it."""
    known = named()
    missing = [each for each in options.split() if not re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", known)]

    assert missing == []
