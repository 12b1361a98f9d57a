"""Conversations with a server that echoes, held while the host is being changed; they coordinate by files in /run."""

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.packets.lab import Lab

Result = TypeVar("Result")

PORT = 6379
LONGEST_SILENCE = 10.0
"""Seconds that an answer may take, however busy the machine: one that was cut off never comes."""


def serve_echo(lab: Lab, netns: str, address: str) -> None:
    """Somebody who echoes, once the host reaches him at an address."""
    lab.begin(echo, netns)
    lab.run(partial(until_open, address))


def until_open(address: str) -> None:
    """Until somebody can be reached there, a minute at most: a new link is deaf to IPv6 for a while."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, PORT), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def echo() -> None:
    """A server that sends back what it hears, for many connections, for as long as the lab lasts."""
    dual = partial(socket.create_server, family=socket.AF_INET6, dualstack_ipv6=True)
    with dual(("::", PORT), backlog=256) as server, selectors.DefaultSelector() as ready:
        ready.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is server:
                    ready.register(server.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket) and not answered(key.fileobj):
                    ready.unregister(key.fileobj)
                    key.fileobj.close()


def answered(client: socket.socket) -> bool:
    """Send a client what it has said; whether it is still there."""
    try:
        heard = client.recv(64)
        client.sendall(heard)
    except ConnectionError:
        return False
    return bool(heard)


def until(name: str) -> Iterator[None]:
    """Go round until `/run/NAME` is there; five minutes at most, however busy the machine."""
    end = time.monotonic() + 300
    while not Path("/run", name).exists() and time.monotonic() < end:
        yield


def wait_for_the_change() -> None:
    """Until the test says that it has been made."""
    for _ in until("enough"):
        time.sleep(0.01)


def note(times: int) -> None:
    """How often something was asked: never half written."""
    Path("/run/asked.new").write_text(str(times), encoding="ascii")
    Path("/run/asked.new").rename("/run/asked")


def asked() -> int:
    """How often it was."""
    return int(Path("/run/asked").read_text(encoding="ascii"))


def converse() -> int:
    """Exchange data over one connection until told to stop; how often."""
    with socket.create_connection(("192.0.2.1", PORT), timeout=LONGEST_SILENCE) as connection:
        connection.settimeout(LONGEST_SILENCE)
        times = 0
        note(times)
        Path("/run/talking").touch()
        for _ in until("enough"):
            note(times)
            connection.sendall(b"%d" % times)
            assert connection.recv(64) == b"%d" % times
            times += 1
            time.sleep(0.005)
    return times


@contextlib.contextmanager
def talking(lab: Lab, function: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """A conversation from `remote` during what is inside; what comes back ends it and tells how it went."""
    lab.command("rm -f /run/enough /run/talking")
    conversation = lab.begin(function, "remote")
    lab.command("for i in $(seq 6000); do [ -e /run/talking ] && exit 0; sleep 0.01; done; exit 1")
    try:
        yield conversation
    finally:
        lab.command("touch /run/enough")


def goes_on(lab: Lab) -> bool:
    """Whether the conversation makes progress."""
    return bool(
        lab.command("""
            before=$(cat /run/asked)
            for i in $(seq 3000); do [ "$(cat /run/asked)" != "$before" ] && echo yes && exit; sleep 0.01; done""")
    )


def attempts(addresses: Sequence[str] = ("192.0.2.1",)) -> list[str]:
    """Connect again and again, until told to stop; the failures, and how many rounds of attempts there were."""
    failures = []
    times = 0
    note(times)
    Path("/run/talking").touch()
    for _ in until("enough"):
        times += 1
        note(times)
        for address in addresses:
            try:
                with socket.create_connection((address, PORT), timeout=LONGEST_SILENCE) as connection:
                    connection.sendall(b"?")
                    assert connection.recv(8) == b"?"
            except OSError as error:
                failures.append(f"{address}: {error!r}")
        # A port of the client is busy for a minute after each attempt; it has 28,000.
        time.sleep(0.005)
    return [*failures, str(times)]
