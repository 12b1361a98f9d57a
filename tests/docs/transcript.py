"""Pages of documentation as programs: their specs are validated, their shell sessions run, their output compared.

What a page's fenced blocks mean is said by the words behind the fence:

======================== =================================================================================
```yaml                  a whole spec, which is valid
```yaml wrong NS0110     a whole spec with this error and no other
```yaml title="F"        a spec that is also written to the file F, for the commands that follow
```python title="F"      likewise, for any language but console
```console               a shell session: `$ ` begins a command, `> ` continues it, the rest is its output
```text errors           what netspec says of the wrong spec before it
======================== =================================================================================

The sessions of a page run one after the other in one shell, in a sandbox that the page has for itself. A command
may fail only where the next one is `echo $?`. With `UPDATE_DOCS=1` what differs is written into the page instead.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
UPDATE = bool(os.environ.get("UPDATE_DOCS"))
FENCE = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'\btitle="(?P<name>[^"]+)"')
DEADLINE = 600
"""Seconds for the commands of one page."""

PATIENT = """\
timeout() { local seconds=$1; shift; command timeout $((seconds * ${_patience:-1})) "$@"; }
_soon() {
  local end=$((SECONDS + 60)) found code
  while found=$(eval "$2" 2>&1); code=$?; [ "$found" != "$1" ] && [ $SECONDS -lt $end ]; do sleep 0.1; done
  printf '%s\\n' "$found"
  return $code
}
"""
"""A page says how long a person waits; a machine that runs many tests may be slower.

An answer that is shown is waited for 30 times as long; what is looked at after a sleep is looked at until it is there.
"""
LOOK = re.compile(r"sleep \d+; (?P<look>.+)")
NO_ANSWER = ("", "no answer\n")

VOLATILE = (
    (re.compile(r"\bin \d+\.\d+ s\b"), "in 0.05 s"),
    (re.compile(r"\bprocess \d+ \("), "process 4711 ("),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "2026-11-26T18:00:00Z"),
    (re.compile(r"\b(at|until) \d\d:\d\d:\d\d\b"), r"\1 14:03:20"),
    (re.compile(r"^netspec: \d+ of \d+ steps\n", re.MULTILINE), ""),
    (re.compile(r"^\.script: (line \d+: )?", re.MULTILINE), "bash: "),
)
"""What differs from run to run, and what a page shows for it."""

RECORDED_WITH = {"ip": "6.1.0", "bridge": "6.1.0", "nft": "1.0.6"}
"""What other programs print depends on their version: with another one only their success is compared."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the words behind the fence, the text inside, and where that text stands in the page."""

    info: str
    body: str
    start: int
    end: int

    @property
    def language(self) -> str:
        """The first word behind the fence."""
        return self.info.split()[0]

    @property
    def file(self) -> str:
        """The file that the block is written to, empty for none."""
        found = TITLE.search(self.info)
        return found["name"] if found else ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a session, and what it printed or shall print."""

    text: str
    output: str = ""
    code: int = 0

    def __str__(self) -> str:
        return "$ " + self.text.replace("\n", "\n> ") + "\n" + self.output


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in FENCE.finditer(page):
        yield Block(found["info"], found["body"], found.start("body"), found.end("body"))


def commands(body: str) -> Iterator[Command]:
    """The commands of a session, each with the output written below it."""
    current: Command | None = None
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            if current is not None:
                yield current
            current = Command(line[2:].rstrip("\n"))
        elif current is None:
            raise AssertionError(f"a session begins with a command, not with {line!r}")
        elif line.startswith("> ") and not current.output:
            current = replace(current, text=f"{current.text}\n{line[2:].rstrip()}")
        else:
            current = replace(current, output=current.output + line)
    if current is not None:
        yield current


def rewritten(page: str, bodies: Iterable[tuple[Block, str]]) -> str:
    """The page with other texts in some of its blocks."""
    for block, body in sorted(bodies, key=lambda pair: -pair[0].start):
        page = page[: block.start] + body + page[block.end :]
    return page


def run_page(page: str, directory: Path) -> list[tuple[Block, list[Command]]]:
    """Run all sessions of a page in `directory`; each command with what it really printed and ended with."""
    script, sessions = ["set -o pipefail", PATIENT], []
    for number, block in enumerate(blocks(page)):
        if block.language == "console":
            wanted = list(commands(block.body))
            sessions.append((block, wanted))
            script.extend(_watched(each) for each in wanted)
        elif block.file:
            aside = directory / f".block-{number}"
            aside.write_text(block.body, encoding="utf-8")
            script.append(f"cp {aside} '{block.file}'")
    outcomes = iter(_run("\n".join(script) + "\n", directory))
    return [(block, [_outcome(each, next(outcomes, None)) for each in wanted]) for block, wanted in sessions]


def _watched(wanted: Command) -> str:
    """The command, with its exit code printed behind it and left in `$?`."""
    command, shown = wanted.text, wanted.output.removesuffix("\n")
    if (later := LOOK.fullmatch(command)) and shown:
        command = f"_soon {shlex.quote(shown)} {shlex.quote(later['look'])}"
    patience = 1 if wanted.output in NO_ANSWER else 30
    begin, end = f"_patience={patience}; (exit ${{_code:-0}})", "_code=$?; printf '\\035%s\\036' $_code; (exit $_code)"
    return f"{begin}\n{command}\n{end}"


def _outcome(wanted: Command, found: tuple[str, int] | None) -> Command:
    if found is None:
        raise AssertionError(f"the session ended before `{wanted.text}`")
    output, code = found
    return Command(wanted.text, output if output.endswith("\n") or not output else output + "\n", code)


def _run(script: str, directory: Path) -> list[tuple[str, int]]:
    (directory / ".script").write_text(script, encoding="utf-8")
    (directory / ".empty.yaml").write_text("netspec: 1\n", encoding="utf-8")
    shutil.copytree(ROOT / "examples", directory / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    programs = directory / ".bin"
    programs.mkdir()
    (programs / "netspec").write_text(f'#!/bin/sh\nexec {sys.executable} -m netspec "$@"\n', encoding="ascii")
    (programs / "netspec").chmod(0o755)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("NETSPEC_", "LC_", "LANG", "SUDO_"))
    }
    path = f"{programs}:{kept.get('PATH', '')}:/usr/sbin:/sbin"
    environment = {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "NETSPEC_HOST": "host", "LC_ALL": "C.UTF-8"}
    command = [str(programs / "netspec"), "sandbox", ".empty.yaml", "--", "bash", "--noprofile", "--norc", ".script"]
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    parts = [part.rpartition("\035") for part in done.stdout.split("\036")[:-1]]
    return [(output, int(code)) for output, _, code in parts]


def steady(output: str, directory: Path) -> str:
    """Output with what differs from run to run as pages show it."""
    for pattern, shown in VOLATILE:
        output = pattern.sub(shown, output)
    return output.replace(f"{directory}/", "")


def is_comparable(command: str) -> bool:
    """Whether what a command prints can be compared here: other programs' words change with their versions."""
    words = command.replace("|", " ").split()
    return all(_version(word) == RECORDED_WITH[word] for word in set(words) & set(RECORDED_WITH))


@cache
def _version(program: str) -> str:
    option = "--version" if program == "nft" else "-V"
    done = subprocess.run([program, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else done.stdout
