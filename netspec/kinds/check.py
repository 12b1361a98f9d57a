"""The `checks` section: what must be reachable, and what must not. It makes nothing; it is asked with real packets."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import Field

from netspec.core.resource import Resource
from netspec.kinds._check_specs import HOST, OUTSIDE, CheckSpec
from netspec.kinds._contract import Expansion, Finding, Place, Section

MOST = 1000
"""Checks of a spec."""


def check(specs: Sequence[CheckSpec], document: Any) -> Iterator[Finding]:  # noqa: ANN401  the assembled model
    """Names are those of endpoints, and no two checks contradict each other."""
    if len(specs) > MOST:
        hint = "check one of several that are alike"
        yield Finding("NS0317", f"{len(specs)} checks are more than {MOST}", ("checks", MOST), hint=hint)
    expected: dict[tuple[str, str, int], tuple[str, int]] = {}
    for index, spec in enumerate(specs):
        place: Place = ("checks", index)
        if isinstance(spec.from_, str) and spec.from_ != OUTSIDE:
            yield from _party(spec.from_, document, (*place, "from"))
        if isinstance(spec.to.party, str):
            yield from _party(spec.to.party, document, (*place, "to"))
        for version in (4, 6) if spec.family is None else (spec.family,):
            asked = (str(spec.from_), str(spec.to), version)
            wanted, first = expected.setdefault(asked, (spec.expect, index))
            if wanted != spec.expect:
                yield _contradiction(spec, index, wanted, first)
                break


def _contradiction(spec: CheckSpec, index: int, wanted: str, first: int) -> Finding:
    return Finding(
        "NS0319",
        f"{spec.from_} -> {spec.to} cannot be both {wanted} and {spec.expect}",
        ("checks", index),
        hint="leave one of them away, or say which IP version each is about: family: 4",
        related=((("checks", first), f"expected to be {wanted} here"),),
    )


def _party(name: str, document: Any, path: Place) -> Iterator[Finding]:  # noqa: ANN401
    if name == HOST:
        return
    endpoint = document.endpoints.get(name)
    if endpoint is None:
        close = get_close_matches(name, sorted(document.endpoints), n=1)
        hint = f'did you mean "{close[0]}"?' if close else "name an endpoint, host, or an address"
        yield Finding("NS0318", f'there is no endpoint "{name}"', path, hint=hint, missing=(("endpoints", name),))
    elif endpoint.is_host:
        yield Finding("NS0318", f"endpoint/{name} is the host itself", path, hint="write host")


def expand(_specs: Sequence[CheckSpec], _expansion: Expansion) -> Iterator[Resource]:
    """Nothing stands in the kernel for a check."""
    return iter(())


SECTION: Any = Section(
    name="checks",
    annotation=Annotated[
        tuple[CheckSpec, ...],
        Field(examples=[[{"from": "outside", "to": "host:8080"}, {"from": "web", "to": "db:5432"}]]),
    ],
    description="What must be reachable, and what must not: asked with real packets by test, check and apply.",
    expand=expand,
    check=check,
    default=tuple,
    order=90,
)
