"""Policies of a spec: how many there may be."""

import pytest

from netspec.errors import SpecError
from netspec.kinds.policy import MOST
from netspec.spec.check import check
from tests.specs import BASE, loaded


def test_there_are_at_most_so_many() -> None:
    """Each is a rule that new connections pass; one more is an error at the first that is too many."""
    few = BASE + "policies:\n" + "  - deny: {from: web, to: db}\n" * MOST

    check(loaded(few))
    with pytest.raises(SpecError) as caught:
        check(loaded(few + "  - deny: {from: web, to: db}\n"))
    assert [(each.code, each.message) for each in caught.value.diagnostics] == [
        ("NS0292", f"{MOST + 1} policies are more than {MOST}")
    ]
