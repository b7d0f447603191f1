"""Errors of PostgreSQL and its driver in one line, without secrets."""

from __future__ import annotations

import re

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders.services.postgres_dsn import Dsn

_OF_SERVER = re.compile(r"(?:ERROR|FATAL|PANIC): +(\S[^\n]*)")

# libpq's own texts quote pieces of the DSN, so they are recognised, never shown.
_CONNECTING = (
    ("could not translate host name", "there is no host of that name"),
    ("Connection refused", "the connection is refused; is the server running, and on this port?"),
    ("No such file or directory", "there is no server at this socket"),
    ("timeout expired", "no connection in time"),
    ("timed out", "no connection in time"),
    ("No route to host", "the host cannot be reached"),
    ("Network is unreachable", "the host cannot be reached"),
    ("no password supplied", "a password is needed; put one into the DSN, PGPASSWORD or ~/.pgpass"),
    ("certificate", "its TLS certificate is not trusted, or asks for one of the client"),
    ("SSL", "no TLS connection as sslmode asks for it"),
    ("server closed the connection", "the server closed the connection"),
)
_LOST = (
    "server closed the connection",
    "terminating connection",
    "could not receive data",
    "connection to client lost",
    "SSL SYSCALL",
    "SSL error",
    "no connection to the server",
    "connection not open",
    "Connection reset",
    "shutting down",
    "crash of another server process",
)
_HINTS = {
    "42P01": "name a table that is there, as schema.name",
    "3F000": "name a table that is there, as schema.name",
    "42501": "grant SELECT on it to this user",
    "42601": "write one SELECT",
    "25006": "only SELECT is allowed",
    "40001": "the server needed the rows for itself; try again",
}


def explained(error: BaseException, dsn: Dsn, name: str, *, is_connecting: bool) -> SourceError:
    """Return a failure as one line that names the place and what to do; ``is_connecting`` before there is a session."""
    text = str(error)
    said = dsn.safe(_said(error, text))
    state = getattr(error, "sqlstate", None) or ""
    if is_connecting:
        told = said or next((ours for theirs, ours in _CONNECTING if theirs in text), "check the DSN")
        return SourceError(f"{name}: cannot connect: {told}")
    if state.startswith(("08", "57P")) or any(mark in text for mark in _LOST):
        return SourceError(f"{name}: the connection was lost in mid-read; nothing was taken over, try again")
    if state == "57014" or "statement timeout" in text:
        return SourceError(
            f"{name}: the statement was cancelled, by its time-out or by an administrator; "
            "nothing was taken over, allow more time"
        )
    hint = _HINTS.get(state, "")
    told = said or (f"the server refuses the statement (SQLSTATE {state})" if state else "the reading failed")
    return SourceError(f"{name}: {told}" + (f"; {hint}" if hint else ""))


def _said(error: BaseException, text: str) -> str:
    """Return the server's own words, its first line, without the statement that the driver quotes."""
    for key, value in getattr(error, "details", None) or ():
        if key == b"PG_DIAG_MESSAGE_PRIMARY" and isinstance(value, bytes):
            return value.decode("utf-8", "replace").partition("\n")[0].strip()[:300]
    found = _OF_SERVER.search(text)
    return found[1].strip()[:300] if found else ""
