"""Hosts for the tests of the engine."""

import os
from pathlib import Path

import pytest

from netspec.kernel.fake import FakeKernel
from netspec.kernel.port import Kernel
from tests.engine.sites import Site


@pytest.fixture
def site(kernel: Kernel, tmp_path: Path) -> Site:
    """A host on either kernel."""
    return Site(kernel, tmp_path)


@pytest.fixture
def in_memory(fake: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A host on the fake kernel, for what is tried many times: nobody waits for a disk."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return Site(fake, tmp_path)
