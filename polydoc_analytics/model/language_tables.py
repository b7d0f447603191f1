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
    *("english_names", "own_names", "prefixes", "macrolanguages", "regions", "spoken"),
)
"""The tables: code by name, in English (en) or in any language (und); names by code; and parts of the registry."""


@lru_cache(maxsize=len(TABLES))
def table(name: str) -> dict[str, str]:
    """Read one of TABLES, once; names are keys in the form of ``name_key``."""
    text = gzip.decompress((FOLDER / f"{name}.tsv.gz").read_bytes()).decode("utf-8")
    return dict(line.split("\t") for line in text.split("\n") if line)


def name_key(name: str) -> str:
    """Reduce a name to the form in which the tables have it: folded, without brackets, commas and hyphens."""
    return name.casefold().translate(_IN_KEYS).strip()


_IN_KEYS = str.maketrans({"’": "'", "-": " ", "(": None, ")": None, ",": None})
