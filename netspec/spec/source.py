"""Where specs come from: a file, a directory, standard input."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from netspec.diagnostics import Diagnostic, Place
from netspec.errors import SpecError

LARGEST = 64 * 1024 * 1024
"""Bytes of one file that are read; 100,000 endpoints are 15 MB."""
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One text of a spec, by the name people know it by."""

    name: str
    text: str


def default_path(environment: Mapping[str, str]) -> str:
    """NETSPEC_PATH, else ./netspec.yaml or ./netspec/, else /etc/netspec."""
    named = environment.get("NETSPEC_PATH")
    if named:
        return named
    here = (path for path in ("netspec.yaml", "netspec") if Path(path).exists())
    return next(here, "/etc/netspec")


def read(path: str) -> tuple[SourceFile, ...]:
    """The texts at `path`; a directory's `*.yaml` and `*.yml` in name order. Raises SpecError with all that is wrong."""
    if path == "-":
        return (_decoded("<stdin>", sys.stdin.buffer.read(LARGEST + 1)),)
    place = Path(path)
    if place.is_dir():
        names = sorted(each for each in place.iterdir() if each.suffix in SUFFIXES and not each.name.startswith("."))
        if not names:
            raise _error("NS0102", f"the directory {path} has no specs", "specs end in .yaml or .yml")
    else:
        names = [place]
    found: list[SourceFile] = []
    wrong: list[Diagnostic] = []
    for name in names:
        try:
            found.append(_read_file(name))
        except SpecError as error:
            wrong.extend(error.diagnostics)
    if wrong:
        raise SpecError("The spec cannot be read.", diagnostics=wrong)
    return tuple(found)


def digest(files: Iterable[SourceFile]) -> str:
    """SHA-256 over names and texts, in hex."""
    found = hashlib.sha256()
    for file in files:
        for part in (file.name, file.text):
            encoded = part.encode()
            found.update(len(encoded).to_bytes(8))
            found.update(encoded)
    return found.hexdigest()


def _read_file(path: Path) -> SourceFile:
    try:
        with path.open("rb") as file:
            return _decoded(str(path), file.read(LARGEST + 1))
    except FileNotFoundError:
        hint = "name a file, a directory, or - for standard input"
        raise _error("NS0101", f"there is no file or directory {path}", hint) from None
    except OSError as error:
        raise _error("NS0101", f"{path} cannot be read: {error.strerror}") from None


def _decoded(name: str, content: bytes) -> SourceFile:
    if len(content) > LARGEST:
        raise _error("NS0103", f"{name} is larger than {LARGEST // 1024 // 1024} MiB", "split it over several files")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"byte {error.start} (0x{content[error.start]:02x}) is not UTF-8"
        place = Place(name, line, column)
        raise _error("NS0104", message, "save the file as UTF-8", place) from None
    if not text.strip():
        raise _error("NS0105", f"{name} is empty", "an empty spec is written: netspec: 1", Place(name, 1, 1))
    return SourceFile(name, text)


def _error(code: str, message: str, hint: str = "", place: Place | None = None) -> SpecError:
    return SpecError(message, diagnostics=[Diagnostic(code, message, place, hint)])
