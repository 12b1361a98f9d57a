"""The commands a person would type for a plan: `ip`, `bridge`, `nft`, `sysctl`, one for each operation."""

from collections.abc import Iterable, Iterator

from netspec.kernel.operations import (
    AddressAdd,
    AddressDelete,
    AltnameAdd,
    AltnameDelete,
    Attributes,
    ElementAdd,
    ElementDelete,
    FlowDelete,
    FlowsCut,
    LinkAdd,
    LinkDelete,
    LinkSet,
    NetnsAdd,
    NetnsAttach,
    NetnsDelete,
    NetnsRename,
    Operation,
    SysctlWrite,
    TableAdd,
    TableDelete,
)
from netspec.kinds._bridge_options import OPTIONS
from netspec.kinds._port_options import PORT_OPTIONS
from netspec.report.routing_commands import given, ip, quoted, routing_command
from netspec.report.traffic import traffic_commands

_CONF4 = {20: "promote_secondaries", 26: "route_localnet"}
_ADDR_GEN_MODES = {0: "eui64", 1: "none"}
_BRIDGE_WORDS = {"stp": "stp_state", "multicast_snooping": "mcast_snooping", "multicast_querier": "mcast_querier"}
"""What `ip` calls options of a bridge that a spec calls otherwise."""
_BRIDGE_OPTIONS = {option.number: (_BRIDGE_WORDS.get(name, name), option) for name, option in OPTIONS.items()}
_BRIDGE_FLAGS = {36: "nf_call_iptables", 37: "nf_call_ip6tables"}
_PORT_WORDS = {"bpdu_guard": "guard", "fast_leave": "fastleave"}
_PORT_OPTIONS = {option.number: (_PORT_WORDS.get(name, name), option) for name, option in PORT_OPTIONS.items()}
_UNKNOWN_TO_BRIDGE = "proxy_arp"
"""What `bridge link` cannot set, and `ip link` can."""

NftOperation = TableAdd | TableDelete | ElementAdd | ElementDelete


def render(operations: Iterable[Operation]) -> str:
    """A shell script. All of nftables is one transaction, where its first part stands, as netspec does it."""
    all_operations = list(operations)
    nft = [each for each in all_operations if isinstance(each, NftOperation)]
    lines: list[str] = []
    for operation in all_operations:
        if not isinstance(operation, NftOperation):
            lines.extend(_command(operation))
        elif operation is nft[0]:
            lines.append(_transaction(nft))
    return "".join(f"{line}\n" for line in lines)


def _command(operation: Operation) -> Iterator[str]:
    match operation:
        case NetnsAdd() | NetnsAttach() | NetnsRename() | NetnsDelete():
            yield from _netns(operation)
        case LinkAdd():
            yield from _link_add(operation)
        case LinkSet():
            yield from _link_set(operation)
        case AltnameAdd() | AltnameDelete():
            verb = "add" if isinstance(operation, AltnameAdd) else "del"
            yield f"{ip(operation.netns)} link property {verb} dev {quoted(operation.link)} altname {operation.name}"
        case LinkDelete():
            yield f"{ip(operation.netns)} link del dev {quoted(operation.name)}"
        case AddressAdd() | AddressDelete():
            yield _address(operation)
        case SysctlWrite():
            inside = f"ip netns exec {quoted(operation.netns)} " if operation.netns else ""
            yield f"{inside}sysctl -qw {quoted(operation.key.replace('/', '.') + '=' + operation.value)}"
        case FlowDelete() | FlowsCut():
            yield from _flows(operation)
        case _:
            yield from routing_command(operation)
            yield from traffic_commands(operation)


def _netns(operation: NetnsAdd | NetnsAttach | NetnsRename | NetnsDelete) -> Iterator[str]:
    name = quoted(operation.name)
    match operation:
        case NetnsAdd():
            yield f"ip netns add {name}"
            yield f"ip -n {name} link set dev lo alias {quoted(operation.alias)} up"
        case NetnsAttach():
            yield f"mkdir -p /run/netns && touch /run/netns/{name}"
            yield f"mount --bind {quoted(operation.path)} /run/netns/{name}"
        case NetnsRename():
            old, new = (quoted(f"/run/netns/{name}") for name in (operation.name, operation.rename))
            yield f"touch {new} && mount --bind {old} {new} && umount -l {old} && rm {old}"
        case NetnsDelete():
            yield f"ip netns del {name}"


def _link_add(operation: LinkAdd) -> Iterator[str]:
    words = [ip(operation.netns), "link add", "name", quoted(operation.name)]
    words += given(("address", operation.mac), ("mtu", operation.mtu), ("txqueuelen", operation.txqlen))
    words += ["type", operation.kind]
    peer = operation.peer
    words += list(_options(operation.data)) if operation.kind == "bridge" else []
    if peer is not None:
        words += ["peer", "name", quoted(peer.name), *given(("address", peer.mac), ("mtu", peer.mtu))]
        words += ["netns", quoted(peer.netns)] if peer.netns else []
    yield " ".join(words)
    words = [ip(operation.netns), "link set dev", quoted(operation.name)]
    rest = given(("group", operation.group), ("alias", operation.alias), ("master", operation.master))
    rest += ["up"] if operation.up else []
    if rest:
        yield " ".join(words + rest)
    if peer is not None and peer.group is not None:
        yield f"{ip(peer.netns)} link set dev {quoted(peer.name)} group {peer.group}"


def _link_set(operation: LinkSet) -> Iterator[str]:
    words = [ip(operation.netns), "link set dev", quoted(operation.name)]
    rest = given(
        ("name", operation.rename),
        ("address", operation.mac),
        ("mtu", operation.mtu),
        ("group", operation.group),
        ("alias", operation.alias),
        ("txqueuelen", operation.txqlen),
        ("master", operation.master or None),
        ("addrgenmode", _ADDR_GEN_MODES.get(operation.addr_gen_mode) if operation.addr_gen_mode is not None else None),
    )
    flags = (("promisc", operation.promisc), ("allmulticast", operation.allmulti))
    rest += [f"{name} {'on' if value else 'off'}" for name, value in flags if value is not None]
    rest += ["nomaster"] if operation.master == "" else []
    rest += [] if operation.up is None else ["up" if operation.up else "down"]
    if rest:
        yield " ".join(words + rest)
    if operation.kind == "bridge" and operation.data:
        yield " ".join(
            [ip(operation.netns), "link set dev", quoted(operation.name), "type bridge", *_options(operation.data)]
        )
    inside = f"ip netns exec {quoted(operation.netns)} " if operation.netns else ""
    for number, value in operation.conf4:
        yield f"{inside}sysctl -qw net.ipv4.conf.{operation.name}.{_CONF4[number]}={value}"
    for number, packed in operation.port_data:
        if number in _PORT_OPTIONS:
            yield _port_option(operation.name, number, packed)


def _port_option(link: str, number: int, packed: bytes) -> str:
    word, option = _PORT_OPTIONS[number]
    words = f"link set dev {quoted(link)}"
    setting = f"{word} {option.text(option.read({number: packed}))}"
    return f"ip {words} type bridge_slave {setting}" if word == _UNKNOWN_TO_BRIDGE else f"bridge {words} {setting}"


def _options(data: Attributes) -> Iterator[str]:
    """The words of `ip link … type bridge`; times in hundredths of a second."""
    for number, packed in data:
        if number in _BRIDGE_FLAGS:
            yield f"{_BRIDGE_FLAGS[number]} {packed[0]}"
        if number in _BRIDGE_OPTIONS:
            word, option = _BRIDGE_OPTIONS[number]
            yield f"{word} {option.layout.unpack(packed)[0]}"


def _address(operation: AddressAdd | AddressDelete) -> str:
    words = [ip(operation.netns), "address"]
    if isinstance(operation, AddressDelete):
        return " ".join([*words, "del", str(operation.address), "dev", quoted(operation.link)])
    words += ["replace", str(operation.address)]
    words += given(("broadcast", str(operation.broadcast) if operation.broadcast else None))
    words += ["dev", quoted(operation.link)]
    return " ".join(words + (["nodad"] if operation.address.version == 6 else []))


def _flows(operation: FlowDelete | FlowsCut) -> Iterator[str]:
    if isinstance(operation, FlowsCut):
        yield "# netspec would now delete the conntrack entries that these rules do not let in"
        return
    listen = f" --orig-dst {operation.listen}" if operation.listen else ""
    for port in range(operation.ports[0], operation.ports[1] + 1):
        head = f"conntrack -D -p {operation.protocol} --orig-port-dst {port}{listen}"
        yield f"{head} --reply-src {operation.target} 2>/dev/null || true"


def _transaction(operations: list[NftOperation]) -> str:
    return "nft -f - <<'EOF'\n" + "\n".join(line for each in operations for line in _nft(each)) + "\nEOF"


def _nft(operation: NftOperation) -> Iterator[str]:
    match operation:
        case TableAdd():
            yield f"table {operation.family} {operation.name}"
            yield f"delete table {operation.family} {operation.name}"
            yield operation.text.rstrip("\n")
        case TableDelete():
            yield f"delete table {operation.family} {operation.name}"
        case ElementAdd():
            comment = f' comment "{operation.comment}"' if operation.comment else ""
            value = f" : {operation.value}" if operation.value else ""
            head = f"add element {operation.family} {operation.table} {operation.set}"
            yield f"{head} {{ {operation.key}{comment}{value} }}"
        case ElementDelete():
            yield f"delete element {operation.family} {operation.table} {operation.set} {{ {operation.key} }}"
