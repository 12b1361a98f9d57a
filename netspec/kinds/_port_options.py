"""Options of a bridge's port: how they are written, what a new port has, and how the kernel packs them."""

import struct
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from netspec.kinds._bridge_options import Option, Setting
from netspec.kinds._contract import SpecModel
from netspec.kinds._types import LinkName, Switch, link_name, wrong

_U8, _U16, _U32 = struct.Struct("=B"), struct.Struct("=H"), struct.Struct("=I")
LATER = ("vlans", "pvid", "untagged")
"""Options of the language that this version does not know yet."""

PORT_OPTIONS: Mapping[str, Option] = {
    "hairpin": Option(4, _U8, default=False),
    "isolated": Option(33, _U8, default=False),
    "learning": Option(8, _U8, default=True),
    "flood": Option(9, _U8, default=True),
    "mcast_flood": Option(27, _U8, default=True),
    "bpdu_guard": Option(5, _U8, default=False),
    "root_block": Option(6, _U8, default=False),
    "fast_leave": Option(7, _U8, default=False),
    "neigh_suppress": Option(32, _U8, default=False),
    "proxy_arp": Option(10, _U8, default=False),
    "cost": Option(3, _U32, 0),
    "priority": Option(2, _U16, 32),
}
"""By the key in the spec, as IFLA_BRPORT_* (`linux/if_link.h`). Zero is no cost: that of a new port
follows the speed of its link."""


class PortSpec(SpecModel):
    """A link of the host as a port of a bridge."""

    isolated: Switch = False
    """No frames pass between this port and others that are isolated."""
    hairpin: Switch = False
    """Frames may leave by the port they came in."""
    learning: Switch = True
    """Whether the bridge learns from this port who is behind it."""
    flood: Switch = True
    """Whether frames to MAC addresses that the bridge does not know leave here."""
    mcast_flood: Switch = True
    """Whether multicast that nobody has asked for leaves here."""
    bpdu_guard: Switch = False
    """A message of the spanning tree that comes in here closes the port."""
    root_block: Switch = False
    """The root of the spanning tree is never behind this port."""
    fast_leave: Switch = False
    """Whether multicast stops at once when a listener says that it leaves."""
    neigh_suppress: Switch = False
    """Whether the bridge answers for neighbours that it knows, instead of asking here."""
    proxy_arp: Switch = False
    """Whether the host answers ARP on behalf of others here."""
    cost: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    """Cost of the way through this port in the spanning tree; by the speed of the link unless said."""
    priority: Annotated[int, Field(strict=True, ge=0, le=63)] = 32
    """Which of several ways of the same cost is taken: the lowest."""

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        if value is None:
            return {}
        later = [key for key in LATER if isinstance(value, dict) and key in value]
        if later:
            hint = "leave it away; `vlan_filtering` with one VLAN for all, `vlan_default_pvid`, is there"
            raise wrong("NS0192", f"`{later[0]}` of a port is not in this version of netspec", hint)
        return value

    def written(self) -> Mapping[str, Setting]:
        """The options that the spec names."""
        return {name: getattr(self, name) for name in PORT_OPTIONS if name in self.model_fields_set}


def _by_link(value: Any) -> Any:  # noqa: ANN401  whatever YAML held
    """A list of links as a mapping without options."""
    if not isinstance(value, list | tuple):
        return value
    names = [link_name(each) for each in value]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise wrong("NS0194", f'"{twice}" stands twice', "leave one of them away")
    return {name: {} for name in names}


class _ListToo:
    """The JSON Schema of a mapping that may be written as a list of its keys, and whose values may be left out."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = dict(handler(core))
        options = mapping["patternProperties"].items()
        mapping["patternProperties"] = {name: {"anyOf": [each, {"type": "null"}]} for name, each in options}
        names = {"type": ["string", "number"]}
        return {"anyOf": [{"type": "array", "items": names, "uniqueItems": True}, mapping]}


Ports = Annotated[dict[LinkName, PortSpec], BeforeValidator(_by_link), _ListToo()]
