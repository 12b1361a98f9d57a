"""A host that tests drive: a kernel, fake or real, with the run and state directories of its own."""

from dataclasses import dataclass, field
from pathlib import Path

from netspec.core.plan import Verb
from netspec.engine.intent import Intent
from netspec.engine.observation import Program
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.operations import Operation, SysctlWrite
from netspec.kernel.port import Kernel
from tests.host_state import host_state
from tests.specs import Edit, intent


@dataclass(slots=True)
class Site:
    """`kernel` is driven; `directory` holds what a reconciler writes."""

    kernel: Kernel
    directory: Path
    _run: int = field(default=0)

    def reconciler(self, kernel: Kernel | None = None) -> Reconciler:
        """One as every command makes it: it knows nothing of those before it."""
        found = kernel if kernel is not None else self.kernel
        return Reconciler(found, self.directory / f"run{self._run}", self.directory / "state")

    def forget_runs(self) -> None:
        """The run directory is lost, as over a reboot."""
        self._run += 1

    def propose(self, spec: str) -> Proposal:
        """The plan for a spec. AssertionError where something is in its way."""
        return self._unhindered(intent(spec))

    def steps(self, spec: str) -> list[str]:
        """The plan for a spec, a line for each step."""
        return [str(step) for step in self.propose(spec).plan.steps]

    def apply(self, spec: str) -> Proposal:
        """Bring a spec about; verified."""
        return self._carried_out(intent(spec))

    def destroy(self, stack: str = "default") -> Proposal:
        """Remove a stack; verified."""
        return self._carried_out(Intent(stack=stack))

    def rows(self) -> object:
        """All that the host holds, whoever made it, in one comparable form."""
        return self.kernel.rows() if isinstance(self.kernel, FakeKernel) else host_state()

    def _unhindered(self, wanted: Intent) -> Proposal:
        proposal = self.reconciler().propose(wanted)
        assert proposal.diagnostics == ()
        return proposal

    def _carried_out(self, wanted: Intent) -> Proposal:
        proposal = self._unhindered(wanted)
        if proposal.plan:
            self.reconciler().carry_out(proposal)
        return proposal


def fake(site: Site) -> FakeKernel:
    """The fake kernel of a site."""
    assert isinstance(site.kernel, FakeKernel)
    return site.kernel


def operations(proposal: Proposal) -> tuple[Operation, ...]:
    """All that a proposal asks of the kernel."""
    return tuple(Program(proposal.plan.steps).operations)


def rebuilt(proposal: Proposal) -> list[str]:
    """The steps of a plan that make or delete a link or a namespace."""
    heavy = (step for step in proposal.plan.steps if step.key.kind in ("link", "netns"))
    return [str(step) for step in heavy if step.verb is not Verb.UPDATE]


def stack_of(edit: Edit) -> str:
    """The stack of an edit's specs."""
    return intent(edit.after).stack


def faulty(site: Site, at: int, mode: str) -> FaultyKernel:
    """The kernel of a site, going wrong at its operation `at`: `error`, `lost` or `crash`."""
    return FaultyKernel(site.kernel, fail_at=at, lost=mode == "lost", crash=mode == "crash")


def live_in(site: Site) -> None:
    """Give a host a past: sysctls that somebody has set, each other than it would be by itself."""
    site.kernel.execute(
        [
            SysctlWrite(key="net.ipv4.conf.all.accept_redirects", value="0"),
            SysctlWrite(key="net.ipv4.ip_local_port_range", value="1025 65000"),
            SysctlWrite(key="net.ipv4.conf.lo.forwarding", value="1"),
            SysctlWrite(key="net.ipv6.conf.lo.forwarding", value="1"),
        ]
    )
