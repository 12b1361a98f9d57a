"""Traffic control of the fake kernel: token buckets at roots, and redirections to other links."""

import errno
from collections.abc import Iterator

from netspec.kernel.fake_host import Host
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


def add_qdisc(host: Host, operation: QdiscAdd) -> None:
    """A token bucket, new or changed."""
    if not operation.rate:
        raise OSError(errno.EINVAL, "")
    index = host.link(operation.netns, operation.link).index
    host.buckets[index] = (operation.rate, ticks(operation.rate, operation.burst), operation.queue)


def delete_qdisc(host: Host, operation: QdiscDelete) -> None:
    """Remove it."""
    link = host.find(operation.netns, operation.link)
    if link is not None:
        host.buckets.pop(link.index, None)


def add_redirect(host: Host, operation: RedirectAdd) -> None:
    """A redirection, new or to another link."""
    index = host.link(operation.netns, operation.link).index
    host.redirects[index] = host.link(operation.netns, operation.to).index


def delete_redirect(host: Host, operation: RedirectDelete) -> None:
    """Remove it."""
    link = host.find(operation.netns, operation.link)
    if link is not None:
        host.redirects.pop(link.index, None)


def qdisc_rows(host: Host) -> Iterator[QdiscRow]:
    """Those of the host's links."""
    for index, (rate, kept, queue) in host.buckets.items():
        if not host.links[index].netns:
            burst = burst_of(rate, kept)
            yield QdiscRow(link=host.name_of(index), kind="tbf", major=HANDLE, rate=rate, burst=burst, queue=queue)


def redirect_rows(host: Host) -> Iterator[RedirectRow]:
    """Those of the host's links."""
    for index, target in host.redirects.items():
        if not host.links[index].netns:
            yield RedirectRow(link=host.name_of(index), to=host.links[target].name if target in host.links else "?")
