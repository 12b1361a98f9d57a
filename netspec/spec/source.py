"""Where specs come from: a file, a directory, standard input."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from netspec.diagnostics import Diagnostic, Place
from netspec.errors import SpecError
from netspec.kinds._addressing import LOCK_FILE
from netspec.kinds._encoding import is_saved_plan

LARGEST = 64 * 1024 * 1024
"""Bytes of one file that are read; 100,000 endpoints are 15 MB."""
SUFFIXES = (".yaml", ".yml")
STANDARD_INPUT = "<stdin>"
_FOR_PLANS = "`netspec apply FILE` carries it out, and `netspec show FILE` shows it"


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
    if Path("netspec.yaml").exists():
        return "netspec.yaml"
    return "netspec" if Path("netspec").is_dir() else "/etc/netspec"


def read(path: str) -> tuple[SourceFile, ...]:
    """The texts at `path`; a directory's `*.yaml` and `*.yml` in name order. Raises SpecError with all faults."""
    if path == "-":
        return (_standard_input(),)
    found: list[SourceFile] = []
    wrong: list[Diagnostic] = []
    for each in _files(path):
        try:
            found.append(_read_file(each, named=each == Path(path)))
        except SpecError as error:
            wrong.extend(error.diagnostics)
    if wrong:
        raise SpecError("The spec cannot be read.", diagnostics=wrong)
    return tuple(found)


def belongs(path: Path, file: Path) -> bool:
    """Whether a file near the spec at `path` may be a part of it, its lock file included."""
    return file.suffix in SUFFIXES or file.name in (path.name, Path(os.path.realpath(path)).name, LOCK_FILE)


def digest(files: Iterable[SourceFile]) -> str:
    """SHA-256 over the texts in their order, in hex; the same for the same spec under another path."""
    found = hashlib.sha256()
    for file in files:
        encoded = file.text.encode()
        found.update(len(encoded).to_bytes(8))
        found.update(encoded)
    return found.hexdigest()


def _files(path: str) -> list[Path]:
    """The path itself, or what of a directory is a spec."""
    if not path or "\0" in path:
        raise _error("NS0101", "this is not a path", "name a file, a directory, or - for standard input")
    place = Path(path)
    try:
        if not place.is_dir():
            return [place]
        entries = list(place.iterdir())
    except OSError as error:
        raise _error("NS0101", f"{path} cannot be read: {error.strerror}") from None
    specs = [each for each in entries if each.suffix in SUFFIXES and each.name[0] != "." and not each.is_dir()]
    if not specs:
        raise _error("NS0102", f"the directory {path} has no specs", "specs end in .yaml or .yml")
    return sorted(specs)


def check_lasting(path: str) -> None:
    """Raises SpecError for what can be read once only."""
    place, once = Path(path), False
    with contextlib.suppress(OSError):
        once = place.exists() and not place.is_file() and not place.is_dir()
    if once:
        raise _error("NS0101", f"{path} is a pipe, a socket or a device", "what is watched is a file or a directory")


def _standard_input() -> SourceFile:
    try:
        content = sys.stdin.buffer.read(LARGEST + 1)
    # Python sets sys.stdin to None where the descriptor was closed before it started.
    except (AttributeError, OSError, ValueError):
        raise _error("NS0101", "standard input cannot be read", "feed the spec to it, or name a file") from None
    return _decoded(STANDARD_INPUT, content)


def _read_file(path: Path, *, named: bool) -> SourceFile:
    """The text of a file; what never ends is read only where it was `named`."""
    try:
        if not named and path.exists() and not path.is_file():
            hint = "of a directory only files are read: move it elsewhere"
            raise _error("NS0101", f"{path} is a pipe, a socket or a device", hint)
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise _error("NS0101", f"{path} is a symbolic link that leads nowhere") from None
        hint = "name a file, a directory, or - for standard input"
        raise _error("NS0101", f"there is no file or directory {path}", hint) from None
    except OSError as error:
        raise _error("NS0101", f"{path} cannot be read: {error.strerror}") from None
    return _decoded(str(path), content)


def _decoded(name: str, content: bytes) -> SourceFile:
    if len(content) > LARGEST:
        raise _error("NS0103", f"{name} is larger than {LARGEST // 1024 // 1024} MiB", "split it over several files")
    zero = content.find(b"\0")
    if zero >= 0:
        message, hint = f"byte {zero} is zero: this is not a text file", "save the file as UTF-8"
        raise _error("NS0104", message, hint, _byte_place(name, content, zero))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        message, hint = f"byte {at} (0x{content[at]:02x}) is not UTF-8", "save the file as UTF-8"
        raise _error("NS0104", message, hint, _byte_place(name, content, at)) from None
    if not text.strip():
        raise _error("NS0105", f"{name} is empty", "an empty spec is written: netspec: 1", Place(name, 1, 1))
    if is_saved_plan(text):
        raise _error("NS0601", f"{name} is a saved plan, and no spec", _FOR_PLANS)
    return SourceFile(name, text)


def _byte_place(name: str, content: bytes, at: int) -> Place:
    """Line and column of a byte; columns count characters as far as what precedes is text."""
    lines = content[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    before = lines[-1].decode("utf-8-sig", errors="replace")
    return Place(name, len(lines), len(before) + 1)


def _error(code: str, message: str, hint: str = "", place: Place | None = None) -> SpecError:
    return SpecError("The spec cannot be read.", diagnostics=[Diagnostic(code, message, place, hint)])
