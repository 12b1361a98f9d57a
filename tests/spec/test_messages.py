"""What netspec says of each wrong spec in `wrong/`: the whole text, as `netspec validate` prints it."""

import os
import re
from pathlib import Path

import pytest

from netspec.errors import SpecError
from netspec.report.diagnostics import render
from netspec.spec.check import check
from netspec.spec.document import load_document

ROOT = Path(__file__).parents[2]
CASES = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
UPDATE = bool(os.environ.get("UPDATE_EXPECTED"))
HOW = "Is the text wrong? UPDATE_EXPECTED=1 writes what is said into it. Then read the difference."
ELSEWHERE = {
    # Of files and folders: test_source.py and test_tree.py.
    *("NS0101", "NS0102", "NS0103", "NS0104", "NS0117"),
    # Of what runs, and of the lock file: tests/engine/test_leases.py, tests/kinds/test_addressing.py, test_lockfile.py.
    *("NS0250", "NS0251", "NS0252", "NS0253", "NS0254", "NS0255"),
    # A thousand lines and more: test_policing.py, test_probing.py.
    *("NS0292", "NS0317"),
}
"""Codes that no single short text shows."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.stem))
def test_messages(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code, sentence, place, line, caret and way out."""
    monkeypatch.chdir(case.parent)
    with pytest.raises(SpecError) as caught:
        check(load_document(case.name))
    text = render(caught.value.diagnostics, color=False)
    expected = case.with_suffix(".txt")
    if UPDATE:
        expected.write_text(text, encoding="utf-8")

    assert text == expected.read_text("utf-8"), HOW


def test_each_code_has_a_case() -> None:
    """Every code that a spec can have, and a case is named for the code that it shows."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "netspec").rglob("*.py"))
    shown = {case.stem[:6]: case.with_suffix(".txt").read_text("utf-8") for case in CASES if case.stem[:2] == "NS"}

    needed = set(re.findall(r'"(NS0[1-3][0-9]{2})"', sources)) - ELSEWHERE
    assert sorted(needed ^ set(shown)) == [], "write tests/spec/wrong/CODE-name.yaml, and run with UPDATE_EXPECTED=1"
    assert [code for code, text in shown.items() if f"error[{code}]" not in text] == []
