"""Container engines that answer as recorded: little servers on Unix sockets."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
"""What engines said to `GET /containers/NAME/json`."""


def ok(body: str) -> bytes:
    """An answer with status 200, as Docker sends it."""
    return _answer("200 OK", body)


def recorded(name: str, **changes: object) -> bytes:
    """A recorded answer, its State changed."""
    document = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    document["State"].update(changes)
    return ok(json.dumps(document))


def not_found(name: str) -> bytes:
    """An answer with status 404, as Docker sends it."""
    return _answer("404 Not Found", json.dumps({"message": f"No such container: {name}"}))


def failing(words: str) -> bytes:
    """An answer with status 500."""
    return _answer("500 Internal Server Error", json.dumps({"message": words}))


def _answer(status: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()


@contextlib.contextmanager
def engine(path: Path, answer: bytes, *, silent: bool = False) -> Iterator[list[str]]:
    """An engine at a socket that gives one answer to all; the request lines that came. `silent`: it never answers."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, answer, asked, silent))
        thread.start()
        try:
            yield asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


def _serve(listener: socket.socket, answer: bytes, asked: list[str], silent: bool) -> None:
    kept = []
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            kept.append(connection)
            asked.append(connection.recv(1 << 16).decode().partition("\r\n")[0])
            if not silent:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
    for connection in kept:
        connection.close()
