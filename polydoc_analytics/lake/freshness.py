"""How fresh a source is: by what it has brought into the lake, not by when it was last asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from polydoc_analytics.lake.changes import connection
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.ledger import Ledger
from polydoc_analytics.lake.schemas import LedgerRow
from polydoc_analytics.model.epoch import from_us, to_us
from polydoc_analytics.model.sql_names import quoted


@dataclass(frozen=True, slots=True)
class Brought:
    """The freshness of a source: its newest instant, newest file, and when its newest new row came, all UTC.

    Each is None where there is none.
    """

    instant: datetime | None = None
    file_at: datetime | None = None
    row_at: datetime | None = None

    @property
    def newest(self) -> datetime | None:
        """The latest of all that it has brought."""
        return max(filter(None, (self.instant, self.file_at, self.row_at)), default=None)

    def reaches(self, until: datetime) -> bool:
        """Check whether it has brought something from an instant on."""
        return self.newest is not None and self.newest >= until

    def __str__(self) -> str:
        """Say what is the newest of each."""
        known = (("newest instant", self.instant), ("newest file", self.file_at), ("newest new row", self.row_at))
        return ", ".join(f"{what} {at:%Y-%m-%d %H:%M} UTC" for what, at in known if at) or "nothing yet"


def brought(lake: Lake, name: str, now: datetime) -> Brought:
    """Measure the freshness of a source of the settings at an instant.

    Instants are those at which its runs were created or finished, as they stand in the lake; one that lies after the
    load that brought it is a wrong clock, and does not count. Of a source of files the newest file counts, by the time
    at which it was changed, and not when its rows came: an old file that is found late brings nothing fresh.
    """
    state = lake.source_state(name)
    file_at = datetime.fromisoformat(state["newest_file_at"]) if state.get("newest_file_at") else None
    loads = [row for row in Ledger(lake.place).rows if row.source == name and row.inserted + row.updated]
    came = [row.committed_at for row in loads if row.committed_at <= now]
    return Brought(
        _newest_instant(lake, loads),
        file_at if file_at and file_at <= now else None,
        max(came, default=None) if state.get("kind") != "files" else None,
    )


def _newest_instant(lake: Lake, loads: list[LedgerRow]) -> datetime | None:
    if not loads:
        return None
    snapshot = lake.snapshot()
    came = ", ".join(f"({quoted(row.load)}, {to_us(row.committed_at)})" for row in loads)
    sql = f"""
        with came(load, at_us) as (values {came})
        select max(greatest(
            case when epoch_us(created_at) <= at_us then epoch_us(created_at) end,
            case when epoch_us(finished_at) <= at_us then epoch_us(finished_at) end
        ))
        from {snapshot.relation} join came using (load)"""
    with connection(Path()) as con:
        lake.place.prepare(con)
        [(found,)] = con.sql(sql).fetchall()
    return None if found is None else from_us(found).astimezone(loads[0].committed_at.tzinfo)
