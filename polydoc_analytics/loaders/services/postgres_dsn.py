"""Data source names of PostgreSQL: where they lead, as it may be shown, and what in them must never be."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from polydoc_analytics.errors import SourceError

_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s@:/?#,\[\]]*)(?::\d*)?"
# A password may hold what libpq lets through; where the rest then reads otherwise than libpq would, nothing matches.
_URL = re.compile(
    rf"postgres(?:ql)?://(?:(?P<user>[^\s:@/]*)(?::(?P<password>[^\s@/]*))?@)?(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?:/(?P<dbname>[^\s?#@:]*))?(?:\?(?P<parameters>[^\s#]*))?"
)
_PARAMETER = re.compile(r"(\w+)=([^&=]*)")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|)(?=\s|\Z)", re.DOTALL)
_SECRET = re.compile("pas|pw|secret|key|token", re.IGNORECASE)
_SHOWN = re.compile(r"[\w.,:/\[\]%-]*")
_DEFAULTS = {"connect_timeout": "10", "keepalives_idle": "60", "fallback_application_name": "polydoc-analytics"}


@dataclass(frozen=True, slots=True)
class Dsn:
    """A DSN as libpq takes it, the place it leads to, as ``host:port/database``, and its secrets."""

    text: str = field(repr=False)
    place: str
    secrets: tuple[str, ...] = field(repr=False)

    def safe(self, message: str) -> str:
        """Return a message of the driver, or an empty text where it holds a secret."""
        folded = message.lower()
        return "" if any(secret.lower() in folded for secret in self.secrets) else message


def parsed(dsn: str) -> Dsn:
    """Return a DSN with what may be shown of it; ``connect_timeout`` is 10 s where nothing else is said.

    Raises SourceError, without a word of the DSN, where libpq could read it in another way than it was meant.
    """
    dsn = dsn.strip()
    if not dsn:
        raise SourceError("the DSN of PostgreSQL is empty; expected one like postgresql://user@host:5432/database")
    is_url = dsn.startswith(("postgres://", "postgresql://"))
    given = _of_url(dsn) if is_url else _of_pairs(dsn)
    if given is None:
        raise SourceError(
            "the DSN of PostgreSQL is not usable; expected postgresql:// and behind it {user}:{password}@{host}:{port}"
            "/{database}, with @ : / ? # and % in the password percent-encoded, or key=value pairs, with values that "
            "hold spaces quoted"
        )
    secrets = {raw for key, raw, _ in given if _SECRET.search(key)} | {v for key, _, v in given if _SECRET.search(key)}
    secrets |= {os.environ.get("PGPASSWORD", ""), dsn}
    values = {key: value for key, _, value in given}
    added = {
        key: value
        for key, value in _DEFAULTS.items()
        if key not in values and not (key == "connect_timeout" and "PGCONNECT_TIMEOUT" in os.environ)
    }
    if is_url:
        match = _URL.fullmatch(dsn)
        parameters = match["parameters"] if match is not None else None
        mark = "?" if parameters is None else "&" if parameters.strip("&") else ""
        extended = dsn.rstrip("&") + mark + "&".join(f"{k}={v}" for k, v in added.items())
    else:
        extended = " ".join([dsn, *(f"{key}={value}" for key, value in added.items())])
    return Dsn(extended, _place(values), tuple(sorted(secrets - {""})))


def _of_url(dsn: str) -> list[tuple[str, str, str]] | None:
    """Return keys, values as written and values as meant."""
    match = _URL.fullmatch(dsn)
    if match is None:
        return None
    given = []
    for piece in (match["parameters"] or "").split("&"):
        if piece:
            parameter = _PARAMETER.fullmatch(piece)
            if parameter is None:
                return None
            given.append((parameter[1], parameter[2], unquote(parameter[2])))
    for key in ("hosts", "dbname", "user", "password"):
        if match[key]:
            given.insert(0, (key, match[key], unquote(match[key])))
    return given


def _of_pairs(dsn: str) -> list[tuple[str, str, str]] | None:
    given = []
    at = 0
    while at < len(dsn):
        match = _PAIR.match(dsn, at)
        if match is None:
            return None
        raw = match[2]
        inner = raw[1:-1] if raw.startswith("'") else raw
        given.append((match[1], inner, re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)))
        at = match.end()
    return given


def _place(values: dict[str, str]) -> str:
    """Return host, port and database; what libpq would take from elsewhere is left out."""
    if "hosts" in values and "host" not in values:
        host = values["hosts"]
    else:
        host = values.get("host") or values.get("hostaddr") or os.environ.get("PGHOST", "")
        port = values.get("port") or os.environ.get("PGPORT", "")
        host = f"{host}:{port}" if host and port else host
    database = values.get("dbname") or os.environ.get("PGDATABASE", "")
    if not host and not database and "service" in values:
        host = values["service"]
    shown = f"{host or 'localhost'}/{database}" if database else host or "localhost"
    return shown if _SHOWN.fullmatch(shown) else "its host"
