"""`dns` and `hosts` of an endpoint, and the files that they come to."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from netspec.core.resource import Mark
from netspec.kernel.operations import Address
from netspec.kinds._contract import SpecModel
from netspec.kinds._types import IpAddress, ip_address, text, wrong
from netspec.kinds.file import HOSTS, RESOLVER, File

MOST_SERVERS = 3
"""MAXNS (`resolv.h`): resolvers read no more."""
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_OPTION = re.compile(r"[a-z0-9-]+(:[0-9]+)?")
LOCAL = (("127.0.0.1", ("localhost",)), ("::1", ("localhost", "ip6-localhost", "ip6-loopback")))


def _domain(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    name = text(value)
    if not _DOMAIN.fullmatch(name):
        raise wrong("NS0187", f'"{name}" is not a host or domain name', "use letters, digits, '-' and dots between")
    return name


def _host_name(value: Any) -> str:  # noqa: ANN401
    name = _domain(value)
    if name.rstrip(".") in LOCAL[1][1]:
        raise wrong("NS0188", f'"{name}" stands in the file by itself', "leave it away")
    return name


def _option(value: Any) -> str:  # noqa: ANN401
    option = text(value)
    if not _OPTION.fullmatch(option):
        raise wrong("NS0189", f'"{option}" is not an option of a resolver', "write it like ndots:2 or rotate")
    return option


def _addresses(value: Any) -> tuple[Address, ...]:  # noqa: ANN401
    each = value if isinstance(value, (list, tuple)) else [value]
    return tuple(ip_address(one) for one in each)


_NAME_FORM = {"type": ["string", "number"], "examples": ["example.com"]}
Domain = Annotated[str, BeforeValidator(_domain), WithJsonSchema(_NAME_FORM)]
HostName = Annotated[str, BeforeValidator(_host_name), WithJsonSchema(_NAME_FORM)]
ResolverOption = Annotated[
    str, BeforeValidator(_option), WithJsonSchema({"type": "string", "examples": ["ndots:2", "rotate"]})
]
HostAddresses = Annotated[
    tuple[Address, ...],
    BeforeValidator(_addresses),
    PlainSerializer(lambda found: [str(each) for each in found], when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "examples": ["10.0.0.5", ["10.0.0.5", "fd00::5"]],
        }
    ),
]


class DnsSpec(SpecModel):
    """Who resolves names inside the namespace."""

    servers: tuple[IpAddress, ...] = ()
    """Addresses of name servers, at most three."""
    search: tuple[Domain, ...] = ()
    """Domains that short names are looked up in."""
    options: tuple[ResolverOption, ...] = ()
    """Options of the resolver, as in resolv.conf(5)."""

    @model_validator(mode="after")
    def _is_read(self) -> "DnsSpec":
        if len(self.servers) > MOST_SERVERS:
            raise wrong("NS0189", f"resolvers read {MOST_SERVERS} name servers", f"here are {len(self.servers)}")
        return self

    @property
    def content(self) -> str:
        """The file."""
        lines = [f"search {' '.join(self.search)}"] if self.search else []
        lines += [f"nameserver {each}" for each in self.servers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(f"{line}\n" for line in lines)


def name_files(spec: Any, netns: str, mark: Mark) -> Iterator[File]:  # noqa: ANN401  an EndpointSpec
    """The files of an endpoint that says something of names."""
    if spec.dns is not None:
        yield File(mark=mark, netns=netns, name=RESOLVER, text=spec.dns.content)
    if spec.hosts is not None:
        yield File(mark=mark, netns=netns, name=HOSTS, text=_hosts(spec.hosts))


def _hosts(hosts: Mapping[str, tuple[Address, ...]]) -> str:
    lines = [f"{address} {' '.join(names)}" for address, names in LOCAL]
    lines += [f"{address} {name}" for name, addresses in hosts.items() for address in addresses]
    return "".join(f"{line}\n" for line in lines)
