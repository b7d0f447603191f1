"""Text that is safe to show: control characters made visible, addresses without credentials, secrets replaced."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
_LEAST_SECRET = 4

# C0 (but for tab and line feed), DEL and C1 move a terminal's cursor or more; the others reorder or hide what is
# around them: marks of direction, separators of lines, annotations, lone surrogates, tags.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ADDRESS = re.compile(r"[a-zA-Z][\w+.:-]*://[^\s'\"<>`]+")
# An address that was typed wrong, or a connection string, is no URI, and keeps its password to itself all the same.
_LOGIN = re.compile(r"(?<![^\s/'\"<>`(=,;])[^\s/@:'\"<>`]+:[^\s/@'\"<>`]+@(?=[\w\[])")
_PASSWORD = re.compile(r"(?i)\b(\w*(?:password|passwd|passphrase|secret|token))=('[^']*'|\"[^\"]*\"|[^\s&'\",;)]+)")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_BRACKETED = re.compile(r"\[[^\]]*\]")


def display_variable(name: str) -> str:
    """Return the name of an environment variable that is to hold a secret, or ``***`` where it may be one itself."""
    return name if _VARIABLE.fullmatch(name) else HIDDEN


def visible(text: str) -> str:
    r"""Make control characters visible as escapes such as ``\x1b`` and ``\u202e``; tabs and line feeds stay."""
    return _CONTROL.sub(lambda match: _escape(match[0]), text)


def on_one_line(text: str) -> str:
    """Make everything visible that is not a printable character, so that a name stays on its line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def json_escaped(text: str) -> str:
    """Write the control characters in a JSON text as JSON's own escapes; the value stays what it is."""
    return _CONTROL.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def display_address(address: str) -> str:
    """Strip user, password, parameters, query and fragment from a URI; a path stays as it is. It is on one line."""
    scheme, mark, rest = on_one_line(address).partition("://")
    if not mark:
        return scheme
    before_query = re.split(r"[?#]|/?;(?=[\w.-]+=)", rest, maxsplit=1)[0]
    netloc, slash, path = before_query.partition("/")
    host = netloc.rpartition("@")[2]
    port = _BRACKETED.sub("", host).partition(":")[2]
    if "@" in rest[len(netloc) :] and port and not port.isdigit():
        return f"{scheme}{mark}…"  # a password that holds / ? or #, which no program would find the end of
    return f"{scheme}{mark}{host}{slash}{path}"


def without_credentials(text: str) -> str:
    """Strip user, password, query and fragment from every URI in a text, and passwords from what is none."""
    text = _ADDRESS.sub(lambda match: _display_in_text(match[0]), text) if "://" in text else text
    return _PASSWORD.sub(rf"\1={HIDDEN}", _LOGIN.sub("", text))


def _display_in_text(text: str) -> str:
    address = text.rstrip(").,;:]}")
    return (display_address(address) if any(mark in address for mark in "@?#;") else address) + text[len(address) :]


def secrets_of(address: str) -> list[str]:
    """Extract the secret parts of a URI: user and password, query and fragment; not its path."""
    rest = address.partition("://")[2]
    if not rest:
        return []
    before, _, fragment = rest.partition("#")
    before, _, query = before.partition("?")
    user = before.partition("/")[0].rpartition("@")[0]
    values = [pair.partition("=")[2] for pair in query.split("&")]
    return [part for part in (user, user.partition(":")[2], query, *values, fragment) if part]


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Replace every part of every secret by ``***``, in whatever way it is encoded.

    The parts of a URI are user, password, path and its segments, query and its values. Parts of fewer than four
    characters are left.
    """
    variants = {
        variant for secret in secrets for part in _parts(secret) for variant in _variants(part) if variant.strip()
    }
    found = sorted((one for one in variants if len(one) >= _LEAST_SECRET), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, found)), HIDDEN, text, flags=re.IGNORECASE) if found else text


def _parts(secret: str) -> Iterator[str]:
    secret = secret.strip()
    yield secret
    if "://" not in secret:
        yield from (word for word in secret.split() if word.lower() not in ("bearer", "basic"))
        return
    yield secret.partition("://")[2]
    for part in secrets_of(secret):
        yield from (part, unquote(part))
    path = re.split(r"[?#]", secret.partition("://")[2])[0].partition("/")[2]
    yield from (path, *path.split("/"))


def _variants(part: str) -> Iterator[str]:
    import html

    for plain in {part, unquote(part), unquote_plus(part)}:
        once = quote(plain, safe="")
        yield from (plain, once, quote(plain), quote_plus(plain), quote(once, safe=""), html.escape(plain))
        yield plain.replace("/", "\\/")
        escaped = json.dumps(plain)[1:-1]
        yield from (escaped, escaped.replace("/", "\\/"), json.dumps(plain, ensure_ascii=False)[1:-1])
        octets = plain.encode("utf-8", "surrogateescape")
        for encoded in (base64.b64encode(octets), base64.urlsafe_b64encode(octets)):
            yield encoded.decode().rstrip("=")
