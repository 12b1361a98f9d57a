"""What git knows of a spec: its commit, and whether the spec is as in it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.engine.generation_record import Commit
from netspec.engine.gitops import commit_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    """Run git as nobody in particular."""
    author = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *author, *words], cwd=folder, env=kept, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree with one commit: a spec of two files, and something else."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in ("a.yaml", "b.yaml", "other.txt"):
        (folder / name).write_text("netspec: 1\n", "utf-8")
    (folder / ".gitignore").write_text("ignored.yaml\n", "utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def files(folder: Path) -> list[Path]:
    """The files of the spec."""
    return sorted(folder.glob("*.yaml"))


def test_a_clean_spec_is_as_in_its_commit(repository: Path) -> None:
    """Whatever else in the work tree is not; from anywhere; also where the spec is a link into it."""
    (repository / "other.txt").write_text("x", "utf-8")
    (repository / "new.txt").write_text("x", "utf-8")
    head = Commit(git(repository, "rev-parse", "HEAD"), dirty=False)
    link = repository.parent / "link.yaml"
    link.symlink_to(repository / "a.yaml")

    assert [commit_of(files(repository)), commit_of([link])] == [head, head]


EDITS: dict[str, Callable[[Path], object]] = {
    "changed": lambda folder: (folder / "b.yaml").write_text("netspec: 1\n# x\n", "utf-8"),
    "staged": lambda folder: [(folder / "b.yaml").write_text("x", "utf-8"), git(folder, "add", "b.yaml")],
    "untracked": lambda folder: (folder / "c.yaml").write_text("x", "utf-8"),
    "ignored": lambda folder: (folder / "ignored.yaml").write_text("x", "utf-8"),
    "another's name": lambda folder: (folder / ":(glob)**.yaml").write_text("x", "utf-8"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_spec_that_is_not_as_in_its_commit_is_dirty(repository: Path, edit: Callable[[Path], object]) -> None:
    """Each file of it counts."""
    edit(repository)

    assert commit_of(files(repository)) == Commit(git(repository, "rev-parse", "HEAD"), dirty=True)


def test_a_file_outside_of_the_repository_makes_it_dirty(repository: Path) -> None:
    """Git cannot vouch for it."""
    outside = repository.parent / "outside.yaml"
    outside.write_text("x", "utf-8")
    found = commit_of([*files(repository), outside])
    assert found is not None
    assert found.dirty


def test_without_git_there_is_no_commit(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a work tree, before the first commit, without files, and where git is not installed."""
    outside, empty = tmp_path / "outside.yaml", tmp_path / "empty"
    outside.write_text("netspec: 1\n", "utf-8")
    empty.mkdir()
    git(empty, "init", "--quiet")
    (empty / "a.yaml").write_text("x", "utf-8")
    assert [commit_of([outside]), commit_of([]), commit_of([empty / "a.yaml"])] == [None, None, None]
    monkeypatch.setenv("PATH", str(tmp_path))

    assert commit_of(files(repository)) is None


def test_the_environment_does_not_lead_elsewhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of git that applies a spec has these variables."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_WORK_TREE", "/nowhere")

    assert commit_of(files(repository)) is not None


def test_nothing_that_a_repository_names_is_run(repository: Path, tmp_path: Path) -> None:
    """Its configuration may be another's than ours."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n", "utf-8")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    commit_of(files(repository))

    assert not (tmp_path / "sprung").exists()
    git(repository, "status")
    assert (tmp_path / "sprung").exists(), "the trap would not have sprung at all"


def test_a_git_that_does_not_answer_is_not_waited_for(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The apply goes on without its word."""
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n", "utf-8")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    monkeypatch.setattr("netspec.engine.gitops.DEADLINE", 0.2)

    assert commit_of(files(repository)) is None
