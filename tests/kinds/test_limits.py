"""Rates and sizes as `tc` writes them, and what the kernel keeps of a burst."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.resource import Mark
from netspec.kernel.traffic_operations import burst_of, kept_of_typed, ticks, typed_burst
from netspec.kinds._limits import LimitSpec
from netspec.kinds.qdisc import Rate, bucket

RATES = [
    ("20mbit", 2_500_000),
    ("1gbit", 125_000_000),
    ("500kbit", 62_500),
    ("10mbps", 10_000_000),
    ("10MBps", 10_000_000),
    ("1.5mbit", 187_500),
    ("8bit", 1),
    ("8000", 1_000),
    (8000, 1_000),
    ("1kibit", 128),
    ("1mibps", 1_048_576),
    ("2 mbit", 250_000),
]
SIZES = [("64kb", 65_536), ("64k", 65_536), ("1mb", 1_048_576), ("1500", 1_500), (1500, 1_500), ("100b", 100)]


@pytest.mark.parametrize(("written", "rate"), RATES)
def test_rates(written: object, rate: int) -> None:
    """Bits by 1000, `i` by 1024, `bps` is bytes; a bare number is bits."""
    assert LimitSpec.model_validate({"ingress": written}).ingress == rate


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_sizes(written: object, size: int) -> None:
    """Bytes by 1024."""
    assert LimitSpec.model_validate({"ingress": "1mbit", "burst": written}).burst == size


def test_the_long_form_is_read_again() -> None:
    """What `validate --expand` prints means the same."""
    spec = LimitSpec.model_validate({"ingress": "20mbit", "egress": "1.5mbit", "burst": "64kb"})
    assert LimitSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("field", ["ingress", "egress"])
def test_the_edge_of_what_the_kernel_counts(field: str) -> None:
    """Just below 4 GB a second is a rate, that much is none."""
    assert LimitSpec.model_validate({field: "3999mbps"}).model_dump()[field] == 3_999_000_000
    for written in ("4gbps", "35gbit", "4294967296bps"):
        with pytest.raises(ValidationError, match="more than the kernel can count"):
            LimitSpec.model_validate({field: written})


@given(st.integers(1, (1 << 32) - 1), st.integers(1, 1 << 30))
def test_a_burst_comes_back_as_it_was_given(rate: int, burst: int) -> None:
    """The kernel keeps a time; what we ask for is what that time makes of a burst, never less than was written."""
    kept = burst_of(rate, ticks(rate, burst))
    assert kept >= burst
    assert ticks(rate, kept) == ticks(rate, burst)


@given(st.integers(1, (1 << 32) - 1), st.integers(1, 1 << 30))
@example(12_500_000, 65_539)
@example(12_500_000, 125_000)
@example(2_500_000, 65_536)
def test_a_burst_is_what_tc_can_be_told(rate: int, burst: int) -> None:
    """The kernel makes a time of the bytes that `tc` sends, and rounds it down: these come to the same burst."""
    wanted = bucket(Mark("default", "endpoint/web"), "to-web", rate, burst).burst
    assert wanted is not None
    assert burst_of(rate, kept_of_typed(rate, typed_burst(rate, wanted))) == wanted
    assert burst_of(rate, ticks(rate, wanted)) == wanted
    assert burst <= wanted <= burst + 2 + rate // 10**7


def test_words() -> None:
    """A rate is printed in the largest unit that fits."""
    assert [str(Rate(each)) for each in (2_500_000, 62_500, 125_000_000, 125, 1)] == [
        "20mbit",
        "500kbit",
        "1gbit",
        "1kbit",
        "8bit",
    ]
    assert bucket(Mark("default", "endpoint/web"), "v0", 2_500_000, 65_536).title() == "limit 20mbit"
