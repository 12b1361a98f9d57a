"""The document model, assembled from the kinds' sections; validation with all errors in the user's words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)

from netspec.core.resource import STACK_NAME
from netspec.diagnostics import Diagnostic, Place, Severity
from netspec.kinds import sections
from netspec.kinds._addressing import LOCK_FILE
from netspec.kinds._contract import Finding, Section, SpecModel
from netspec.kinds._intent import UNLOCKED, Lock
from netspec.kinds._prefixes import with_prefixes
from netspec.kinds._types import EXACTLY, text, wrong
from netspec.kinds.endpoint import InterfaceSpec
from netspec.spec.judgement import diagnostic_of, judge
from netspec.spec.lockfile import lock_of
from netspec.spec.lockfile import parse as parse_lock
from netspec.spec.source import SourceFile, digest, read
from netspec.spec.tree import Tree, load


def _stack_name(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    name = text(value)
    if not STACK_NAME.fullmatch(name):
        raise wrong("NS0118", f'"{name}" cannot name a stack', "use 1 to 32 letters, digits, '.', '_' and '-'")
    return name


StackName = Annotated[
    str,
    BeforeValidator(_stack_name),
    WithJsonSchema(
        {"type": ["string", "number"], "pattern": f"^{STACK_NAME.pattern}$", "examples": ["default", "shop"]}
    ),
]


@cache
def document_model(found: tuple[Section, ...] | None = None) -> type[BaseModel]:
    """The pydantic model of a whole document, with a field for each section."""
    fields: dict[str, Any] = {
        "netspec": (Annotated[Literal[1], EXACTLY], Field(description="Version of the format.")),
        "stack": (StackName, Field(default="default", description="Owner mark of all that this spec makes.")),
    }
    for section in found if found is not None else sections():
        default = Field(default_factory=section.default, description=section.description)
        fields[section.name] = (section.annotation, default)
    validators: dict[str, Any] = {"prefixes": model_validator(mode="before")(with_prefixes)}
    return create_model(
        "Netspec",
        __base__=SpecModel,
        __doc__="A declarative network of one host.",
        __validators__=validators,
        **fields,
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid document, with what is needed to point into it. `digest` is SHA-256 over the texts, in hex.

    `lock` is what the lock file beside it says; `path` is where it was read from, empty where it was no path.
    """

    document: Any
    tree: Tree
    digest: str
    files: tuple[SourceFile, ...]
    lock: Lock = UNLOCKED
    path: str = ""

    def place_of(self, address: str) -> Place | None:
        """The place of an address like `endpoint/redis.publish[0]`; None for what is not in the spec."""
        path = path_of(address)
        return self.tree.place(path, on_key=len(path) <= 2) if self.tree.holds(path) else None

    def place_at(self, path: tuple[str | int, ...]) -> Place | None:
        """The place of a path into the document, or of the nearest that holds what is not written out."""
        for length in range(len(path), 0, -1):
            if self.tree.holds(path[:length]):
                return self.tree.place(path[:length], on_key=length <= 2 and not isinstance(path[length - 1], int))
        return None

    def diagnostics(self, findings: Iterable[Finding]) -> tuple[Diagnostic, ...]:
        """Findings with their paths turned into places."""
        return tuple(diagnostic_of(each, self.tree) for each in findings)

    def warnings(self, findings: Iterable[Finding]) -> tuple[Diagnostic, ...]:
        """Likewise, of what does not forbid going on."""
        return tuple(replace(each, severity=Severity.WARNING) for each in self.diagnostics(findings))


def path_of(address: str) -> tuple[str | int, ...]:
    """The path into the document of an address; empty for one that no section has."""
    kind, slash, name = address.partition("/")
    if not slash:
        return tuple(_parts(address))
    section = next((each.name for each in sections() if each.object_kind == kind), None)
    if section is None:
        return ()
    if kind == "sysctl":
        return (section, name)
    entry, field_path = name, ""
    if name.endswith("]"):
        entry, _, field_path = name.rpartition(".")
    return (section, entry, *_parts(field_path))


def _parts(text_path: str) -> Iterator[str | int]:
    for part in filter(None, text_path.split(".")):
        name, bracket, index = part.partition("[")
        yield name
        if bracket:
            yield int(index.rstrip("]"))


def load_document(path: str) -> Loaded:
    """Read, parse and validate the spec at `path`, and its lock file. Raises SpecError with all that is wrong."""
    files = read(path)
    tree = load(files)
    document = parse(tree)
    place = "" if path == "-" else str(Path(path).absolute())
    return Loaded(document, tree, digest(files), files, lock_of(path, document.stack), place)


def document_in(files: tuple[SourceFile, ...], lock: str) -> Loaded:
    """The spec in texts that were read before, `lock` being the text of its lock file. Raises SpecError."""
    tree = load(files)
    document = parse(tree)
    locked = parse_lock(Path(LOCK_FILE), lock.encode()).get(document.stack, {}) if lock else {}
    return Loaded(document, tree, digest(files), files, Lock(addresses=locked))


def parse(tree: Tree, found: tuple[Section, ...] | None = None) -> Any:  # noqa: ANN401  the assembled model
    """The validated document of a tree. Raises SpecError with everything that is wrong."""
    return judge(tree, document_model(found), found if found is not None else sections())


def expand_to_long_form(document: Any) -> dict[str, Any]:  # noqa: ANN401
    """The canonical long form: every default written out, every short form spelled."""
    found: dict[str, Any] = document.model_dump(mode="json", exclude_none=True)
    for spec, endpoint in zip(found["endpoints"].values(), document.endpoints.values(), strict=True):
        _spell_interfaces(spec, endpoint)
    found["subnets"] = {name: _spelled_subnet(each) for name, each in document.subnets.items()}
    for spec, bridge in zip(found["bridges"].values(), document.bridges.values(), strict=True):
        spec["subnets"] = [each if isinstance(each, str) else _spelled_subnet(each) for each in bridge.subnets]
    return found


def _spelled_subnet(subnet: Any) -> dict[str, Any]:  # noqa: ANN401
    """With the addresses that its defaults come to."""
    pool = subnet.pool()
    return {
        **subnet.model_dump(mode="json"),
        "gateway": str(pool.gateway or "none"),
        "host_address": str(pool.host or "none"),
        "range": f"{pool.first}-{pool.last}",
    }


def _spell_interfaces(spec: dict[str, Any], endpoint: Any) -> None:  # noqa: ANN401
    interface_keys = set(InterfaceSpec.model_fields)
    # Always at the same place, whether they were written so or not.
    for name in (interface_keys | {"interfaces"}) & set(spec):
        del spec[name]
    interfaces = endpoint.all_interfaces().items()
    spec["interfaces"] = {
        name: each.model_dump(mode="json", exclude_none=True, include=interface_keys) for name, each in interfaces
    }
