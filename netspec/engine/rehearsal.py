"""Brings a spec about where nothing can be harmed: on a host made for it, with what stands around it."""

from collections.abc import Sequence

from netspec.engine.intent import Intent
from netspec.engine.reconciler import Reconciler
from netspec.errors import Refused
from netspec.kernel.operations import Operation
from netspec.kernel.port import Kernel, KernelError
from netspec.kinds._intent import Present


def rehearse(kernel: Kernel, reconciler: Reconciler, around: Sequence[Operation], intent: Intent) -> Present:
    """Make what stands around, then apply; what the host is like afterwards.

    Raises what an apply raises, and Refused where this machine cannot have the surroundings.
    """
    try:
        kernel.execute(around)
    except KernelError as error:
        raise Refused(f"The surroundings of the spec cannot be made here: {error.reason}.") from error
    proposal = reconciler.propose(intent)
    if proposal.diagnostics:
        raise Refused("The spec cannot be tried here.", diagnostics=proposal.diagnostics)
    if proposal.plan:
        reconciler.carry_out(proposal)
    return reconciler.present(intent)
