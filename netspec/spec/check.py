"""Everything that can be found wrong with a spec without looking at a host."""

from netspec.errors import SpecError
from netspec.kinds._intent import Present
from netspec.spec.desired import desired
from netspec.spec.document import Loaded


def check(loaded: Loaded) -> None:
    """Expand a document as for an empty host. Raises SpecError with what that shows."""
    findings = desired(loaded.document, Present(), loaded.lock).findings
    if findings:
        raise SpecError("The spec is invalid.", diagnostics=loaded.diagnostics(findings))
