"""Valid documents at random, as plain values: few names and subnets, so that two of them meet at every corner."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

SUBNETS: list[list[Any]] = [["10.1.0.0/24"], ["10.1.0.0/16"], ["10.2.0.0/28"], ["fd00:1::/64"], ["fd00:1::/56"]]
SUBNETS += [["10.3.0.0/24", "fd00:3::/64"], [{"cidr": "10.4.0.0/24", "gateway": "none"}], []]
_OVERLAPPING = ({"10.1.0.0/24", "10.1.0.0/16"}, {"fd00:1::/64", "fd00:1::/56"})
PUBLICATIONS = ["80:80", "80:81", "80:80/udp", "8000-8003:8000-8003", "8001:1", "8000-8001:1-2", "127.0.0.1:80:82"]
SYSCTLS = {
    "net.ipv4.conf.all.accept_redirects": st.sampled_from([0, 1]),
    "net.ipv4.conf.all.arp_ignore": st.sampled_from([0, 1]),
    "net.ipv4.ip_local_port_range": st.sampled_from(["20000 40000", "32768 60999"]),
    "net.core.somaxconn": st.sampled_from([4096, 128]),
}


def text_of(document: Mapping[str, object]) -> str:
    """A document as YAML; all JSON is."""
    return json.dumps(document)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document that `netspec validate` accepts."""
    bridges = draw(st.dictionaries(st.sampled_from(["br0", "br1", "br2"]), _bridges(), max_size=3))
    _part(bridges)
    endpoints = draw(st.dictionaries(st.sampled_from("abcd"), _endpoints(bridges), max_size=4)) if bridges else {}
    _keep_publishable(endpoints, bridges)
    _tell_apart(endpoints)
    found: Document = {"netspec": 1}
    found |= {"bridges": bridges} if bridges else {}
    found |= {"endpoints": endpoints} if endpoints else {}
    masquerade = draw(st.lists(st.sampled_from([*bridges, "10.64.0.0/10"]), unique=True, max_size=2))
    found |= {"nat": {"masquerade": masquerade}} if masquerade else {}
    sysctls = draw(st.fixed_dictionaries({}, optional=SYSCTLS))
    return found | ({"sysctls": sysctls} if sysctls else {})


def _bridges() -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {"subnets": st.sampled_from(SUBNETS)},
        optional={
            "mtu": st.sampled_from([1400, 1500, 9000]),
            "mac": st.sampled_from(["02:aa:00:00:00:01", "02:aa:00:00:00:02"]),
        },
    )


def _part(bridges: dict[str, Document]) -> None:
    """Every subnet serves one bridge, and none overlaps another."""
    taken: set[str] = set()
    for bridge in bridges.values():
        cidrs = {each if isinstance(each, str) else each["cidr"] for each in bridge["subnets"]}
        if any(cidrs & taken or any(cidrs & group and taken & group for group in _OVERLAPPING) for _ in (0,)):
            bridge["subnets"] = []
        else:
            taken |= cidrs


def _tell_apart(endpoints: Mapping[str, Document]) -> None:
    """Every interface with a MAC has one of its own, the same in each document."""
    for endpoint, spec in endpoints.items():
        for name, interface in {"eth0": spec, **spec.get("interfaces", {})}.items():
            if "mac" in interface:
                interface["mac"] = f"02:bb:00:00:{ord(endpoint[0]):02x}:{int(name[-1]):02x}"


def _endpoints(bridges: Mapping[str, Document]) -> st.SearchStrategy[Document]:
    interface = st.fixed_dictionaries(
        {"bridge": st.sampled_from(sorted(bridges))},
        optional={"mtu": st.sampled_from([1300, 1400]), "mac": st.just("02:bb:00:00:00:01")},
    )
    several = st.dictionaries(st.sampled_from(["eth0", "eth1"]), interface, max_size=2)
    publish = st.lists(st.sampled_from(PUBLICATIONS), max_size=1)
    return st.one_of(
        st.builds(lambda one, ports: one | {"publish": ports}, interface, publish),
        st.builds(lambda many: {"interfaces": many}, several),
    )


def _keep_publishable(endpoints: dict[str, Document], bridges: Mapping[str, Document]) -> None:
    """Only endpoints with an IPv4 address publish, and no two of them the same ports."""
    taken = False
    for endpoint in endpoints.values():
        cidrs = [str(each) for each in bridges.get(endpoint.get("bridge", ""), {}).get("subnets", ())]
        wanted = endpoint.get("publish")
        if wanted and (taken or not any("10." in each for each in cidrs)):
            endpoint["publish"] = []
        taken = taken or bool(endpoint.get("publish"))
