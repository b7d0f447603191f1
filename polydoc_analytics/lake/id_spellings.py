"""An account's id in the spellings in which texts hold it, to find it in rows and to strike it from names."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from polydoc_analytics.model.sql_names import quoted

ERASED = "(erased)"
"""The replacement of an erased account's id in texts."""
_UUID = re.compile(r"[0-9a-f]{32}")
_SHORT = {'"': r"\\+\"|\"\"", "\\": r"\\+", "/": r"\\+/", "\n": r"\\+n", "\r": r"\\+r", "\t": r"\\+t"}
_AROUND = ("urn:uuid:", "{", "}", "-")
"""Characters that programs write around and between the digits of a UUID."""
_GROUPS = (8, 4, 4, 4, 12)


def canonical(account: str) -> str:
    """Return an id as it is compared: a UUID as its 32 digits in lower case, anything else as it is."""
    plain = account.strip(" ").lower()
    for mark in _AROUND:
        plain = plain.replace(mark, "")
    return plain if _UUID.fullmatch(plain) else account


def canonical_sql(column: str) -> str:
    """Return :func:`canonical` as SQL for DuckDB; Spark calls ``regexp_matches`` ``regexp_like``."""
    plain = _plain_sql(column)
    return f"case when regexp_matches({plain}, '^[0-9a-f]{{32}}$') then {plain} else {column} end"


def _plain_sql(column: str) -> str:
    found = f"lower(trim({column}))"
    for mark in _AROUND:
        found = f"replace({found}, '{mark}', '')"
    return found


class Spelling:
    """An account's id as JSON, URLs and CSV write it: escaped, percent-encoded and, if a UUID, in any case.

    A UUID is found wherever it stands. Any other id must be a whole word, for ``acme`` is not ``acme-2``: in rows a
    word goes on over ``-`` and ``_``; in names of files it ends there, and case does not count.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        plain = canonical(account)
        self._is_uuid = bool(_UUID.fullmatch(plain))
        if self._is_uuid:
            groups, at = [], 0
            for length in _GROUPS:
                groups.append("".join(map(_spellings, plain[at : at + length])))
                at += length
            hyphen = f"(?:{_spellings('-')})?"
            self._pattern = "(?i)" + hyphen.join(groups)
            self._name = re.compile(self._pattern)
        else:
            body = "".join(map(_spellings, account))
            self._pattern = f"(^|[^0-9A-Za-z_-])(?:{body})([^0-9A-Za-z_-]|$)"
            self._name = re.compile(f"(?i)(?<![0-9A-Za-z]){body}(?![0-9A-Za-z])")

    def is_account_sql(self, column: str) -> str:
        """Return SQL for whether a column is this id."""
        if self._is_uuid:
            return f"{_plain_sql(column)} = {quoted(canonical(self.account))}"
        return f"{column} = {quoted(self.account)}"

    def is_named_sql(self, column: str) -> str:
        """Return SQL for whether a text of a row names the account; a blank id is named nowhere."""
        return f"regexp_matches({column}, {quoted(self._pattern)})" if self.account.strip() else "false"

    def is_in(self, text: str) -> bool:
        """Check whether a name, or any text but a row, holds the id."""
        return bool(self.account.strip()) and self._name.search(text) is not None

    def strike(self, text: str) -> str:
        """Return a name without the id."""
        return self._name.sub(ERASED, text) if self.account.strip() else text

    def strike_all(self, content: Any) -> Any:
        """Strike the id from all texts and keys of a JSON value."""
        return struck(content, self.strike)


def struck(content: Any, strike: Any) -> Any:
    """Apply ``strike`` to all texts and keys of a JSON value."""
    if isinstance(content, str):
        return strike(content)
    if isinstance(content, dict):
        return {strike(key): struck(value, strike) for key, value in content.items()}
    return [struck(one, strike) for one in content] if isinstance(content, list | tuple) else content


def _spellings(char: str) -> str:
    """Return a regular expression, for Python and RE2, for the ways in which a character is written."""
    found = [_literal(char)]
    if char in _SHORT:
        found.append(_SHORT[char])
    for one in sorted({char, char.lower(), char.upper()}) if char.isascii() else [char]:
        units = one.encode("utf-16-be", "surrogatepass").hex()
        found.append("".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)))
        octets = [f"{byte:02x}" for byte in one.encode("utf-8", "replace")]
        found.append("".join(f"%(?:25)*(?i:{octet})" for octet in octets))
    if quote(char) != char and len(quote(char)) == 3:
        found.append(f"%(?:25)*(?i:{quote(char)[1:]})")
    return f"(?:{'|'.join(dict.fromkeys(found))})"


def _literal(char: str) -> str:
    if char.isalnum() or not char.isascii():
        return char
    return f"\\x{ord(char):02x}"
