"""Accounts that were erased: kept as keyed hashes, their rows refused on every way in until they are readmitted.

The ledger records a SHA-256 of the lake's own secret key and the id, so that a short id cannot be guessed from a ledger
that is shown or shared; the key lies in a file of its own beside the tables. The rows of erasures hold a checksum of
the key as their ``content_hash``, so that a damaged key is noticed; those of older versions hold none. Erasures of
still older versions stand in the ledger as a plain SHA-256, and are kept as well.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from polydoc_analytics.errors import LakeError
from polydoc_analytics.lake.id_spellings import ERASED, canonical, struck
from polydoc_analytics.lake.schemas import LedgerRow
from polydoc_analytics.lake.storage.interface import Storage
from polydoc_analytics.loaders.formats.csv_header import parse_header
from polydoc_analytics.loaders.validation import Rejected
from polydoc_analytics.model.sql_names import quoted

KEY = "_erasure_key"
_KEYED, _PLAIN = "account with keyed SHA-256 ", "account with SHA-256 "
_UUID = re.compile(r"(?=([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}))", re.IGNORECASE)
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
_FIELD = re.compile(r'"account_?id"\s*:\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_MAX_WORDS = 6
_KEY_BYTES = 32
_WHOLE_KEY = re.compile(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}")


class RefusedAccounts:
    """The accounts that a lake refuses, as of a ledger. Ids are told by their hashes alone.

    Raises LakeError where the key of the hashes is missing or damaged.
    """

    def __init__(self, place: Storage, rows: Iterable[LedgerRow]) -> None:
        self.erasures: dict[str, LedgerRow] = {}
        for row in rows:
            if row.kind == "erase":
                self.erasures.setdefault(row.source, row)
            elif row.kind == "readmit":
                self.erasures.pop(row.source, None)
        keyed = [row for source, row in self.erasures.items() if source.startswith(_KEYED)]
        self._key = _read_key(place, {row.content_hash for row in keyed if row.content_hash}) if keyed else ""
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        """Check whether any account is refused."""
        return bool(self.erasures)

    def recorded_as(self, account: str) -> list[str]:
        """Look up the ledger's name of a refused account; empty where it is not refused."""
        return [name for name in _names(account, self._key) if name in self.erasures]

    def holds(self, account: str) -> bool:
        """Check whether an account is refused."""
        found = self._known.get(account)
        if found is None:
            found = self._known[account] = bool(self.recorded_as(account))
        return found

    def runs(self, table: pa.Table) -> pa.Table:
        """Return runs without those of refused accounts."""
        if not self:
            return table
        refused = [one for one in pc.unique(table["account_id"]).to_pylist() if self.holds(one)]
        if not refused:
            return table
        return table.filter(pc.invert(pc.is_in(table["account_id"], value_set=pa.array(refused, pa.string()))))

    def rejected(self, rows: Sequence[Rejected]) -> list[Rejected]:
        """Return rejected rows without those that are of a refused account, or name it where it is a UUID.

        The others have it struck from the name of their source.
        """
        if not self:
            return list(rows)
        left = [row for row in rows if not any(map(self.holds, _accounts_of(row)))]
        names = {name: self.strike(name) for name in {row.source for row in left}}
        return [row._replace(source=names[row.source]) for row in left]

    def strike(self, text: str) -> str:
        """Return a name of a file or source without the ids of refused accounts."""
        if not self:
            return text
        for one in {match.group(1) for match in _UUID.finditer(text)}:
            if self.holds(one):
                text = text.replace(one, ERASED)
        words = list(_WORD.finditer(text))
        for at, first in enumerate(words):
            for last in reversed(words[at : at + _MAX_WORDS]):
                if self.holds(text[first.start() : last.end()]):
                    return self.strike(text[: first.start()] + ERASED + text[last.end() :])
        return text

    def strike_all(self, content: Any) -> Any:
        """Strike refused accounts from all texts and keys of a JSON value."""
        return struck(content, self.strike) if self else content

    def refuse_sql(self, canonical_column: str, column: str, sha256: str = "sha256({})") -> str:
        """Return SQL for whether an account is refused; ``sha256`` is the engine's function of a text."""
        keyed = [name.removeprefix(_KEYED) for name in self.erasures if name.startswith(_KEYED)]
        plain = [name.removeprefix(_PLAIN) for name in self.erasures if name.startswith(_PLAIN)]
        tests = []
        for found, text in ((keyed, f"concat({quoted(self._key)}, {canonical_column})"), (plain, column)):
            if found:
                tests.append(f"{sha256.format(text)} in ({', '.join(map(quoted, found))})")
        return " or ".join(tests) or "false"


def new_name(place: Storage, account: str) -> str:
    """Name an account that is erased as the ledger does; makes the lake's key where it has none."""
    try:
        key = _read_key(place, set())
    except LakeError:  # no erasure rests on it, or RefusedAccounts had raised
        key = secrets.token_hex(_KEY_BYTES)
        place.write(KEY, key.encode())
    return _names(account, key)[0]


def key_checksum(place: Storage) -> str | None:
    """SHA-256 of the lake's key; None where it has none."""
    content = place.read(KEY)
    return None if content is None else _checksum(_key_of(content))


def _names(account: str, key: str) -> tuple[str, str]:
    keyed, plain = f"{key}{canonical(account)}", account
    keyed, plain = (hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in (keyed, plain))
    return _KEYED + keyed, _PLAIN + plain


def _read_key(place: Storage, checksums: set[str]) -> str:
    content = place.read(KEY)
    key = None if content is None else _key_of(content)
    if key is not None and _WHOLE_KEY.fullmatch(key) and checksums <= {_checksum(key)}:
        return key
    found = "is missing" if key is None else "is damaged, or of another lake"
    raise LakeError(
        f"{place.shown}/{KEY}: {found}, so that rows of erased accounts cannot be told; bring it back from a backup"
    )


def _key_of(content: bytes) -> str:
    return content.decode("ascii", "replace").strip()


def _checksum(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _accounts_of(row: Rejected) -> list[str]:
    """Return the ids that a rejected row may be of: its account's, and whatever in it looks like a UUID."""
    plain = unquote(_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), row.raw))
    found = [match.group(1) for match in _UUID.finditer(plain)]
    if row.header is not None:
        with suppress(csv.Error):
            header = parse_header(row.header, row.source)
            values = next(csv.reader([row.raw], delimiter=header.delimiter), [])
            # Where cells are missing, or too many, the account may stand in any of them.
            names = header.names if len(values) == len(header.names) else ["account_id"] * len(values)
            found += [value for name, value in zip(names, values, strict=True) if _is_account(name)]
        return found
    content = None
    with suppress(ValueError, RecursionError):
        content = json.loads(row.raw)
    if isinstance(content, dict):
        found += [value for name, value in content.items() if _is_account(name) and isinstance(value, str)]
    return [*found, *(match.group(1) for match in _FIELD.finditer(plain))]


def _is_account(name: str) -> bool:
    return name.strip().lower().replace("_", "") == "accountid"
