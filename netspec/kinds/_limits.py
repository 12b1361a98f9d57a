"""Limits of an interface: rates and sizes as `tc` writes them, and the objects that hold traffic to them."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema, model_validator

from netspec.core.resource import Mark, Resource
from netspec.kinds._contract import Finding, SpecModel
from netspec.kinds._links import hashed_mac, hashed_name, stack_group
from netspec.kinds._types import text, wrong
from netspec.kinds.ifb import Ifb
from netspec.kinds.qdisc import Qdisc, bucket
from netspec.kinds.redirect import Redirect

ETHERNET_HEADER = 14
USUAL_MTU = 1500
TOO_MUCH = {"a rate": 4 * 10**9, "a size": 1 << 32}
"""The kernel counts bytes, and bytes per second, in 32 bits (`struct tc_ratespec`); rates go by powers of ten."""
LEAST_BURST = 64 << 10
BURST_SHARE = 100
"""Unless said, a burst is a hundredth of a second's worth, as many segments are handed over as one packet of 64 KiB."""

_NUMBER = re.compile(r"(?P<number>-?[0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?P<unit>[a-z]*)", re.IGNORECASE | re.ASCII)
_BYTES = {"bps": 8, "bit": 1}
_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_RATES = {
    **{f"{prefix}{unit}": factor * bits for prefix, factor in _PREFIXES.items() for unit, bits in _BYTES.items()},
    **{
        f"{prefix}i{unit}": 1024**power * bits
        for power, prefix in enumerate("kmgt", 1)
        for unit, bits in _BYTES.items()
    },
}
"""Bits per second of a unit of `tc`: `bps` is bytes."""
_SIZES = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}


def rate(value: Any) -> int:  # noqa: ANN401  whatever YAML held
    """A rate in bytes per second: `20mbit`, `10mbps`; a bare number is bits per second, as for `tc`."""
    number, unit = _parted(value, "a rate", "write it like 20mbit, 500kbit or 10mbps (bytes)")
    if unit and unit not in _RATES:
        raise wrong("NS0174", f'"{text(value)}" is not a rate', "write it like 20mbit, 500kbit or 10mbps (bytes)")
    return _bounded(int(number * _RATES[unit or "bit"] / 8), value, "a rate", "4 GB a second")


def size(value: Any) -> int:  # noqa: ANN401
    """A size in bytes: `64kb`, `1mb`; units are powers of 1024, as for `tc`."""
    number, unit = _parted(value, "a size", "write it like 64kb or 1mb")
    if unit not in _SIZES:
        raise wrong("NS0174", f'"{text(value)}" is not a size', "write it like 64kb or 1mb")
    return _bounded(int(number * _SIZES[unit]), value, "a size", "4 GB")


def _parted(value: Any, what: str, hint: str) -> tuple[Decimal, str]:  # noqa: ANN401
    raw = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    match = _NUMBER.fullmatch(raw)
    if not match:
        raise wrong("NS0174", f'"{raw}" is not {what}', hint)
    return Decimal(match["number"]), match["unit"].lower()


def _bounded(number: int, value: Any, what: str, most: str) -> int:  # noqa: ANN401
    if number < 1:
        raise wrong("NS0175", f"{what} of {value} lets nothing through", "leave the limit away, or write a larger one")
    if number >= TOO_MUCH[what]:
        raise wrong("NS0175", f"{what} of {value} is more than the kernel can count", f"it is to be less than {most}")
    return number


Rate = Annotated[
    int,
    BeforeValidator(rate),
    PlainSerializer(lambda each: f"{each}bps", when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["20mbit", "10mbps"]}),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    PlainSerializer(lambda each: f"{each}b", when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["64kb"]}),
]


class LimitSpec(SpecModel):
    """How much an interface may receive and send."""

    ingress: Rate | None = None
    """What it receives: bits per second like `20mbit`, bytes per second like `10mbps`."""
    egress: Rate | None = None
    """What it sends."""
    burst: Size | None = None
    """How much may pass at once; a hundredth of a second's worth, at least 64kb, unless said."""

    @model_validator(mode="after")
    def _has_a_rate(self) -> "LimitSpec":
        if self.ingress is None and self.egress is None:
            what = "a limit" if self.burst is None else "a burst"
            raise wrong("NS0176", f"{what} without a rate", "write ingress, egress or both: {ingress: 20mbit}")
        return self


def check_limits(specs: Mapping[str, Any], bridges: Mapping[str, Any]) -> Iterator[Finding]:
    """A packet that is larger than a burst would never pass."""
    for endpoint, spec in specs.items():
        for name, interface in spec.all_interfaces().items():
            burst = interface.limit.burst if interface.limit else None
            bridge = bridges.get(interface.bridge)
            mtu = interface.mtu or (bridge.mtu if bridge else 0)
            least = (USUAL_MTU if mtu == "auto" else mtu) + ETHERNET_HEADER
            if burst is not None and burst < least:
                message = f"a burst of {burst} bytes lets no full packet through: one has {least} bytes"
                path = ("endpoints", endpoint, *spec.interface_path(name), "limit", "burst")
                yield Finding("NS0261", message, path, hint="leave it away, or write 64kb")


def limited(spec: LimitSpec, link: str, mark: Mark, identity: tuple[str, ...]) -> Iterator[Resource]:
    """What holds a pair to its limits, all on the host: what the endpoint receives is what `link` sends.

    What it sends goes through a link of its own, since only what is sent can be shaped (ADR 13).
    """
    if spec.ingress is not None:
        yield _bucket(spec.ingress, spec.burst, link, mark)
    if spec.egress is not None:
        name = hashed_name("ifb", *identity)
        mac = hashed_mac(*identity, "ifb")
        yield Ifb(mark=mark, netns="", name=name, alias=str(mark), group=stack_group(mark.stack), mac=mac, up=True)
        yield _bucket(spec.egress, spec.burst, name, mark)
        yield Redirect(mark=mark, netns="", link=link, to=name)


def _bucket(wanted: int, burst: int | None, link: str, mark: Mark) -> Qdisc:
    return bucket(mark, link, wanted, burst or max(LEAST_BURST, wanted // BURST_SHARE))
