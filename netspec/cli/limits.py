"""Options that say how far an apply may go."""

from enum import StrEnum
from typing import Annotated

import typer

from netspec.core.consequence import Limits
from netspec.core.resource import Disruption


class Level(StrEnum):
    """The levels of disruption, mildest first, as they are written."""

    NONE = "none"
    LIVE = "live"
    RESET = "reset"
    FLAP = "flap"
    REBUILD = "rebuild"
    LOCKOUT_RISK = "lockout-risk"


MaxDisruptionOption = Annotated[
    Level | None,
    typer.Option("--max-disruption", metavar="LEVEL", help="Refuse what does more to traffic: none, live, reset, …"),
]
AllowLockoutOption = Annotated[
    bool, typer.Option("--allow-lockout-risk", help="Touch even the way of this session, with no way back.")
]


def limits(most: Level | None, *, lockout: bool = False) -> Limits:
    """The options as an apply takes them; everything is allowed but a lockout unless they say otherwise."""
    return Limits(most=Disruption[most.name] if most is not None else Disruption.LOCKOUT_RISK, lockout=lockout)
