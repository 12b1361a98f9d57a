"""What the kernel can do, found out by trying it where it does no harm."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

import pytest

from netspec.errors import PrivilegeMissing
from netspec.kernel import features
from netspec.kernel.features import missing_features
from netspec.kernel.linux import LinuxKernel
from netspec.kernel.operations import AddressAdd
from netspec.kernel.port import KernelError
from netspec.kernel.snapshot import Scope
from tests.packets.lab import Lab

pytestmark = pytest.mark.kernel
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root; run in a user namespace")

ALL = ["bridge", "veth", "netns", "sctp", *features._CHAINS]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host in a namespace of its own."""
    with Lab() as lab:
        yield lab


@needs_root
def test_a_full_kernel_lacks_nothing(lab: Lab) -> None:
    """All of them, twice over, and each alone."""
    assert lab.run(lambda: missing_features(ALL * 2)) == {}
    assert lab.run(lambda: [missing_features([each]) for each in ALL]) == [{}] * len(ALL)


@needs_root
def test_trying_leaves_nothing_behind(lab: Lab) -> None:
    """Not in the namespace we are in, which stays the same; not among our open files."""

    def state() -> tuple[str, list[str], int]:
        links = sorted(each.name for each in Path("/sys/class/net").iterdir())
        return str(Path("/proc/thread-self/ns/net").readlink()), links, len(list(Path("/proc/self/fd").iterdir()))

    def look() -> list[tuple[str, list[str], int]]:
        before = state()
        missing_features(ALL)
        return [before, state()]

    before, after = lab.run(look)
    assert before == after
    assert lab.command("nft list tables") == ""


@needs_root
def test_what_is_missing_comes_with_the_kernels_words(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link kind that no kernel has, and a chain it does not understand; the namespace is left all the same."""
    monkeypatch.setitem(features._TRIALS, "nosuchkind", features._try_link)
    monkeypatch.setitem(features._CHAINS, "nft-fib", "type filter hook nowhere priority raw;")

    def look() -> tuple[dict[str, str], bool]:
        before = Path("/proc/thread-self/ns/net").readlink()
        said = dict(missing_features(["bridge", "nosuchkind", "nft-fib"]))
        return said, before == Path("/proc/thread-self/ns/net").readlink()

    assert lab.run(look) == (
        {
            "nosuchkind": "Unknown device type — Operation not supported (ENOTSUP)",
            "nft-fib": "unknown chain hook — Invalid argument (EINVAL)",
        },
        True,
    )


@needs_root
def test_bridged_frames_are_filtered_where_the_module_is_loaded(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bridge takes the switch without it, and nothing comes of it."""
    loaded = lab.command("test ! -d /proc/sys/net/bridge || echo yes")
    lacking = {"br-netfilter": "the module br_netfilter is not loaded — Operation not supported (ENOTSUP)"}

    assert lab.run(lambda: missing_features(["br-netfilter"])) == ({} if loaded else lacking)
    monkeypatch.setattr(features, "BRIDGED", tmp_path / "bridge")
    assert lab.run(lambda: missing_features(["br-netfilter"])) == lacking


@needs_root
def test_sctp_is_known_to_conntrack_or_it_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its ports would stay as they are, and the rules would load all the same."""
    monkeypatch.setattr(features, "SCTP_TRACKED", tmp_path / "none")

    said = lab.run(lambda: dict(missing_features(["sctp"])))
    assert said == {"sctp": "conntrack does not know SCTP — Protocol not supported (EPROTONOSUPPORT)"}


@needs_root
def test_a_trial_says_whether_marks_of_ipv4_addresses_change(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is what the kernel does to an address of the host; one that ignores what is asked is found out."""
    address = AddressAdd(link="lo", address=ip_interface("192.0.2.7/32"))
    lacking = {"address-mark": "IFA_PROTO stays as it was — Operation not supported (ENOTSUP)"}

    def change() -> set[int]:
        kernel = LinuxKernel()
        for each in (replace(address, protocol=110), address):
            kernel.execute([each])
        rows = kernel.snapshot(Scope(stack="none")).addresses
        return {row.protocol for row in rows if row.address == address.address}

    changes = lab.run(change) == {0}
    assert lab.run(lambda: LinuxKernel().snapshot(Scope(stack="none")).fixed_marks) == (not changes)
    assert lab.run(lambda: missing_features(["address-mark"])) == ({} if changes else lacking)
    monkeypatch.setattr(features, "replace", lambda operation, **_: operation)
    assert lab.run(lambda: missing_features(["address-mark"])) == lacking


@needs_root
@pytest.mark.parametrize("name", sorted(features._CHAINS))
def test_each_part_of_nftables_is_tried(lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """In a family that has no such thing, it is missing."""
    monkeypatch.setitem(features._CHAINS, name, f"{features._CHAINS[name]}; meta iifname @nothing drop")

    assert list(lab.run(lambda: missing_features(features._CHAINS))) == [name]


@needs_root
@pytest.mark.parametrize("capability", ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"])
def test_a_missing_privilege_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch, capability: str) -> None:
    """Neither is taken for a missing feature."""
    if capability == "CAP_NET_ADMIN":

        def denied(_name: str) -> None:
            raise KernelError(errno.EPERM, None)

        monkeypatch.setitem(features._TRIALS, "veth", denied)

    def look() -> object:
        if capability == "CAP_SYS_ADMIN":
            os.setresuid(12345, 12345, 12345)
        return missing_features(["veth"])

    with pytest.raises(PrivilegeMissing, match=capability):
        lab.run(look)


def test_no_feature_needs_no_trial() -> None:
    """A plan that creates nothing makes no namespace and needs no privilege; an unknown feature is a mistake."""
    assert missing_features([]) == {}
    with pytest.raises(ValueError, match="warp-drive"):
        missing_features(["warp-drive", "bridge"])
