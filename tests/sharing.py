"""Several processes run one suite: each claims test files from the rest, until none is left."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest

CLAIMS = "NETSPEC_TESTS_CLAIMS"
"""Environment variable: the directory in which the processes of a run claim files; unset where there is one process."""


def run(session: pytest.Session) -> bool | None:
    """Run the tests of the files that this process claims; None, for pytest's own way, where it runs alone."""
    directory = os.environ.get(CLAIMS)
    if not directory or session.config.option.collectonly or session.testsfailed:
        return None
    for items in _claimed(session.items, Path(directory)):
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    return True


def _claimed(items: Sequence[pytest.Item], directory: Path) -> Iterator[Sequence[pytest.Item]]:
    """The tests of a file at a time, as long as there are files that nobody has claimed."""
    for path, tests in groupby(items, key=lambda item: item.path):
        found = list(tests)
        try:
            # Whoever makes it first has it.
            (directory / str(path).replace("/", "_")).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield found
