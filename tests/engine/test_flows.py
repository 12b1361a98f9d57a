"""Which connections an apply cuts: those of publications that change, whatever else changes with them."""

from ipaddress import ip_address

from netspec.kernel.fake_host import Flow
from tests.engine.sites import Site, fake
from tests.specs import BASE

DENY = "policies:\n  - deny: {from: db, to: web}\n"


def flow(port: int, target: str) -> Flow:
    """A connection through a publication."""
    return Flow(protocol="tcp", destination=ip_address("192.0.2.1"), port=port, target=ip_address(target))


def test_a_publication_that_changes_while_the_table_is_loaded_again(in_memory: Site) -> None:
    """The new policy loads the table; the flows of what was published before go, the others stay."""
    in_memory.apply(BASE)
    ours, others = flow(8080, "10.1.0.10"), flow(9999, "10.1.0.10")
    fake(in_memory).start_flow(ours)
    fake(in_memory).start_flow(others)

    in_memory.apply(BASE + DENY)
    assert fake(in_memory).host.flows == (ours, others)

    in_memory.apply(BASE.replace('"8080:80", ', ""))
    assert fake(in_memory).host.flows == (others,)
