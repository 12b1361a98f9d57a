"""Further names of interfaces: from any spec to any other, with each name free before it is taken again."""

import errno
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.errors import ApplyFailed
from netspec.kernel.operations import AltnameAdd, LinkAdd
from netspec.kernel.port import Kernel, KernelError
from netspec.kernel.snapshot import Scope
from tests.engine.sites import Site, faulty, operations
from tests.engine.test_properties import hosts, some

HEAD = """
netspec: 1
bridges: {x: {subnets: [10.1.0.0/24]}, y: {subnets: [10.2.0.0/24]}}
endpoints:
  web:
    interfaces:
"""


def spec(*interfaces: str) -> str:
    """A spec whose one endpoint has these interfaces."""
    return HEAD + "".join(f"      {each}\n" for each in interfaces)


SPECS = {
    "none": spec("eth0: {bridge: x}", "eth1: {bridge: y}"),
    "first": spec("eth0: {bridge: x, altnames: [storage]}", "eth1: {bridge: y}"),
    "second": spec("eth0: {bridge: x}", "eth1: {bridge: y, altnames: [storage]}"),
    "both": spec("eth0: {bridge: x, altnames: [a, c]}", "eth1: {bridge: y, altnames: [b, d]}"),
    "swapped": spec("eth0: {bridge: x, altnames: [b, c]}", "eth1: {bridge: y, altnames: [a, d]}"),
    "one link is left": spec("eth1: {bridge: y, altnames: [storage, a]}"),
    "other host names": spec(
        "eth0: {bridge: x, host_name: h0, altnames: [a, c]}", "eth1: {bridge: y, host_name: h1, altnames: [b]}"
    ),
    "host names change places": spec(
        "eth0: {bridge: x, host_name: h1, altnames: [b]}", "eth1: {bridge: y, host_name: h0, altnames: [a, storage]}"
    ),
    "a link's own name": spec("storage: {bridge: x}", "eth1: {bridge: y, altnames: [eth0]}"),
    "names change places": spec("a: {bridge: x, altnames: [eth0]}", "b: {bridge: y, altnames: [eth1]}"),
}
"""Specs by what their interfaces are called."""


def names(site: Site) -> list[tuple[str, str, tuple[str, ...]]]:
    """The links inside, with their further names."""
    rows = site.kernel.snapshot(Scope(stack="default")).links
    return sorted((row.netns, row.name, row.altnames) for row in rows if row.netns and row.name != "lo")


@pytest.mark.parametrize(("before", "after"), tuple(combinations(SPECS, 2)))
def test_names_go_from_any_spec_to_any_other(site: Site, before: str, after: str) -> None:
    """An apply converges, there and back."""
    site.apply(SPECS[before])
    first = names(site)
    site.apply(SPECS[after])
    assert not site.propose(SPECS[after]).plan
    site.apply(SPECS[before])

    assert not site.propose(SPECS[before]).plan
    assert names(site) == first


@pytest.mark.parametrize(("before", "after"), tuple(permutations(SPECS, 2)))
def test_what_is_half_done_is_undone(in_memory: Site, before: str, after: str) -> None:
    """Wherever the kernel refuses, all names are as before."""
    in_memory.apply(SPECS[before])
    rows = in_memory.rows()
    proposal = in_memory.propose(SPECS[after])
    for number in range(len(operations(proposal))):
        with pytest.raises(ApplyFailed):
            in_memory.reconciler(faulty(in_memory, number, "error")).carry_out(proposal)
        assert in_memory.rows() == rows, number


@pytest.mark.parametrize(
    ("before", "after"),
    [("both", "swapped"), ("second", "first"), ("first", "a link's own name"), ("a link's own name", "first")],
)
def test_the_kernel_undoes_moves_of_names(site: Site, before: str, after: str) -> None:
    """A refusal at the last operation leaves nothing of it, on the real kernel too."""
    site.apply(SPECS[before])
    rows = names(site)
    proposal = site.propose(SPECS[after])
    with pytest.raises(ApplyFailed):
        site.reconciler(faulty(site, len(operations(proposal)) - 1, "error")).carry_out(proposal)

    assert names(site) == rows


def test_a_name_moves_alone(site: Site) -> None:
    """No link is touched for it."""
    site.apply(SPECS["both"])

    assert site.steps(SPECS["swapped"]) == ["update altname/web/a", "update altname/web/b"]


def test_a_name_is_that_of_one_link(kernel: Kernel) -> None:
    """No link is called as another one is called further."""
    kernel.execute([LinkAdd(name="v0", kind="bridge"), AltnameAdd(link="v0", name="other")])
    with pytest.raises(KernelError) as caught:
        kernel.execute([LinkAdd(name="other", kind="bridge")])

    assert caught.value.number == errno.EEXIST


@st.composite
def interfaces(draw: st.DrawFn) -> str:
    """A spec of up to three interfaces and their further names, all out of few names, with host names or without."""
    left = draw(st.permutations(["a", "b", "c", "d", "e"]))
    ends = draw(st.permutations(["", "h1", "h2"]))
    count = draw(st.integers(1, 3))
    firsts, others = left[:count], left[count : count + draw(st.integers(0, 5 - count))]
    lines = []
    for index, name in enumerate(firsts):
        further = [each for number, each in enumerate(others) if number % count == index]
        host = f"host_name: {ends[index]}, " if ends[index] else ""
        lines.append(f"{name}: {{bridge: {'xyx'[index]}, {host}altnames: [{', '.join(further)}]}}")
    return spec(*lines)


@some
@given(interfaces(), interfaces())
def test_any_names_after_any_others_converge(one: str, two: str) -> None:
    """Whatever is called how: no circle, no name that is taken, and nothing is left to do."""
    with hosts() as site:
        site.apply(one)
        site.apply(two)

        assert not site.propose(two).plan
