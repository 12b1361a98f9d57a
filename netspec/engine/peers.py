"""Who must not be locked out: the client of this SSH session, and the peers that the spec protects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from netspec.kernel.operations import Address, Network

SSH = 22
MOST_LOOKED_UP = 64
"""Addresses of one prefix for which the way is looked up."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A machine, or a prefix with several; `words` say who that is.

    `local` is the address of this host that it talks to, where that is known, and `port` the one there.
    """

    network: Network
    words: str
    local: Address | None = None
    port: int = SSH
    link: str = ""
    """The link of a link-local address."""


def session_peers(connection: str) -> tuple[Peer, ...]:
    """The client of an SSH session, from what sshd wrote into SSH_CONNECTION; none for anything else."""
    words = connection.split()
    if len(words) != 4 or not (words[3].isascii() and words[3].isdecimal()):
        return ()
    try:
        client, own = _plain(words[0]), _plain(words[2])
    except ValueError:
        return ()
    link = words[0].partition("%")[2]
    return (Peer(ip_network(client), f"{client} (the SSH client)", own, int(words[3]), link),)


def _plain(text: str) -> Address:
    """Without the zone of a link-local address, and IPv4 as such."""
    found = ip_address(text.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def protected(networks: Iterable[Network]) -> tuple[Peer, ...]:
    """The peers of the list `protect` of a spec."""
    return tuple(Peer(each, f"{_short(each)} (protected)") for each in networks)


def _short(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def addresses_of(peer: Peer, known: Iterable[Network]) -> Iterator[Address]:
    """The addresses for which the way is looked up: of a prefix one, and one for each known prefix within."""
    inside = (each for each in known if each.version == peer.network.version and _within(each, peer.network))
    found = dict.fromkeys(_one_of(each) for each in (peer.network, *inside))
    yield from list(found)[:MOST_LOOKED_UP]


def _within(inner: Network, outer: Network) -> bool:
    return inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _one_of(network: Network) -> Address:
    """The address of a single one, else the first that a machine can have."""
    first = network.network_address
    return first if network.prefixlen >= network.max_prefixlen - 1 else first + 1
