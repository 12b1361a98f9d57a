"""What people read of a plan on the real kernel: each sort of change once, from the command."""

import re
from pathlib import Path

import pytest

from tests.cli.running import Done, netspec
from tests.live.driving import edited, shell
from tests.sandboxed import run

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("fresh_netns")]

SPEC = """\
netspec: 1
bridges:
  br0: {subnets: [10.1.0.0/24]}
endpoints:
  web: {bridge: br0, publish: ["8080:80"]}
nat: {masquerade: [br0]}
"""
ADD = """\
host  stack default  4 objects, 0 in sync

  + bridge/br0                  10.1.0.1/24                netspec.yaml:3
  + endpoint/web                10.1.0.2/24 on bridge/br0  netspec.yaml:5
      publishes         8080/tcp
  + nat                         masquerade 10.1.0.0/24     netspec.yaml:6
  ~ sysctl/net.ipv4.ip_forward  0 -> 1

Plan: 3 to add, 1 to change, 0 to rebuild, 0 to remove.
"""
CHANGE = """\
host  stack default  4 objects, 3 in sync

  ~ endpoint/web  netspec.yaml:5
      - publish 8080/tcp -> 10.1.0.2 port 80
      + publish 8081/tcp -> 10.1.0.2 port 80

Plan: 0 to add, 1 to change, 0 to rebuild, 0 to remove.
"""
REBUILD = """\
host  stack default  4 objects, 3 in sync

  ! endpoint/web              rebuilt: its host name changes: veth1a0c5e0 -> to-web  netspec.yaml:5
      interrupts        all its connections
      instead           `netspec move endpoint/web` renames it without a rebuild

Plan: 0 to add, 0 to change, 1 to rebuild, 0 to remove.
"""
DRIFT = """\
host  stack default  4 objects, 3 in sync

  drift, will be corrected
  ~ endpoint/web  netspec.yaml:5
      + default route via 10.1.0.1

Plan: 0 to add, 0 to change, 0 to rebuild, 0 to remove, 1 drifted.
"""
DRIFT_OF_RULES = """\
host  stack default  4 objects, 0 in sync

  drift, will be corrected
  ~ bridge/br0                     netspec.yaml:3
      ! N elements of nftables  loaded again with the table
  ~ endpoint/web                   netspec.yaml:5
      ! publish 8080/tcp -> 10.1.0.2 port 80  loaded again with its table
  ~ nat                            netspec.yaml:6
      ! masquerade 10.1.0.0/24  loaded again with its table
      ! nftables table inet netspec-default  its rules differ: loaded again, in one transaction
  ~ sysctl/net.ipv4.ip_forward  1
      ! the record of its former value

Plan: 0 to add, 0 to change, 0 to rebuild, 0 to remove, 4 drifted.
"""
REMOVE = """\
host  stack default  4 objects, 0 in sync

  - bridge/br0                  10.1.0.1/24                no longer in the spec
  - endpoint/web                10.1.0.2/24 on bridge/br0  no longer in the spec
      publishes         8080/tcp
  - nat                         masquerade 10.1.0.0/24     no longer in the spec
  - sysctl/net.ipv4.ip_forward  1 -> 0                     no longer in the spec

Plan: 0 to add, 0 to change, 0 to rebuild, 4 to remove.
"""
IN_THE_WAY = """\
error[NS0401]: link/br0 is in the way: veth link, and netspec did not make it
  --> netspec.yaml:3:3
   |   br0: {subnets: [10.1.0.0/24]}
   |   ^^^ wanted by bridge/br0
  help: remove it, or choose another name

"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the spec at its default place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "netspec.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def applied() -> None:
    """Bring the spec about."""
    assert netspec("apply", "--yes", "-q") == Done(0, "", "")


def test_what_is_new(here: Path) -> None:
    """As plan and as apply, which then has nothing left to do, and as destroy takes it away."""
    assert here.is_dir()
    assert netspec("plan") == Done(0, ADD, "")
    done = netspec("apply", "--yes")
    assert done.out.startswith(ADD + "Applied 4 changes in ")
    assert done.out.endswith(" s. Verified: the kernel equals the spec.\n")
    assert netspec("plan") == Done(0, "No changes. The kernel equals the spec (4 objects).\n", "")
    gone = netspec("destroy", "--yes")
    assert gone.out.startswith(REMOVE + "Applied 4 changes in ")
    assert gone.out.endswith(" s. Verified: nothing of stack default is left.\n")


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [(("8080:80", "8081:80"), CHANGE), (("bridge: br0,", "bridge: br0, host_name: to-web,"), REBUILD)],
    ids=["in place", "rebuilt"],
)
def test_what_changes(here: Path, edit: tuple[str, str], wanted: str) -> None:
    """One object of four."""
    applied()
    (here / "netspec.yaml").write_text(edited(SPEC, edit), encoding="utf-8")

    assert netspec("plan") == Done(0, wanted, "")


@pytest.mark.parametrize(
    ("by_hand", "wanted"),
    [
        ("ip -n web route del default", DRIFT),
        ("nft flush chain inet netspec-default ingress", DRIFT_OF_RULES),
    ],
)
def test_what_has_drifted(by_hand: str, wanted: str) -> None:
    """It is shown apart, in words."""
    applied()
    shell(by_hand)

    done = netspec("plan")
    # How many follow from a bridge is the skeleton's affair.
    assert (done.code, re.sub(r"\d+ elements", "N elements", done.out), done.err) == (0, wanted, "")


def test_what_is_in_the_way() -> None:
    """The plan is what it would be, and the stranger is named with its place in the spec."""
    shell("ip link add br0 type veth peer name br1")

    assert netspec("plan") == Done(6, ADD, IN_THE_WAY)
    assert netspec("apply", "--yes") == Done(6, ADD, IN_THE_WAY + "netspec: Refused: nothing was changed.\n")


@pytest.mark.usefixtures("here")
def test_names_that_others_chose_do_nothing_to_a_terminal() -> None:
    """Who may rename the links of a namespace writes to no screen of the host; colours are ours alone."""
    applied()
    odd = "\x1b[2J\x1b[8mx"
    run(f"ip -n web link set eth0 name {odd}")

    shown = [netspec("plan", "--color", color).out for color in ("never", "always")]
    assert [r"its interface changes: \x1b[2J\x1b[8mx -> eth0" in each for each in shown] == [True, True]
    assert ["\x1b" in each for each in shown] == [False, True]
    assert not any(odd in each for each in shown)
    assert odd not in netspec("show", f"link/{odd}").err
