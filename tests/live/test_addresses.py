"""Who has which address on the real kernel: over comings, goings and a reboot, and as `netspec.lock` says."""

import json
import shutil
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

import pytest

from netspec.cli.entry import run as netspec
from netspec.kernel.linux import LinuxKernel
from tests.engine.sites import Site
from tests.sandboxed import NETNS_DIR, fresh_host, inside, run

pytestmark = pytest.mark.kernel

SPEC = """\
netspec: 1
bridges:
  lan: {subnets: [{cidr: 10.1.0.0/24, range: 10.1.0.10-10.1.0.99, reserve: [10.1.0.11]}, ula]}
  pair: {subnets: [10.2.0.0/31, "fd00:2::/127"]}
  wide: {subnets: [10.3.0.0/24, 10.4.0.0/24]}
endpoints:
"""
PAIR = "  pair: {bridge: pair}\n"


def spec(names: str) -> str:
    """Endpoints on two bridges, by their names, and one on a pair of addresses."""
    interfaces = "{interfaces: {eth0: {bridge: lan}, eth1: {bridge: wide}}}"
    return SPEC + PAIR + "".join(f"  {name}: {interfaces}\n" for name in names.split())


def addresses() -> Mapping[str, list[str]]:
    """What the kernel says, by namespace, in order; link-local ones left out."""
    found = {}
    for name in sorted(path.name for path in NETNS_DIR.iterdir()):
        with inside(name):
            found[name] = list(map(str, sorted(_global_ones(), key=lambda each: (each.version, each))))
    return found


def _global_ones() -> Iterator[IPv4Interface | IPv6Interface]:
    for link in json.loads(run("ip -j address show scope global")):
        for each in filter(None, link.get("addr_info", ())):
            yield ip_interface(f"{each['local']}/{each['prefixlen']}")


def test_whoever_comes_or_goes_moves_nobody_and_nor_does_a_reboot(tmp_path: Path) -> None:
    """The kernel is empty after it, and the run directory; the state directory is kept."""
    with fresh_host():
        site = Site(LinuxKernel(), tmp_path)
        site.apply(spec("a b c"))
        first = addresses()
        site.apply(spec("c b"))
        site.apply(spec("new c b"))
        before = addresses()
    with fresh_host():
        assert addresses() == {}
        rebooted = Site(LinuxKernel(), tmp_path, 1)
        rebooted.apply(spec("late b new c"))
        after = addresses()
        assert rebooted.steps(spec("late b new c")) == []

    assert first["a"][0] == "10.1.0.10/24"
    assert first["pair"] == ["10.2.0.1/31", "fd00:2::1/127"]
    assert {name: before[name] for name in ("b", "c", "pair")} == {name: first[name] for name in ("b", "c", "pair")}
    assert before["new"] == first["a"]
    assert {name: after[name] for name in before} == before
    assert len({each for every in after.values() for each in every}) == sum(map(len, after.values()))


def test_without_the_state_directory_a_reboot_gives_out_anew(tmp_path: Path) -> None:
    """It is the record, and nothing else, that remembers."""
    with fresh_host():
        site = Site(LinuxKernel(), tmp_path)
        site.apply(spec("a b"))
        site.apply(spec("b"))
        assert addresses()["b"][0] == "10.1.0.12/24"
    shutil.rmtree(tmp_path / "state")
    with fresh_host():
        Site(LinuxKernel(), tmp_path, 1).apply(spec("b"))
        assert addresses()["b"][0] == "10.1.0.10/24"


def test_an_address_moves_in_place_when_a_fixed_one_takes_it(tmp_path: Path) -> None:
    """The namespace and its link stay; the other endpoints are not touched."""
    with fresh_host():
        site = Site(LinuxKernel(), tmp_path)
        site.apply(spec("a b"))
        before = addresses()
        taken = spec("a b") + "  fixed: {bridge: lan, address: 10.1.0.10}\n"
        site.apply(taken)
        after = addresses()

    assert (after["fixed"][0], after["a"][0], after["b"]) == ("10.1.0.10/24", "10.1.0.13/24", before["b"])


def test_another_router_is_the_gateway(tmp_path: Path) -> None:
    """The host has its own address, or none; the endpoint's default route leads to the router."""
    text = (
        "netspec: 1\nbridges:\n"
        "  lan: {subnets: [{cidr: 10.1.0.0/24, gateway: 10.1.0.1, host_address: 10.1.0.2},"
        ' {cidr: "fd00:1::/64", gateway: "fd00:1::1", host_address: none}]}\n'
        "endpoints: {a: {bridge: lan}}\n"
    )
    with fresh_host():
        Site(LinuxKernel(), tmp_path).apply(text)
        own = list(map(str, _global_ones()))
        with inside("a"):
            routes = [json.loads(run(f"ip -j -{version} route show default"))[0]["gateway"] for version in (4, 6)]
        found = addresses()

    assert own == ["10.1.0.2/24"]
    assert (routes, found) == (["10.1.0.1", "fd00:1::1"], {"a": ["10.1.0.3/24", "fd00:1::2/64"]})


ENDPOINT = "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24]}}\nendpoints:\n"


@pytest.fixture
def site_yaml(fresh_netns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001  it must be there first
    """A spec in the working directory, and a host of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(ENDPOINT + "  a: {bridge: lan}\n  b: {bridge: lan}\n", "utf-8")
    return path


def locked() -> Mapping[str, list[str]]:
    """What the lock file says, by endpoint."""
    document = json.loads(Path("netspec.lock").read_text("utf-8"))
    return {name: each["eth0"] for name, each in document["stacks"]["default"]["addresses"].items()}


def test_lock_keeps_what_runs_and_plan_locked_refuses_the_rest(
    site_yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line, to the exit codes."""
    assert netspec(["apply", "--yes", "--quiet", "site.yaml"]) == 0
    site_yaml.write_text(ENDPOINT + "  z: {bridge: lan}\n  b: {bridge: lan}\n", "utf-8")
    assert netspec(["plan", "--locked", "site.yaml"]) == 65
    assert "error[NS0251]: netspec.lock has no address of endpoint/z in 10.1.0.0/24" in capsys.readouterr().err
    assert netspec(["lock", "site.yaml"]) == 0
    assert capsys.readouterr().out == "Wrote netspec.lock: 2 automatic addresses of stack default.\n"
    assert netspec(["lock", "site.yaml"]) == 0
    assert capsys.readouterr().out == "netspec.lock is up to date: 2 automatic addresses of stack default.\n"
    assert locked() == {"b": ["10.1.0.3"], "z": ["10.1.0.2"]}
    assert netspec(["plan", "--locked", "site.yaml"]) == 0
    assert netspec(["apply", "--locked", "--yes", "--quiet", "site.yaml"]) == 0
    assert addresses() == {"b": ["10.1.0.3/24"], "z": ["10.1.0.2/24"]}
    site_yaml.write_text(site_yaml.read_text("utf-8") + "  late: {bridge: lan}\n", "utf-8")
    capsys.readouterr()

    assert netspec(["apply", "--locked", "--yes", "--quiet", "site.yaml"]) == 65
    assert "late" not in addresses()


@pytest.mark.usefixtures("site_yaml")
def test_lock_offline_looks_at_the_spec_alone() -> None:
    """What runs here is another host's business; what is locked already stays."""
    assert netspec(["lock", "--offline", "--quiet", "site.yaml"]) == 0
    assert locked() == {"a": ["10.1.0.2"], "b": ["10.1.0.3"]}
    Path("site.yaml").write_text(ENDPOINT + "  b: {bridge: lan}\n  c: {bridge: lan}\n", "utf-8")
    assert netspec(["lock", "--offline", "--quiet", "site.yaml"]) == 0

    assert locked() == {"b": ["10.1.0.3"], "c": ["10.1.0.4"]}


@pytest.mark.usefixtures("site_yaml")
def test_lock_says_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard input, a file that is another program's, and a place that cannot be written."""
    assert netspec(["lock", "-"]) == 64
    assert netspec(["plan", "--locked", "-"]) == 64
    assert netspec(["lock", "--offline", "--stack", "shop", "site.yaml"]) == 64
    Path("netspec.lock").write_text("{}", "utf-8")
    assert netspec(["lock", "site.yaml"]) == 65
    assert Path("netspec.lock").read_text("utf-8") == "{}"
    Path("netspec.lock").unlink()
    Path("netspec.lock").symlink_to("/nowhere/at/all")
    assert netspec(["lock", "site.yaml"]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "netspec: standard input has no netspec.lock beside it: name a file or a directory.",
        "netspec: standard input has no netspec.lock beside it: name a file or a directory.",
        "netspec: --stack shop, but the spec is of stack default.",
        "error[NS0254]: netspec.lock is not a lock file of netspec",
        "  help: give the other file another name",
        "",
        "netspec: The lock file cannot be used.",
        "netspec: cannot write netspec.lock: No such file or directory.",
    ]


@pytest.mark.usefixtures("site_yaml")
def test_a_plan_shows_why_an_address_moves_also_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """As a warning, with a severity; the plan is not refused for it, and quiet is quiet."""
    assert netspec(["apply", "--yes", "--quiet", "site.yaml"]) == 0
    with Path("site.yaml").open("a", encoding="utf-8") as file:
        file.write("  new: {bridge: lan, address: 10.1.0.3}\n")
    capsys.readouterr()
    assert netspec(["plan", "--output", "json", "site.yaml"]) == 0
    found = json.loads(capsys.readouterr().out)["diagnostics"]
    assert [(each["code"], each["severity"], each["message"]) for each in found] == [
        ("NS0250", "warning", "endpoint/b moves from 10.1.0.3 to 10.1.0.4: 10.1.0.3 is the address of endpoint/new")
    ]
    assert netspec(["plan", "site.yaml"]) == 0
    assert "warning[NS0250]: endpoint/b moves from 10.1.0.3 to 10.1.0.4" in capsys.readouterr().err
    assert netspec(["plan", "--quiet", "site.yaml"]) == 0

    assert capsys.readouterr() == ("", "")
