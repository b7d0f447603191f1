"""A real HTTP server on this machine that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Service:
    """A server with a list of answers; the last one is given again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []
        self.headers: list[Message] = []
        self.times: list[float] = []
        self.released = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.paths.append(self.path)
                service.headers.append(self.headers)
                service.times.append(time.monotonic())
                self.service = service
                answer = service.answers[min(len(service.paths), len(service.answers)) - 1]
                answer(self)

            def end_headers(self) -> None:
                self.send_header("Connection", "close")
                super().end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that gave up is no error here."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(*answers: Answer) -> Iterator[Service]:
    service = Service(*answers)
    thread = threading.Thread(target=service.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        service.server.shutdown()
        service.server.server_close()
        thread.join()


def sent(
    body: bytes | list[Any] | dict[str, Any],
    *,
    status: int = 200,
    kind: str = "application/json",
    packed: bool = False,
    length: int | None = None,
    **headers: str,
) -> Answer:
    """Answer with a body; ``length`` is what Content-Length claims, where it is not the truth."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    content = gzip.compress(content) if packed else content

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if kind:
            handler.send_header("Content-Type", kind)
        if packed:
            handler.send_header("Content-Encoding", "gzip")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def chunked(pieces: list[bytes], *, ends: bool = True, wait_s: float = 0.0, **headers: str) -> Answer:
    """Answer piece by piece, with or without the chunk that says that it was the last."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            handler.wfile.flush()
            time.sleep(wait_s)
        if ends:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def to(location: str, status: int = 302) -> Answer:
    return sent(b"", status=status, Location=location)


def hanging(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Say nothing until the test is over."""
    handler.service.released.wait(30)  # type: ignore[attr-defined]


def broken(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Break the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
