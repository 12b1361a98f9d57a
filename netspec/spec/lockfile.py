"""`netspec.lock`: the file beside a spec that fixes its automatic addresses."""

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, Place
from netspec.errors import NetspecError, SpecError, UsageError
from netspec.kernel.operations import Address
from netspec.kinds._addressing import LOCK_FILE
from netspec.kinds._intent import Lock

FORMAT = 1
MAGIC = "netspec_lock"
"""The key that says what the file is, with the version of its format."""
LARGEST = 64 * 1024 * 1024

Addresses = Mapping[tuple[str, str], tuple[Address, ...]]
"""By (endpoint, interface)."""


def lock_path(path: str) -> Path:
    """Where the lock file of the spec at `path` is. Raises UsageError for standard input."""
    if path == "-":
        raise UsageError("standard input has no netspec.lock beside it: name a file or a directory.")
    place = Path(path)
    return place / LOCK_FILE if place.is_dir() else place.parent / LOCK_FILE


def lock_of(path: str, stack: str) -> Lock:
    """What the lock file of the spec at `path` says of a stack; nothing where there is none. Raises SpecError."""
    return Lock() if path == "-" else Lock(addresses=read(lock_path(path)).get(stack, {}))


def read(path: Path) -> Mapping[str, Addresses]:
    """The locked addresses of every stack; empty where there is no file. Raises SpecError with what is wrong."""
    try:
        content = _content(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        hint = "make it a readable file, or remove it"
        raise _wrong("NS0253", f"{path} cannot be read: {error.strerror}", hint) from None
    return parse(path, content)


def parse(path: Path, content: bytes) -> Mapping[str, Addresses]:
    """The locked addresses of every stack in the text of a lock file. Raises SpecError."""
    document = _parsed(path, content)
    try:
        return {stack: dict(_entries(entry["addresses"])) for stack, entry in document["stacks"].items()}
    except KeyError as error:
        raise _damaged(path, f"there are no {error.args[0]} in it") from None
    except (TypeError, AttributeError):
        raise _damaged(path, "it does not have the form that netspec lock writes") from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def write(path: Path, stack: str, addresses: Addresses) -> bool:
    """Put a stack's addresses into a lock file, and leave those of others. False where they are there already.

    A crash leaves the old or the new. Raises SpecError for a file that is no lock file, NetspecError where it
    cannot be written.
    """
    known = read(path)
    if known.get(stack, {}) == addresses:
        return False
    text = text_of({name: each for name, each in {**known, stack: addresses}.items() if each})
    target = Path(os.path.realpath(path))
    try:
        _replace(target, text)
    except OSError as error:
        raise NetspecError(f"cannot write {path}: {error.strerror}.") from None
    return True


def _content(path: Path) -> bytes:
    # Nobody waits for the other end of a pipe.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        # Not more than is there, for memory is taken for all that is asked for.
        return file.read(min(LARGEST, found.st_size) + 1)


def _parsed(path: Path, content: bytes) -> Any:  # noqa: ANN401  whatever JSON holds
    if len(content) > LARGEST:
        raise _damaged(path, "it is too large")
    try:
        document = json.loads(content, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        place = Place(str(path), error.lineno, error.colno)
        raise _damaged(path, error.msg[:1].lower() + error.msg[1:], place) from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    version = document.get(MAGIC) if isinstance(document, dict) else None
    if version is None:
        raise _wrong("NS0254", f"{path} is not a lock file of netspec", "give the other file another name")
    if type(version) is not int or version < 1:
        raise _damaged(path, f"its format is {version}")
    if version > FORMAT:
        message = f"{path} has format {version}; this netspec knows {FORMAT}"
        raise _wrong("NS0255", message, "use the netspec that wrote it, or a newer one")
    return document


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _entries(endpoints: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], tuple[Address, ...]]]:
    for endpoint, interfaces in endpoints.items():
        for interface, addresses in interfaces.items():
            if not isinstance(addresses, list):
                raise ValueError(f"the addresses of {endpoint} {interface} are no list")  # noqa: TRY004  as all that is wrong
            yield (endpoint, interface), tuple(map(_address, addresses))


def _address(written: object) -> Address:
    try:
        return ip_address(str(written))
    except ValueError:
        raise ValueError(f'"{written}" is not an address') from None


def text_of(stacks: Mapping[str, Addresses]) -> str:
    """The text of a lock file: a line for each endpoint, so that a difference of two versions shows what changes."""
    parts = []
    for name in sorted(stacks):
        lines = [f"        {_json(endpoint)}: {_json(each)}" for endpoint, each in _by_endpoint(stacks[name]).items()]
        parts.append(f'    {_json(name)}: {{\n      "addresses": {{\n' + ",\n".join(lines) + "\n      }\n    }")
    return f'{{\n  "{MAGIC}": {FORMAT},\n  "stacks": {{\n' + ",\n".join(parts) + "\n  }\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _by_endpoint(addresses: Addresses) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for endpoint, interface in sorted(addresses):
        found.setdefault(endpoint, {})[interface] = list(map(str, _sorted(addresses[endpoint, interface])))
    return found


def _sorted(addresses: Iterable[Address]) -> list[Address]:
    return sorted(addresses, key=lambda each: (each.version, int(each)))


def _replace(path: Path, text: str) -> None:
    """Aside, synced, renamed; with the mode that the file had, or that a new one gets."""
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), _mode(path))
            os.fsync(file.fileno())
        Path(aside).rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(aside).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _mode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _damaged(path: Path, reason: str, place: Place | None = None) -> SpecError:
    hint = "take it from version control, or remove it and write it anew with netspec lock"
    return _wrong("NS0252", f"{path} is damaged: {reason}", hint, place)


def _wrong(code: str, message: str, hint: str, place: Place | None = None) -> SpecError:
    found = Diagnostic(code, message, place, hint)
    return SpecError("The lock file cannot be used.", diagnostics=[found])
