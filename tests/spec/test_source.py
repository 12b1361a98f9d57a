"""Where specs come from: files, directories, standard input, and what of them cannot be read."""

import io
import os
import sys
from pathlib import Path

import pytest

from netspec.errors import SpecError
from netspec.report.diagnostics import render
from netspec.spec.document import load_document
from netspec.spec.source import LARGEST, SourceFile, belongs, default_path, digest, read

LAN = "netspec: 1\nbridges: {lan: {}}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a directory of its own."""
    monkeypatch.chdir(tmp_path)


def said(path: str) -> str:
    """What is wrong with the spec at a path, as people read it; empty for nothing."""
    try:
        load_document(path)
    except SpecError as error:
        return render(error.diagnostics, color=False)
    return ""


@pytest.mark.parametrize(
    "content",
    [
        LAN.encode(),
        b"\xef\xbb\xbf" + LAN.encode(),
        LAN.replace("\n", "\r\n").encode(),
        LAN.replace("\n", "\r").encode(),
        b"---\n" + LAN.encode() + b"...\n",
        b"%YAML 1.2\n---\n" + LAN.encode(),
        LAN.rstrip().encode(),
        LAN.encode() + b"# caf\xc3\xa9 \xf0\x9f\x90\x98\n",
    ],
)
def test_texts_that_are_taken(content: bytes) -> None:
    """UTF-8, with or without a byte order mark, and any line ends."""
    Path("a.yaml").write_bytes(content)

    assert set(load_document("a.yaml").document.bridges) == {"lan"}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"netspec: 1\n# caf\xe9\n", "NS0104]: byte 16 (0xe9) is not UTF-8\n  --> a.yaml:2:6\n"),
        (b"\xef\xbb\xbfnetspec: \xff\n", "NS0104]: byte 12 (0xff) is not UTF-8\n  --> a.yaml:1:10\n"),
        ("netspec: 1\n".encode("utf-16"), "NS0104]: byte 3 is zero: this is not a text file\n  --> a.yaml:1:4\n"),
        (b"netspec: 1\n\0", "NS0104]: byte 11 is zero: this is not a text file\n  --> a.yaml:2:1\n"),
        (b"netspec: 1\r\r# \xff\r", "NS0104]: byte 14 (0xff) is not UTF-8\n  --> a.yaml:3:3\n"),
        (b"netspec: 1\r\n\r# \0", "NS0104]: byte 15 is zero: this is not a text file\n  --> a.yaml:3:3\n"),
        (b"netspec: 1\n# \xed\xa0\x80\n", "NS0104]: byte 13 (0xed) is not UTF-8\n  --> a.yaml:2:3\n"),
    ],
)
def test_bytes_that_are_no_text(content: bytes, wanted: str) -> None:
    """The first bad byte is shown by line and column."""
    Path("a.yaml").write_bytes(content)

    assert said("a.yaml") == f"error[{wanted}  help: save the file as UTF-8\n\n"


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_no_spec(content: str) -> None:
    """It may have lost its content."""
    Path("a.yaml").write_text(content, encoding="utf-8")

    assert said("a.yaml").startswith("error[NS0105]: a.yaml is empty\n  --> a.yaml:1:1\n")


def test_what_never_ends_is_not_read_from_a_directory() -> None:
    """A pipe without anybody at its other end would be waited for; one that is named is meant."""
    Path("site").mkdir()
    Path("site/a.yaml").write_text(LAN, encoding="utf-8")
    os.mkfifo("site/b.yaml")
    Path("site/c.yml").symlink_to("/dev/zero")
    hint = "  help: of a directory only files are read: move it elsewhere\n\n"

    assert said("site") == "".join(
        f"error[NS0101]: site/{name} is a pipe, a socket or a device\n{hint}" for name in ("b.yaml", "c.yml")
    )


def test_what_is_not_there() -> None:
    """A path that leads nowhere, or to what cannot be opened."""
    Path("loop.yaml").symlink_to("loop.yaml")
    Path("dangling.yaml").symlink_to("gone")
    hint = "  help: name a file, a directory, or - for standard input\n\n"

    assert said("gone.yaml") == f"error[NS0101]: there is no file or directory gone.yaml\n{hint}"
    assert said("") == f"error[NS0101]: this is not a path\n{hint}"
    assert said("a\0b") == f"error[NS0101]: this is not a path\n{hint}"
    assert said("dangling.yaml") == "error[NS0101]: dangling.yaml is a symbolic link that leads nowhere\n\n"
    assert said("loop.yaml") == "error[NS0101]: loop.yaml cannot be read: Too many levels of symbolic links\n\n"


def test_a_file_that_is_too_large() -> None:
    """It is not read to its end."""
    with Path("a.yaml").open("wb") as file:
        file.truncate(LARGEST + 1)

    assert said("a.yaml") == "error[NS0103]: a.yaml is larger than 64 MiB\n  help: split it over several files\n\n"


def test_a_directory_is_read_in_the_order_of_names() -> None:
    """Its specs, hidden ones and folders left out, and symbolic links followed."""
    Path("specs").mkdir()
    Path("specs/more.yaml").mkdir()
    for name in ("b.yml", "a.yaml", "B.yaml", ".hidden.yaml", "notes.txt", "a.yaml~"):
        Path("specs", name).write_text(f"# {name}\n", encoding="utf-8")
    Path("linked").write_text("# linked\n", encoding="utf-8")
    Path("specs/c.yaml").symlink_to("../linked")

    assert [each.name for each in read("specs")] == [
        f"specs/{name}" for name in ("B.yaml", "a.yaml", "b.yml", "c.yaml")
    ]


def test_a_directory_without_specs() -> None:
    """Nobody wants nothing by an empty directory."""
    Path("specs").mkdir()

    assert said("specs") == "error[NS0102]: the directory specs has no specs\n  help: specs end in .yaml or .yml\n\n"


def test_every_unreadable_file_of_a_directory_is_told() -> None:
    """Not only the first."""
    Path("specs").mkdir()
    Path("specs/a.yaml").write_bytes(b"\xff")
    Path("specs/b.yaml").write_bytes(b"")
    Path("specs/c.yaml").symlink_to("gone")

    assert [line[6:12] for line in said("specs").splitlines() if line.startswith("error")] == [
        "NS0104",
        "NS0105",
        "NS0101",
    ]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads it; where it was closed, an error says so."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LAN.encode() + b"stack: a b\n")))
    assert "--> <stdin>:3:8" in said("-")

    monkeypatch.setattr(sys, "stdin", None)
    assert said("-") == (
        "error[NS0101]: standard input cannot be read\n  help: feed the spec to it, or name a file\n\n"
    )


def test_the_default_path() -> None:
    """The environment, then what is in the directory, then the host's own."""
    assert default_path({}) == "/etc/netspec"
    Path("netspec").mkdir()
    assert default_path({}) == "netspec"
    Path("netspec.yaml").touch()
    assert default_path({}) == "netspec.yaml"
    assert default_path({"NETSPEC_PATH": "other"}) == "other"


def test_the_digest_is_of_the_texts() -> None:
    """Not of their names; and where one text ends counts."""
    assert digest([SourceFile("a", "x")]) == digest([SourceFile("b", "x")])
    assert digest([SourceFile("a", "xy")]) != digest([SourceFile("a", "x"), SourceFile("b", "y")])


def test_what_may_be_a_part_of_a_spec(tmp_path: Path) -> None:
    """Specs, as it may be a directory; itself, whatever it is called, and what it is a link to; the lock file."""
    (tmp_path / "real.conf").write_text("netspec: 1\n", encoding="ascii")
    link = tmp_path / "web.net"
    link.symlink_to("real.conf")
    names = ["a.yaml", "b.yml", "web.net", "real.conf", "netspec.lock", "watch.log", "real.conf~", "yaml"]

    assert [name for name in names if belongs(link, tmp_path / name)] == names[:5]
    assert [name for name in names if belongs(tmp_path, tmp_path / name)] == ["a.yaml", "b.yml", "netspec.lock"]
