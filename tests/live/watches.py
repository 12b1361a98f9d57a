"""`netspec watch` as a process, on the host that a test is on."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.live.typed import command, environment

PATIENCE = 60
"""Seconds for what it does on a busy machine."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A running watch, its spec, and where its words go."""

    process: subprocess.Popen[str]
    spec: Path
    words: Path

    def says(self) -> str:
        """All it has said."""
        return self.words.read_text(encoding="utf-8")

    def replace(self, text: str) -> None:
        """Save as editors do: a new file takes the old one's place."""
        aside = self.spec.with_name(".spec.yaml.swp")
        aside.write_text(text, encoding="utf-8")
        aside.rename(self.spec)

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait until it is so. AssertionError with all it has said where it does not come."""
        end = time.monotonic() + PATIENCE
        while not reached():
            assert self.process.poll() is None, self.says()
            assert time.monotonic() < end, self.says()
            time.sleep(0.02)

    def settled(self) -> bool:
        """Whether all that it has begun is done: a plan is told before it is carried out."""
        said = self.says()
        return said.count("Plan: ") == said.count(" and verified.")

    def until_said(self, words: str, times: int = 1) -> None:
        """Wait until it has said this so often."""
        self.until(lambda: self.says().count(words) >= times)


@contextlib.contextmanager
def watching(spec: Path, *options: str, more: Mapping[str, str] | None = None) -> Iterator[Watch]:
    """A watch of a spec, once it has applied it; killed in the end where it has not ended. `more` is environment."""
    # Not beside the spec: what it says would wake it.
    with tempfile.TemporaryDirectory() as elsewhere, (words := Path(elsewhere, "words")).open("w") as said:
        process = subprocess.Popen(
            command("watch", *options, str(spec)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment(), **(more or {})},
        )
        watch = Watch(process, spec, words)
        try:
            watch.until_said("Applied")
            yield watch
        finally:
            process.kill()
            process.wait()
