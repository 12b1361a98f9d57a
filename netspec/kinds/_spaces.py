"""The network namespaces of endpoints: named, shared, those of others, and the host's own."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from netspec.core.resource import Resource
from netspec.kernel.snapshot import Reference
from netspec.kinds._contract import Expansion, Finding, Place, SpecModel
from netspec.kinds._intent import Present
from netspec.kinds._patterns import NAME, whole
from netspec.kinds._types import ObjectName, text, wrong
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.netns import Netns

HOST = "host"
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MOST_PIDS = 1 << 22
"""PID_MAX_LIMIT (`include/linux/threads.h`)."""


def absolute_path(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    """An absolute path."""
    path = text(value)
    if not path.startswith("/") or "\0" in path:
        raise wrong("NS0171", f'"{path}" is not an absolute path', "write it like /run/netns/web or /proc/1234/ns/net")
    return path


def container_name(value: Any) -> str:  # noqa: ANN401
    """A name or an id, as Docker and Podman take them."""
    name = text(value)
    if not _CONTAINER.fullmatch(name):
        raise wrong("NS0173", f'"{name}" cannot name a container', "use letters, digits, '.', '_' and '-'")
    return name


ContainerName = Annotated[str, BeforeValidator(container_name), WithJsonSchema({"type": ["string", "number"]})]
AbsolutePath = Annotated[
    str,
    BeforeValidator(absolute_path),
    WithJsonSchema({"type": "string", "pattern": "^/", "examples": ["/proc/1/ns/net"]}),
]


class NetnsSpec(SpecModel):
    """A network namespace: one that netspec makes, by `name`; or one that others have made."""

    short_form: ClassVar = {"type": ["string", "number"], "pattern": whole(NAME), "examples": ["web", "host"]}

    name: ObjectName | None = None
    """Name under `/run/netns`; `host` for the namespace of the host. A string alone means this."""
    pid: Annotated[int, Field(strict=True, ge=1, lt=_MOST_PIDS)] | None = None
    """That of a process."""
    path: AbsolutePath | None = None
    """That at a path, such as `/proc/1234/ns/net` or `/run/netns/web`."""
    container: ContainerName | None = None
    """That of a running Docker or Podman container."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:  # noqa: ANN401
        return value if isinstance(value, (dict, NetnsSpec)) else {"name": text(value)}

    @model_validator(mode="after")
    def _one_of_them(self) -> "NetnsSpec":
        if sum(each is not None for each in (self.name, self.pid, self.path, self.container)) != 1:
            raise wrong(
                "NS0170", "a namespace is said in one way", "write one of: NAME, {pid: …}, {path: …}, {container: …}"
            )
        return self

    @property
    def reference(self) -> Reference | None:
        """Where to find it; None for one that netspec makes."""
        if self.pid is not None:
            return Reference("pid", str(self.pid))
        if self.path is not None:
            return Reference("path", self.path)
        return Reference("container", self.container) if self.container is not None else None


def check_host(spec: Any) -> None:  # noqa: ANN401  an EndpointSpec
    """Whether an endpoint in the host's namespace says nothing else. Raises PydanticCustomError."""
    others = sorted(spec.model_fields_set - {"netns", "interfaces"})
    if spec.is_host and (spec.interfaces != {} or others):
        what = f"has `{others[0]}`" if others else "has interfaces" if spec.interfaces else "does not say so"
        hint = "netns: host goes with interfaces: {} and nothing else"
        raise wrong("NS0172", f"the endpoint adds nothing to the host, and {what}", hint)


def references(document: Any) -> tuple[tuple[str, Reference], ...]:  # noqa: ANN401  the assembled document model
    """The namespaces of others, each by the name that it is to have under `/run/netns`."""
    found = ((name, spec.netns.reference) for name, spec in document.endpoints.items() if spec.netns)
    return tuple((name, reference) for name, reference in found if reference is not None)


def expand_spaces(specs: Mapping[str, Any], expansion: Expansion) -> Iterator[Resource]:
    """Each namespace once, marked by the endpoint that it is named after, else by the first by name."""
    owners: dict[str, str] = {}
    for name in sorted(specs):
        if not specs[name].is_host:
            space = specs[name].space(name)
            owners[space] = name if space == name else owners.get(space, name)
    for space, owner in owners.items():
        mark = expansion.mark(f"endpoint/{owner}")
        if space != owner or not specs[owner].netns or specs[owner].netns.reference is None:
            yield Netns(mark=mark, name=space, alias=str(mark))
            continue
        row = expansion.references.get(owner)
        if row is not None:
            alias = str(mark)
            yield AttachedNetns(mark=mark, name=space, alias=alias, inode=row.inode, path=row.path, started=row.started)


def check_spaces(specs: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wanted of one namespace twice."""
    links: dict[tuple[str, str], Place] = {}
    sought: dict[Reference, str] = {}
    for endpoint, spec in specs.items():
        reference = spec.netns.reference if spec.netns else None
        if reference is not None:
            first = sought.setdefault(reference, endpoint)
            if first != endpoint:
                yield _attached_twice(endpoint, first)
                continue
        for name in spec.all_interfaces():
            path: Place = ("endpoints", endpoint, *spec.interface_path(name))
            other = links.setdefault((spec.space(endpoint), name), path)
            if other != path:
                yield Finding(
                    "NS0223",
                    f'two endpoints want the interface {name} in the namespace "{spec.space(endpoint)}"',
                    path,
                    hint="give one of them another name below interfaces, or a namespace of its own",
                    related=((other, "wanted here first"),),
                )


def _attached_twice(endpoint: str, first: str, what: str = "the same namespace") -> Finding:
    return Finding(
        "NS0260",
        f"endpoint/{endpoint} is attached to {what} as endpoint/{first}",
        ("endpoints", endpoint, "netns"),
        hint=f"write netns: {first}, and give the interfaces other names",
        related=((("endpoints", first), "attached here first"),),
    )


def check_present(document: Any, present: Present) -> Iterator[Finding]:  # noqa: ANN401
    """What only the host shows of the namespaces of others."""
    own: dict[str, str] = {}
    for name, spec in document.endpoints.items():
        own.setdefault(spec.space(name), name)
    inodes: dict[int, str] = {}
    for name, row in present.references.items():
        place: Place = ("endpoints", name, "netns")
        if row.problem:
            hint = "name a namespace that is there, or remove the endpoint"
            yield Finding("NS0410", f"endpoint/{name} cannot join {row.reference}: {row.problem}", place, hint=hint)
            continue
        attached = present.attached.get(name)
        reused = attached is not None and (attached.path == row.path and attached.started != row.started)
        if reused and row.reference.sort == "pid":
            message = f"{row.reference} is another one than endpoint/{name} was attached to: its number is used again"
            hint = "name the process that is meant; remove the endpoint and add it again if it is this one"
            yield Finding("NS0411", message, place, hint=hint)
            continue
        first = inodes.setdefault(row.inode, name)
        known = next((own[each] for each in row.known_as if each in own and each != name), first)
        if known != name:
            yield _attached_twice(name, known)
