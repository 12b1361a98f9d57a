"""`netspec commands` is true: pasted into a shell on an empty host it makes what apply makes, but for the marks."""

import subprocess
import sys
from pathlib import Path

import pytest

from netspec.core.change import Action
from netspec.engine.observation import Program
from netspec.report.commands import render
from tests.host_state import host_state
from tests.live.driving import EXAMPLE, apply, destroy, edited, line_of, plan, propose
from tests.live.specs import ALL, DUAL_STACK, STACKS
from tests.sandboxed import fresh_host

pytestmark = pytest.mark.kernel

MARKS = {"alias", "group", "marked"}
"""The fields by which netspec knows its own."""


def paste(script: str) -> None:
    """Into a shell that stops at the first failure."""
    done = subprocess.run(["sh", "-e"], input=script, check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", ""), script


@pytest.mark.parametrize("name", ALL)
def test_pasted_into_a_shell_they_leave_only_marks_to_set(name: str) -> None:
    """The plan afterwards touches nothing but marks; its apply makes the host that apply alone makes."""
    with fresh_host():
        paste(render(Program(propose(ALL[name]).plan.steps).operations))
        assert only_marks_are_left(ALL[name])

        apply(ALL[name])
        assert plan(ALL[name]) == []
        by_hand = without_bookkeeping(host_state())
        destroy(STACKS[name])
        apply(ALL[name])
        assert without_bookkeeping(host_state()) == by_hand


LIMITS = [
    "ingress: 20mbit", "ingress: 100mbit, burst: 65539b", "ingress: 1gbit", "ingress: 3999mbps", "ingress: 33333bps",
    "ingress: 777777bps, egress: 1.5mbit, burst: 256kb", "egress: 40mbit, burst: 1514b",
    "egress: 123456789bps, burst: 3mb",
]  # fmt: skip
"""Rates and bursts, of which most are no whole number of the kernel's ticks."""


@pytest.mark.parametrize("limit", LIMITS)
def test_a_burst_is_typed_so_that_the_kernel_keeps_it(limit: str) -> None:
    """What `tc` sends is rounded by the kernel; not what netspec sends."""
    web = f"{{bridge: br0, host_name: to-web, limit: {{{limit}}}}}"
    spec = f"netspec: 1\nbridges: {{br0: {{subnets: [10.1.0.0/24]}}}}\nendpoints: {{web: {web}}}\n"
    with fresh_host():
        paste(render(Program(propose(spec).plan.steps).operations))
        assert only_marks_are_left(spec)


def only_marks_are_left(spec: str) -> bool:
    """Whether a plan would change nothing but marks; fails with what else it would."""
    changes = propose(spec).plan.changes
    more = [line_of(each) for each in changes if each.action is not Action.UPDATE]
    more += [line_of(each) for each in changes if {field.name for field in each.fields} - MARKS]
    assert more == []
    return True


def without_bookkeeping(state: str) -> list[str]:
    """Whether a table has been fingerprinted is netspec's own affair."""
    return [line for line in state.splitlines() if '"name": "fingerprint"' not in line]


@pytest.mark.parametrize(
    "edits",
    [
        [("172.17.0.0/16, ", "172.17.0.0/16, 172.19.0.0/24, "), ("subnets:", "mtu: 1400, subnets:")],
        [("subnets:", "mac: 02:00:00:00:00:17, subnets:")],
        [('"6379:6379"', '"6380:6379"'), ('"5353:53/udp"', '"127.0.0.1:5353:54/udp", "9000-9002:9000-9002"')],
        [('["6379:6379", "5353:53/udp"]', "[]")],
        [("  client: {bridge: docker0}\n", "")],
        [("client: {bridge", "other: {mac: 02:00:00:00:00:18, bridge")],
        [("addresses: [172.17.0.2, ", "addresses: [172.17.0.20, ")],
        [("masquerade: [docker0]", "masquerade: []")],
        [("  client: {bridge: docker0}\n", ""), ('    publish: ["6379:6379", "5353:53/udp"]\n', "")],
    ],
    ids=lambda edits: "; ".join(new or f"without{old}" for old, new in edits),
)
def test_the_commands_of_a_change_do_it_too(edits: list[tuple[str, str]]) -> None:
    """What is printed for an edited spec, or for an emptied one, changes a living network as apply would."""
    after = edited(DUAL_STACK, *edits)
    with fresh_host():
        apply(DUAL_STACK)
        paste(render(Program(propose(after).plan.steps).operations))
        assert only_marks_are_left(after)


@pytest.mark.parametrize("name", ALL)
def test_the_commands_of_a_removal_leave_nothing(name: str) -> None:
    """The host is what it was before."""
    with fresh_host():
        before = host_state()
        apply(ALL[name])
        empty = f"netspec: 1\nstack: {STACKS[name]}\n"
        paste(render(Program(propose(empty).plan.steps).operations))

        assert host_state() == before


@pytest.mark.usefixtures("fresh_netns")
def test_the_command_prints_them_for_the_example() -> None:
    """From the command line, whose output is the script and nothing else."""
    command = [sys.executable, "-m", "netspec", "commands", str(EXAMPLE)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root, timeout=30)
    paste(done.stdout)

    assert done.stderr == ""
    assert only_marks_are_left(ALL["docker0"])
