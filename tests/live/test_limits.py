"""Limits on the real kernel: drift is repaired, faults are undone, what others put there is theirs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from netspec.engine.intent import Intent
from netspec.engine.reconciler import Reconciler
from netspec.errors import ApplyFailed
from netspec.kernel.fake import FakeKernel
from netspec.kernel.faulty import FaultyKernel
from netspec.kernel.linux import LinuxKernel
from netspec.kinds._links import hashed_name
from tests.host_state import host_state
from tests.live.driving import apply, destroy, intent, plan, reconciler, shell
from tests.sandboxed import RUN_DIR, STATE_DIR, fresh_host, run

pytestmark = pytest.mark.kernel

SPEC = """
netspec: 1
bridges: {br0: {subnets: [10.1.0.0/24]}}
endpoints:
  web: {bridge: br0, host_name: to-web, limit: {ingress: 20mbit, egress: 10mbps}}
"""
IFB = hashed_name("ifb", "default", "web", "eth0")


@pytest.fixture
def host() -> Iterator[None]:
    """A host of its own."""
    with fresh_host():
        yield


def traffic() -> str:
    """All qdiscs, and the filters of the endpoint's link, but for counters of objects."""
    filters = run("sh -c 'tc filter show dev to-web parent ffff: 2>/dev/null | grep -v index || true'")
    return "\n".join(sorted(run("tc qdisc show").splitlines())) + filters


DRIFT = [
    ("tc qdisc del dev to-web root", ["create qdisc/to-web"]),
    (
        f"tc qdisc change dev {IFB} root handle 6e65: tbf rate 1gbit burst 64kb limit 100kb",
        [f"update qdisc/{IFB} rate"],
    ),
    ("tc filter del dev to-web parent ffff:", ["create redirect/to-web"]),
    ("tc qdisc del dev to-web ingress", ["create redirect/to-web"]),
    (f"ip link set {IFB} down", [f"update link/{IFB} up"]),
    (f"ip link del {IFB}", [f"create link/{IFB}", f"create qdisc/{IFB}", "update redirect/to-web to"]),
]


@pytest.mark.usefixtures("host")
def test_drift_is_seen_and_repaired() -> None:
    """Whatever of it somebody changes or removes."""
    apply(SPEC)
    whole = traffic(), host_state()
    for script, changes in DRIFT:
        shell(script)
        told = [line.removesuffix(" burst") for line in plan(SPEC)]
        assert sorted(told) == sorted(changes), script
        apply(SPEC)
        assert (plan(SPEC), traffic()) == ([], whole[0]), script
    destroy()
    assert run("tc qdisc show").split("\n")[1:] == [""]


@pytest.mark.usefixtures("host")
def test_a_qdisc_of_others_is_in_the_way_only_where_ours_shall_be() -> None:
    """It is refused there, and let alone elsewhere."""
    free = SPEC.replace(", limit: {ingress: 20mbit, egress: 10mbps}", "")
    apply(free)
    shell("tc qdisc add dev to-web root handle 7: tbf rate 1mbit burst 10kb limit 10kb")
    assert plan(free) == []
    found = reconciler().propose(intent(SPEC)).diagnostics
    words = "qdisc/to-web is in the way: limit 1mbit, and netspec did not make it"
    assert [(each.code, each.message) for each in found] == [("NS0401", words)]


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("way", ["there", "away"])
def test_a_fault_at_any_operation_is_undone(way: str) -> None:
    """Qdiscs and filters are as before, too."""
    free = SPEC.replace(", limit: {ingress: 20mbit, egress: 10mbps}", "")
    apply(free if way == "there" else SPEC)
    before = traffic(), host_state()
    wanted: Intent = intent(SPEC if way == "there" else free)
    for at in range(20):
        faulty = Reconciler(FaultyKernel(LinuxKernel(), fail_at=at), Path(RUN_DIR), Path(STATE_DIR))
        try:
            faulty.carry_out(faulty.propose(wanted))
            break
        except ApplyFailed:
            assert (traffic(), host_state()) == before, at
    assert at >= 3


@pytest.mark.parametrize("missing", ["tbf", "ifb", "ingress"])
def test_what_the_kernel_lacks_is_named_before_anything_is_done(missing: str, tmp_path: Path) -> None:
    """And a limit that does not need it is made."""
    fake = FakeKernel(unsupported=[missing])
    found = Reconciler(fake, tmp_path / "run", tmp_path / "state").propose(intent(SPEC)).diagnostics
    words = f"this kernel lacks {missing}, which endpoint/web needs: Operation not supported"
    assert [(each.code, each.message) for each in found] == [("NS0405", words)]
    received = SPEC.replace(", egress: 10mbps", "")
    found = Reconciler(fake, tmp_path / "run", tmp_path / "state").propose(intent(received)).diagnostics
    assert len(found) == (missing == "tbf")
