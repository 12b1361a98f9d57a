"""What an endpoint says of the inside of its namespace, beside its interfaces."""

from pydantic import Field

from netspec.kinds._contract import SpecModel
from netspec.kinds._name_files import DnsSpec, HostAddresses, HostName
from netspec.kinds._routing_specs import NeighborSpec, RouteSpec, RuleSpec
from netspec.kinds.sysctl import SysctlKey, SysctlValue


class InsideSpec(SpecModel):
    """The keys of an endpoint that are about the namespace as a whole."""

    routes: tuple[RouteSpec, ...] = ()
    """Routes inside the namespace. A default route here takes the place of the automatic one."""
    rules: tuple[RuleSpec, ...] = ()
    """Policy routing rules inside the namespace."""
    sysctls: dict[SysctlKey, SysctlValue] = Field(default_factory=dict)
    """Kernel parameters inside the namespace, by full key: `net.ipv4.conf.eth0.arp_notify`."""
    dns: DnsSpec | None = None
    """Name servers: `/etc/netns/NAME/resolv.conf`, which `ip netns exec` shows inside."""
    hosts: dict[HostName, HostAddresses] | None = None
    """Addresses by name: `/etc/netns/NAME/hosts`. Lines for localhost come by themselves."""
    neighbors: tuple[NeighborSpec, ...] = ()
    """Neighbours whose MAC addresses are never asked for."""
