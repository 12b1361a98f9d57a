"""Traffic control as the `tc` commands that a person would type."""

import shlex
from collections.abc import Iterator

from netspec.kernel.operations import Operation
from netspec.kernel.traffic_operations import HANDLE, QdiscAdd, QdiscDelete, RedirectAdd, RedirectDelete, typed_burst


def traffic_commands(operation: Operation) -> Iterator[str]:
    """The commands of one operation; none for one that is not about traffic control."""
    match operation:
        case QdiscAdd():
            burst = typed_burst(operation.rate, operation.burst)
            values = f"rate {operation.rate}bps burst {burst}b limit {operation.queue}b"
            yield f"{_tc(operation.netns)} qdisc replace dev {_q(operation.link)} root handle {HANDLE:x}: tbf {values}"
        case QdiscDelete():
            yield f"{_tc(operation.netns)} qdisc del dev {_q(operation.link)} root"
        case RedirectAdd():
            yield f"{_tc(operation.netns)} qdisc replace dev {_q(operation.link)} ingress"
            matched = f"parent ffff: protocol all prio {HANDLE} handle 800::800 u32 match u32 0 0"
            action = f"action mirred egress redirect dev {_q(operation.to)}"
            yield f"{_tc(operation.netns)} filter replace dev {_q(operation.link)} {matched} {action}"
        case RedirectDelete():
            yield f"{_tc(operation.netns)} qdisc del dev {_q(operation.link)} ingress"


def _q(text: str) -> str:
    return shlex.quote(text)


def _tc(netns: str) -> str:
    return f"tc -n {_q(netns)}" if netns else "tc"
