"""A server of the files of a folder, over HTTPS or HTTP, that remembers what it was asked."""

from __future__ import annotations

import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PIECE = 1 << 20


@dataclass
class FileServer:
    """``asked`` has path, query and all, and range of each request; ``cut`` ends each body so early."""

    url: str = ""
    gives_ranges: bool = True
    cut: int | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0


@contextmanager
def file_server(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Serve a folder's files, with ranges if it ``gives_ranges``."""
    server = FileServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers.get("Range")))
            path = folder / unquote(urlsplit(self.path).path).lstrip("/")
            if not path.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            size = path.stat().st_size
            start, end = 0, size
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            is_part = bool(found) and server.gives_ranges
            if found and is_part:
                start, end = int(found[1]), min(int(found[2]) + 1, size)
                self.send_response(HTTPStatus.PARTIAL_CONTENT)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            else:
                self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(end - start))
            self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
            self.end_headers()
            with path.open("rb") as file:
                file.seek(start)
                left = end - start
                if server.cut is not None and not is_part:
                    left, self.close_connection = server.cut, True
                while left and (piece := file.read(min(PIECE, left))):
                    self.wfile.write(piece)
                    left -= len(piece)
                    server.sent += len(piece)

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        if context is not None:
            running.socket = context.wrap_socket(running.socket, server_side=True)
        running.daemon_threads = True
        server.url = f"http{'s' if context else ''}://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            running.shutdown()
            thread.join()
