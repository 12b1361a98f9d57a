"""Running containers, asked of the Docker or Podman API: one GET over a Unix socket, of whatever API version."""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
DEADLINE = 5.0
"""Seconds for the connection, and for each part of the answer."""
_MOST_BYTES = 4 << 20
_NOT_FOUND = 404


class NoContainer(Exception):
    """Why there is no namespace to be had; its text is a clause for people."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container: the process that holds its namespaces."""

    pid: int


class _Connection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: str, deadline: float) -> None:
        super().__init__("localhost", timeout=deadline)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def sockets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Where engines may listen: the one that DOCKER_HOST names, else the usual ones. Raises NoContainer."""
    host = environment.get("DOCKER_HOST", "")
    if not host:
        return SOCKETS
    if not host.startswith("unix://"):
        raise NoContainer(f"DOCKER_HOST is {host}, and only the engine of this host can be asked: unix:///…")
    return (host.removeprefix("unix://"),)


def find(name: str, paths: tuple[str, ...], deadline: float = DEADLINE) -> Container:
    """The container that the first engine to know `name` runs. Raises NoContainer."""
    troubles = []
    for path in paths:
        try:
            answer = _ask(path, name, deadline)
        except FileNotFoundError:
            continue
        except ConnectionRefusedError:
            troubles.append(f"nothing listens on {path}")
        except PermissionError:
            troubles.append(f"{path} may not be opened")
        except TimeoutError:
            troubles.append(f"{path} did not answer within {deadline:g} s")
        except (OSError, http.client.HTTPException, ValueError) as error:
            troubles.append(f"{path} gave no usable answer ({str(error) or type(error).__name__})")
        else:
            if answer is not None:
                return _running(name, path, answer)
            troubles.append(f"{path} knows no container of that name")
    raise NoContainer("; ".join(troubles) or f"there is no Docker or Podman socket at {' or '.join(paths)}")


def _ask(path: str, name: str, deadline: float) -> Any:  # noqa: ANN401  whatever another program said
    """What an engine says of a container; None where it knows none of that name."""
    connection = _Connection(path, deadline)
    try:
        # Without a version: Docker then speaks its newest, and Podman its compatible one.
        connection.request("GET", f"/containers/{quote(name, safe='')}/json", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
    finally:
        connection.close()
    if answer.status == _NOT_FOUND:
        return None
    if answer.status != http.client.OK:
        raise ValueError(f"status {answer.status}{_message(body)}")
    return json.loads(body)


def _message(body: bytes) -> str:
    try:
        return f": {json.loads(body)['message']}"
    except (ValueError, TypeError, KeyError):
        return ""


def _running(name: str, path: str, answer: Any) -> Container:  # noqa: ANN401
    state = answer.get("State") if isinstance(answer, dict) else None
    if not isinstance(state, dict):
        raise NoContainer(f"{path} tells no state of {name}")
    pid = state.get("Pid")
    if not state.get("Running") or not isinstance(pid, int) or pid < 1:
        status = state.get("Status")
        raise NoContainer(f"it is not running{f' ({status})' if isinstance(status, str) and status else ''}")
    return Container(pid)
