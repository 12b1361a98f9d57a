"""Subnets: pools of addresses. Intent only; bridges and endpoints make something of them."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.core.resource import Resource
from netspec.kernel.operations import Address, Network
from netspec.kinds._contract import Expansion, Finding, Section, SpecModel
from netspec.kinds._intent import Pool
from netspec.kinds._patterns import CIDR, RANGE, whole
from netspec.kinds._prefixes import ULA
from netspec.kinds._types import Cidr, IpAddress, ObjectName, ip_address, ip_network, object_name, text, wrong


def _range(value: Any) -> tuple[Address, Address]:  # noqa: ANN401  whatever YAML held
    """`first-last`, or a CIDR whose every address is meant."""
    if isinstance(value, tuple):
        return value
    raw = text(value)
    if "/" in raw:
        network = ip_network(raw)
        return network[0], network[-1]
    first, dash, last = raw.partition("-")
    if not dash:
        raise wrong("NS0130", f'"{raw}" is not a range of addresses', "write a CIDR, or first-last")
    low, high = ip_address(first.strip()), ip_address(last.strip())
    if low.version != high.version or int(low) > int(high):
        raise wrong("NS0130", f'"{raw}" is not a range of addresses: it ends before it begins')
    return low, high


AddressRange = Annotated[
    tuple[Address, Address],
    BeforeValidator(_range),
    PlainSerializer(lambda pair: f"{pair[0]}-{pair[1]}", when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": whole(CIDR, RANGE),
            "examples": ["172.17.1.0/24", "172.17.0.100-172.17.0.200"],
        }
    ),
]


def _usable(cidr: Network) -> Network:
    """A subnet that may serve a segment."""
    hint = "choose a private one: 172.20.0.0/16" if cidr.version == 4 else "choose a private one, or write ula"
    if not cidr.prefixlen:
        raise wrong("NS0132", f"{cidr} is the whole address space and cannot be a subnet", hint)
    for network, what in _SPECIAL:
        if network.version == cidr.version and network.overlaps(cidr):
            inside = cidr.prefixlen >= network.prefixlen
            raise wrong("NS0132", f"{cidr} {'is' if inside else 'holds'} {what} and cannot be a subnet", hint)
    return cidr


_SPECIAL = tuple(
    (ipaddress.ip_network(text_), what)
    for text_, what in (
        ("0.0.0.0/8", "unspecified"),
        ("127.0.0.0/8", "loopback"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "the broadcast address"),
        ("::/128", "the unspecified address"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)

SubnetCidr = Annotated[
    Cidr,
    AfterValidator(_usable),
    WithJsonSchema(
        {
            "description": "A subnet in CIDR form, or `ula` for a generated IPv6 one.",
            "type": "string",
            "pattern": whole("ula", CIDR),
            "examples": ["172.17.0.0/16", "ula"],
        }
    ),
]
OwnAddress = Annotated[IpAddress | Literal["none"], Field(union_mode="left_to_right")]


class SubnetSpec(SpecModel):
    """A pool of addresses."""

    short_form: ClassVar = {"type": "string", "pattern": whole("ula", CIDR), "examples": ["172.17.0.0/16", "ula"]}

    cidr: SubnetCidr
    """The subnet in CIDR form; `ula` for a private IPv6 /64 that is derived from the names of stack and segment."""
    gateway: OwnAddress | None = None
    """The default gateway of the endpoints: the first address unless said; `none` for none."""
    host_address: OwnAddress | None = None
    """The host's own address on the segment: the gateway's unless said, so that the host is the gateway.
    Another one, or `none`, makes another router the gateway, which may then be a link-local address."""
    range: AddressRange | None = None
    """Bounds automatic addresses: a CIDR or `first-last`."""
    reserve: tuple[IpAddress, ...] = ()
    """Addresses never handed out."""

    @model_validator(mode="before")
    @classmethod
    def _from_cidr(cls, value: Any) -> Any:  # noqa: ANN401  whatever YAML held
        return {"cidr": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _hangs_together(self) -> "SubnetSpec":
        for what, own in (("gateway", self.gateway), ("host's address", self.host_address)):
            if own not in (None, "none") and not (own is self.gateway and _is_router(own, self)):
                _check_own(self.cidr, ip_address(own), what)
        if self.host_address is not None and self.gateway is None:
            hint = "name the gateway of the endpoints; `gateway: none` for none"
            raise wrong("NS0134", "`host_address` stands without `gateway`", hint)
        for each in self.range or ():
            if each not in self.cidr:
                raise wrong("NS0131", f"the range reaches {each}, which is outside {self.cidr}")
        for each in self.reserve:
            if each not in self.cidr:
                raise wrong("NS0131", f"the reserved address {each} is outside {self.cidr}")
        return self

    def pool(self, name: str = "") -> Pool:
        """The pool this subnet is, its defaults filled in."""
        first, last = self.range or (self.cidr[0], self.cidr[-1])
        gateway = _first_host(self.cidr) if self.gateway is None else _given(self.gateway)
        return Pool(
            name=name or str(self.cidr),
            cidr=self.cidr,
            gateway=gateway,
            host=gateway if self.host_address is None else _given(self.host_address),
            first=first,
            last=last,
            reserved=frozenset(self.reserve) | edges(self.cidr),
        )


def _given(written: Address | str) -> Address | None:
    return None if isinstance(written, str) else written


def _is_router(gateway: Any, subnet: SubnetSpec) -> bool:  # noqa: ANN401  an address
    """Whether it is a link-local address, as IPv6 routers have them, and the host's is another one."""
    both_6 = ip_address(gateway).version == subnet.cidr.version == 6
    return both_6 and ip_address(gateway).is_link_local and subnet.host_address is not None


def _check_own(cidr: Network, address: Address, what: str) -> None:
    if address not in cidr:
        another_router = what == "gateway" and cidr.version == 6 and address.is_link_local
        hint = "say by `host_address` which one the host has, or `none`" if another_router else ""
        raise wrong("NS0133", f"the {what} {address} is outside {cidr}", hint)
    if address in edges(cidr):
        edge = "network or broadcast" if cidr.version == 4 else "router anycast"
        raise wrong("NS0133", f"the {what} {address} is the {edge} address of {cidr}")


def edges(cidr: Network) -> frozenset[Address]:
    """Network and broadcast address where the prefix has them; an IPv6 subnet only has the router anycast one."""
    if cidr.prefixlen >= cidr.max_prefixlen - 1:
        return frozenset()
    if isinstance(cidr, ipaddress.IPv4Network):
        return frozenset({cidr.network_address, cidr.broadcast_address})
    return frozenset({cidr.network_address})


def _first_host(cidr: Network) -> Address:
    return cidr[0] if cidr.prefixlen >= cidr.max_prefixlen - 1 else cidr[1]


def _choice(value: Any) -> Any:  # noqa: ANN401
    """An inline subnet for what looks like one, else the name of an entry of `subnets`."""
    if isinstance(value, (dict, SubnetSpec)):
        return SubnetSpec.model_validate(value)
    raw = text(value)
    if "/" in raw or ":" in raw:
        return SubnetSpec.model_validate({"cidr": raw})
    return object_name(raw)


SubnetChoice = Annotated[
    SubnetSpec | ObjectName,
    BeforeValidator(_choice),
    PlainSerializer(lambda value: value if isinstance(value, str) else value.model_dump(mode="json")),
]


def check(specs: Mapping[str, SubnetSpec], document: Any) -> Iterator[Finding]:  # noqa: ANN401
    """References to named subnets hold, a pool serves one bridge, and no two pools overlap."""
    if ULA in specs:
        hint = "give the subnet another name; for a generated prefix write ula where it is used"
        message = '"ula" cannot name a subnet: it stands for a generated IPv6 prefix'
        yield Finding("NS0135", message, ("subnets", ULA), hint=hint, on_key=True)
    users: dict[str, tuple[str | int, ...]] = {}
    pools: list[tuple[Network, tuple[str | int, ...]]] = [
        (spec.cidr, ("subnets", name, "cidr")) for name, spec in specs.items()
    ]
    for bridge, spec in document.bridges.items():
        for index, choice in enumerate(spec.subnets):
            path = ("bridges", bridge, "subnets", index)
            if not isinstance(choice, str):
                pools.append((choice.cidr, path))
            elif choice not in specs:
                yield _unknown(choice, path, specs)
            elif choice in users:
                yield Finding(
                    "NS0202",
                    f"subnet/{choice} already serves another bridge",
                    path,
                    hint="a subnet has one bridge: split it, or put the endpoints on one bridge",
                    related=((users[choice], "used here first"),),
                )
            else:
                users[choice] = path
    yield from _overlaps(pools)


def _unknown(name: str, path: tuple[str | int, ...], specs: Mapping[str, SubnetSpec]) -> Finding:
    known = ", ".join(sorted(specs)) or "none is declared"
    message, hint = f'there is no subnet "{name}"', f"subnets: {known}; or write a CIDR"
    return Finding("NS0201", message, path, hint=hint, missing=(("subnets", name),))


def _overlaps(pools: list[tuple[Network, tuple[str | int, ...]]]) -> Iterator[Finding]:
    """Sorted by network, each only has to be compared with the widest so far."""
    reach: tuple[Network, tuple[str | int, ...]] | None = None
    for cidr, path in sorted(pools, key=lambda each: (each[0].version, int(each[0][0]), each[0].prefixlen)):
        if reach is not None and reach[0].version == cidr.version and cidr[0] in reach[0]:
            yield Finding(
                "NS0203",
                f"{cidr} overlaps {reach[0]}",
                path,
                hint="give each segment a subnet of its own",
                related=((reach[1], f"{reach[0]} is used here"),),
            )
        else:
            reach = (cidr, path)


def expand(_specs: Mapping[str, SubnetSpec], _expansion: Expansion) -> Iterator[Resource]:
    """Nothing by themselves."""
    return iter(())


SECTION: Any = Section(
    name="subnets",
    annotation=dict[ObjectName, SubnetSpec],
    description="Named pools of addresses, for bridges to refer to.",
    expand=expand,
    check=check,
    object_kind="subnet",
    order=20,
)
