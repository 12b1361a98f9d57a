"""What holds of any two specs, found by trying. HYPOTHESIS_PROFILE=long tries a hundred times as often."""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.errors import ApplyFailed
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import Crash
from netspec.kernel.operations import SysctlWrite
from netspec.kernel.snapshot import TableRow
from tests.engine.documents import Document, documents, text_of
from tests.engine.sites import Site, fake, faulty, operations
from tests.engine.test_foreign import FOREIGN, seen

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
some = settings(
    deadline=None,
    max_examples=4000 if LONG else 40,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@contextmanager
def hosts() -> Iterator[Site]:
    """A fake host, without waiting for disks."""
    with tempfile.TemporaryDirectory() as directory, mock.patch("os.fsync"):
        yield Site(FakeKernel(), Path(directory))


def comparable(site: Site) -> dict[str, object]:
    """All rows but what depends on the way by design: former values, and the comments of elements."""
    rows: dict[str, object] = dict(fake(site).rows())
    rows["tables"] = [
        (table.text, sorted((row.set, row.key, row.value) for row in table.elements if row.set != "former"))
        for table in fake(site).rows()["tables"]
        if isinstance(table, TableRow)
    ]
    return rows


@some
@given(documents(), documents(), st.booleans())
def test_any_spec_after_any_other_converges_and_leaves_no_trace(one: Document, two: Document, hardened: bool) -> None:
    """After apply a plan is empty, from any state; after destroy, the host is as before, whatever its past."""
    with hosts() as site:
        if hardened:
            keys = ("net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.all.arp_ignore")
            site.kernel.execute([SysctlWrite(key=key, value="0") for key in keys])
        whole = site.rows()
        for spec in (one, two):
            site.apply(text_of(spec))
            assert site.steps(text_of(spec)) == []
        site.destroy()

        assert site.rows() == whole


@some
@given(documents(), documents())
def test_the_way_to_a_spec_does_not_matter(one: Document, two: Document) -> None:
    """A then B is B, but for addresses that endpoints keep and sysctls that forwarding had moved."""
    fixed = [_addressed(each) for each in (one, two)]
    with hosts() as site:
        for spec in fixed:
            site.apply(text_of(spec))
        there = comparable(site)
    with hosts() as site:
        site.apply(text_of(fixed[1]))
        alone = comparable(site)

    assert there == alone


def _addressed(document: Document) -> Document:
    """The same without what is sticky by design: automatic addresses, and sysctls that come and go."""
    bridges = {name: each | {"subnets": []} for name, each in document.get("bridges", {}).items()}
    endpoints = {name: {**each, "publish": []} for name, each in document.get("endpoints", {}).items()}
    for endpoint in endpoints.values():
        if "interfaces" in endpoint:
            del endpoint["publish"]
    return {"netspec": 1, "bridges": bridges, "endpoints": endpoints}


@some
@given(documents(), documents(), st.integers(0, 200), st.sampled_from(["error", "lost", "crash"]))
def test_a_fault_anywhere_restores(one: Document, two: Document, number: int, mode: str) -> None:
    """Whatever is refused, lost or killed between any two specs: the host is as before."""
    with hosts() as site:
        site.apply(text_of(one))
        before = site.rows()
        proposal = site.propose(text_of(two))
        count = len(operations(proposal))
        if not count:
            return
        try:
            site.reconciler(faulty(site, number % count, mode)).carry_out(proposal)
        except Crash:
            recovery = site.reconciler().recover()
            assert recovery is not None
            assert recovery.restoration.complete
        except ApplyFailed:
            pass

        assert site.rows() == before


@some
@given(documents(), documents())
def test_nothing_unmarked_is_touched(one: Document, two: Document) -> None:
    """One object of every foreign sort stays as it is through any two specs."""
    with hosts() as site:
        site.kernel.execute(FOREIGN)
        whole, before = site.rows(), seen(site)
        for spec in (one, two):
            site.apply(text_of(spec))
            assert before <= seen(site)
        site.destroy()

        assert site.rows() == whole


@some
@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_a_mapping_is_irrelevant(one: Document, chance: random.Random) -> None:
    """But for which endpoint gets which automatic address, which goes in the order of the file."""
    fixed = _addressed(one) | {key: one[key] for key in ("sysctls",) if key in one}
    with hosts() as site:
        site.apply(text_of(fixed))

        assert site.steps(text_of(_shuffled(fixed, chance))) == []


def _shuffled(value: Document, chance: random.Random) -> Document:
    items = list(value.items())
    chance.shuffle(items)
    return {key: _shuffled(each, chance) if isinstance(each, dict) else each for key, each in items}
