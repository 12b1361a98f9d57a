"""The addresses that interfaces had after the last apply: a reboot empties the kernel, and moves nobody."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from netspec.core.state import State
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.directories import private_directory, read_private, remove_private, write_private
from netspec.errors import NetspecError, Refused
from netspec.kernel.operations import Interface
from netspec.kinds._intent import Held, Present
from netspec.kinds.address import Address

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Leases:
    """What a record says; `warnings` where it could not be understood, and says nothing then."""

    held: Held = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()


class LeaseRecord:
    """A file of the state directory for each stack: written after an apply, read where the kernel is silent."""

    def __init__(self, state_dir: Path, stack: str) -> None:
        """The directory is made when something is written."""
        self._path = state_dir / f"leases-{stack}.json"

    def read(self) -> Leases:
        """The record; a damaged one is no reason to fail."""
        try:
            text = read_private(self._path)
            return Leases() if text is None else Leases(dict(_entries(json.loads(text))))
        except Refused as error:
            return Leases(warnings=(_unread(error.message.rstrip(".")),))
        except _Newer:
            return Leases(warnings=(_unread(f"{self._path} was written by a newer netspec"),))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return Leases(warnings=(_unread(f"{self._path} is damaged"),))

    def write(self, desired: State) -> tuple[Diagnostic, ...]:
        """Record who has which address; those who are not in `desired` have none. Warnings where that fails."""
        return self._write(leases_of(desired))

    def write_text(self, text: str) -> tuple[Diagnostic, ...]:
        """The same, for what `leases_text` gave. Raises ValueError, TypeError and KeyError for anything else."""
        return self._write(dict(_entries(json.loads(text))))

    def _write(self, held: Held) -> tuple[Diagnostic, ...]:
        try:
            if held == self.read().held and (held or not self._path.exists()):
                return ()
            if not held:
                remove_private(self._path)
                return ()
            private_directory(self._path.parent)
            write_private(self._path, _text(held))
        except (NetspecError, OSError) as error:
            reason = error.message.rstrip(".") if isinstance(error, NetspecError) else str(error)
            message = f"automatic addresses are not on record: {reason}"
            hint = "they may change with the next reboot; netspec lock fixes them in a file"
            return (Diagnostic("NS0452", message, hint=hint, severity=Severity.WARNING),)
        return ()


def leases_of(desired: State) -> Held:
    """The addresses inside namespaces, by (netns, interface)."""
    found: dict[tuple[str, str], tuple[Interface, ...]] = {}
    for each in desired.values():
        if isinstance(each, Address) and each.netns:
            found[each.netns, each.link] = (*found.get((each.netns, each.link), ()), each.address)
    return found


def leases_text(desired: State) -> str:
    """What is on record of a state."""
    return _text(leases_of(desired))


def displaced(present: Present, desired: State) -> bool:
    """Whether an interface that stays has lost an address."""
    wanted = leases_of(desired)
    for (netns, link), addresses in (*present.held.items(), *present.leases.items()):
        kept = {each.ip for each in wanted.get((netns, link), ())}
        if kept and any(each.ip not in kept for each in addresses):
            return True
    return False


class _Newer(Exception):
    """A record of a format that is not known yet."""


def _entries(document: Any) -> Iterator[tuple[tuple[str, str], tuple[Interface, ...]]]:  # noqa: ANN401  whatever JSON holds
    if document["format_version"] > FORMAT:
        raise _Newer
    for name, addresses in document["leases"].items():
        netns, _, link = name.partition("/")
        if not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
            raise TypeError(name)
        yield (netns, link), tuple(map(ip_interface, addresses))


def _text(held: Held) -> str:
    named = {f"{netns}/{link}": [str(each) for each in addresses] for (netns, link), addresses in held.items()}
    return json.dumps({"format_version": FORMAT, "leases": dict(sorted(named.items()))}, indent=1) + "\n"


def _unread(reason: str) -> Diagnostic:
    hint = "addresses that the kernel does not hold are given out anew; the next apply writes the record again"
    return Diagnostic("NS0451", f"the record of leases is ignored: {reason}", hint=hint, severity=Severity.WARNING)
