"""Every spec and every shell session in the documentation is what really happens."""

from pathlib import Path

import pytest

from netspec.diagnostics import Diagnostic
from netspec.errors import SpecError
from netspec.report.diagnostics import render
from netspec.report.levels import render as levels
from netspec.spec.check import check
from netspec.spec.document import load_document
from netspec.spec.reference import render as reference
from tests.docs import transcript
from tests.docs.transcript import ROOT, Block, Command, blocks, rewritten, run_page, steady

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOW = "Is the page wrong? UPDATE_DOCS=1 writes what really happens into it. Then read the difference."


def name_of(page: Path) -> str:
    """How a page is called in test results."""
    return str(page.relative_to(ROOT))


def with_sessions() -> list[Path]:
    """The pages that show shell sessions."""
    return [page for page in PAGES if any(each.language == "console" for each in blocks(page.read_text("utf-8")))]


def errors_of(spec: Block, directory: Path) -> tuple[Diagnostic, ...]:
    """What netspec finds wrong with a spec, as `netspec validate site.yaml` would."""
    (directory / "site.yaml").write_text(spec.body, encoding="utf-8")
    try:
        check(load_document("site.yaml"))
    except SpecError as error:
        return error.diagnostics
    return ()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_specs_are_as_valid_as_they_are_said_to_be(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `yaml` block is a valid spec, or has the errors that the words behind its fence announce."""
    monkeypatch.chdir(tmp_path)
    told, found = [], []
    for block in blocks(page.read_text("utf-8")):
        if block.language == "yaml":
            codes = block.info.split("wrong ")[1].split() if "wrong " in block.info else []
            told.append((codes, block.body))
            found.append((sorted({each.code for each in errors_of(block, tmp_path)}), block.body))

    assert found == told


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_errors_read_as_they_are_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `text errors` block is what netspec says of the wrong spec before it."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    said: list[tuple[Block, str]] = []
    wrong = None
    for block in blocks(text):
        if block.language == "yaml":
            wrong = block
        elif block.info == "text errors":
            assert wrong is not None, "an errors block follows a wrong spec"
            said.append((block, render(errors_of(wrong, tmp_path), color=False).rstrip("\n") + "\n"))
    actual = rewritten(text, said)
    if transcript.UPDATE:
        page.write_text(actual, encoding="utf-8")
        return

    assert actual == text, HOW


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("page", with_sessions(), ids=name_of)
def test_sessions_happen_as_they_are_shown(page: Path, tmp_path: Path) -> None:
    """Each command in a `console` block prints what stands below it, on the real kernel."""
    text = page.read_text("utf-8")
    bodies = []
    for block, done in run_page(text, tmp_path):
        wanted = list(transcript.commands(block.body))
        pairs = zip(wanted, done, strict=True)
        shown = [_shown(before, after, tmp_path) for before, after in pairs]
        bodies.append((block, "".join(map(str, shown))))
        followers = [*wanted[1:], Command("")]
        unexpected = [each for each, then in zip(done, followers, strict=True) if each.code and then.text != "echo $?"]
        assert unexpected == [], "a command failed, and the page does not show it by `echo $?`"
    actual = rewritten(text, bodies)
    if transcript.UPDATE:
        page.write_text(actual, encoding="utf-8")
        return

    assert actual == text, HOW


def _shown(wanted: Command, done: Command, directory: Path) -> Command:
    """What a page has to show for a command: what happened; where that cannot be compared, what it shows already."""
    if not transcript.is_comparable(wanted.text):
        return wanted
    output = steady(done.output, directory)
    return wanted if output == steady(wanted.output, directory) else Command(wanted.text, output)


def test_the_reference_of_the_language_is_what_the_models_say() -> None:
    """`docs/reference/spec.md` is generated, and fresh."""
    page = ROOT / "docs/reference/spec.md"
    if transcript.UPDATE:
        page.write_text(reference(), encoding="utf-8")

    assert page.read_text("utf-8") == reference(), HOW


def test_the_reference_of_consequences_is_what_the_kinds_say() -> None:
    """`docs/reference/consequences.md` is generated, and fresh."""
    assert (ROOT / "docs/reference/consequences.md").read_text("utf-8") == levels(), HOW
