"""The four tables of a lake: their columns, and what one row of the ledger says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache

import pyarrow as pa

from polydoc_analytics.model.schema import NAMES, arrow_schema

FORMAT_VERSION = 1
TABLES = ("runs", "history", "quarantine", "loads")
_INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of ``loads``: what a load did, and the versions of the other tables that make up the lake after it.

    ``kind`` is ingest, sync, compact, erase, readmit or repair; ``number`` counts them from 1; ``load`` names the rows
    that it brought.
    ``content_hash`` is the SHA-256 of a file's bytes, and of how they were read where that was not as usual; of an
    erasure, that of the lake's key of erased accounts.
    read = inserted + updated + unchanged + duplicates + quarantined + erased. ``new_quarantined`` of the quarantined
    rows were not in the quarantine before. ``runs`` is how many the lake holds after it, ``created_low`` to
    ``finished_high`` bound their instants (µs since 1970 UTC), ``languages`` are all their target languages as sent.
    """

    number: int
    load: str
    kind: str
    source: str
    content_hash: str | None
    content_bytes: int | None
    is_authority: bool
    started_at: datetime
    committed_at: datetime
    read: int
    inserted: int
    updated: int
    unchanged: int
    duplicates: int
    quarantined: int
    new_quarantined: int
    conflicts: int
    runs: int
    runs_version: int
    history_version: int
    quarantine_version: int
    created_low: int | None
    created_high: int | None
    finished_low: int | None
    finished_high: int | None
    languages: list[str]
    detail: str | None
    tool_version: str
    format_version: int

    @property
    def erased(self) -> int:
        """How many of the rows that were read were refused, for their account was erased."""
        return self.read - self.inserted - self.updated - self.unchanged - self.duplicates - self.quarantined

    def version_of(self, table: str) -> int:
        """Return the version of a table that this row pins."""
        return int(getattr(self, f"{table}_version"))


_TYPES = {
    "int": pa.int64(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "datetime": _INSTANT,
    "list[str]": pa.list_(pa.string()),
}


@cache
def table_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a table of the lake."""
    text = pa.string()
    if table == "runs":
        return arrow_schema().append(pa.field("load", text, nullable=False))
    if table == "history":
        added = [
            pa.field("load", text, nullable=False),
            pa.field("superseded_by", text, nullable=False),
            pa.field("is_corrected", pa.bool_(), nullable=False),
        ]
        return pa.schema([*arrow_schema(), *added])
    if table == "quarantine":
        names = {"load": text, "source": text, "line": pa.int64(), "reason": text, "raw": text}
        required = [pa.field(name, kind, nullable=False) for name, kind in names.items()]
        return pa.schema([*required, pa.field("header", text)])
    columns = []
    for field in fields(LedgerRow):
        kind, _, null = str(field.type).partition(" | ")
        columns.append(pa.field(field.name, _TYPES[kind], nullable=bool(null)))
    return pa.schema(columns)


RUN_COLUMNS = ", ".join(NAMES)
