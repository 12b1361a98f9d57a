"""Every request netspec can make of the kernel: a small closed set of plain values.

Names, never interface indexes: these are resolved when a request is packed. `netns` is the name
under `/run/netns`, `""` the namespace netspec itself runs in. Attributes of link kinds stay packed
bytes, so that a new kind needs no change here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

from netspec.core.judge import Judge
from netspec.kernel.file_operations import FileDelete, FileWrite, SysctlWrite
from netspec.kernel.namespace_operations import NetnsAdd, NetnsAttach, NetnsDelete, NetnsRename
from netspec.kernel.routing import NeighborAdd, NeighborDelete, NextHop, RouteAdd, RouteDelete, RuleAdd, RuleDelete
from netspec.kernel.traffic_operations import QdiscAdd, QdiscDelete, RedirectAdd, RedirectDelete
from netspec.kernel.values import Address, Attributes, Interface, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The far end of a veth pair, created straight in its namespace."""

    netns: str
    name: str
    mac: str | None = None
    mtu: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAdd:
    """RTM_NEWLINK with NLM_F_CREATE|NLM_F_EXCL. `mac` as `02:00:…`, `mtu` in bytes, `kind` as in `ip link add type`.

    The alias is not taken by the kernel at creation: it goes in a second message of the same send.
    `group` is, and marks a link from its first moment.
    """

    netns: str = ""
    name: str
    kind: str
    mac: str | None = None
    mtu: int | None = None
    group: int | None = None
    alias: str | None = None
    txqlen: int | None = None
    up: bool = False
    master: str | None = None
    parent: str | None = None
    data: Attributes = ()
    peer: Peer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSet:
    """RTM_NEWLINK on a living link: only what is not None changes.

    `master` is a link's name, or `""` for none. `addr_gen_mode` is IN6_ADDR_GEN_MODE_* (0 eui64, 1 none).
    `conf4` are pairs of IPV4_DEVCONF_* number and value (`linux/ip.h`). `data` are IFLA_INFO_DATA attributes
    of `kind`, `port_data` IFLA_INFO_SLAVE_DATA attributes of `port_kind`. `rename` is the new name.
    """

    netns: str = ""
    name: str
    rename: str | None = None
    mac: str | None = None
    mtu: int | None = None
    group: int | None = None
    alias: str | None = None
    txqlen: int | None = None
    up: bool | None = None
    promisc: bool | None = None
    allmulti: bool | None = None
    master: str | None = None
    addr_gen_mode: int | None = None
    conf4: tuple[tuple[int, int], ...] = ()
    kind: str | None = None
    data: Attributes = ()
    port_kind: str | None = None
    port_data: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AltnameAdd:
    """RTM_NEWLINKPROP: one more name for a link. EEXIST where a link of the namespace has it already."""

    netns: str = ""
    link: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AltnameDelete:
    """RTM_DELLINKPROP of one alternative name; nothing if it is not there."""

    netns: str = ""
    link: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDelete:
    """RTM_DELLINK; nothing if it is not there."""

    netns: str = ""
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressAdd:
    """RTM_NEWADDR with NLM_F_CREATE|NLM_F_REPLACE, duplicate address detection off.

    `protocol` is IFA_PROTO; `broadcast` is IPv4 only.
    """

    netns: str = ""
    link: str
    address: Interface
    broadcast: IPv4Address | None = None
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressDelete:
    """RTM_DELADDR; nothing if it is not there."""

    netns: str = ""
    link: str
    address: Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAdd:
    """Load an nftables table from `text`, which is in the form `nft list table` prints, without elements.

    A table that is there already is replaced, atomically with the elements added in the same transaction.
    """

    netns: str = ""
    family: str = "inet"
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDelete:
    """Remove an nftables table with all in it; nothing if it is not there."""

    netns: str = ""
    family: str = "inet"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementAdd:
    """Add one element to a set (`value` empty) or a map. `key` and `value` are in nft's syntax, typed by their kind."""

    netns: str = ""
    family: str = "inet"
    table: str
    set: str
    key: str
    value: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementDelete:
    """Remove one element of a set or map. `value` is ignored by the kernel; it stands here for people."""

    netns: str = ""
    family: str = "inet"
    table: str
    set: str
    key: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDelete:
    """Delete the conntrack entries of one publication: by protocol, original destination and port, and target.

    `protocol` is `tcp`, `udp` or `sctp`; `ports` is first and last original destination port; `listen` None is any
    destination; `target` is the address that the flows were translated to (the source of their replies).
    """

    netns: str = ""
    protocol: str
    ports: tuple[int, int]
    target: Address
    listen: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Tell the neighbours on a link who has an address now, or each of the link's addresses, after all else is done.

    Nothing is sent where nobody can know otherwise: on a bridge that is made in the same run.
    """

    netns: str = ""
    link: str
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsCut:
    """Delete the conntrack entries that `judge` would not let in today, and no others."""

    netns: str = ""
    judge: Judge


Operation = (
    NetnsAdd
    | NetnsAttach
    | NetnsDelete
    | NetnsRename
    | LinkAdd
    | LinkSet
    | LinkDelete
    | AltnameAdd
    | AltnameDelete
    | AddressAdd
    | AddressDelete
    | RouteAdd
    | RouteDelete
    | RuleAdd
    | RuleDelete
    | NeighborAdd
    | NeighborDelete
    | SysctlWrite
    | FileWrite
    | FileDelete
    | TableAdd
    | TableDelete
    | ElementAdd
    | ElementDelete
    | FlowDelete
    | QdiscAdd
    | QdiscDelete
    | RedirectAdd
    | RedirectDelete
    | Announce
    | FlowsCut
)

__all__ = [
    "Address",
    "Attributes",
    "FileDelete",
    "FileWrite",
    "Interface",
    "NeighborAdd",
    "NeighborDelete",
    "NetnsAdd",
    "NetnsAttach",
    "NetnsDelete",
    "NetnsRename",
    "Network",
    "NextHop",
    "QdiscAdd",
    "QdiscDelete",
    "RedirectAdd",
    "RedirectDelete",
    "RouteAdd",
    "RouteDelete",
    "RuleAdd",
    "RuleDelete",
    "SysctlWrite",
]
"""What is passed on from where it is defined."""
