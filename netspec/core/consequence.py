"""A Consequence: what one change does to traffic on this host, as it is now; and Limits of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from netspec.core.resource import Disruption, Key


@dataclass(frozen=True, slots=True)
class Consequence:
    """The level of a change, and what it rests on.

    `cut` are the established flows that it ends, numbered as they were seen; None: they cannot be told.
    `lockout` says why this session may end with it; empty where it does not.
    """

    disruption: Disruption
    cut: frozenset[int] | None = frozenset()
    lockout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The worst level that is allowed, and whether a risk of lockout is, without anything that takes it back."""

    most: Disruption = Disruption.LOCKOUT_RISK
    lockout: bool = False


Consequences = Mapping[Key, Consequence]
