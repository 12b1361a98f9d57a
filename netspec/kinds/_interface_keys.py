"""What an interface says of its link and its default route, beside where it is and its addresses."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from netspec.kinds._contract import SpecModel
from netspec.kinds._types import Switch, text, wrong
from netspec.kinds.route import IPV6_METRIC
from netspec.kinds.veth import USUAL_QUEUE

_MOST = 2**32 - 1
_LAST_METRIC = _MOST - IPV6_METRIC
_NAME_BYTES = 127
"""ALTIFNAMSIZ without the closing zero byte (`linux/if.h`)."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")


def _altname(value: Any) -> str:  # noqa: ANN401  whatever YAML held
    name = text(value)
    if len(name) > _NAME_BYTES or not _NAME.fullmatch(name):
        raise wrong("NS0185", f'"{name}" cannot be another name of a link', "use up to 127 letters, digits, '.', '_'")
    return name


def _default_route(value: Any) -> bool | int:  # noqa: ANN401
    if isinstance(value, bool):
        return value
    if not isinstance(value, int) or not 0 < value <= _LAST_METRIC:
        way_out = f"write a number from 1 to {_LAST_METRIC}"
        raise wrong("NS0186", f'"{value}" is neither true, false nor a metric', way_out)
    return int(value)


Altname = Annotated[
    str, BeforeValidator(_altname), WithJsonSchema({"type": ["string", "number"], "examples": ["uplink"]})
]
DefaultRoute = Annotated[
    bool | int,
    BeforeValidator(_default_route),
    WithJsonSchema({"type": ["boolean", "integer"], "minimum": 1, "maximum": _LAST_METRIC, "examples": [True, 100]}),
]


class InterfaceKeys(SpecModel):
    """The keys of an interface that any segment has."""

    default_route: DefaultRoute | None = None
    """Whether the default routes are over it, or at which metric it has some of its own, behind those (in IPv6 it is
    added to the kernel's 1024); where no interface says `true`, they are over the first whose segment has a gateway and
    is not internal."""
    txqueuelen: Annotated[int, Field(strict=True, ge=0, le=_MOST)] = USUAL_QUEUE
    """Length of its transmit queue in packets."""
    altnames: tuple[Altname, ...] = ()
    """Further names of it."""
    allmulti: Switch = False
    """Whether it takes all multicast packets."""
    promisc: Switch = False
    """Whether it takes packets for others."""

    @model_validator(mode="after")
    def _names_differ(self) -> "InterfaceKeys":
        if len(set(self.altnames)) < len(self.altnames):
            raise wrong("NS0185", "a link cannot have one name twice", "leave one of them away")
        return self
