"""How `show` reads: what a stack owns, each thing once, both families told apart."""

import pytest

from netspec.kernel.operations import LinkSet
from netspec.report.topology import owned, render
from tests.report.plans import Deed, view
from tests.specs import BASE, DUAL, EMPTY, MANY, edited

WHOLE = """\
stack default
├─ bridge/br0  10.1.0.1/24, fd00:1::1/64  mtu 1500  02:72:85:15:93:d0
│  ├─ endpoint/db  eth0  10.1.0.2/24, fd00:1::2/64  default via 10.1.0.1, fd00:1::1  02:67:65:27:8a:02  (port veth12080e1)
│  └─ endpoint/web  eth0  10.1.0.10/24, fd00:1::10/64  default via 10.1.0.1, fd00:1::1  02:d7:13:8a:03:d5  (port veth1a0c5e0)
│     ├─ publish 8080/tcp -> 10.1.0.10 port 80
│     └─ publish 8080/tcp -> fd00:1::10 port 80
├─ nat
│  ├─ masquerade 10.1.0.0/24
│  └─ masquerade fd00:1::/64
├─ sysctl/net.ipv4.ip_forward  1  (was 0)
└─ sysctl/net.ipv6.conf.all.forwarding  1  (was 0)
"""  # noqa: E501  as wide as it is
ONE = """\
stack default
└─ endpoint/web  eth0  10.1.0.10/24, fd00:1::10/64  default via 10.1.0.1, fd00:1::1  02:d7:13:8a:03:d5  (port veth1a0c5e0)
   ├─ publish 8080/tcp -> 10.1.0.10 port 80
   └─ publish 8080/tcp -> fd00:1::10 port 80
"""  # noqa: E501


def shown(spec: str, address: str = "", deed: Deed | None = None) -> str:
    """The tree of what a spec has made, or of one object of it."""
    found = view(spec, spec, deed)
    return render(owned(found.observed, found.stack), found.stack, address=address)


def test_it_reads() -> None:
    """Word for word."""
    assert shown(DUAL) == WHOLE
    assert shown(DUAL, "endpoint/web") == ONE


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        ("nat", ["└─ nat", "   ├─ masquerade 10.1.0.0/24", "   └─ masquerade fd00:1::/64"]),
        ("sysctl/net.ipv4.ip_forward", ["└─ sysctl/net.ipv4.ip_forward  1  (was 0)"]),
        ("link/br0", ["└─ link/br0  bridge br0"]),
        ("route/web/default", ["└─ route/web/default  default route via 10.1.0.1"]),
        ("route/web/::/0", ["└─ route/web/::/0  IPv6 default route via fd00:1::1"]),
    ],
)
def test_one_object(address: str, lines: list[str]) -> None:
    """One of the spec with what is below it, or one of the kernel."""
    assert shown(DUAL, address).splitlines() == ["stack default", *lines]


def test_an_endpoint_with_several_interfaces() -> None:
    """One line for each, with what is published at it."""
    found: dict[str, list[str]] = {}
    below: list[str] = []
    for line in shown(MANY, "endpoint/proxy").splitlines()[1:]:
        words = line.split()
        if "endpoint/proxy" in words:
            below = found.setdefault(words[2], [])
        else:
            below.append(" ".join(words[-6:]))

    assert found == {
        "alone0": [],
        "back0": ["publish 443/tcp -> fd00:2::1 port 8443"],
        "bare0": [],
        "front0": ["publish 443/tcp -> 10.1.0.7 port 8443"],
    }


def test_what_is_open_without_translation_is_shown() -> None:
    """With `access: routed`, at the endpoint's own address, to everybody or to some."""
    spec = edited(
        BASE,
        ("br0: {", "br0: {access: routed, "),
        ('["8080:80"', '["8080:80", {port: 81, to: 81, from: [192.0.2.0/24]}'),
    )
    lines = shown(spec, "endpoint/web").splitlines()

    assert [line.strip("├└─│ ") for line in lines[2:]] == ["open 80/tcp", "open 53/udp", "open 81/tcp to 192.0.2.0/24"]


def test_endpoints_are_in_the_order_of_their_names() -> None:
    """Numbers count as numbers."""
    spec = "netspec: 1\nbridges: {br0: {}}\nendpoints:\n  web: {bridge: br0, replicas: 11}\n  a: {bridge: br0}\n"
    names = [line.split()[1] for line in shown(spec, "bridge/br0").splitlines()[1:]]

    assert names == ["bridge/br0", "endpoint/a", *(f"endpoint/web-{number}" for number in range(1, 12))]


def test_an_endpoint_on_no_bridge() -> None:
    """It is there all the same."""
    assert "├─ endpoint/nowhere  no bridge\n" in shown(MANY)


@pytest.mark.parametrize(
    ("netns", "name", "address"),
    [("", "br0", "bridge/br0"), ("db", "eth0", "endpoint/db"), ("", "veth12080e1", "endpoint/db")],
)
def test_what_is_down_is_said(netns: str, name: str, address: str) -> None:
    """A bridge, and either end of a pair."""
    down = LinkSet(netns=netns, name=name, up=False)
    found = shown(BASE, address, lambda kernel: kernel.execute([down]))

    assert "  DOWN" in found.splitlines()[1]


def test_nothing_is_owned() -> None:
    """And nothing is translated where nobody asked for it."""
    assert shown(EMPTY) == "Stack default owns nothing on this host.\n"
    assert "nat  nothing is translated" in shown(edited(BASE, ("[br0]}", "[]}")))
