"""Replicas: several endpoints of one entry; who comes and goes when their number changes."""

from netspec.kernel.snapshot import Scope
from tests.engine.sites import Site
from tests.specs import loaded

SPEC = """\
netspec: 1
bridges: {br0: {subnets: [10.1.0.0/24]}}
endpoints:
  web: {bridge: br0, replicas: %d, publish: ["8000-%d:80", "9000-%d:9000-%d/udp"]}
  db: {bridge: br0}
"""


def spec(count: int) -> str:
    """That many replicas."""
    return SPEC % (count, 7999 + count, 8999 + count, 8999 + count)


def addresses(site: Site) -> dict[str, str]:
    """Of each namespace."""
    rows = site.kernel.snapshot(Scope(stack="default")).addresses
    return {row.netns: str(row.address) for row in rows if row.link == "eth0" and row.address.version == 4}


def published(site: Site) -> dict[str, str]:
    """Elements of the map of publications."""
    (table,) = [row for row in site.kernel.snapshot(Scope(stack="default")).tables if row.family == "inet"]
    return {row.key: row.value for row in table.elements if row.set.startswith("publish4")}


def touched(site: Site, text: str) -> set[str]:
    """The endpoints that a plan is about."""
    return {change.resource.origin.partition(".")[0] for change in site.propose(text).plan.changes}


def test_each_has_its_port_and_its_address(site: Site) -> None:
    """The i-th replica has the i-th host port; the target is the same for all, or one of a range each."""
    site.apply(spec(3))

    assert addresses(site) == {
        "web-1": "10.1.0.2/24",
        "web-2": "10.1.0.3/24",
        "web-3": "10.1.0.4/24",
        "db": "10.1.0.5/24",
    }
    assert published(site) == {
        "tcp . 8000": "10.1.0.2 . 80",
        "tcp . 8001": "10.1.0.3 . 80",
        "tcp . 8002": "10.1.0.4 . 80",
        "udp . 9000": "10.1.0.2 . 9000",
        "udp . 9001": "10.1.0.3 . 9001",
        "udp . 9002": "10.1.0.4 . 9002",
    }


def test_only_the_last_come_and_go(site: Site) -> None:
    """A larger number adds, a smaller one removes, and nobody else is touched."""
    whole = site.rows()
    site.apply(spec(2))
    assert touched(site, spec(4)) == {"endpoint/web-3", "endpoint/web-4"}
    site.apply(spec(4))
    before = addresses(site)
    assert touched(site, spec(3)) == {"endpoint/web-4"}
    site.apply(spec(3))
    del before["web-4"]
    assert addresses(site) == before
    site.destroy()
    assert site.rows() == whole


def test_what_is_said_of_a_replica_is_said_of_its_entry() -> None:
    """Places are those of the entry, its publications included."""
    found = loaded(spec(2))
    places = [found.place_of(each) for each in ("endpoint/web-2", "endpoint/web-2.publish[1]", "endpoint/db")]
    assert [place and (place.line, place.column) for place in places] == [(4, 3), (4, 61), (5, 3)]
