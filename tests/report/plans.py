"""Plans on a host in memory, as the commands show them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from netspec.engine.intent import Intent
from netspec.engine.reconciler import Reconciler
from netspec.kernel.fake import FakeKernel
from netspec.report.plan import PlanView
from tests.specs import intent

Deed = Callable[[FakeKernel], None]


def view(before: str | tuple[str, ...], after: str, deed: Deed | None = None) -> PlanView:
    """The plan for `after` on a host that had `before` applied, and where somebody has then done a `deed`.

    Of several specs before, the last one is of the stack that the plan is for.
    """
    kernel = FakeKernel()
    with tempfile.TemporaryDirectory() as directory:
        reconciler = Reconciler(kernel, Path(directory) / "run", Path(directory) / "state")
        specs = before if isinstance(before, tuple) else (before,)
        for each in specs:
            first = reconciler.propose(intent(each))
            if first.plan:
                reconciler.carry_out(first)
        if deed is not None:
            deed(kernel)
        wanted = intent(after) if after else Intent(stack=intent(specs[-1]).stack)
        found = reconciler.propose(wanted)
    return PlanView(
        host="host",
        stack=found.intent.stack,
        plan=found.plan,
        desired=found.desired,
        observed=found.observed,
        drift=found.drift,
        consequences=found.consequences,
        place_of=found.intent.place_of,
    )
