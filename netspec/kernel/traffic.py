"""Traffic control packed and unpacked: a token bucket at a link's root, and a redirection of what it receives.

Functions of values, `struct` only. Layouts are those of `linux/rtnetlink.h`, `linux/pkt_sched.h`, `linux/pkt_cls.h` and
`linux/tc_act/tc_mirred.h`.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping

from netspec.kernel import rtnetlink as rt
from netspec.kernel.rtnetlink_rows import attributes
from netspec.kernel.snapshot import QdiscRow, RedirectRow
from netspec.kernel.traffic_operations import (
    HANDLE,
    QdiscAdd,
    QdiscDelete,
    RedirectAdd,
    RedirectDelete,
    burst_of,
    ticks,
)

NEWQDISC, DELQDISC, GETQDISC = 36, 37, 38
NEWTFILTER, DELTFILTER, GETTFILTER = 44, 45, 46

_TCA_KIND, _TCA_OPTIONS = 1, 2
_ROOT, _INGRESS, _INGRESS_HANDLE = 0xFFFFFFFF, 0xFFFFFFF1, 0xFFFF0000
_TBF_PARMS = 1
_U32_SEL, _U32_ACT = 5, 7
_ACT_KIND, _ACT_OPTIONS = 1, 2
_MIRRED_PARMS = 2
_ETHERNET = 1
_STOLEN, _EGRESS_REDIRECT = 4, 1

_tcmsg = struct.Struct("=BxHiIII")
_ratespec = struct.Struct("=BBHhHI")
_tbf = struct.Struct("=12s12sIII")
_everything = struct.Struct("=BBBxHHhhI").pack(1, 0, 1, 0, 0, 0, 0, 0) + bytes(16)
"""tc_u32_sel: terminal, one key that matches any packet."""
_mirred = struct.Struct("=IIiiiiI")

DUMP = _tcmsg.pack(0, 0, 0, 0, 0, 0)
"""The body of a request for all qdiscs."""


def qdisc_add(operation: QdiscAdd, index_of: rt.IndexOf) -> rt.Message:
    """A token bucket at the root of a link, or a change of the one that is there."""
    rate = _ratespec.pack(0, _ETHERNET, 0, 0, 0, operation.rate)
    parameters = _tbf.pack(rate, bytes(12), operation.queue, ticks(operation.rate, operation.burst), 0)
    index = index_of(operation.netns, operation.link)
    head = _tcmsg.pack(rt.AF_UNSPEC, 0, index, HANDLE << 16, _ROOT, 0)
    options = rt.nested(_TCA_OPTIONS, rt.attribute(_TBF_PARMS, parameters))
    return rt.Message(NEWQDISC, rt.CREATE | rt.REPLACE, head + rt.text(_TCA_KIND, "tbf") + options)


def qdisc_delete(operation: QdiscDelete, index_of: rt.IndexOf) -> rt.Message:
    """The removal of the qdisc at the root."""
    index = index_of(operation.netns, operation.link)
    return rt.Message(DELQDISC, 0, _tcmsg.pack(rt.AF_UNSPEC, 0, index, HANDLE << 16, _ROOT, 0))


def redirect_add(operation: RedirectAdd, index_of: rt.IndexOf) -> Iterator[rt.Message]:
    """The ingress qdisc, which may be there, and the filter in it that sends everything to another link."""
    index = index_of(operation.netns, operation.link)
    head = _tcmsg.pack(rt.AF_UNSPEC, 0, index, _INGRESS_HANDLE, _INGRESS, 0)
    yield rt.Message(NEWQDISC, rt.CREATE | rt.REPLACE, head + rt.text(_TCA_KIND, "ingress"))
    target = index_of(operation.netns, operation.to)
    mirred = rt.attribute(_MIRRED_PARMS, _mirred.pack(0, 0, _STOLEN, 0, 0, _EGRESS_REDIRECT, target))
    action = rt.nested(1, rt.text(_ACT_KIND, "mirred"), rt.nested(_ACT_OPTIONS, mirred))
    options = rt.nested(_TCA_OPTIONS, rt.attribute(_U32_SEL, _everything), rt.nested(_U32_ACT, action))
    # The one filter of its priority, by the handle that u32 gives to the first: so that it is replaced, not added to.
    head = _tcmsg.pack(rt.AF_UNSPEC, 0, index, 0x80000800, _INGRESS_HANDLE, HANDLE << 16 | 0x0300)
    yield rt.Message(NEWTFILTER, rt.CREATE | rt.REPLACE, head + rt.text(_TCA_KIND, "u32") + options)


def redirect_delete(operation: RedirectDelete, index_of: rt.IndexOf) -> rt.Message:
    """The removal of the ingress qdisc, which takes the filter along."""
    index = index_of(operation.netns, operation.link)
    return rt.Message(DELQDISC, 0, _tcmsg.pack(rt.AF_UNSPEC, 0, index, _INGRESS_HANDLE, _INGRESS, 0))


def filters_of(index: int) -> bytes:
    """The body of a request for all filters on what a link receives."""
    return _tcmsg.pack(rt.AF_UNSPEC, 0, index, 0, _INGRESS_HANDLE, 0)


def qdiscs(bodies: Iterable[bytes], names: Mapping[int, str]) -> tuple[list[QdiscRow], list[int]]:
    """The qdiscs at the roots of links that somebody has put there, and the indexes of links with an ingress qdisc."""
    found, ingress = [], []
    for body in bodies:
        _, _, index, handle, parent, _ = _tcmsg.unpack_from(body)
        if parent == _INGRESS:
            ingress.append(index)
        # Those that the kernel gives to a link by itself have no handle.
        if parent == _ROOT and handle and index in names:
            found.append(_qdisc(names[index], handle >> 16, attributes(body, _tcmsg.size)))
    return found, ingress


def _qdisc(link: str, major: int, found: Mapping[int, bytes]) -> QdiscRow:
    kind = found.get(_TCA_KIND, b"").rstrip(b"\0").decode()
    parameters = attributes(found.get(_TCA_OPTIONS, b"")).get(_TBF_PARMS) if kind == "tbf" else None
    if parameters is None:
        return QdiscRow(link=link, kind=kind, major=major)
    packed, _, queue, kept, _ = _tbf.unpack_from(parameters)
    rate = _ratespec.unpack(packed)[-1]
    return QdiscRow(link=link, kind=kind, major=major, rate=rate, burst=burst_of(rate, kept), queue=queue)


def redirects(bodies: Iterable[bytes], link: str, names: Mapping[int, str]) -> Iterator[RedirectRow]:
    """Where a link's filters of our priority send what it receives."""
    for body in bodies:
        *_, information = _tcmsg.unpack_from(body)
        options = attributes(attributes(body, _tcmsg.size).get(_TCA_OPTIONS, b""))
        if information >> 16 != HANDLE or _U32_ACT not in options:
            continue
        action = attributes(attributes(options[_U32_ACT]).get(1, b""))
        parameters = attributes(action.get(_ACT_OPTIONS, b"")).get(_MIRRED_PARMS)
        whole = options.get(_U32_SEL, b"")[: len(_everything)]
        if parameters is not None and _matches_all(whole):
            yield RedirectRow(link=link, to=names.get(_mirred.unpack_from(parameters)[-1], "?"))


def _matches_all(selector: bytes) -> bool:
    """Whether a tc_u32_sel has one key, and that takes any packet."""
    return len(selector) == len(_everything) and selector[2] == 1 and selector[16:20] == bytes(4)
