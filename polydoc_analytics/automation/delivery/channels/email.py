"""Delivery by SMTP: a message of its own to each receiver, whose Message-ID is the same at every try."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from polydoc_analytics.automation.delivery.messages import Delivery, Package
from polydoc_analytics.automation.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.automation.delivery.send import secret_of
from polydoc_analytics.config.addresses import distinct
from polydoc_analytics.config.tables import Email

_DONE, _GO_ON, _LATER, _NEVER = 2, 3, 4, 5
"""The first digits of answers, which say all that a client may rely on (RFC 5321, 4.2.1)."""


def send(target: Email, delivery: Delivery, package: Package) -> str:
    """Hand the message over, and return what the server answered when it took responsibility for it (RFC 5321, 6.1).

    Addresses with letters beyond ASCII need a server that has SMTPUTF8 (RFC 6531). Raises RefusedError where the server
    was not reached, has not that, or did not take it, UncertainError where the connection broke or fell silent after
    the data had begun to flow.
    """
    from polydoc_analytics.automation.delivery.channels.email_body import mail, needs_utf8

    content = mail(target, delivery, package)
    timeout = float(target.timeout)
    connection = _connection(target)
    under_way = False
    try:
        with _within(timeout, connection):
            _connect(target, connection)
        options = _utf8_options(connection) if needs_utf8(target, delivery) else ()
        with _within(timeout, connection):
            _expect(connection.mail(target.from_, options), _DONE, "sender")
            _expect(connection.rcpt(delivery.receiver), _DONE, "receiver")
            others = distinct((delivery.receiver, *target.cc, *target.bcc))[1:]
            copies = [(address, connection.rcpt(address)) for address in others]
            _expect(connection.docmd("DATA"), _GO_ON, "data")
        under_way = True
        connection.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        with _within(timeout, connection):
            code, text = connection.getreply()
        if code // 100 not in (_DONE, _LATER, _NEVER):
            raise smtplib.SMTPResponseException(code, b"is no answer to a message")
        under_way = False
        _expect((code, text), _DONE, "message")
    except (OSError, smtplib.SMTPException) as error:
        # An SMTPResponseError carries the server's own words, a broken connection none.
        why = _reason(error)
        if under_way:
            raise UncertainError(f"the connection broke after the data was sent: {why}") from None
        raise RefusedError(f"{target.host}: {why}") from None
    finally:
        with suppress(OSError, smtplib.SMTPException), _within(timeout, connection):
            connection.quit()
        connection.close()
    refused = "".join(f"; no copy to {address}: {reply[0]}" for address, reply in copies if reply[0] // 100 != _DONE)
    return f"{code} {text.decode('utf-8', 'replace')}{refused}"


def _connection(target: Email) -> smtplib.SMTP:
    timeout = float(target.timeout)
    if target.security == "tls":
        return smtplib.SMTP_SSL(timeout=timeout, context=_tls(target))
    return smtplib.SMTP(timeout=timeout)


def _tls(target: Email) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except OSError as error:
        raise RefusedError(f"{target.ca_file}: {error.strerror or error}") from None


def _connect(target: Email, connection: smtplib.SMTP) -> None:
    # Where no host was given at first, smtplib checks the certificate for this name.
    connection._host = target.host  # type: ignore[attr-defined]
    _expect(
        connection.connect(target.host, target.port or (465 if target.security == "tls" else 587)),
        _DONE,
        "connection",
    )
    if target.security == "starttls":
        connection.starttls(context=_tls(target))
    connection.ehlo_or_helo_if_needed()
    if target.user and target.password_env:
        connection.login(target.user, secret_of(target, target.password_env))


@contextmanager
def _within(seconds: float, connection: smtplib.SMTP) -> Iterator[None]:
    """End the connection when a step has not ended in time: a socket's own limit begins anew with every byte."""
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()
    if is_late.is_set():  # whatever was made of half an answer
        raise TimeoutError(f"no whole answer within {seconds:g} s")


def _utf8_options(connection: smtplib.SMTP) -> tuple[str, ...]:
    if not connection.has_extn("smtputf8"):
        raise RefusedError("the server has no SMTPUTF8, which an address with letters beyond ASCII needs")
    return ("SMTPUTF8", "BODY=8BITMIME")


def _expect(reply: tuple[int, bytes], digit: int, what: str) -> None:
    code, text = reply
    if code // 100 != digit:
        raise RefusedError(f"the server refused the {what}: {code} {text.decode('utf-8', 'replace')}")


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        return f"{error.smtp_code} {answer.decode('utf-8', 'replace') if isinstance(answer, bytes) else answer}"
    text = " ".join(str(error).split())
    return text or type(error).__name__
