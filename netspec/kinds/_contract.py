"""Kind and Section: the two tables a module of `netspec.kinds` fills in, and what they are handed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from netspec.core.resource import Mark, Resource
from netspec.diagnostics import Diagnostic
from netspec.kernel.operations import Operation
from netspec.kernel.snapshot import ReferenceRow, Snapshot
from netspec.kinds._field_docs import field_docs
from netspec.kinds._intent import Attachment, Present, Segment

PROTOCOL = 110
"""RTA_PROTOCOL and IFA_PROTO of all that netspec makes; free in iproute2's rt_protos."""


class SpecModel(BaseModel):
    """Base of everything a user writes: frozen, and no key but the declared ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    short_form: ClassVar[JsonSchemaValue | None] = None
    """The JSON Schema of what may be written instead of a mapping."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema, each field described by the docstring below it."""
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        written = cls.__mro__[: cls.__mro__.index(SpecModel)]
        for name, text in field_docs(reversed(written)).items():
            key = name.removesuffix("_")
            if key in properties:
                properties[key]["description"] = text
        return schema


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of resource is read and moved.

    `observe` decodes a snapshot; `create`, `update` and `delete` say what to ask of the kernel and ask nothing.
    `observe` must return enough to create the resource again.
    """

    resource: type[Resource]
    observe: Callable[[Snapshot], Iterator[Resource]]
    create: Callable[[Any], Iterator[Operation]]
    update: Callable[[Any, Any], Iterator[Operation]]
    delete: Callable[[Any], Iterator[Operation]]
    aftermath: Callable[[Any, Any], Iterator[Operation]] = lambda _before, _after: iter(())
    """What is left to do where the kernel has deleted one with its ground, which is made again; `after` may be None."""
    features: tuple[str, ...] = ()
    """Kernel features a creation needs, as `Kernel.missing_features` names them."""
    needs: Callable[[Any], Iterable[str]] = lambda _resource: ()
    """Further features that one resource needs for the values it has."""


Place = tuple[str | int, ...]
"""A path into the document: `("endpoints", "redis", "publish", 0)`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A Diagnostic whose place is still a path into the document; `related` likewise, with words."""

    code: str
    message: str
    path: Place
    hint: str = ""
    label: str = ""
    on_key: bool = False
    """Point at the key rather than at the value."""
    related: tuple[tuple[Place, str], ...] = ()
    missing: tuple[Place, ...] = ()
    """Where what it misses could stand: nothing is told where that was left out for a fault of its own."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a section sees of the rest of the document while it expands."""

    stack: str
    segments: Mapping[str, Segment] = field(default_factory=dict)
    attachments: Mapping[str, tuple[Attachment, ...]] = field(default_factory=dict)
    """By endpoint, in order; addresses are decided."""
    rules: tuple[Any, ...] = ()
    """The rules of policies, `_policies.Rule`."""
    policed: frozenset[str] = frozenset()
    """Segments, `bridge/docker0`, within which a policy holds."""
    origin: str = ""
    references: Mapping[str, ReferenceRow] = field(default_factory=dict)
    """Where the namespaces of others are, by endpoint."""
    present: Present = field(default_factory=Present)

    def mark(self, origin: str) -> Mark:
        """The mark for what the object at `origin` (`endpoint/redis`) makes."""
        return Mark(self.stack, origin)


@dataclass(frozen=True, slots=True)
class Section:
    """One top-level key of the document.

    `annotation` is the type of its value; `check(value, document)` yields what pydantic cannot see;
    `expand(value, expansion)` yields resources. `object_kind` is the word for one entry in addresses
    (`bridge` for `bridges`); empty where entries have no address of their own.
    """

    name: str
    annotation: Any
    description: str
    expand: Callable[[Any, Expansion], Iterator[Resource]]
    check: Callable[[Any, Any], Iterator[Finding]] = lambda _value, _document: iter(())
    default: Callable[[], Any] = dict
    object_kind: str = ""
    order: int = 50


__all__ = ["PROTOCOL", "Diagnostic", "Expansion", "Finding", "Kind", "Place", "Section", "SpecModel"]
