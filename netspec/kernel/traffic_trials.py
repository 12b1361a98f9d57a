"""Trials of what limits need of a kernel, on `lo` of the namespace this thread is in: a scratch one."""

from collections.abc import Iterable

from netspec.kernel import rtnetlink as rt
from netspec.kernel import traffic
from netspec.kernel.netlink import Channel
from netspec.kernel.port import KernelError
from netspec.kernel.traffic_operations import QdiscAdd, RedirectAdd

_LO = 1


def try_bucket(deadline: float) -> None:
    """A token bucket (sch_tbf). Raises KernelError."""
    _ask([traffic.qdisc_add(QdiscAdd(link="lo", rate=125_000, burst=65_536, queue=65_536), _index)], deadline)


def try_redirect(deadline: float) -> None:
    """An ingress qdisc, a u32 filter and a mirred action (sch_ingress, cls_u32, act_mirred). Raises KernelError."""
    _ask(traffic.redirect_add(RedirectAdd(link="lo", to="lo"), _index), deadline)


def _ask(messages: Iterable[rt.Message], deadline: float) -> None:
    with Channel(deadline) as channel:
        for answer in channel.request(list(messages)):
            if answer.number:
                raise KernelError(answer.number, None, answer.words)


def _index(_netns: str, _name: str) -> int:
    return _LO
