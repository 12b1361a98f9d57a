"""A Resource is one kernel object as a frozen value; its Key says which one it is."""

import dataclasses
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

STACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""What can name a stack: it stands in marks, in commands to nftables, and in names of files."""
_PART = re.compile(r"\.[a-z_]+\[[0-9]+\]$")


class Disruption(IntEnum):
    """What a change does to traffic, mildest first (`docs/reference/cli.md`)."""

    NONE = 0
    LIVE = 1
    RESET = 2
    FLAP = 3
    REBUILD = 4
    LOCKOUT_RISK = 5

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


ANY = ""
"""In place of a field's name: all of them."""


class Policy(StrEnum):
    """What a difference in a field leads to."""

    IDENTITY = "identity"
    """Part of the key; it cannot differ."""
    IN_PLACE = "in place"
    """The kernel changes it on the living object."""
    REPLACES = "replaces"
    """The object must be deleted and made anew."""
    CARRIED = "carried"
    """Needed to create the object again; never compared."""


def identity(default: Any = dataclasses.MISSING) -> Any:  # noqa: ANN401  as dataclasses.field, whose type stands for any field's
    """A field that is part of the key."""
    return field(default=default, metadata={"policy": Policy.IDENTITY})


def in_place(
    default: Any = None,  # noqa: ANN401
    disruption: Disruption = Disruption.LIVE,
    harmless: tuple[object, ...] = (),
) -> Any:  # noqa: ANN401
    """A field that the kernel changes on the living object; None means the spec has no opinion.

    Changing it to one of the `harmless` values takes nothing from anybody: that is live.
    """
    told = {"policy": Policy.IN_PLACE, "disruption": disruption, "harmless": harmless}
    return field(default=default, metadata=told)


def replaces(default: Any = dataclasses.MISSING) -> Any:  # noqa: ANN401
    """A field that cannot change on a living object."""
    return field(default=default, metadata={"policy": Policy.REPLACES})


def carried(default: Any = None) -> Any:  # noqa: ANN401
    """A field that is needed to create the object again, and is not compared."""
    return field(default=default, metadata={"policy": Policy.CARRIED})


class Key(NamedTuple):
    """Identity of a resource: its class, its network namespace (`""` is the host's), its name there.

    All sorts of links share the class `link`, as in the kernel. A tuple, as keys are hashed and compared
    more than anything else.
    """

    kind: str
    netns: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.netns}/{self.name}" if self.netns else f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose a kernel object is: the stack, and the object of the spec that asked for it."""

    stack: str
    origin: str

    PREFIX: ClassVar[str] = "netspec:"

    def __str__(self) -> str:
        return f"{self.PREFIX}{self.stack}:{self.origin}"

    @staticmethod
    @lru_cache(1 << 14)
    def parse(text: str) -> "Mark | None":
        """The mark that a link alias holds, or None for anything else."""
        if not text.startswith(Mark.PREFIX):
            return None
        stack, _, origin = text.removeprefix(Mark.PREFIX).partition(":")
        return Mark(stack, origin) if stack else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Base of all kinds' resources. Fields of kinds say their policy; None means no opinion."""

    mark: Mark | None = carried()

    rank: ClassVar[int] = 0
    """Among steps that are all free to go, lower ranks are created first and deleted last."""
    make_before_break: ClassVar[bool] = False
    """Creations of this kind go before deletions of it."""
    together: ClassVar[bool] = False
    """Steps on resources of such kinds are one run: the kernel takes them as one transaction."""
    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_bytes": "hex", "val_json_bytes": "hex"}
    """How whoever writes resources as JSON shall write packed bytes."""
    replacing: ClassVar[Disruption] = Disruption.REBUILD
    """What replacing one does to traffic."""
    deleting: ClassVar[Disruption] = Disruption.RESET
    """What deleting one does to traffic."""
    guarded: ClassVar[bool] = False
    """A foreign object at the key of one that the spec wants is refused, never taken over."""

    def key(self) -> Key:
        """Which object this is."""
        raise NotImplementedError(type(self).__name__)

    def requires(self) -> Iterator[Key]:
        """The keys this resource stands on."""
        return iter(())

    def provides(self) -> Iterator[Key]:
        """Further keys that come and go with it, as the far end of a veth pair."""
        return iter(())

    def cascades(self) -> Iterator[Key]:
        """The required keys whose deletion deletes this at once, inside the kernel."""
        return iter(())

    def recorded_in(self) -> Iterator[Key]:
        """The keys of resources that remember for this one what was before it: there first, and gone last."""
        return iter(())

    def disturbs(self) -> Iterator[Key]:
        """The keys of resources that the kernel changes along with this one, whether that is wanted or not."""
        return iter(())

    def follows(self) -> Iterator[Key]:
        """The keys of what is made first, where both are made; it does not go with them."""
        return iter(())

    def swept_by(self) -> Iterator[tuple[Key, str]]:
        """Keys and fields of other resources: where such a field changes, the kernel drops this.

        ANY where it does so when that resource is made anew.
        """
        return iter(())

    def hidden(self) -> Collection[str]:
        """Fields whose value the kernel does not show just now, whatever stands in them: they are not compared."""
        return ()

    def stuck(self) -> Collection[str]:
        """Fields that this kernel does not change on this object, though others do: it is made anew."""
        return ()

    def effect(self, rule: "FieldRule", after: object) -> Disruption:
        """What changing one of its fields to `after` does to traffic."""
        return min(rule.disruption, Disruption.LIVE) if after in rule.harmless else rule.disruption

    def farewell(self) -> Disruption:
        """What deleting it does to traffic."""
        return self.deleting

    def evicts(self, other: "Resource") -> bool:  # noqa: ARG002  for those that override it
        """Whether what stands on this one, and is not wanted, goes even where it is not ours."""
        return False

    def lasting(self) -> bool:
        """Whether it is put back when its deletion is undone; the remains of something are not."""
        return True

    def title(self) -> str:
        """A few words for people, without the key."""
        return ""

    @property
    def origin(self) -> str:
        """The address of the spec's object that asked for it; empty for foreign ones."""
        return self.mark.origin if self.mark else ""

    @property
    def owner(self) -> str:
        """The object of the spec that it is a part of: its origin without `.publish[0]`; empty for foreign ones."""
        return _PART.sub("", self.origin)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Name, policy and disruption of one compared field; `harmless` as with `in_place`."""

    name: str
    policy: Policy
    disruption: Disruption
    harmless: tuple[object, ...] = ()


_RULES: dict[type[Resource], tuple[FieldRule, ...]] = {}


def compared_fields(resource_type: type[Resource]) -> tuple[FieldRule, ...]:
    """The fields of a resource type that a diff looks at, in order of declaration."""
    found = _RULES.get(resource_type)
    if found is None:
        found = _RULES[resource_type] = tuple(_rules(resource_type))
    return found


def _rules(resource_type: type[Resource]) -> Iterator[FieldRule]:
    for each in dataclasses.fields(resource_type):
        policy = each.metadata.get("policy", Policy.CARRIED)
        if policy in (Policy.IN_PLACE, Policy.REPLACES):
            level = each.metadata.get("disruption", resource_type.replacing)
            yield FieldRule(each.name, policy, level, each.metadata.get("harmless", ()))
