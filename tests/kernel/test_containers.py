"""Asking engines for containers: recorded answers, wrong ones, late ones, and none."""

from pathlib import Path

import pytest

from netspec.kernel.containers import SOCKETS, NoContainer, find, sockets
from tests.kernel.engines import engine, failing, not_found, ok, recorded


@pytest.mark.parametrize("name", ["docker-running", "podman-running"])
def test_a_running_container(tmp_path: Path, name: str) -> None:
    """Its process is told, and the request names no version of the API."""
    path = tmp_path / "engine.sock"
    with engine(path, recorded(name)) as asked:
        assert find("redis", (str(path),)).pid == 4711
    assert asked == ["GET /containers/redis/json HTTP/1.1"]


def test_the_next_engine_is_asked(tmp_path: Path) -> None:
    """One that is not there, and one that knows no such container, are passed over."""
    docker, podman = tmp_path / "docker.sock", tmp_path / "podman.sock"
    with engine(docker, not_found("redis")), engine(podman, recorded("podman-running", Pid=12)):
        assert find("redis", (str(tmp_path / "none.sock"), str(docker), str(podman))).pid == 12


ANSWERS = [
    (recorded("docker-exited"), "it is not running (exited)"),
    (recorded("docker-running", Pid=0), "it is not running (running)"),
    (recorded("docker-running", Pid="7"), "it is not running (running)"),
    (not_found("redis"), "{path} knows no container of that name"),
    (failing("disk is full"), "{path} gave no usable answer (status 500: disk is full)"),
    (ok("[]"), "{path} tells no state of redis"),
    (ok('{"State": 7}'), "{path} tells no state of redis"),
    (ok('{"State": '), "{path} gave no usable answer (Expecting value: line 1 column 11 (char 10))"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "{path} gave no usable answer (SSH-2.0-OpenSSH_9.2\r\n)"),
    (b"", "{path} gave no usable answer (Remote end closed connection without response)"),
]


@pytest.mark.parametrize(("answer", "words"), ANSWERS, ids=[words for _, words in ANSWERS])
def test_why_there_is_none(tmp_path: Path, answer: bytes, words: str) -> None:
    """A clause that says it, whatever came over the socket."""
    path = tmp_path / "engine.sock"
    with engine(path, answer), pytest.raises(NoContainer) as caught:
        find("redis", (str(path),))
    assert str(caught.value) == words.format(path=path)


def test_no_engine(tmp_path: Path) -> None:
    """No socket, one that nobody listens on, one that may not be opened, one that never answers."""
    absent, left, shut, slow = (str(tmp_path / name) for name in ("absent", "left", "shut", "slow"))
    with engine(Path(left), b""):
        pass
    Path(shut).touch(0o000)
    with engine(Path(slow), b"", silent=True):
        told = [_refusal((path,)) for path in (absent, slow)]
    assert told == [f"there is no Docker or Podman socket at {absent}", f"{slow} did not answer within 0.2 s"]
    assert _refusal((absent, shut)) == f"nothing listens on {shut}"


def test_a_socket_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Being no member of the engine's group is said as such."""
    path = tmp_path / "engine.sock"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("netspec.kernel.containers._Connection.connect", refuse)
    assert _refusal((str(path),)) == f"{path} may not be opened"


def _refusal(paths: tuple[str, ...]) -> str:
    with pytest.raises(NoContainer) as caught:
        find("redis", paths, 0.2)
    return str(caught.value)


def test_where_engines_are() -> None:
    """DOCKER_HOST decides alone; another machine's engine has no namespaces for us."""
    assert sockets({}) == SOCKETS
    assert sockets({"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}) == ("/run/user/1000/docker.sock",)
    with pytest.raises(NoContainer, match="only the engine of this host"):
        sockets({"DOCKER_HOST": "tcp://192.0.2.1:2375"})
