"""What the user writes about a bridge."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from netspec.kinds._bridge_options import (
    LEAST_STP_DELAY,
    OPTIONS,
    AgeingTime,
    ForwardDelay,
    GroupMask,
    HelloTime,
    MaxAge,
)
from netspec.kinds._contract import SpecModel
from netspec.kinds._port_options import Ports
from netspec.kinds._types import Mac, Mtu, Switch, wrong
from netspec.kinds.subnet import SubnetChoice


class BridgeSpec(SpecModel):
    """A layer-2 segment on the host."""

    subnets: tuple[SubnetChoice, ...] = Field(default=(), examples=[["172.17.0.0/16"]])
    """Subnets of the segment: a CIDR, a subnet object, or the name of an entry of `subnets`."""
    mtu: Annotated[Mtu | Literal["auto"], Field(union_mode="left_to_right")] = 1500
    """MTU in bytes of the bridge and of its endpoints; `auto` is that of the link with the default route."""
    mac: Mac = "auto"
    """MAC address; `auto` is derived from stack and name, and never changes."""
    ports: Ports = Field(default_factory=dict, examples=[["eth1"]])
    """Links of the host that are ports of the bridge: a list, or a mapping from link to port options. They are
    given back as they were when they leave the spec."""
    exclusive: Switch = False
    """Ports that nobody's spec has put there are released; otherwise they are left alone."""
    existing: Switch = False
    """The bridge is there already, and is not netspec's: only what is written is changed, and it is changed back.
    `access` is then `open` unless said, as others use the bridge as well."""
    internal: Switch = False
    """Nothing passes between this bridge and anything outside it; only the host reaches its endpoints."""
    access: Literal["published", "routed", "open"] = "published"
    """Who reaches endpoints from outside: `published` only published ports; `routed` ICMP and the target ports
    of publications, at the endpoints' own addresses, with nothing translated; `open` everything."""
    host_access: Literal["open", "closed"] | None = None
    """Whether endpoints reach services of the host: `open`, or `closed` but for ICMP and answers. `open` unless
    the bridge is internal."""
    port_isolation: Switch = False
    """Endpoints of this bridge cannot talk to each other."""
    antispoof: Switch = True
    """Endpoints can send only from their own MAC and addresses; one without addresses is not judged."""

    stp: Switch = False
    """Whether the bridge takes part in the spanning tree protocol."""
    priority: Annotated[int, Field(strict=True, ge=0, le=65535)] = 32768
    """Its priority in the spanning tree: the lowest becomes the root."""
    forward_delay: ForwardDelay = 15
    """Seconds that a port listens, and again learns, before it forwards; with STP at least 2."""
    hello_time: HelloTime = 2
    """Seconds between messages of the spanning tree."""
    max_age: MaxAge = 20
    """Seconds after which what another bridge said of the spanning tree is forgotten."""
    ageing_time: AgeingTime = 300
    """Seconds after which a MAC address that was not heard again is forgotten; 0 for at once."""
    group_fwd_mask: GroupMask = 0
    """Link-local groups 01:80:c2:00:00:0X that are forwarded, bit X for each; bits 0 to 2 cannot be set."""
    multicast_snooping: Switch = True
    """Whether multicast goes only to ports that have asked for it."""
    multicast_querier: Switch = False
    """Whether the bridge asks who wants multicast, where no router does."""
    vlan_filtering: Switch = False
    """Whether frames are kept apart by VLAN."""
    vlan_default_pvid: Annotated[int, Field(strict=True, ge=0, le=4094)] = 1
    """The VLAN of untagged frames on ports that say nothing else; 0 for none."""

    @model_validator(mode="before")
    @classmethod
    def _others_use_it(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        shared = isinstance(value, dict) and value.get("existing") is True and value.get("internal") is not True
        return {"access": "open", **value} if shared else value

    @model_serializer(mode="wrap")
    def _only_what_is_managed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        if not self.existing:
            return found
        silent = {*OPTIONS, "mtu", "mac"} - self.model_fields_set
        written = {link: port.model_dump(mode="json", exclude_unset=True) for link, port in self.ports.items()}
        return {name: value for name, value in {**found, "ports": written}.items() if name not in silent}

    @model_validator(mode="after")
    def _is_shared(self) -> "BridgeSpec":
        if self.existing and self.exclusive:
            hint = "leave one of the two away"
            raise wrong("NS0193", "an existing bridge is used by others: it cannot be exclusive", hint)
        return self

    @model_validator(mode="after")
    def _stp_has_a_delay(self) -> "BridgeSpec":
        if self.stp and self.forward_delay < LEAST_STP_DELAY:
            hint = f"write at least {LEAST_STP_DELAY} seconds, or leave `stp` away"
            raise wrong("NS0190", f"with STP a forward delay of {self.forward_delay:g} s is too short", hint)
        return self

    @model_validator(mode="after")
    def _internal_is_closed(self) -> "BridgeSpec":
        if self.internal and self.host_access == "open":
            hint = "leave `host_access` away; the host reaches the endpoints all the same"
            raise wrong("NS0156", "an internal bridge is closed towards the host", hint)
        if self.internal and self.access != "published":
            raise wrong("NS0156", f"an internal bridge has no `access: {self.access}`", "leave one of the two away")
        return self
