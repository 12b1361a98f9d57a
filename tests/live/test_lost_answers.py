"""The kernel does what it is asked, and its answer is lost: an error, and the host as it was, on the real kernel."""

import contextlib
import sys
from collections.abc import Iterator

import pytest

from netspec.engine.intent import Intent
from netspec.errors import ApplyFailed
from netspec.kernel.netlink import Channel
from tests.host_state import host_state
from tests.live.driving import apply, edited, intent, reconciler
from tests.live.specs import DOCKER0

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

CHANGED = edited(DOCKER0, ("172.17.0.", "172.18.0."), ("6379:6379", "6380:6379"), ("client:", "other:"))
WANTED = {"create": intent(DOCKER0), "change": intent(CHANGED), "destroy": Intent(stack="default")}
_DUMP = 0x300


@contextlib.contextmanager
def answers_lost(at: int) -> Iterator[None]:
    """All answers to the request `at`, of those that are no dumps, are lost."""
    sends, arrivals = Channel._send, Channel._next
    deaf: list[Channel] = []
    left = at

    def send(channel: Channel, data: bytes, until: float) -> None:
        nonlocal left
        sends(channel, data, until)
        deaf.clear()
        if int.from_bytes(data[6:8], sys.byteorder) & _DUMP != _DUMP:
            left -= 1
            deaf.extend([channel] if left == -1 else [])

    def arrive(channel: Channel, until: float) -> bytes:
        answer = arrivals(channel, until)
        if channel in deaf:
            raise TimeoutError
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "_send", send)
        patch.setattr(Channel, "_next", arrive)
        yield


def fails(wanted: Intent, number: int) -> bool:
    """Whether carrying it out fails with the answers to that request lost; then all of it is undone."""
    proposal = reconciler().propose(wanted)
    failure = None
    try:
        with answers_lost(number):
            reconciler().carry_out(proposal)
    except ApplyFailed as error:
        failure = error
    assert failure is None or failure.exit_code == 3
    assert failure is None or "did not answer within 10 s" in failure.diagnostics[0].message
    return failure is not None


@pytest.mark.parametrize("way", WANTED)
def test_an_answer_that_is_lost_undoes_everything(way: str) -> None:
    """Every request that changes anything, one after the other; what the kernel has done meanwhile is undone too."""
    if way != "create":
        apply(DOCKER0)
    before = host_state()
    number = 0
    while fails(WANTED[way], number):
        assert host_state() == before, f"request {number}"
        assert reconciler().recover() is None
        number += 1

    assert number >= 3
