"""What removes much, or may do so by mistake, is refused unless as many objects are allowed to go."""

from dataclasses import replace

import pytest

from netspec.diagnostics import Diagnostic
from netspec.engine.intent import Intent
from netspec.engine.reconciler import Proposal
from netspec.errors import Refused
from tests.engine.sites import Site
from tests.specs import BASE, EMPTY, intent

STACK = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24]}
endpoints:
"""


def stack_of(number: int) -> str:
    """A bridge and some endpoints; with nat and a sysctl these are three objects more."""
    return STACK + "".join(f"  e{each}: {{bridge: br0}}\n" for each in range(number))


def proposed(site: Site, spec: str, allowed: int = 0, files: tuple[str, ...] = ("spec.yaml",)) -> Proposal:
    """The plan for a spec, of these files, with so many objects allowed to go."""
    return site.reconciler().propose(replace(intent(spec), allowed_removal=allowed, files=files))


def applied(site: Site, spec: str, files: tuple[str, ...] = ("spec.yaml",)) -> None:
    """Bring a spec about that is of these files."""
    site.reconciler().carry_out(proposed(site, spec, 1 << 20, files))


def codes(found: tuple[Diagnostic, ...]) -> list[str]:
    """The codes of what was found."""
    return [each.code for each in found]


def test_an_empty_spec_over_a_living_stack(in_memory: Site) -> None:
    """However small the stack: it says what would go, and how to have it so; and it goes where that is allowed."""
    applied(in_memory, "netspec: 1\nsysctls: {net.core.somaxconn: 128}\n")
    assert codes(proposed(in_memory, EMPTY).diagnostics) == ["NS0710"]

    applied(in_memory, BASE)
    before = in_memory.rows()
    proposal = proposed(in_memory, EMPTY, 5)
    (found,) = proposal.diagnostics

    assert found.message == (
        "the spec is empty, and 6 objects of stack default would go: "
        "bridge/br0, bridge/br1, endpoint/db, endpoint/web, nat, sysctl/net.ipv4.ip_forward"
    )
    assert found.hint == "if that is meant, add --allow-removal 6; netspec destroy takes the whole stack away"
    with pytest.raises(Refused):
        in_memory.reconciler().carry_out(proposal)
    assert in_memory.rows() == before
    assert proposed(in_memory, EMPTY, 6).diagnostics == ()


@pytest.mark.parametrize(
    ("had", "keeps", "allowed", "refused"),
    [
        (21, 15, 0, False),  # 6 of 24: a quarter, but not more
        (21, 15, 5, False),
        (17, 12, 0, False),  # 5 of 20
        (17, 11, 0, True),  # 6 of 20
        (17, 11, 5, True),
        (17, 11, 6, False),
        (3, 0, 0, False),  # 3 of 6: few
        (4, 0, 0, True),  # 4 of 7
        (4, 0, 4, False),
    ],
)
def test_more_than_a_quarter(in_memory: Site, had: int, keeps: int, allowed: int, refused: bool) -> None:
    """A quarter may go, and three objects always may."""
    applied(in_memory, stack_of(had))
    spec = stack_of(keeps) if keeps else STACK.replace("endpoints:\n", "")

    assert codes(proposed(in_memory, spec, allowed).diagnostics) == (["NS0712"] if refused else [])


def test_more_than_a_quarter_is_named(in_memory: Site) -> None:
    """How many, of how many, and which."""
    applied(in_memory, stack_of(17))
    (found,) = proposed(in_memory, stack_of(2)).diagnostics

    assert found.message == (
        "15 of the 20 objects of stack default would go, more than a quarter: "
        "endpoint/e10, endpoint/e11, endpoint/e12, endpoint/e13, endpoint/e14, endpoint/e15, endpoint/e16, "
        "endpoint/e2 and 7 more"
    )


def test_a_directory_that_lost_a_file(in_memory: Site) -> None:
    """Whatever goes with it, were it one publication; not where nothing goes, nor where a file was renamed."""
    applied(in_memory, BASE, ("etc/a.yaml", "etc/b.yaml"))
    smaller = BASE.replace('"8080:80", ', "")
    (found,) = proposed(in_memory, smaller, files=("etc/a.yaml",)).diagnostics

    assert found.code == "NS0711"
    assert found.message == (
        "the spec has fewer files than at the last apply, without b.yaml, and 1 object would lose something: "
        "endpoint/web"
    )
    assert proposed(in_memory, smaller, 1, ("etc/a.yaml",)).diagnostics == ()
    assert proposed(in_memory, smaller, files=("etc/a.yaml", "etc/c.yaml")).diagnostics == ()
    assert proposed(in_memory, BASE, files=("etc/a.yaml",)).diagnostics == ()


def test_files_are_on_record_where_nothing_changes(in_memory: Site) -> None:
    """What moves from one file to another, and a file that is left away then, are no loss."""
    applied(in_memory, BASE, ("a.yaml", "b.yaml"))
    reconciler = in_memory.reconciler()
    reconciler.settle(proposed(in_memory, BASE, files=("a.yaml",)))

    assert proposed(in_memory, BASE.replace('"8080:80", ', ""), files=("a.yaml",)).diagnostics == ()


def test_destroy_asks_by_itself(in_memory: Site) -> None:
    """It is not guarded."""
    applied(in_memory, stack_of(9), ("a.yaml", "b.yaml"))

    assert in_memory.reconciler().propose(Intent(stack="default")).diagnostics == ()


def test_foreign_objects_do_not_count(in_memory: Site) -> None:
    """An empty spec of a stack that owns nothing is as good as any."""
    applied(in_memory, BASE)

    assert proposed(in_memory, "netspec: 1\nstack: other\n").diagnostics == ()
