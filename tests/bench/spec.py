"""The network that is measured: endpoints on four bridges, each with a published port."""

from netspec.core.elements import concat
from netspec.kinds._skeleton import skeleton

BRIDGES = 4
FIRST_PORT = 10_000


def document(count: int, first_port: int = FIRST_PORT, bridges: int = BRIDGES) -> str:
    """A spec of `count` endpoints; `first_port` is published by endpoint e0, the others follow."""
    lines = ["netspec: 1", "bridges:"]
    lines += [f"  br{number}:\n    subnets: [10.{number + 1}.0.0/16]" for number in range(bridges)]
    names = ", ".join(f"br{number}" for number in range(bridges))
    lines += [f"nat:\n  masquerade: [{names}]", "endpoints:"]
    for number in range(count):
        port = FIRST_PORT + number if number else first_port
        lines += [
            f"  e{number}:",
            f"    bridge: br{number % bridges}",
            f"    address: {_address(number, bridges)}",
            f"    publish: ['{port}:80']",
        ]
    return "\n".join(lines) + "\n"


def checked(count: int) -> str:
    """A spec of `count` endpoints on two bridges with two checks for each; one in four checks expects silence."""
    half = range(count // 2)
    lines = ["netspec: 1", "bridges: {a: {subnets: [10.1.0.0/16]}, b: {subnets: [10.2.0.0/16]}}", "endpoints:"]
    for number in half:
        lines += [f"  a{number}: {{bridge: a, publish: ['{8000 + number}:80']}}", f"  b{number}: {{bridge: b}}"]
    lines.append("checks:")
    for number in half:
        lines += [
            f"  - {{from: a{number}, to: a{(number + 1) % len(half)}:80}}",
            f"  - {{from: a{number}, to: b{number}:80, expect: blocked}}",
            f"  - {{from: outside, to: host:{8000 + number}, source: client}}",
            f"  - {{from: b{number}, to: ping b{(number + 3) % len(half)}}}",
        ]
    return "\n".join(lines) + "\n"


def nft_text(count: int) -> str:
    """The nftables table of that network, in nft's own language."""
    published = (f"{concat('tcp', FIRST_PORT + number)} : {_address(number)} . 80" for number in range(count))
    elements = f"add element inet netspec-floor publish4 {{ {', '.join(published)} }}\n"
    return skeleton("netspec-floor") + elements


def ip_batches(count: int) -> tuple[str, str, dict[str, str]]:
    """The same for `ip -batch`: namespaces, the host, and each namespace."""
    spaces = "".join(f"netns add e{number}\n" for number in range(count))
    host = [
        f"link add br{number} type bridge\naddr add 10.{number + 1}.0.1/16 dev br{number}\nlink set br{number} up"
        for number in range(BRIDGES)
    ]
    for number in range(count):
        host += [
            f"link add v{number} type veth peer name eth0 netns e{number}",
            f"link set v{number} master br{number % BRIDGES} addrgenmode none alias endpoint/e{number}",
            f"link set v{number} up",
        ]
    inside = {f"e{number}": _inside(number) for number in range(count)}
    return spaces, "\n".join(host) + "\n", inside


def _inside(number: int) -> str:
    up = "link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up\n"
    gateway = f"10.{number % BRIDGES + 1}.0.1"
    return f"{up}addr add {_address(number)}/16 dev eth0\nroute add default via {gateway}\n"


def _address(number: int, bridges: int = BRIDGES) -> str:
    low = number // bridges + 2
    return f"10.{number % bridges + 1}.{low >> 8}.{low & 255}"
