"""Rules: what they are known by, their order, and which one a deletion means."""

from typing import Any

import pytest

from netspec.kernel.operations import NetnsAdd, RuleAdd, RuleDelete
from netspec.kernel.port import Kernel
from tests.kernel.contract.look import refusal, seen
from tests.kernel.contract.make import network


def added(priority: int = 1000, **more: Any) -> RuleAdd:  # noqa: ANN401  any field
    """A rule of ours that looks up table 100, but where said otherwise."""
    return RuleAdd(**{"version": 4, "priority": priority, "table": 100, "protocol": 110, **more})


def deleted(rule: RuleAdd) -> RuleDelete:
    """Its removal."""
    return RuleDelete(**{name: getattr(rule, name) for name in RuleAdd.__dataclass_fields__})


def rules(kernel: Kernel) -> list[str]:
    """What differs from a plain rule, in the kernel's order."""
    return [
        " ".join(
            [f"{row.netns}:{row.version} {row.priority}"]
            + [
                f"{name}={getattr(row, name)}"
                for name in ("source", "to", "iif", "oif", "fwmark", "table", "action", "protocol")
                if getattr(row, name) not in (None, "")
            ]
            + ([f"mask={row.mask:#x}"] if row.fwmark is not None else [])
        )
        for row in seen(kernel).rules
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (added(), ":4 1000 table=100 action=1 protocol=110"),
        (added(version=6), ":6 1000 table=100 action=1 protocol=110"),
        (added(source=network("10.0.0.0/8")), ":4 1000 source=10.0.0.0/8 table=100 action=1 protocol=110"),
        (added(to=network("10.0.0.1/32")), ":4 1000 to=10.0.0.1/32 table=100 action=1 protocol=110"),
        (
            added(version=6, source=network("fd00::/8"), to=network("2001:db8::1/128")),
            ":6 1000 source=fd00::/8 to=2001:db8::1/128 table=100 action=1 protocol=110",
        ),
        (added(iif="lo", oif="nowhere"), ":4 1000 iif=lo oif=nowhere table=100 action=1 protocol=110"),
        (added(fwmark=16), ":4 1000 fwmark=16 table=100 action=1 protocol=110 mask=0xffffffff"),
        (added(fwmark=16, mask=255), ":4 1000 fwmark=16 table=100 action=1 protocol=110 mask=0xff"),
        (added(table=254), ":4 1000 table=254 action=1 protocol=110"),
        (added(table=100000), ":4 1000 table=100000 action=1 protocol=110"),
        (added(table=0, action=6), ":4 1000 table=0 action=6 protocol=110"),
        (added(table=0, action=7), ":4 1000 table=0 action=7 protocol=110"),
        (added(version=6, table=0, action=8), ":6 1000 table=0 action=8 protocol=110"),
        (added(protocol=4), ":4 1000 table=100 action=1 protocol=4"),
        (added(protocol=0), ":4 1000 table=100 action=1 protocol=0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_is_made_and_deleted(kernel: Kernel, rule: RuleAdd, line: str) -> None:
    """Read back as it was said; deleting twice is fine."""
    kernel.execute([rule])
    made = rules(kernel)
    kernel.execute([deleted(rule), deleted(rule)])

    assert (made, rules(kernel)) == ([line], [])


def test_the_same_again_is_refused(kernel: Kernel) -> None:
    """But of another protocol it is another rule."""
    assert refusal(kernel, added(), added()) == "EEXIST"
    kernel.execute([added(protocol=4)])

    assert len(rules(kernel)) == 2


def test_order_is_by_priority_then_as_they_came(kernel: Kernel) -> None:
    """Who comes first is looked up first."""
    kernel.execute([added(1001, table=3), added(1000, table=2), added(1000, table=1), added(999, table=4)])

    assert [row.table for row in seen(kernel).rules] == [4, 2, 1, 3]


def test_who_says_less_means_any(kernel: Kernel) -> None:
    """Of one priority: a rule without a prefix is one with a prefix, to add and to delete."""
    wide, narrow = added(), added(source=network("10.0.0.0/8"))
    assert refusal(kernel, narrow, wide) == "EEXIST"
    kernel.execute([deleted(wide)])
    assert rules(kernel) == []
    kernel.execute([wide, narrow, deleted(narrow)])
    assert rules(kernel) == [":4 1000 table=100 action=1 protocol=110"]


def test_a_deletion_spares_other_protocols(kernel: Kernel) -> None:
    """What others have made, alike but for the protocol, stays."""
    kernel.execute([added(protocol=4), added(), deleted(added())])

    assert rules(kernel) == [":4 1000 table=100 action=1 protocol=4"]


def test_rules_are_those_of_their_namespace(kernel: Kernel) -> None:
    """And nothing is to be deleted in one that is not there."""
    rule = added(netns="web")
    kernel.execute([NetnsAdd(name="web", alias=""), rule])

    assert rules(kernel) == ["web:4 1000 table=100 action=1 protocol=110"]
    kernel.execute([deleted(added(netns="gone"))])
    assert refusal(kernel, added(netns="gone")) == "ENOENT"
