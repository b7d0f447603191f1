"""How a lake is: what it holds, whether it is whole, how fresh its sources are, what is in doubt, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import LakeError, first_line
from polydoc_analytics.ingest.pipeline import scratch
from polydoc_analytics.ingest.quarantine import rows_by_reason
from polydoc_analytics.lake.changes import connection
from polydoc_analytics.lake.delta_table import FormatError
from polydoc_analytics.lake.freshness import brought
from polydoc_analytics.lake.lake import Lake
from polydoc_analytics.lake.maintenance import MANY_FILES
from polydoc_analytics.lake.snapshot import Snapshot
from polydoc_analytics.model.epoch import from_us
from polydoc_analytics.model.plurals import counted, duration
from polydoc_analytics.model.schema import TEXTS

if TYPE_CHECKING:
    import polars as pl

RUNNING_TOO_LONG = timedelta(hours=24)
SILENT_TOO_LONG = timedelta(days=2)
_ORDER = {"bad": 0, "doubt": 1, "good": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know of a lake: whether it is ``good``, ``doubt`` or ``bad``, what it is, and what to do."""

    level: str
    what: str
    do: str = ""


@dataclass(frozen=True)
class Examination:
    """The result of :func:`examine`: the lake's figures by name, tables of detail, and findings, worst first."""

    figures: dict[str, Any]
    sections: dict[str, list[dict[str, Any]]]
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Check whether nothing is damaged."""
        return all(finding.level != "bad" for finding in self.findings)

    def with_findings(self, findings: Sequence[Finding]) -> Examination:
        """Add findings, and keep the worst first."""
        return replace(self, findings=sorted([*self.findings, *findings], key=lambda finding: _ORDER[finding.level]))


def examine(lake: Lake, sources: Mapping[str, str] | None = None, now: datetime | None = None) -> Examination:
    """Examine a lake, and the sources that the configuration names; nothing is changed.

    A run is Running for too long after 24 hours, a source silent for too long after two days. Raises LakeError where
    there is no lake at all.
    """
    now = now or datetime.now(UTC)
    try:
        snapshot = lake.snapshot()
        if changed := lake.changed_files():
            return _damaged(lake, f"{lake.place.shown}/{changed[0]}: is not as it was written, its checksum differs")
        superseded, rejected = lake.history(), lake.quarantine()
    except LakeError as error:
        if not lake.exists or isinstance(error, FormatError):
            raise
        return _damaged(lake, str(error))
    row = snapshot.row
    findings = [Finding("good", "every file that the newest load pins is there and whole, and as it was written")]
    findings += _of_texts(snapshot)
    findings += _of_files(lake)
    running, running_findings = _running(lake, now)
    states, source_findings = _sources(lake, sources or {}, now)
    reasons = _by_reason(rejected)
    findings += running_findings + source_findings
    if reasons:
        rows = sum(int(reason["rows"]) for reason in reasons)
        findings.append(
            Finding(
                "doubt",
                f"{counted(rows, 'row is', 'rows are')} in quarantine",
                "`polydoc-analytics lake quarantine --out FILE`, mend that file, and ingest it",
            )
        )
    refused, refused_findings = _refused(lake)
    findings += refused_findings
    loads = lake.loads()
    conflicts = int(loads["conflicts"].sum())
    if conflicts:
        findings.append(
            Finding(
                "doubt",
                f"{counted(conflicts, 'conflict')}: runs seen finished in more than one way",
                "look at the history; `ingest --correct` or `sync` sets the right state",
            )
        )
    figures = {
        "lake": lake.place.shown,
        "snapshot": snapshot.text,
        "runs": row.runs if row else 0,
        "loads": loads.height,
        "superseded_states": superseded.height,
        "quarantined_rows": sum(int(reason["rows"]) for reason in reasons),
        "created_from": _instant(row.created_low) if row else None,
        "created_to": _instant(row.created_high) if row else None,
        "data_files": len(snapshot.files),
    }
    sections = {
        "sources": states,
        "quarantine_by_reason": reasons,
        "running_too_long": running,
        "erased_accounts": refused,
    }
    return Examination(figures, sections).with_findings(findings)


def _damaged(lake: Lake, message: str) -> Examination:
    found = lake.damage()
    good = f"load {found.good.number} is the last that is whole" if found.good else "no load is whole"
    lost = ", ".join(f"{row.number} ({row.source})" for row in found.lost) or "none"
    if found.gone:
        lost += "; rows in damaged files: " + ", ".join(f"{rows:,} of {name}" for name, rows in found.gone.items())
    if found.taken:
        lost += "; found in files of another writer: "
        lost += ", ".join(f"{rows:,} of {name}" for name, rows in found.taken.items())
    if found.forgotten:
        lost += f"; no longer known is what {counted(len(found.forgotten), 'load')} did, be it an erasure"
    what = message.partition("; `polydoc-analytics")[0]
    way_back = f"`polydoc-analytics lake repair --lake {lake.place.shown} --run`"
    finding = Finding("bad", what, f"{way_back}; {good}; sources to be loaded again after it: {lost}")
    rows = [{"file": name} for name in (*found.entries, *found.files)]
    return Examination({"lake": lake.place.shown}, {"damaged": rows}, [finding])


def _of_texts(snapshot: Snapshot) -> list[Finding]:
    """Read every text of the runs: a lake filled by an older version may hold some that is not UTF-8."""
    import duckdb

    if not snapshot.files:
        return []
    hashes = ", ".join(f"max(hash({name}))" for name in TEXTS)
    with scratch() as work, connection(work) as con:
        snapshot.place.prepare(con)
        try:
            con.execute(f"select {hashes} from (select {snapshot.columns} from {snapshot.relation})")
        except duckdb.Error as error:
            what = f"the runs cannot be read: {first_line(error)}"
            return [Finding("bad", what, "load the sources again, into a new lake")]
    return []


def _of_files(lake: Lake) -> list[Finding]:
    small = lake.plan_compaction().small
    many = {name: len(files) for name, files in small.items() if len(files) > MANY_FILES}
    return [
        Finding("doubt", f"{name} is in {count} small files", "`polydoc-analytics lake compact --run`")
        for name, count in many.items()
    ]


def _refused(lake: Lake) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the erased accounts as the ledger records them, and what is to be said of them."""
    try:
        refusing = lake.refused_accounts()
    except LakeError as error:  # the tables are whole, so it is the key of the hashes
        what, _, way_back = str(error).partition("; ")
        return [], [Finding("bad", what, way_back)]
    rows = [
        {"account": name, "erased_at": f"{row.committed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", "load": row.number}
        for name, row in refusing.erasures.items()
    ]
    if not rows:
        return [], []
    said = f"{counted(len(rows), 'account')} erased, whose rows are refused"
    findings = [Finding("good", said, "`polydoc-analytics lake readmit --account A` lets one in again")]
    if back := [account for account in lake.accounts() if refusing.holds(account)]:
        what = f"{counted(len(back), 'erased account has', 'erased accounts have')} runs in the lake: {', '.join(back)}"
        findings.append(Finding("doubt", what, "`polydoc-analytics lake erase --run` once more, or `lake readmit`"))
    return rows, findings


def _running(lake: Lake, now: datetime) -> tuple[list[dict[str, Any]], list[Finding]]:
    before = now - RUNNING_TOO_LONG
    rows = lake.running(before)
    if not rows:
        return [], []
    runs = counted(len(rows), "run is", "runs are")
    what = f"{runs} Running for more than {duration(RUNNING_TOO_LONG)}"
    return rows[:20], [Finding("doubt", what, "sync the source that knows how they ended")]


def _sources(lake: Lake, sources: Mapping[str, str], now: datetime) -> tuple[list[dict[str, Any]], list[Finding]]:
    states, findings = [], []
    for name in sorted({*sources, *lake.source_names()}):
        state = lake.source_state(name)
        last = datetime.fromisoformat(state["last_success_at"]) if state.get("last_success_at") else None
        said = None if last is None else f"{last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        states.append(
            {
                "source": name,
                "kind": state.get("kind") or sources.get(name),
                "last_success_at": said,
                "cursor": _cursor_text(state.get("cursor")),
                "last_error": state.get("last_error"),
            }
        )
        if state.get("last_error"):
            what = f"source {name} could not be read the last time: {state['last_error']}"
            findings.append(Finding("doubt", what, f"see to that, and `polydoc-analytics sync {name}`"))
        elif last is None:
            findings.append(Finding("doubt", f"source {name} was never synced", f"`polydoc-analytics sync {name}`"))
        elif now - last > SILENT_TOO_LONG:
            findings.append(
                Finding("doubt", f"source {name} has been silent since {said}", f"`polydoc-analytics sync {name}`")
            )
        elif (fresh := brought(lake, name, now)).newest is None or now - fresh.newest > SILENT_TOO_LONG:
            what = f"source {name} is synced, and brings nothing new: {fresh}"
            findings.append(Finding("doubt", what, "see whether what writes it still does"))
    return states, findings


def _cursor_text(cursor: Any) -> str | None:
    if not cursor:
        return None
    if "files" in cursor:
        return counted(len(cursor["files"]), "file")
    return ", ".join(str(value).replace("+00:00", "Z") for value in cursor.values())


def _by_reason(rejected: pl.DataFrame) -> list[dict[str, Any]]:
    return rows_by_reason(rejected).to_dicts()


def _instant(us: int | None) -> str | None:
    return None if us is None else from_us(us).isoformat().replace("+00:00", "Z")
