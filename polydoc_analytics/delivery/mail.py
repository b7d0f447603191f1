"""Delivery by SMTP: a message of its own to each receiver, whose Message-ID is the same at every try."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from typing import Any

from polydoc_analytics.delivery.outcomes import RefusedError, UncertainError
from polydoc_analytics.delivery.parcels import Delivery, Parcel
from polydoc_analytics.delivery.sending import secret_of
from polydoc_analytics.plan import TargetPlan

_CONTINUE, _OK = 354, 250


def send(target: TargetPlan, delivery: Delivery, parcel: Parcel) -> str:
    """Hand the message over, and return what the server answered when it took responsibility for it (RFC 5321, 6.1).

    Raises RefusedError where the server was not reached or did not take it, UncertainError where the connection broke
    or fell silent after the data had begun to flow.
    """
    from polydoc_analytics.delivery.message import message

    values = target.values
    content = message(values, delivery, parcel)
    connection: Any = None
    under_way = False
    try:
        connection = _connected(target)
        _expect(connection.mail(values["from"]), (_OK,), "sender")
        _expect(connection.rcpt(delivery.receiver), (_OK, 251), "receiver")
        _expect(connection.docmd("DATA"), (_CONTINUE,), "data")
        under_way = True
        connection.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        code, text = connection.getreply()
        under_way = False
        _expect((code, text), (_OK,), "message")
    except (OSError, smtplib.SMTPException) as error:
        # An SMTPResponseError carries the server's own words, a broken connection none.
        why = _reason(error)
        if under_way:
            raise UncertainError(f"the connection broke after the data was sent: {why}") from None
        raise RefusedError(f"{values['host']}: {why}") from None
    finally:
        if connection is not None:
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()
            connection.close()
    return f"{code} {text.decode('utf-8', 'replace')}"


def _connected(target: TargetPlan) -> smtplib.SMTP:
    values = target.values
    timeout = float(values["timeout"])
    tls = None
    if values["security"] != "none":
        tls = ssl.create_default_context(cafile=values["ca_file"])
    if values["security"] == "tls":
        assert tls is not None
        connection: smtplib.SMTP = smtplib.SMTP_SSL(values["host"], values["port"] or 465, timeout=timeout, context=tls)
    else:
        connection = smtplib.SMTP(values["host"], values["port"] or 587, timeout=timeout)
    try:
        if values["security"] == "starttls":
            connection.starttls(context=tls)
        connection.ehlo_or_helo_if_needed()
        if values["user"]:
            connection.login(values["user"], secret_of(target, "password_env"))
    except BaseException:
        connection.close()
        raise
    return connection


def _expect(reply: tuple[int, bytes], codes: tuple[int, ...], what: str) -> None:
    code, text = reply
    if code not in codes:
        raise RefusedError(f"the server refused the {what}: {code} {text.decode('utf-8', 'replace')}")


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        answer = error.smtp_error
        return f"{error.smtp_code} {answer.decode('utf-8', 'replace') if isinstance(answer, bytes) else answer}"
    text = " ".join(str(error).split())
    return text or type(error).__name__
