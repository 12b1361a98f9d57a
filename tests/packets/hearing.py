"""Frames that arrive by a link while something happens: nobody begins to listen too late, or stops too early."""

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from functools import partial

from tests.packets.lab import Lab

Frames = list[bytes]

PATIENCE = 30.0
"""Seconds within which arrives what shall, however busy the machine."""
SILENCE = 0.5
"""Seconds for which is listened on, for what shall not arrive."""
_FORGOTTEN = 300
"""Seconds without a frame after which nobody will ask any more."""
_OUTGOING = 4


class Ear:
    """Listens by a link from when it is made, which it is when it listens, to when it is asked what it has heard."""

    def __init__(self, lab: Lab, netns: str, enough: Callable[[Frames], bool] = bool, link: str = "eth0") -> None:
        """`enough`: whether all has arrived that shall; that it has is waited for."""
        ready, told = os.pipe(), os.pipe()
        try:
            self._answer = lab.begin(partial(_overhear, link, (ready[1], told[0]), enough), netns)
            # Whoever could not listen has closed its end without a word.
            os.close(ready[1])
            os.read(ready[0], 1)
        finally:
            os.close(ready[0])
            os.close(told[0])
        self._told = told[1]

    def heard(self) -> Frames:
        """Every frame that has arrived; what was sent by the link is not among them. Once, when all is sent."""
        try:
            # Whoever could not listen does not hear it, and says why.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._told, b".")
            return self._answer()
        finally:
            os.close(self._told)


def nothing(_frames: Frames) -> bool:
    """Enough for who expects nothing."""
    return True


def at_least(count: int, words: bytes) -> Callable[[Frames], bool]:
    """Enough for who expects something to be said in so many frames."""
    return lambda frames: times(words, frames) >= count


def times(words: bytes, frames: Frames) -> int:
    """In how many frames something is said."""
    return sum(words in each for each in frames)


def _overhear(link: str, pipes: tuple[int, int], enough: Callable[[Frames], bool]) -> Frames:
    ready, told = pipes
    heard: Frames = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as wire:
        wire.bind((link, 0x0003))
        os.write(ready, b".")
        both = (wire.fileno(), told)
        while (readable := select.select(both, [], [], _FORGOTTEN)[0]) and told not in readable:
            _receive(wire, heard)
        end = time.monotonic() + PATIENCE
        while not enough(heard) and time.monotonic() < end:
            if select.select([wire], [], [], 0.1)[0]:
                _receive(wire, heard)
        end = time.monotonic() + SILENCE
        while (left := end - time.monotonic()) > 0:
            if select.select([wire], [], [], left)[0]:
                _receive(wire, heard)
    return heard


def _receive(wire: socket.socket, heard: Frames) -> None:
    packet, address = wire.recvfrom(2048)
    if address[2] != _OUTGOING:
        heard.append(packet)
