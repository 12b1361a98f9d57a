"""What netspec needs to be allowed, found out by taking it away: capabilities instead of root, none for a plan."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host_state import host_state
from tests.live.driving import apply
from tests.live.typed import Outcome, netspec
from tests.sandboxed import NETNS_DIR
from tests.specs import BASE, INSIDE, LIMITED, edited

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

NEEDED = "net_admin,sys_admin,net_raw"
USER = ("--reuid=1000", "--regid=1000", "--clear-groups")
SPECS = (BASE, edited(BASE, ("10.1.0.10", "10.1.0.77")), INSIDE, LIMITED)
"""Made, moved (which is announced), with files, routes and sysctls inside, and with limits."""
several_users = pytest.mark.skipif(
    Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == "1", reason="there is one user here"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may enter, with directories of the user's own."""
    path = Path("/run/privileges")
    path.mkdir(mode=0o755)
    for name in ("run", "state"):
        (path / name).mkdir(mode=0o700)
    yield path
    shutil.rmtree(path)


def allowed(capabilities: str, place: Path, *words: str, user: tuple[str, ...] = ()) -> Outcome:
    """Netspec with these capabilities and no others."""
    told = ",".join(f"+{each}" for each in capabilities.split(",") if each)
    told = f"-all,{told}" if told else "-all"
    prefix = ("setpriv", *user, f"--bounding-set={told}", f"--inh-caps={told}")
    prefix += (f"--ambient-caps={told}",) if user and capabilities else ()
    return netspec("--run-dir", str(place / "run"), "--state-dir", str(place / "state"), *words, prefix=prefix)


def lived_with(capabilities: str, place: Path, specs: tuple[str, ...], user: tuple[str, ...] = ()) -> None:
    """Everything is applied, changed, planned and destroyed with these capabilities, and the host is as before."""
    if user:
        for name in ("run", "state"):
            os.chown(place / name, 1000, 1000)
    before = host_state()
    for spec in specs:
        (place / "spec.yaml").write_text(spec, encoding="utf-8")
        done = allowed(capabilities, place, "apply", "--yes", str(place / "spec.yaml"), user=user)
        assert (done.code, done.errors) == (0, "")
        seen = allowed(capabilities, place, "plan", "--detailed-exitcode", str(place / "spec.yaml"), user=user)
        assert (seen.code, seen.errors) == (0, "")
    assert allowed(capabilities, place, "destroy", "--yes", user=user).code == 0
    assert host_state() == before


def test_root_with_three_capabilities_is_enough(place: Path) -> None:
    """A service that runs as root needs no others in its bounding set."""
    lived_with(NEEDED, place, SPECS)


@several_users
def test_another_user_needs_one_more(place: Path) -> None:
    """To write to /run/netns and /etc/netns, which belong to root."""
    lived_with(f"{NEEDED},dac_override", place, SPECS[1:3], USER)


@several_users
def test_without_it_names_of_namespaces_are_refused_and_all_is_undone(place: Path) -> None:
    """The kernel's own words, and the host as before."""
    for name in ("run", "state"):
        os.chown(place / name, 1000, 1000)
    before = host_state()
    (place / "spec.yaml").write_text(BASE, encoding="utf-8")
    done = allowed(NEEDED, place, "apply", "--yes", str(place / "spec.yaml"), user=USER)

    assert (done.code, host_state()) == (3, before)
    assert "Permission denied (EACCES)" in done.errors


@pytest.mark.parametrize("missing", NEEDED.split(","))
def test_each_of_them_is_needed_and_named(place: Path, missing: str) -> None:
    """Before anything is changed."""
    (place / "spec.yaml").write_text(BASE, encoding="utf-8")
    rest = ",".join(each for each in NEEDED.split(",") if each != missing)
    done = allowed(rest, place, "apply", "--yes", str(place / "spec.yaml"))

    assert (done.code, list(NETNS_DIR.iterdir())) == (77, [])
    assert done.errors.startswith(f"netspec: this needs CAP_{missing.upper()}: run it as root")
    for words in (("apply", "--boot"), ("forget", "--yes", "endpoint/web"), ("recover",), ("confirm",)):
        refused = allowed(rest, place, *words)
        assert (refused.code, refused.errors.startswith(f"netspec: this needs CAP_{missing.upper()}")) == (77, True)


def test_what_only_reads_and_writes_files_needs_none(place: Path) -> None:
    """Records of generations, and saved plans."""
    (place / "spec.yaml").write_text(BASE, encoding="utf-8")
    assert allowed(NEEDED, place, "plan", "--out", str(place / "plan.json"), str(place / "spec.yaml")).code == 0
    assert allowed(NEEDED, place, "apply", "--yes", str(place / "spec.yaml")).code == 0

    for words in (("history",), ("show", "1"), ("resume",), ("show", str(place / "plan.json"))):
        done = allowed("", place, *words)
        assert (done.code, done.errors) == (0, ""), words


def test_checks_on_the_live_host_need_one_more(place: Path) -> None:
    """To stand in where nobody listens."""
    (place / "spec.yaml").write_text(f"{BASE}checks: [{{from: web, to: db:80}}]\n", encoding="utf-8")
    assert allowed(NEEDED, place, "apply", "--yes", str(place / "spec.yaml")).code == 0
    refused = allowed(NEEDED, place, "check", str(place / "spec.yaml"))
    asked = allowed(f"{NEEDED},net_bind_service", place, "check", str(place / "spec.yaml"))

    assert (refused.code, "this needs CAP_NET_BIND_SERVICE: " in refused.errors) == (77, True)
    assert (asked.code, asked.errors) == (0, "")


@several_users
def test_a_plan_needs_nothing_where_nothing_is_ours(place: Path) -> None:
    """It says what it has not seen, and is right about the rest."""
    (place / "spec.yaml").write_text(BASE, encoding="utf-8")
    done = allowed("", place, "plan", "--detailed-exitcode", str(place / "spec.yaml"), user=USER)

    assert done.code == 2
    assert "Plan: 5 to add, 1 to change, 0 to rebuild, 0 to remove." in done.output
    assert "warning[NS0721]: nftables was not read: that needs CAP_NET_ADMIN\n" in done.errors
    assert "warning[NS0721]: what the kernel can do was not tried: that needs CAP_SYS_ADMIN\n" in done.errors
    assert "netspec: whether an interrupted apply is pending cannot be seen: " in done.errors
    assert "raceback" not in done.errors
    inner = edited(BASE, ("db: {bridge: br0}", "db: {bridge: br0, sysctls: {net.ipv4.ip_forward: 1, net.ipv4.no: 1}}"))
    (place / "spec.yaml").write_text(inner, encoding="utf-8")
    told = allowed("", place, "plan", str(place / "spec.yaml"), user=USER)
    assert "warning[NS0721]: the sysctls of a new network namespace were taken from this one" in told.errors
    assert (told.code, "a new network namespace has no sysctl net.ipv4.no\n" in told.errors) == (6, True)


@several_users
def test_a_plan_that_cannot_see_what_is_ours_is_refused(place: Path) -> None:
    """Objects of the stack are there: it will not say that others of it are not."""
    apply(BASE)
    (place / "spec.yaml").write_text(BASE, encoding="utf-8")
    done = allowed("", place, "plan", str(place / "spec.yaml"), user=USER)

    assert (done.code, done.output) == (77, "")
    assert "netspec: stack default owns objects on this host, and not all of them can be seen: nftables " in done.errors
