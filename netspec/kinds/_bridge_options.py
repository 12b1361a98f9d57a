"""Options of a bridge: how they are written, what a new bridge has, and how the kernel packs them."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netspec.core.resource import carried, in_place
from netspec.kernel.operations import Attributes, LinkSet
from netspec.kinds._links import Link
from netspec.kinds._types import wrong

MOST_SECONDS = 1_000_000
RESERVED_GROUPS = 0x7
"""BR_GROUPFWD_RESTRICTED (net/bridge/br_private.h): STP, pause frames and LACP are never forwarded."""
LEAST_STP_DELAY = 2
"""BR_MIN_FORWARD_DELAY in seconds (net/bridge/br_private.h): a forward delay is kept above it while STP is on."""
NF_CALL = (36, 37)
"""IFLA_BR_NF_CALL_IPTABLES and _IP6TABLES: br_netfilter for this one bridge."""
VLAN_FEATURE = "bridge-vlan"

_ROOT_ID, _BRIDGE_ID, _TOPOLOGY_CHANGE = 10, 11, 14
"""IFLA_BR_* that tell whether the bridge is the root, and whether the tree is changing."""

_U8, _U16, _U32 = struct.Struct("=B"), struct.Struct("=H"), struct.Struct("=I")
Setting = bool | float


Seconds = int | float
"""A time: whole where it is, also after it has been JSON."""


@dataclass(frozen=True, slots=True)
class Option:
    """One IFLA_BR_* attribute (`linux/if_link.h`), and the value of a new bridge.

    `units` are the kernel's in one of ours. Where the kernel has no such attribute, `feature` is what it lacks.
    """

    number: int
    layout: struct.Struct
    default: Setting
    units: int = 1
    feature: str = ""

    def pack(self, value: Setting) -> bytes:
        """As the kernel takes it."""
        return self.layout.pack(round(value * self.units))

    def read(self, data: Mapping[int, bytes]) -> Setting:
        """From what the kernel says; an option it does not know has the value of a new bridge."""
        if self.number not in data:
            return self.default
        found = int(self.layout.unpack(data[self.number])[0])
        if isinstance(self.default, bool):
            return bool(found)
        return found // self.units if found % self.units == 0 else found / self.units

    def text(self, value: Setting) -> str:
        """As people read it: `on`, `off` or a number."""
        if isinstance(self.default, bool):
            return "on" if value else "off"
        return str(int(value) if value == int(value) else value)

    def parse(self, text: str) -> Setting:
        """Back from what `text` says."""
        if isinstance(self.default, bool):
            return text == "on"
        return float(text) if "." in text else int(text)


OPTIONS: Mapping[str, Option] = {
    "stp": Option(5, _U32, default=False),
    "priority": Option(6, _U16, 32768),
    "forward_delay": Option(1, _U32, 15, units=100),
    "hello_time": Option(2, _U32, 2, units=100),
    "max_age": Option(3, _U32, 20, units=100),
    "ageing_time": Option(4, _U32, 300, units=100),
    "group_fwd_mask": Option(9, _U16, 0),
    "multicast_snooping": Option(23, _U8, default=True),
    "multicast_querier": Option(25, _U8, default=False),
    "vlan_filtering": Option(7, _U8, default=False, feature=VLAN_FEATURE),
    "vlan_default_pvid": Option(39, _U16, 1, feature=VLAN_FEATURE),
}
"""By the key in the spec, STP first: switching it changes the forward delay, and decides which one is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionedLink(Link):
    """A link with the options of a bridge; times in seconds."""

    stp: bool | None = in_place()
    priority: int | None = in_place()
    forward_delay: Seconds | None = in_place()
    hello_time: Seconds | None = in_place()
    max_age: Seconds | None = in_place()
    ageing_time: Seconds | None = in_place()
    group_fwd_mask: int | None = in_place()
    multicast_snooping: bool | None = in_place()
    multicast_querier: bool | None = in_place()
    vlan_filtering: bool | None = in_place()
    vlan_default_pvid: int | None = in_place()
    unseen: tuple[str, ...] = carried(())

    def hidden(self) -> tuple[str, ...]:
        """Times that the kernel shows are not always the bridge's own."""
        return self.unseen


def options_of(data: Mapping[int, bytes]) -> dict[str, Any]:
    """The fields of OptionedLink, read."""
    return {**{name: option.read(data) for name, option in OPTIONS.items()}, "unseen": unseen_options(data)}


def unseen_options(data: Mapping[int, bytes]) -> tuple[str, ...]:
    """The times that are not the bridge's own: the root's, or, while the tree changes, a short ageing time.

    The kernel holds those that were set as well, and tells nobody (`br_fill_info` in net/bridge/br_netlink.c).
    """
    if not OPTIONS["stp"].read(data):
        return ()
    of_root = data.get(_ROOT_ID) != data.get(_BRIDGE_ID)
    changing = any(data.get(_TOPOLOGY_CHANGE, b""))
    return (("forward_delay", "hello_time", "max_age") if of_root else ()) + (("ageing_time",) if changing else ())


def options_for_birth(new: OptionedLink) -> Attributes:
    """What a new bridge must be told: all that it would not have by itself."""
    return _packed(new, [name for name in OPTIONS if _peculiar(new, name) and name not in new.unseen])


def option_updates(old: OptionedLink, new: OptionedLink) -> Iterator[LinkSet]:
    """STP in a message of its own, before the rest: the range of forward delays depends on it, and it moves them."""
    known = (name for name in OPTIONS if name not in new.unseen)
    changed = [name for name in known if getattr(new, name) not in (None, getattr(old, name))]
    for names in ([name for name in changed if name == "stp"], [name for name in changed if name != "stp"]):
        if names:
            yield LinkSet(netns=new.netns, name=new.name, kind="bridge", data=_packed(new, names))


def _peculiar(new: OptionedLink, name: str) -> bool:
    return getattr(new, name) not in (None, OPTIONS[name].default)


def _packed(new: OptionedLink, names: Iterable[str]) -> Attributes:
    return tuple((OPTIONS[name].number, OPTIONS[name].pack(getattr(new, name))) for name in names)


def features_of(new: OptionedLink) -> Iterator[str]:
    """The features of the kernel that a bridge with these options needs."""
    return (option.feature for name, option in OPTIONS.items() if option.feature and _peculiar(new, name))


def _seconds(low: float, high: float) -> Any:  # noqa: ANN401  an annotation
    def parsed(value: Any) -> float:  # noqa: ANN401  whatever YAML held
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong("NS0119", "a number of seconds is wanted here")
        if not low <= value <= high:
            raise wrong("NS0190", f"{value:g} s is out of bounds", f"write {low} to {high} seconds")
        tenths = round(value * 10)
        if abs(tenths - value * 10) > 1e-6:
            raise wrong("NS0190", f"{value} s cannot be kept: kernels count coarser", "write tenths of a second")
        return tenths // 10 if tenths % 10 == 0 else tenths / 10

    schema = {"type": "number", "minimum": low, "maximum": high, "description": "A time in seconds."}
    return Annotated[Any, BeforeValidator(parsed), WithJsonSchema(schema)]


def _mask(value: Any) -> int:  # noqa: ANN401  whatever YAML held
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong("NS0119", "a number is wanted here", "write it like 0x4000")
    if not 0 <= value <= 0xFFFF:
        raise wrong("NS0119", f"{value} is out of bounds", "a mask has 16 bits: 0 to 0xfff8")
    if value & RESERVED_GROUPS:
        hint = f"leave bits 0 to 2 away: {value & ~RESERVED_GROUPS:#x}"
        raise wrong("NS0191", f"{value:#x} forwards groups that no bridge may forward", hint)
    return value


ForwardDelay, HelloTime, MaxAge = _seconds(0, 30), _seconds(1, 10), _seconds(6, 40)
AgeingTime = _seconds(0, MOST_SECONDS)
GroupMask = Annotated[int, BeforeValidator(_mask), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 0xFFF8})]
