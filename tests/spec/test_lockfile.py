"""`netspec.lock`: written beside a spec, read with it, and never half of it."""

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from netspec.errors import NetspecError, SpecError, UsageError
from netspec.report.diagnostics import render
from netspec.spec.document import load_document
from netspec.spec.lockfile import Addresses, lock_path, read, write

SPEC = """\
netspec: 1
stack: {}
bridges: {{lan: {{subnets: [10.1.0.0/24]}}}}
endpoints: {{a: {{bridge: lan}}}}
"""


def locked(**addresses: str) -> Addresses:
    """Addresses by the names of endpoints, each on eth0."""
    return {(name, "eth0"): tuple(map(ip_address, each.split())) for name, each in addresses.items()}


def told(path: Path) -> list[str]:
    """What is wrong with a lock file, as people read it, without the way out."""
    with pytest.raises(SpecError) as caught:
        read(path)
    assert all(each.hint for each in caught.value.diagnostics)
    return render(caught.value.diagnostics, color=False).replace(f"{path.parent}/", "").splitlines()[:-2]


def test_it_is_a_line_for_each_endpoint_in_order(tmp_path: Path) -> None:
    """So that what changes is seen in a difference of two versions."""
    path = tmp_path / "netspec.lock"
    assert write(path, "shop", locked(web="10.1.0.3 fd00:1::3", db="10.1.0.2"))
    assert write(path, "default", locked(x="10.2.0.2"))

    assert (
        path.read_text("utf-8")
        == """\
{
  "netspec_lock": 1,
  "stacks": {
    "default": {
      "addresses": {
        "x": {"eth0": ["10.2.0.2"]}
      }
    },
    "shop": {
      "addresses": {
        "db": {"eth0": ["10.1.0.2"]},
        "web": {"eth0": ["10.1.0.3", "fd00:1::3"]}
      }
    }
  }
}
"""
    )
    assert read(path) == {"shop": locked(db="10.1.0.2", web="10.1.0.3 fd00:1::3"), "default": locked(x="10.2.0.2")}


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    """And a stack without automatic addresses leaves it."""
    path = tmp_path / "netspec.lock"
    assert write(path, "shop", locked(db="10.1.0.2"))
    before = path.stat().st_ino
    assert not write(path, "shop", locked(db="10.1.0.2"))
    assert path.stat().st_ino == before
    assert write(path, "shop", {})
    assert read(path) == {}
    assert not write(path, "shop", {})
    assert not write(tmp_path / "other/netspec.lock", "shop", {})


def test_it_lies_beside_a_file_and_in_a_directory(tmp_path: Path) -> None:
    """Standard input has no place."""
    (tmp_path / "specs").mkdir()
    assert lock_path(str(tmp_path / "site.yaml")) == tmp_path / "netspec.lock"
    assert lock_path(str(tmp_path / "specs")) == tmp_path / "specs/netspec.lock"
    assert lock_path("site.yaml") == Path("netspec.lock")
    with pytest.raises(UsageError) as caught:
        lock_path("-")

    assert caught.value.message == "standard input has no netspec.lock beside it: name a file or a directory."


def test_a_spec_is_read_with_what_its_stack_has_in_it(tmp_path: Path) -> None:
    """Not with what another stack has."""
    write(tmp_path / "netspec.lock", "shop", locked(a="10.1.0.9"))
    for stack, addresses in (("shop", locked(a="10.1.0.9")), ("other", {})):
        (tmp_path / "site.yaml").write_text(SPEC.format(stack), "utf-8")
        assert load_document(str(tmp_path / "site.yaml")).lock.addresses == addresses


HINT = "error[NS0252]: netspec.lock is damaged: "
DAMAGED = [
    ("", [HINT + "expecting value", "  --> netspec.lock:1:1"]),
    (
        '{\n  "netspec_lock": 1,\n<<<<<<< HEAD\n',
        [HINT + "expecting property name enclosed in double quotes", "  --> netspec.lock:3:1"],
    ),
    ('{"netspec_lock": 1, "netspec_lock": 1}', [HINT + "a key stands twice"]),
    ('{"netspec_lock": "1"}', [HINT + "its format is 1"]),
    ('{"netspec_lock": true}', [HINT + "its format is True"]),
    ('{"netspec_lock": 0}', [HINT + "its format is 0"]),
    ('{"netspec_lock": 1}', [HINT + "there are no stacks in it"]),
    ('{"netspec_lock": 1, "stacks": []}', [HINT + "it does not have the form that netspec lock writes"]),
    ('{"netspec_lock": 1, "stacks": {"s": {}}}', [HINT + "there are no addresses in it"]),
    (
        '{"netspec_lock": 1, "stacks": {"s": {"addresses": {"a": ["10.1.0.2"]}}}}',
        [HINT + "it does not have the form that netspec lock writes"],
    ),
    (
        '{"netspec_lock": 1, "stacks": {"s": {"addresses": {"a": {"eth0": "10.1.0.2"}}}}}',
        [HINT + "the addresses of a eth0 are no list"],
    ),
    (
        '{"netspec_lock": 1, "stacks": {"s": {"addresses": {"a": {"eth0": ["10.1.0"]}}}}}',
        [HINT + '"10.1.0" is not an address'],
    ),
    (
        '{"netspec_lock": 1, "stacks": {"s": {"addresses": {"a": {"eth0": [true]}}}}}',
        [HINT + '"True" is not an address'],
    ),
    ("{}", ["error[NS0254]: netspec.lock is not a lock file of netspec"]),
    ('{"version": 3}', ["error[NS0254]: netspec.lock is not a lock file of netspec"]),
    ("[]", ["error[NS0254]: netspec.lock is not a lock file of netspec"]),
    ('{"netspec_lock": 2, "stacks": 7}', ["error[NS0255]: netspec.lock has format 2; this netspec knows 1"]),
]


@pytest.mark.parametrize(("text", "expected"), DAMAGED, ids=[each[0][:60] for each in DAMAGED])
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, text: str, expected: list[str]) -> None:
    """It decides addresses: nobody guesses. It is never overwritten either."""
    path = tmp_path / "netspec.lock"
    path.write_text(text, "utf-8")

    assert told(path) == expected
    with pytest.raises(SpecError):
        write(path, "shop", locked(a="10.1.0.2"))
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\xff", b"\xe9", b"[" * 100_000, b'{"netspec_lock": 1' + b"0" * 5000 + b"}"]
)
def test_any_bytes_are_an_error_and_no_traceback(tmp_path: Path, content: bytes) -> None:
    """Whatever has become of the file."""
    path = tmp_path / "netspec.lock"
    path.write_bytes(content)

    assert told(path)[0].startswith(HINT)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It is there, so it is meant."""
    path = tmp_path / "netspec.lock"
    path.mkdir()
    assert told(path) == ["error[NS0253]: netspec.lock cannot be read: Is a directory"]
    path.rmdir()
    os.mkfifo(path)

    assert told(path) == ["error[NS0253]: netspec.lock cannot be read: it is not a file"]


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    """A lock file is the user's, in the user's repository."""
    real, path = tmp_path / "real.lock", tmp_path / "netspec.lock"
    path.symlink_to(real)
    write(path, "shop", locked(a="10.1.0.2"))
    real.chmod(0o640)
    write(path, "shop", locked(a="10.1.0.3"))

    assert (path.is_symlink(), real.stat().st_mode & 0o777, read(real)["shop"]) == (True, 0o640, locked(a="10.1.0.3"))


def test_a_crash_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing beside it."""
    path = tmp_path / "netspec.lock"
    write(path, "shop", locked(a="10.1.0.2"))
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NetspecError) as caught:
        write(path, "shop", locked(a="10.1.0.3"))

    assert caught.value.message == f"cannot write {path}: No space left on device."
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (before, ["netspec.lock"])
