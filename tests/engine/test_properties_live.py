"""What holds of any two specs on the fake holds of some of them on the real kernel."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from netspec.core.state import owned_by
from netspec.engine.observation import observed_state
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.snapshot import Scope
from netspec.kinds.nat_element import NatElement
from tests.engine.documents import Document, documents, text_of
from tests.engine.sites import Site
from tests.engine.test_properties import _addressed
from tests.host_state import host_state
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel


def some(examples: int) -> settings:
    """So many of them."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(deadline=None, max_examples=examples, derandomize=True, suppress_health_check=checks, database=None)


@contextmanager
def hosts() -> Iterator[Site]:
    """A fresh host on the real kernel."""
    with tempfile.TemporaryDirectory() as directory, fresh_host():
        yield Site(LinuxKernel(), Path(directory))


def ours(site: Site) -> dict[str, str]:
    """All that is ours, but for what remembers the way: former values."""
    observed = observed_state(site.kernel.snapshot(Scope(stack="default")))
    mine = {key: each for key, each in observed.items() if owned_by("default")(each)}
    return {
        str(key): repr(each)
        for key, each in mine.items()
        if not (isinstance(each, NatElement) and each.set == "former") and key.kind != "sysctl"
    }


def the_way_does_not_matter(one: Document, two: Document) -> None:
    """One and then the other is the other; the same again is nothing; and nothing is left of either."""
    fixed = [text_of(_addressed(each)) for each in (one, two)]
    with hosts() as site:
        whole = host_state()
        for spec in fixed:
            site.apply(spec)
            assert site.steps(spec) == []
        there = ours(site)
        site.destroy()
        assert host_state() == whole
    with hosts() as site:
        site.apply(fixed[1])
        assert ours(site) == there


@some(3)
@given(documents(), documents())
def test_the_way_to_some_specs_does_not_matter(one: Document, two: Document) -> None:
    """Three pairs."""
    the_way_does_not_matter(one, two)


@pytest.mark.faults
@some(int(os.environ.get("NETSPEC_PAIRS", "60")))
@given(documents(), documents())
def test_the_way_to_many_specs_does_not_matter(one: Document, two: Document) -> None:
    """Sixty pairs."""
    the_way_does_not_matter(one, two)
