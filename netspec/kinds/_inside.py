"""What an endpoint says of the inside of its namespace, beside its interfaces."""

from netspec.kinds._contract import SpecModel
from netspec.kinds._routing_specs import NeighborSpec, RouteSpec, RuleSpec


class InsideSpec(SpecModel):
    """The keys of an endpoint that are about the namespace as a whole."""

    routes: tuple[RouteSpec, ...] = ()
    """Routes inside the namespace. A default route here takes the place of the automatic one."""
    rules: tuple[RuleSpec, ...] = ()
    """Policy routing rules inside the namespace."""
    neighbors: tuple[NeighborSpec, ...] = ()
    """Neighbours whose MAC addresses are never asked for."""
