"""Whole programs at 1,000 endpoints with 1,000 published ports, each beside its yardstick in the same run."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from tests.bench import spec
from tests.bench.table import Table, peak, repeated, run

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

COUNT = 1_000
MANY = 10_000
SETTLED = 3.0
"""Seconds after which the kernel has torn down what was deleted: it is slow at making anything until then."""
PYTHON = sys.executable
NETSPEC = (PYTHON, "-m", "netspec")
FLOOR = (PYTHON, str(Path(__file__).with_name("floor.py")))
LOADER = "import gc; gc.disable(); import sys, yaml; yaml.load(open(sys.argv[1]), yaml.CSafeLoader)"


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """The table, printed at the end."""
    found = Table()
    yield found
    sys.stdout.write("\n\n" + found.text())


def test_start(table: Table) -> None:
    """What is asked for most often must not feel slow."""
    nothing = repeated(lambda: run(PYTHON, "-c", "pass"), 9)
    for option, most in (("--help", 8), ("--version", 3)):
        ours = repeated(partial(run, *NETSPEC, option), 9)
        table.compare(f"`netspec {option}`", ours, "`python -c pass`", nothing, most)


def test_validate(table: Table, tmp_path: Path) -> None:
    """Checking costs less than reading."""
    path = tmp_path / "many.yaml"
    path.write_text(spec.document(MANY, bridges=16), encoding="utf-8")
    loaded = repeated(lambda: run(PYTHON, "-c", LOADER, str(path)))
    ours = repeated(lambda: run(*NETSPEC, "validate", str(path)))
    table.compare(f"validate {MANY:,}", ours, "libyaml alone", loaded, 2)


def test_checks(table: Table, tmp_path: Path) -> None:
    """A hundred of them on fifty endpoints, built and removed, with silence to be waited for."""
    path = tmp_path / "checked.yaml"
    path.write_text(spec.checked(50), encoding="utf-8")
    took = repeated(lambda: run(*NETSPEC, "test", str(path)))
    table.note("test of 100 checks, 50 endpoints", took, "s", 5)


@pytest.mark.usefixtures("fresh_netns")
def test_apply_plan_and_destroy(table: Table, tmp_path: Path) -> None:
    """From nothing, changes of one, and back to nothing."""
    path, rules = tmp_path / "spec.yaml", tmp_path / "table.nft"
    path.write_text(spec.document(COUNT), encoding="utf-8")
    rules.write_text(spec.nft_text(COUNT), encoding="utf-8")
    made, removed, applied, destroyed = [], [], [], []
    for last in (False, False, True):
        made.append(run(*FLOOR, "make", str(COUNT), str(rules)))
        time.sleep(SETTLED)
        removed.append(run(*FLOOR, "remove", str(COUNT)))
        time.sleep(SETTLED)
        applied.append(run(*NETSPEC, "apply", "--yes", str(path)))
        time.sleep(SETTLED)
        if last:
            _standing(table, path, tmp_path / "changed.yaml")
        destroyed.append(run(*NETSPEC, "destroy", "--yes"))
        time.sleep(SETTLED)
    table.compare(f"apply {COUNT:,}", median(applied), "raw netlink", median(made), 1.4)
    table.compare(f"destroy {COUNT:,}", median(destroyed), "raw group delete", median(removed), 1.5)
    table.compare(f"apply {COUNT:,}", median(applied), "`ip -batch`, `nft -f`", _by_batches(rules), 0.25)


def _standing(table: Table, path: Path, changed: Path) -> None:
    """What costs little while all of it stands."""
    plan = repeated(lambda: run(*NETSPEC, "plan", str(path)))
    table.compare(f"no-op plan {COUNT:,}", plan, "load, and raw dump", _look(path), 1.5)
    table.note(f"memory of a plan of {COUNT:,}", peak(*NETSPEC, "plan", str(path)), "MiB", 71)
    costs: dict[str, list[float]] = {}
    steps = [("add one", (COUNT + 1,)), ("change one", (COUNT + 1, 9_999)), ("remove one", (COUNT,))]
    for what, wanted in steps * 3:
        changed.write_text(spec.document(*wanted), encoding="utf-8")
        costs.setdefault(what, []).append(run(*NETSPEC, "apply", "--yes", str(changed)))
    for what, most in (("add one", 0.020), ("change one", 0.020), ("remove one", 0.050)):
        table.add(f"{what} of {COUNT:,}", median(costs[what]), plan, most)
    run(*NETSPEC, "apply", "--yes", str(path))


def _look(path: Path) -> float:
    """Importing yaml and pydantic, loading the spec with libyaml, and reading everything raw: the least there is."""
    code = f"import sys, pydantic; sys.argv[1:] = [{str(path)!r}]; {LOADER}"
    nothing = repeated(lambda: run(PYTHON, "-c", "pass"))
    loading = repeated(lambda: run(PYTHON, "-c", code))
    reading = repeated(lambda: run(*FLOOR, "read", "0"))
    return loading + reading - nothing


def _by_batches(rules: Path) -> float:
    """Seconds that ip and nft take with everything batched that they can batch; it takes long, so it is run once."""
    spaces, host, inside = spec.ip_batches(COUNT)
    begun = time.perf_counter()
    _fed(("ip", "-batch", "-"), spaces)
    _fed(("ip", "-batch", "-"), host)
    for name, requests in inside.items():
        _fed(("ip", "-n", name, "-batch", "-"), requests)
    run("nft", "-f", str(rules))
    return time.perf_counter() - begun


def _fed(words: tuple[str, ...], text: str) -> None:
    subprocess.run(words, input=text, text=True, check=True, capture_output=True)
