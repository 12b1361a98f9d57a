"""A socket that loses, delays and garbles: every request ends, and nothing half-read is taken for the whole."""

import errno
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from netspec.kernel import netlink
from netspec.kernel import rtnetlink as rt
from netspec.kernel import rtnetlink_rows as rows
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.netlink import Channel, DumpUnsteady, NoAnswer
from netspec.kernel.operations import LinkAdd, LinkSet, NetnsAdd, Operation
from netspec.kernel.port import KernelError
from netspec.kernel.reading import LINKS
from netspec.kernel.snapshot import Scope

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

DEADLINE = 0.2
PATIENCE = 60
"""Seconds for a look that succeeds beside somebody who changes everything."""
Garble = Callable[[int, bytes], bytes]
"""What becomes of a datagram, by its number from 0; empty where it is lost."""


class Garbled:
    """A socket whose datagrams go through a Garble."""

    def __init__(self, inner: socket.socket, garble: Garble) -> None:
        self._inner = inner
        self._garble = garble
        self._number = -1

    def send(self, data: bytes) -> int:
        """As it is."""
        return self._inner.send(data)

    def recv_into(self, buffer: memoryview, size: int, flags: int) -> int:
        """What is left of the next datagram."""
        while True:
            length = self._inner.recv_into(buffer, size, flags)
            self._number += 1
            data = self._garble(self._number, bytes(buffer[:length]))
            if data:
                buffer[: len(data)] = data
                return len(data)

    def fileno(self) -> int:
        """For poll."""
        return self._inner.fileno()

    def close(self) -> None:
        """Of the inner one."""
        self._inner.close()


def channel(garble: Garble) -> Channel:
    """A Channel over such a socket."""
    found = Channel(DEADLINE)
    found._socket = Garbled(found._socket, garble)  # type: ignore[assignment]  # it has all that is used
    return found


def bridge(name: str) -> rt.Message:
    """A request for a bridge."""
    (found,) = rt.link_add(LinkAdd(name=name, kind="bridge"), lambda _netns, _name: 0, None)
    return found


def names(found: list[bytes]) -> list[str]:
    """Of the links of a dump."""
    return [rows.link("", body).name for body in found]


def without(lost: int) -> Garble:
    """Loses one datagram."""
    return lambda number, data: b"" if number == lost else data


def test_a_lost_answer_ends_at_the_deadline_and_is_the_first_that_is_missing() -> None:
    """Others that came do not hide it."""
    with channel(without(1)) as found:
        begun = time.monotonic()
        with pytest.raises(NoAnswer) as caught:
            found.request([bridge("a"), bridge("b"), bridge("c")])

        assert caught.value.position == 1
        assert time.monotonic() - begun >= DEADLINE * 0.9


def test_a_late_answer_is_not_taken_for_that_of_the_next_request() -> None:
    """It carries the number of its own request."""
    with Channel(DEADLINE) as found:
        packed = rt.header.pack(16 + len(bridge("a").body), rt.NEWLINK, rt.REQUEST | rt.ACK | rt.CREATE, 0, 0)
        found._socket.send(packed + bridge("a").body)
        answers = found.request([rt.Message(rt.GETLINK, 0, bytes(16) + rt.text(rt.IFLA_IFNAME, "no"))])

        assert [answer.number for answer in answers] == [errno.ENODEV]


def test_a_dump_without_an_end_ends_at_the_deadline() -> None:
    """The kernel's last message was lost."""

    def endless(_number: int, data: bytes) -> bytes:
        return b"" if struct.unpack_from("=IH", data)[1] == 3 else data

    with channel(endless) as found, pytest.raises(NoAnswer):
        found.dump(rt.GETLINK, LINKS)


def interrupted(times: int) -> Garble:
    """The first datagrams say that the kernel's data changed meanwhile."""

    def garble(number: int, data: bytes) -> bytes:
        length, kind, flags = struct.unpack_from("=IHH", data)
        flags |= 0x10 if number < times else 0
        return struct.pack("=IHH", length, kind, flags) + data[8:]

    return garble


def test_an_interrupted_dump_is_asked_for_again() -> None:
    """What came of it is thrown away."""
    with channel(interrupted(4)) as found:
        assert names(found.dump(rt.GETLINK, LINKS)) == ["lo"]


def test_a_host_in_uproar_is_given_up() -> None:
    """In words."""
    with channel(interrupted(1000)) as found, pytest.raises(DumpUnsteady):
        found.dump(rt.GETLINK, LINKS)


FLAPPING = """
import select, sys
from netspec.kernel import rtnetlink as rt
from netspec.kernel.netlink import Channel
from netspec.kernel.operations import LinkAdd, LinkDelete, LinkSet
index = lambda _netns, _name: 0
with Channel(60) as channel:
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        for number in range(20):
            channel.request([*rt.link_add(LinkAdd(name=f"x{number}", kind="bridge"), index, None)])
        channel.request([rt.link_set(LinkSet(name=f"x{number}", group=9), index) for number in range(20)])
        channel.request([rt.group_delete(9)])
"""


def test_links_that_flap_do_not_hide_those_that_stay() -> None:
    """While somebody makes and deletes links without pause, every look shows all that stand still, once."""
    kernel = LinuxKernel()
    steady = [f"s{number}" for number in range(60)]
    kernel.execute([LinkAdd(name=name, kind="bridge") for name in steady])
    with subprocess.Popen(
        [sys.executable, "-c", FLAPPING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hostile:
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == "ready\n"
        looks, begun = 0, time.monotonic()
        while (lasted := time.monotonic() - begun) < 1.5 or (not looks and lasted < PATIENCE):
            try:
                found = [row.name for row in kernel.snapshot(Scope(stack="test")).links if row.name.startswith("s")]
            except KernelError as error:
                assert error.number == errno.EAGAIN  # noqa: PT017  refusing is right, a wrong answer is not
                continue
            assert sorted(found) == sorted(steady)
            looks += 1
        assert hostile.poll() is None
        hostile.communicate(timeout=PATIENCE)

    assert hostile.returncode == 0
    assert looks > 0


def test_answers_that_did_not_fit_into_the_buffer_are_lost_answers() -> None:
    """The kernel says so, and nobody waits for them."""
    with Channel(DEADLINE) as found:
        found._socket.setsockopt(socket.SOL_SOCKET, 33, 2048)
        with pytest.raises(NoAnswer):
            found.request([rt.Message(rt.GETLINK, 0, bytes(16) + rt.text(rt.IFLA_IFNAME, "lo"))] * 60)


def test_the_kernel_that_does_not_answer_is_named_with_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation that was under way; the time it was given."""
    wanted: list[Operation] = [
        LinkAdd(name="a", kind="bridge"),
        LinkSet(name="a", mtu=1400),
        LinkSet(name="a", up=True),
    ]
    real = Channel._next

    def deaf(self: Channel, until: float) -> bytes:
        data = real(self, until)
        if struct.unpack_from("=IHHI", data)[3] == 2:
            select.select([], [], [], 0.01)
            raise TimeoutError
        return data

    monkeypatch.setattr(Channel, "_next", deaf)
    with pytest.raises(KernelError) as caught:
        LinuxKernel(deadline=DEADLINE).execute(wanted)

    assert (caught.value.operation, caught.value.name) == (wanted[1], "ETIMEDOUT")
    assert "0.2 s" in str(caught.value)


def refusals() -> Iterator[tuple[Operation, str]]:
    """Requests that the kernel refuses in words of its own."""
    yield LinkSet(name="a", mtu=3), "mtu less than device minimum"
    yield LinkAdd(name="x", kind="vxlan", data=((1, rt.u32.pack(2**24)),)), "VXLAN ID must be lower than 16777216"
    yield LinkSet(name="a", kind="bridge", data=((9, b"\4\0"),)), ""


@pytest.mark.parametrize(("operation", "words"), [pytest.param(*each, id=each[1] or "silent") for each in refusals()])
def test_the_kernels_own_words_reach_the_error(operation: Operation, words: str) -> None:
    """Its extended acknowledgement, beside the errno."""
    kernel = LinuxKernel()
    kernel.execute([LinkAdd(name="a", kind="bridge")])
    with pytest.raises(KernelError) as caught:
        kernel.execute([operation])

    assert words.lower() in caught.value.words.lower()
    assert caught.value.name in str(caught.value)


def test_a_refusal_in_the_middle_names_its_operation_and_ends_the_run() -> None:
    """Wherever it stands, over namespaces."""
    kernel = LinuxKernel()
    kernel.execute([NetnsAdd(name="web", alias="")])
    for position in range(5):
        operations: list[Operation] = [
            LinkAdd(netns="web" if number % 2 else "", name=f"p{position}n{number}", kind="bridge")
            for number in range(4)
        ]
        operations.insert(position, LinkSet(netns="web", name="no", mtu=1400))
        with pytest.raises(KernelError) as caught:
            kernel.execute(operations)
        made = [row.name for row in kernel.snapshot(Scope(stack="test")).links if row.name.startswith(f"p{position}")]

        assert caught.value.operation == operations[position]
        assert sorted(made) == [f"p{position}n{number}" for number in range(position)]


def test_a_channel_takes_no_more_than_it_must() -> None:
    """The longest datagram that the kernel makes fits."""
    assert netlink.LONGEST_DATAGRAM >= 1 << 17
