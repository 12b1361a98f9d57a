"""Those who stand in where nobody listens, for as long as probes are on their way."""

import errno
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from netspec.kernel.attempts import TOKEN_BYTES
from netspec.kernel.probes import Service
from netspec.kernel.values import Address

Hear = Callable[[bytes, Address], None]
"""Called with a token that has come, and with the address that it has come from."""

_BACKLOG = 64


class StandIn:
    """A socket that listens at a service's address; to be made in the namespace of the service.

    Raises OSError, EADDRINUSE where somebody else listens there.
    """

    def __init__(self, service: Service, hear: Hear) -> None:
        family = socket.AF_INET if service.address.version == 4 else socket.AF_INET6
        self._sort = socket.SOCK_STREAM if service.protocol == "tcp" else socket.SOCK_DGRAM
        self._hear = hear
        self.socket = socket.socket(family, self._sort | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self.socket.bind((str(service.address), service.port))
            if self._sort == socket.SOCK_STREAM:
                self.socket.listen(_BACKLOG)
        except OSError:
            self.socket.close()
            raise

    def close(self) -> None:
        """The port is free again."""
        self.socket.close()

    def ready(self) -> "Iterator[Guest]":
        """Somebody has come: those who have yet to say their token. Datagrams are sent back as they are."""
        # Strangers may come as well, and many of them: they get their turn, and no more.
        for _ in range(_BACKLOG):
            try:
                if self._sort == socket.SOCK_DGRAM:
                    token, peer = self.socket.recvfrom(TOKEN_BYTES)
                    self.socket.sendto(token, peer)
                    self._hear(token, _plain(peer[0]))
                    continue
                client, peer = self.socket.accept()
            except OSError:
                return
            client.settimeout(0)
            yield Guest(client, _plain(peer[0]), self._hear)


class Guest:
    """A connection to one that stands in, until its token has come."""

    def __init__(self, client: socket.socket, address: Address, hear: Hear) -> None:
        self.socket = client
        self._address = address
        self._hear = hear

    def ready(self) -> bool:
        """Whether it has said all that it will."""
        try:
            self._hear(self.socket.recv(TOKEN_BYTES), self._address)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Nobody is left waiting."""
        self.socket.close()


def is_served(error: OSError) -> bool:
    """Whether one cannot stand in because somebody listens there."""
    return error.errno == errno.EADDRINUSE


def _plain(text: str) -> Address:
    return ip_address(text.partition("%")[0])
