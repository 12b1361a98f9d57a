"""Marks beside the lines of a spec, in the CI that this runs in."""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli.output import complain
from netspec.cli.session import Session

if TYPE_CHECKING:
    from netspec.report.checks import CheckView

GITLAB_REPORT = "gl-code-quality-report.json"
"""What GitLab's documentation calls it; it is to be named below `artifacts: reports: codequality`."""


class Annotations(StrEnum):
    """Whose form the marks have."""

    AUTO = "auto"
    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


def annotate(
    session: Session, view: "CheckView", wanted: Annotations, environment: Mapping[str, str] = os.environ
) -> None:
    """Mark what failed. GitHub reads commands from standard error as well, and there they spoil no JSON."""
    from netspec.report import annotations

    if wanted is Annotations.GITHUB or (wanted is Annotations.AUTO and environment.get("GITHUB_ACTIONS") == "true"):
        complain(annotations.github(view))
    elif wanted is Annotations.GITLAB or (wanted is Annotations.AUTO and environment.get("GITLAB_CI") == "true"):
        session.write_into(Path(GITLAB_REPORT), annotations.gitlab(view), asked_for=wanted is Annotations.GITLAB)
