"""All that is wrong with a spec at once: what is wrong is left out, and the rest is judged again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from netspec.diagnostics import Diagnostic, Related
from netspec.kinds._contract import Finding, Section
from netspec.kinds._intent import Present
from netspec.kinds._replicas import Replicated, replicated
from netspec.spec.desired import desired
from netspec.spec.remainder import Remainder
from netspec.spec.tree import Tree
from netspec.spec.validation import ShapeFinding, findings_of

MOST_ROUNDS = 20
"""Each round of a judgement leaves something out; five are many."""
MANY = 1_000
"""Findings of one round after which it is the last: more are not shown anyway."""


def judge(tree: Tree, model: type[BaseModel], sections: Iterable[Section]) -> Any:  # noqa: ANN401  of that model
    """The document of a tree. Raises SpecError with everything that is wrong."""
    sections = tuple(sections)
    rest = Remainder(tree.data, tree.left_out)
    for _ in range(MOST_ROUNDS):
        data = rest.data()
        try:
            document = model.model_validate(data)
        except ValidationError as error:
            if not _shape(findings_of(error, data, model), rest, tree):
                break
            continue
        replicas = _taken_apart(document, tree)
        if replicas.written:
            document = document.model_copy(update={"endpoints": replicas.endpoints})
        findings = list(replicas.findings) or [
            each for section in sections for each in section.check(getattr(document, section.name), document)
        ]
        if not findings and not tree.faults:
            return document
        # What expanding shows is told here only beside other faults: for a valid document it depends on the host.
        found = findings or desired(document, Present()).findings
        if not _relations(list(_as_written(found, replicas)), rest, tree):
            break
    raise tree.faults.error()


def _taken_apart(document: Any, tree: Tree) -> Replicated:  # noqa: ANN401
    """The endpoints with replicas as endpoints of their own, which the tree then knows."""
    replicas = replicated(getattr(document, "endpoints", {}))
    for replica, name in replicas.written.items():
        tree.give_name(("endpoints", replica), ("endpoints", name))
    return replicas


def _as_written(findings: Iterable[Finding], replicas: Replicated) -> Iterator[Finding]:
    """Findings with paths into the spec; what is wrong with all replicas is said of the first."""
    told = set()
    for each in findings:
        path = replicas.as_written(each.path)
        if path == each.path or (each.code, path) not in told:
            told.add((each.code, path))
            yield replace(
                each, path=path, related=tuple((replicas.as_written(there), words) for there, words in each.related)
            )


def diagnostic_of(finding: Finding, tree: Tree) -> Diagnostic:
    """A finding with its paths turned into places."""
    related = ((tree.place(path, on_key=len(path) <= 2), words) for path, words in finding.related)
    return Diagnostic(
        finding.code,
        finding.message,
        tree.place(finding.path, on_key=finding.on_key),
        finding.hint,
        finding.label,
        tuple(Related(place, words) for place, words in related if place is not None),
    )


def _shape(findings: Sequence[ShapeFinding], rest: Remainder, tree: Tree) -> bool:
    """Tell what is wrong with values by themselves. False where there is no going on."""
    told = [replace(each, path=rest.original(each.path)) for each in findings]
    for each in told:
        if not rest.surrounds_hole(each.path):
            _tell(each, tree)
    gone = [rest.leave_out(each.path, matters=not each.is_extra and each.path != ()) for each in told[:MANY]]
    return any(gone) and len(told) <= MANY


def _relations(findings: Sequence[Finding], rest: Remainder, tree: Tree) -> bool:
    """Tell what does not fit together. False where there is no going on."""
    told = [
        replace(
            each,
            path=rest.original(each.path),
            related=tuple((rest.original(path), words) for path, words in each.related),
        )
        for each in findings
    ]
    for each, follows in zip(told, rest.follows(told), strict=True):
        if not follows:
            _tell(each, tree)
    gone = [rest.leave_out(each.path) for each in told[:MANY]]
    return any(gone) and len(told) <= MANY


def _tell(finding: Finding, tree: Tree) -> None:
    tree.faults.add(diagnostic_of(finding, tree))
