"""What a loaded spec wants of a host, expanded once for each look at it."""

from typing import TYPE_CHECKING

from netspec.cli.output import printable
from netspec.errors import SpecError
from netspec.spec.desired import Desired, desired

if TYPE_CHECKING:
    from netspec.core.state import State
    from netspec.diagnostics import Diagnostic
    from netspec.engine.generation_record import Source
    from netspec.kinds._intent import Present
    from netspec.spec.document import Loaded


class Wanted:
    """The functions of an Intent that come from a spec. Remembers what it answered last."""

    def __init__(self, loaded: "Loaded") -> None:
        """Nothing is expanded before it is asked for."""
        self._loaded = loaded
        self._present: Present | None = None
        self._desired: Desired | None = None

    def state(self, present: "Present") -> "State":
        """The desired state. Raises SpecError for what only this host shows."""
        wanted = self._on(present)
        if wanted.findings:
            raise SpecError("The spec is invalid.", diagnostics=self._loaded.diagnostics(wanted.findings))
        return wanted.state

    def remarks(self, present: "Present") -> "tuple[Diagnostic, ...]":
        """Why addresses move."""
        return self._loaded.warnings(self._on(present).remarks)

    def source(self) -> "Source":
        """The spec with all automatic addresses of the last answer, so that it can be applied again as it was."""
        from netspec.engine.generation_record import Source
        from netspec.spec.lockfile import text_of

        loaded = self._loaded
        automatic = self._desired.automatic if self._desired is not None else {}
        return Source(
            files=tuple((printable(file.name), file.text) for file in loaded.files),
            lock=text_of({loaded.document.stack: automatic}) if automatic else "",
            path=printable(loaded.path),
            digest=loaded.digest,
        )

    def _on(self, present: "Present") -> Desired:
        if self._desired is None or present is not self._present:
            self._present, self._desired = present, desired(self._loaded.document, present, self._loaded.lock)
        return self._desired
