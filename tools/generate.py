"""Writes what is generated: `schemas/`, and two pages of the reference. Run it by `make generate`."""

from pathlib import Path

from netspec.report.levels import render as levels
from netspec.spec.reference import render
from netspec.spec.schemas import file_name, schemas, text_of

ROOT = Path(__file__).parents[1]


def generate() -> None:
    """Write all files; schemas that are no more go."""
    folder = ROOT / "schemas"
    folder.mkdir(exist_ok=True)
    written = {folder / file_name(name): text_of(schema) for name, schema in schemas().items()}
    for stale in set(folder.glob("*.json")) - set(written):
        stale.unlink()
    reference = ROOT / "docs/reference"
    pages = {reference / "spec.md": render(), reference / "consequences.md": levels()}
    for path, text in {**written, **pages}.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    generate()
