"""An endpoint: a network namespace and its interfaces, like a container's."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import Field, model_validator

from netspec.core.elements import ifname
from netspec.core.resource import Mark, Resource
from netspec.kinds import _endpoint_checks
from netspec.kinds._contract import Expansion, Section
from netspec.kinds._endpoint_routing import Inside, replaces_default, routed
from netspec.kinds._exposure import exposed
from netspec.kinds._guard import guarded
from netspec.kinds._inside import InsideSpec
from netspec.kinds._intent import Attachment, Segment
from netspec.kinds._interface_keys import InterfaceKeys
from netspec.kinds._limits import LimitSpec, limited
from netspec.kinds._links import address_mode, hashed_mac, hashed_name, stack_group, wants_ipv6
from netspec.kinds._name_files import name_files
from netspec.kinds._publish import PublishSpec
from netspec.kinds._replicas import MOST_REPLICAS, check_replicas
from netspec.kinds._spaces import HOST, NetnsSpec, check_host, expand_spaces
from netspec.kinds._types import InterfaceAddress, LinkName, Mac, Mtu, ObjectName, Switch, wrong
from netspec.kinds.address import Address, address_key, broadcast_of
from netspec.kinds.altname import Altname
from netspec.kinds.inner_sysctl import expand_sysctls
from netspec.kinds.nat_element import guard_element
from netspec.kinds.port import Port
from netspec.kinds.route import IPV6_METRIC, MAIN, Route
from netspec.kinds.veth import Veth

DEFAULT_INTERFACE = "eth0"


class InterfaceSpec(InterfaceKeys):
    """An interface inside an endpoint's namespace."""

    bridge: LinkName | None = None
    """The bridge it joins."""
    address: InterfaceAddress | None = None
    """Its address: `auto`, an address, or an address with the prefix length of its subnet."""
    addresses: tuple[InterfaceAddress, ...] = ()
    """Several addresses."""
    mac: Mac = "auto"
    """MAC address; `auto` is derived from stack, endpoint and interface, and never changes."""
    mtu: Mtu | None = None
    """MTU in bytes; that of the bridge unless said, and never more."""
    host_name: LinkName | None = None
    """Name of the host end of the veth pair; `veth` and 7 hex digits unless said."""
    isolated: Switch = False
    """Whether no frame passes between it and other isolated interfaces of its bridge."""
    limit: LimitSpec | None = None
    """How much it may receive and send."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "InterfaceSpec":
        if self.address is not None and self.addresses:
            raise wrong("NS0150", "`address` and `addresses` are two ways to say the same", "write one of them")
        return self

    @property
    def wanted(self) -> tuple[Any, ...]:
        """The addresses as written; empty for one automatic address per subnet."""
        return self.addresses or (() if self.address is None else (self.address,))

    @property
    def says_something(self) -> bool:
        """Whether any key of an interface was written."""
        return bool(self.model_fields_set & set(InterfaceSpec.model_fields))


class EndpointSpec(InsideSpec, InterfaceSpec):
    """A network namespace, its interfaces, and the ports it publishes. Interface keys here mean `eth0`."""

    netns: NetnsSpec | None = None
    """Its namespace: a name under `/run/netns`, by default its own; `host`; or one that others have made."""
    interfaces: dict[LinkName, InterfaceSpec] | None = None
    """Interfaces by name inside the namespace; an empty map for none."""
    publish: Annotated[tuple[PublishSpec, ...], Field(examples=[["6379:6379", "127.0.0.1:8080:80/tcp"]])] = ()
    """Published ports, as Docker's `-p` writes them or in the long form."""
    replicas: Annotated[int, Field(strict=True, ge=1, le=MOST_REPLICAS)] | None = None
    """How many of it there are: NAME-1, NAME-2 and so on. Host ports are ranges then, of which each has one."""

    @model_validator(mode="after")
    def _has_interfaces(self) -> "EndpointSpec":
        check_host(self)
        if self.interfaces is not None and self.says_something:
            raise wrong("NS0155", "interface keys stand beside `interfaces`", "move them into interfaces: {eth0: …}")
        if self.interfaces is None and self.bridge is None:
            raise wrong("NS0152", "the endpoint joins nothing", "name its bridge, or write interfaces: {} for none")
        check_replicas(self)
        return self

    @property
    def is_host(self) -> bool:
        """Whether it is the host itself."""
        return self.netns is not None and self.netns.name == HOST

    def space(self, endpoint: str) -> str:
        """The name of its namespace under `/run/netns`."""
        return (self.netns.name if self.netns else None) or endpoint

    def all_interfaces(self) -> Mapping[str, InterfaceSpec]:
        """Its interfaces by name, the short form included."""
        return {DEFAULT_INTERFACE: self} if self.interfaces is None else self.interfaces

    def interface_path(self, name: str) -> tuple[str | int, ...]:
        """Where an interface is written, below the endpoint."""
        return () if self.interfaces is None else ("interfaces", name)


def host_end(stack: str, endpoint: str, name: str, spec: InterfaceSpec) -> str:
    """The name of the host end of an interface's veth pair."""
    return spec.host_name or hashed_name("veth", stack, endpoint, name)


def expand(specs: Mapping[str, EndpointSpec], expansion: Expansion) -> Iterator[Resource]:
    """Each endpoint with its namespace, its interfaces, and what it publishes."""
    yield from expand_spaces(specs, expansion)
    for name, spec in specs.items():
        mark = expansion.mark(f"endpoint/{name}")
        attachments = expansion.attachments.get(name, ())
        inside = Inside(spec.space(name), attachments, spec.routes)
        interfaces = spec.all_interfaces()
        for attachment, interface in zip(attachments, interfaces.values(), strict=True):
            yield from _interface(attachment, interface, mark, publishes=bool(spec.publish))
            yield from _default_routes(attachment, spec, mark)
        ends = {each: host_end(mark.stack, name, each, interface) for each, interface in interfaces.items()}
        yield from routed(spec, inside, mark, ends)
        yield from expand_sysctls(spec.sysctls, inside.netns, mark)
        yield from name_files(spec, inside.netns, mark)
        origins = (expansion.mark(f"endpoint/{name}.publish[{index}]") for index in range(len(spec.publish)))
        yield from exposed(zip(spec.publish, origins, strict=True), tuple(attachments))


def _interface(attachment: Attachment, spec: InterfaceSpec, mark: Mark, *, publishes: bool) -> Iterator[Resource]:
    stack, segment = mark.stack, attachment.segment
    name = host_end(stack, attachment.endpoint, attachment.interface, spec)
    identity = (stack, attachment.endpoint, attachment.interface)
    mtu = spec.mtu or segment.mtu
    mac = hashed_mac(*identity) if spec.mac == "auto" else spec.mac
    yield Veth(
        mark=mark,
        netns="",
        name=name,
        alias=str(mark),
        group=stack_group(stack),
        peer_netns=attachment.netns,
        peer_name=attachment.interface,
        mac=hashed_mac(*identity, "host"),
        peer_mac=mac,
        mtu=mtu,
        peer_mtu=mtu,
        up=True,
        peer_up=True,
        # The host end is a mere port: it never needs an address of its own.
        addr_gen_mode=address_mode(mtu, ipv6=False),
        peer_addr_gen_mode=address_mode(mtu, ipv6=segment.has(6)),
        peer_ipv6=wants_ipv6(mtu, ipv6=segment.has(6)),
        promote_secondaries=True,
        peer_txqlen=spec.txqueuelen,
        peer_promisc=spec.promisc,
        peer_allmulti=spec.allmulti,
    )
    for other in sorted(spec.altnames):
        yield Altname(mark=mark, netns=attachment.netns, name=other, link=attachment.interface)
    hairpin = publishes and segment.access != "routed"
    yield from _port(name, segment, mark, hairpin=hairpin, apart=segment.port_isolation or spec.isolated)
    if spec.limit is not None:
        yield from limited(spec.limit, name, mark, identity)
    held = (*attachment.addresses, *attachment.link_local)
    # Where the spec gives no address, somebody else does, and only they know what may be sent.
    if segment.antispoof and held:
        yield from guarded(name, mac, held, mark)
    yield from _addresses(attachment, name, mark)


def _port(link: str, segment: Segment, mark: Mark, *, hairpin: bool, apart: bool) -> Iterator[Resource]:
    """The host end as a port; where others lead to it by a publication, a rule keeps it apart: see `keep_apart`."""
    yield Port(mark=mark, netns="", link=link, bridge=segment.name, hairpin=hairpin, isolated=apart and not hairpin)
    if apart:
        yield guard_element(mark, "apart", ifname(link))


def _addresses(attachment: Attachment, pair: str, mark: Mark) -> Iterator[Resource]:
    netns, link = attachment.netns, attachment.interface
    for address in (*attachment.addresses, *attachment.link_local):
        broadcast = broadcast_of(address)
        yield Address(mark=mark, netns=netns, link=link, address=address, broadcast=broadcast, pair=pair)


def _default_routes(attachment: Attachment, spec: EndpointSpec, mark: Mark) -> Iterator[Resource]:
    netns, link = attachment.netns, attachment.interface
    for gateway in attachment.default_routes:
        # Behind those without one, which in IPv6 have the kernel's.
        metric = (attachment.metric or 0) + (0 if gateway.version == 4 else IPV6_METRIC)
        if replaces_default(spec.routes, gateway.version, metric):
            continue
        near = (address for address in attachment.addresses if gateway in address.network)
        yield Route(
            mark=mark,
            netns=netns,
            to=ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0"),
            table=MAIN,
            metric=metric,
            via=gateway,
            link=link,
            stands_on=tuple(address_key(netns, link, address) for address in near),
        )


SECTION: Any = Section(
    name="endpoints",
    annotation=dict[ObjectName, EndpointSpec],
    description="Network namespaces with their interfaces and published ports, by name.",
    expand=expand,
    check=_endpoint_checks.check,
    object_kind="endpoint",
    order=30,
)
