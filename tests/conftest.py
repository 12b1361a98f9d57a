"""Fixtures for all tests. The session runs in namespaces of its own (`tests/sandboxed.py`)."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from netspec.kernel.fake import FakeKernel
from netspec.kernel.port import Kernel
from tests import sandboxed, sharing, tally

NOT_SANDBOXED = pytest.StashKey[str]()
REAL = ("kernel", "packets")
"""Markers of tests that need the real kernel."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Leave the machine before any thread exists. An example may take as long as a busy machine lets it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for what a shell starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("busy", settings(), deadline=None)
    settings.load_profile("busy")
    config.stash[NOT_SANDBOXED] = sandboxed.enter()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Take part in a run of several processes (`tools/test`)."""
    return sharing.run(session)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without a sandbox no test may touch the kernel; in CI that is a failure, never a silent skip."""
    reason = item.config.stash[NOT_SANDBOXED]
    if reason and any(item.get_closest_marker(name) for name in REAL):
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it in the summary where the real kernel was left out; and what became of faults."""
    reason = config.stash[NOT_SANDBOXED]
    if reason:
        terminalreporter.write_line(f"Tests on the real kernel did not run: {reason}.", yellow=True)
    if "faults" in config.option.markexpr.split(" or ") and tally.table():
        terminalreporter.section("cases of faults, by how they ended")
        terminalreporter.write(tally.table())
        if os.environ.get("UPDATE_DOCS") == "1":
            tally.PAGE.write_text(tally.rewritten(tally.PAGE.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.fixture
def fresh_netns() -> Iterator[None]:
    """The test runs on a host of its own: a new network namespace with `lo` up, an empty `/run/netns`."""
    with sandboxed.fresh_host():
        yield


@pytest.fixture
def fake() -> FakeKernel:
    """A host in memory."""
    return FakeKernel()


@pytest.fixture
def linux(fresh_netns: None) -> Kernel:  # noqa: ARG001  it must be there first
    """The real kernel, in a namespace of the test's own."""
    from netspec.kernel.linux import LinuxKernel

    return LinuxKernel()


@pytest.fixture(params=["fake", pytest.param("linux", marks=pytest.mark.kernel)])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Both kernels, one after the other: what holds of one must hold of the other."""
    found: Kernel = request.getfixturevalue(request.param)
    return found
