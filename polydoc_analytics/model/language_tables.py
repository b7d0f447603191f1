"""Names and codes of languages, scripts and territories, as tables in ``language_names/``.

`just languages` writes them from the package language_data, of which an install would be ten times as large.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "language_names"
TABLES = (
    *(f"{naming}_{category}" for naming in ("en", "und") for category in ("language", "script", "territory")),
    *("english_names", "own_names", "prefixes", "macrolanguages", "regions", "spoken", "frequent"),
)
"""The tables: code by name, in English (en) or in any language (und); names by code; parts of the registry; and the
tag and name of each text that is sent often.
"""

PLAIN = ("frequent", "en_language", "en_territory", "und_language")
"""Where a text that is no usual name is looked for: to unpack them would take ten times as long as to search them."""
_MAX_SEARCHES = 64


class KeyedTable:
    """Values by key: searched as a text at first, which is quicker for a few keys, then as a dictionary."""

    def __init__(self, text: bytes) -> None:
        self._text = b"\n%b\n" % text
        self._lookups = 0
        self._values: dict[str, str] | None = None

    def get(self, key: str) -> str | None:
        """Return the value of a key; None where there is none."""
        if self._values is None:
            self._lookups += 1
            if self._lookups <= _MAX_SEARCHES:
                return self._search(key)
            self._values = self.as_dict()
        return self._values.get(key)

    def as_dict(self) -> dict[str, str]:
        """Return all keys with their values."""
        return dict(line.split("\t") for line in self._text.decode().split("\n") if line)

    def _search(self, key: str) -> str | None:
        if "\n" in key or "\t" in key:
            return None
        mark = f"\n{key}\t".encode("utf-8", "surrogatepass")
        start = self._text.find(mark)
        if start < 0:
            return None
        start += len(mark)
        return self._text[start : self._text.index(b"\n", start)].decode()

    def __contains__(self, key: object) -> bool:
        """Check whether there is a key."""
        return isinstance(key, str) and self.get(key) is not None


@lru_cache(maxsize=len(TABLES))
def table(name: str) -> KeyedTable:
    """Read one of TABLES, once; names are keys in the form of ``name_key``."""
    if name in PLAIN:
        return KeyedTable((FOLDER / f"{name}.tsv").read_bytes())
    return KeyedTable(gzip.decompress((FOLDER / f"{name}.tsv.gz").read_bytes()))


def name_key(name: str) -> str:
    """Reduce a name to the form in which the tables have it: folded, without brackets, commas and hyphens."""
    return name.casefold().translate(_IN_KEYS).strip()


_IN_KEYS = str.maketrans({"’": "'", "-": " ", "(": None, ")": None, ",": None})
