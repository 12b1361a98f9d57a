"""The version is said once in the code, and told to users in the changelog."""

import re
from pathlib import Path

import netspec

ROOT = Path(__file__).parents[2]


def test_the_changelog_has_the_version_on_top() -> None:
    """The newest section is of this version, or of what is not released and then this one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[?([^\] \n]+)", text, re.MULTILINE)

    assert netspec.__version__ in sections[:2]
    assert [name.lower() for name in sections[: sections.index(netspec.__version__)]] in ([], ["unreleased"])


def test_the_version_is_semantic() -> None:
    """Three numbers, and perhaps a pre-release as Python writes it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", netspec.__version__)
