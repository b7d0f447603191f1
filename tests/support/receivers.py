"""Real servers on this machine that take mail and webhooks as a test tells them to, and remember what they took."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

OK, LATER, NO, DROP, SILENT = "250 taken", "451 try later", "554 no", "drop", "silent"


class _OnAnyPort(Controller):
    """A controller that knows the port that the system has given it."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


class Mailbox:
    """A mail server: ``answers`` are given to the messages in turn, the last one to all that follow.

    ``messages`` are those that it took responsibility for, the ones after which it dropped the line included. Receivers
    of ``refuse`` it does not know.
    """

    def __init__(self, *answers: str, refuse: Collection[str] = (), **options: Any) -> None:
        self.refused = refuse
        self.answers = list(answers) or [OK]
        self.messages: list[EmailMessage] = []
        self.receivers: list[str] = []
        self.tries = 0
        self.controller = _OnAnyPort(self, hostname="127.0.0.1", port=0, ready_timeout=20, **options)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.answers[min(self.tries, len(self.answers) - 1)]
        self.tries += 1
        if answer in (OK, DROP):
            self.messages.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.receivers += envelope.rcpt_tos
        if answer == DROP:
            server.transport.abort()
        if answer == SILENT:
            await asyncio.sleep(5)
        return answer

    @property
    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.messages]


@contextmanager
def mailbox(*answers: str, **options: Any) -> Iterator[Mailbox]:
    box = Mailbox(*answers, **options)
    box.controller.start()
    try:
        yield box
    finally:
        box.controller.stop()


class Hook:
    """An HTTP server for POST: ``answers`` are statuses, ``drop`` after the request was read, or ``silent``."""

    def __init__(self, *answers: int | str, body: str = "ok", headers: dict[str, str] | None = None) -> None:
        self.answers = list(answers) or [200]
        self.requests: list[dict[str, Any]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                answer = hook.answers[min(len(hook.requests), len(hook.answers) - 1)]
                took = answer in (200, 204, "drop")
                hook.requests.append({"headers": self.headers, "body": content, "took": took, "path": self.path})
                if answer == "drop":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer == "silent":
                    time.sleep(2)
                    return
                self.send_response(int(answer))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that gave up is no error here."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook-canary"

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [json.loads(one["body"]) for one in self.requests if one["took"]]

    @property
    def keys(self) -> list[str]:
        return [one["headers"]["Idempotency-Key"] for one in self.requests if one["took"]]


@contextmanager
def hook(*answers: int | str, **options: Any) -> Iterator[Hook]:
    found = Hook(*answers, **options)
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()
