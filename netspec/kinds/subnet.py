"""Subnets: pools of addresses. Intent only; bridges and endpoints make something of them."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netspec.core.resource import Resource
from netspec.kernel.operations import Address, Network
from netspec.kinds._contract import Expansion, Finding, Section, SpecModel
from netspec.kinds._intent import Pool
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
    WithJsonSchema({"type": "string", "examples": ["172.17.1.0/24", "172.17.0.100-172.17.0.200"]}),
]


class SubnetSpec(SpecModel):
    """A pool of addresses."""

    cidr: Cidr
    """The subnet in CIDR form."""
    gateway: Annotated[IpAddress | Literal["none"] | None, Field(union_mode="left_to_right")] = None
    """The host's address on the segment: the first one unless said; `none` for none and no default route."""
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
        _refuse_special(self.cidr)
        if self.gateway not in (None, "none"):
            _check_gateway(self.cidr, ip_address(self.gateway))
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
        gateway: Address | None
        if self.gateway == "none":
            gateway = None
        else:
            gateway = self.gateway if self.gateway is not None else _first_host(self.cidr)
        return Pool(
            name=name or str(self.cidr),
            cidr=self.cidr,
            gateway=gateway,
            first=first,
            last=last,
            reserved=frozenset(self.reserve) | edges(self.cidr),
        )


def _refuse_special(cidr: Network) -> None:
    special = {
        "the whole address space": cidr.prefixlen == 0,
        "loopback": cidr.is_loopback,
        "multicast": cidr.is_multicast,
    }
    for what, is_so in special.items():
        if is_so:
            raise wrong("NS0132", f"{cidr} is {what} and cannot be a subnet", "choose a private one: 172.20.0.0/16")


def _check_gateway(cidr: Network, gateway: Address) -> None:
    if gateway not in cidr:
        raise wrong("NS0133", f"the gateway {gateway} is outside {cidr}")
    if gateway in edges(cidr):
        raise wrong("NS0133", f"the gateway {gateway} is the network or broadcast address of {cidr}")


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
    Any,
    BeforeValidator(_choice),
    PlainSerializer(lambda value: value if isinstance(value, str) else value.model_dump(mode="json")),
    WithJsonSchema(
        {
            "description": "A CIDR, a subnet object, or the name of an entry of `subnets`.",
            "anyOf": [{"type": "string"}, SubnetSpec.model_json_schema()],
        }
    ),
]


def check(specs: Mapping[str, SubnetSpec], document: Any) -> Iterator[Finding]:  # noqa: ANN401
    """References to named subnets hold, a pool serves one bridge, and no two pools overlap."""
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
    return Finding("NS0201", f'there is no subnet "{name}"', path, hint=f"subnets: {known}; or write a CIDR")


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
