"""Automatic addresses over time: what comes and goes moves nobody, and no address is given out twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.kinds._intent import Held, Lock, Present
from netspec.spec.desired import Desired, desired
from tests.specs import loaded

ENDPOINTS = [f"e{number}" for number in range(12)]
SUBNETS = [
    "10.1.0.0/28",
    "10.2.0.0/27",
    '"fd00:1::/124"',
    "{cidr: 10.3.0.0/24, range: 10.3.0.64/28, reserve: [10.3.0.65]}",
]

Addresses = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(slots=True)
class History:
    """A host over time: `bodies` are the endpoints of its spec, `given` the addresses after the last apply."""

    subnets: list[str]
    bodies: dict[str, str] = field(default_factory=dict)
    given: Addresses = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    kernel_is_empty: bool = False

    def wanted(self) -> Desired:
        """What an apply would make now."""
        lines = [f"  {name}: {{bridge: lan{body}}}" for name, body in self.bodies.items()]
        text = "\n".join(
            ["netspec: 1", f"bridges: {{lan: {{subnets: [{', '.join(self.subnets)}]}}}}", "endpoints:", *lines]
        )
        held: Held = {key: tuple(map(ip_interface, each)) for key, each in self.given.items()}
        present = Present(leases=held) if self.kernel_is_empty else Present(held=held, leases=held)
        return desired(loaded(text + ("" if lines else " {}") + "\n").document, present, self.lock)

    def apply(self) -> Addresses:
        """Bring it about; who has what now."""
        wanted = self.wanted()
        assert wanted.findings == ()
        self.given = addresses_of(wanted)
        self.kernel_is_empty = False
        return self.given


def addresses_of(wanted: Desired) -> Addresses:
    """The addresses inside namespaces, by (netns, interface)."""
    from netspec.engine.leases import leases_of

    return {key: tuple(map(str, each)) for key, each in leases_of(wanted.state).items()}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whoever_comes_or_goes_moves_nobody(data: st.DataObject) -> None:
    """Any sequence of comings, goings, reboots and locks, in any order of the file."""
    subnets = data.draw(st.lists(st.sampled_from(SUBNETS), min_size=1, max_size=3, unique=True))
    host = History(subnets)
    for _ in range(data.draw(st.integers(2, 8))):
        before = dict(host.given)
        names = data.draw(st.lists(st.sampled_from(ENDPOINTS), unique=True, max_size=len(ENDPOINTS)))
        host.bodies = dict.fromkeys(names, "")
        host.kernel_is_empty = data.draw(st.booleans())
        wanted = host.wanted()
        assert wanted.remarks == ()
        if data.draw(st.booleans()):
            host.lock = Lock(addresses=wanted.automatic)
        after = host.apply()

        stayed = before.keys() & after.keys()
        assert {key: after[key] for key in stayed} == {key: before[key] for key in stayed}
        everything = [each for addresses in after.values() for each in addresses]
        assert len(everything) == len(set(everything)) == len(names) * len(subnets)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_only_a_fixed_address_moves_another(data: st.DataObject) -> None:
    """Whoever moves is told of, and had what is now somebody's fixed address."""
    host = History(["10.1.0.0/27"])
    for _ in range(data.draw(st.integers(2, 6))):
        before = dict(host.given)
        names = data.draw(st.lists(st.sampled_from(ENDPOINTS), unique=True, max_size=len(ENDPOINTS)))
        fixed = data.draw(st.dictionaries(st.sampled_from(names), st.integers(2, 20))) if names else {}
        fixed = {name: number for name, number in fixed.items() if list(fixed.values()).count(number) == 1}
        host.bodies = {name: f", address: 10.1.0.{fixed[name]}" if name in fixed else "" for name in names}
        host.kernel_is_empty = data.draw(st.booleans())
        told = {each.message.split()[0] for each in host.wanted().remarks}
        after = host.apply()

        automatic = {key for key in before.keys() & after.keys() if key[0] not in fixed}
        moved = {key for key in automatic if before[key] != after[key]}
        assert {f"endpoint/{netns}" for netns, _ in moved} == told
        assert {before[key] for key in moved} <= {(f"10.1.0.{number}/27",) for number in fixed.values()}
        assert len(set(after.values())) == len(names)


def test_a_fixed_address_moves_the_automatic_one_that_has_it_and_says_so() -> None:
    """Only that one, with the reason and both places."""
    host = History(["10.1.0.0/24"], {"a": "", "b": "", "c": ""})
    host.apply()
    host.bodies["new"] = ", address: 10.1.0.3"
    wanted = host.wanted()

    assert [each.message for each in wanted.remarks] == [
        "endpoint/b moves from 10.1.0.3 to 10.1.0.5: 10.1.0.3 is the address of endpoint/new"
    ]
    assert [(each.path, each.related) for each in wanted.remarks] == [
        (("endpoints", "b"), ((("endpoints", "new", "address"), "10.1.0.3 goes to endpoint/new"),))
    ]
    assert host.apply() == {
        ("a", "eth0"): ("10.1.0.2/24",),
        ("b", "eth0"): ("10.1.0.5/24",),
        ("c", "eth0"): ("10.1.0.4/24",),
        ("new", "eth0"): ("10.1.0.3/24",),
    }


REASONS = [
    ("{cidr: 10.1.0.0/24, gateway: 10.1.0.2}", "10.1.0.2 is the gateway", "10.1.0.1"),
    ("{cidr: 10.1.0.0/24, gateway: 10.1.0.1, host_address: 10.1.0.2}", "10.1.0.2 is the host's own", "10.1.0.3"),
    ("{cidr: 10.1.0.0/24, reserve: [10.1.0.2]}", "10.1.0.2 is reserved", "10.1.0.3"),
    (
        "{cidr: 10.1.0.0/24, range: 10.1.0.100-10.1.0.200}",
        "10.1.0.2 is outside the range 10.1.0.100-10.1.0.200",
        "10.1.0.100",
    ),
]


@pytest.mark.parametrize("kernel_is_empty", [False, True], ids=["held", "leased"])
@pytest.mark.parametrize(("subnet", "reason", "now"), REASONS, ids=[each[1] for each in REASONS])
def test_an_address_that_can_no_longer_be_given_moves_and_says_why(
    subnet: str, reason: str, now: str, kernel_is_empty: bool
) -> None:
    """The subnet has changed under an endpoint; after a reboot as well."""
    host = History(["10.1.0.0/24"], {"a": ""})
    host.apply()
    host.subnets, host.kernel_is_empty = [subnet], kernel_is_empty

    assert [each.message for each in host.wanted().remarks] == [f"endpoint/a moves from 10.1.0.2 to {now}: {reason}"]


def test_the_lock_file_goes_before_what_an_interface_has() -> None:
    """It moves who has another address, and who has the address that it gives to somebody else."""
    host = History(["10.1.0.0/24"], {"a": "", "b": ""})
    host.apply()
    host.lock = Lock(addresses={("a", "eth0"): (ip_address("10.1.0.9"),)})
    assert [each.message for each in host.wanted().remarks] == [
        "endpoint/a moves from 10.1.0.2 to 10.1.0.9: netspec.lock gives it 10.1.0.9"
    ]
    host.lock = Lock(addresses={("a", "eth0"): (ip_address("10.1.0.3"),)})

    assert [each.message for each in host.wanted().remarks] == [
        "endpoint/a moves from 10.1.0.2 to 10.1.0.3: netspec.lock gives it 10.1.0.3",
        "endpoint/b moves from 10.1.0.3 to 10.1.0.2: endpoint/a has it",
    ]


def test_what_the_kernel_has_goes_before_the_record() -> None:
    """The record is that of the last apply; somebody may have moved on since."""
    text = "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24]}}\nendpoints: {a: {bridge: lan}}\n"
    key = ("a", "eth0")
    present = Present(held={key: (ip_interface("10.1.0.7/24"),)}, leases={key: (ip_interface("10.1.0.8/24"),)})

    assert addresses_of(desired(loaded(text).document, present)) == {key: ("10.1.0.7/24",)}


STRICT = [
    ({}, "netspec.lock has no address of endpoint/a in 10.1.0.0/24"),
    ({("b", "eth0"): "10.1.0.2"}, "netspec.lock has no address of endpoint/a in 10.1.0.0/24"),
    ({("a", "eth0"): "10.2.0.2"}, "netspec.lock has no address of endpoint/a in 10.1.0.0/24"),
    (
        {("a", "eth0"): "10.1.0.1"},
        "netspec.lock cannot be followed for endpoint/a: 10.1.0.1 is the gateway",
    ),
    (
        {("a", "eth0"): "10.1.0.9"},
        "netspec.lock cannot be followed for endpoint/a: 10.1.0.9 is the address of endpoint/fixed",
    ),
    ({("a", "eth0"): "10.1.0.77"}, None),
]


@pytest.mark.parametrize(("locked", "message"), STRICT)
def test_a_strict_lock_refuses_what_it_does_not_decide(
    locked: Mapping[tuple[str, str], str], message: str | None
) -> None:
    """What is fixed in the spec needs no lock; what the kernel has does not count."""
    host = History(["10.1.0.0/24"], {"a": "", "fixed": ", address: 10.1.0.9"})
    host.apply()
    host.lock = Lock(addresses={key: (ip_address(each),) for key, each in locked.items()}, strict=True)

    assert [(each.code, each.message) for each in host.wanted().findings] == ([("NS0251", message)] if message else [])
