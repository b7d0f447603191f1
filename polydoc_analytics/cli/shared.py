"""Helpers of all commands: connecting to a source, printing the accounting of its rows, and output."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import Output, progress
from polydoc_analytics.cli.terminal import print_exact
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.plurals import counted, noun
from polydoc_analytics.safe_text import display_address, json_escaped, on_one_line

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.config.choices import DateBasis
    from polydoc_analytics.config.settings import Settings
    from polydoc_analytics.ingest.results import Counts
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.lake.resolve import Source
    from polydoc_analytics.loaders.recognition import PassedOver
    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.row_table import RowTable

_ROWS_AT_A_TIME = 50_000
_MIN_BEGINNING = 8


def one_or_many(source: Sequence[str]) -> str | list[str]:
    """Unpack the sources of a command line for `connect` and `export`: one as it is, several as a list."""
    return source[0] if len(source) == 1 else list(source)


def source_or_default(source: Sequence[str] | None, settings: Settings, out: Output) -> Sequence[str]:
    """Fall back to the lake of the settings, or to their only source, and say so; raises UsageError without either."""
    if source:
        return source
    if settings.lake:
        out.say(f"source: {display_address(settings.lake)}, the lake of the settings")
        return [settings.lake]
    if len(settings.sources) == 1:
        [name] = settings.sources
        out.say(f"source: {name}, the only one of the settings")
        return [name]
    names = f"one of {', '.join(settings.sources)}" if settings.sources else "a file, folder or lake"
    raise UsageError(f"Missing argument 'SOURCE'; give {names}, or set `lake` in polydoc-analytics.toml")


def connected(
    source: Sequence[str] | Source | None,
    out: Output,
    settings: Settings,
    *,
    choice: opt.Choice,
    reading: opt.Reading,
    watched: Output | None = None,
    **arguments: Any,
) -> Database:
    """Connect to a source with the flags' arguments, and print how its rows were accounted for.

    ``watched`` is the output of progress and warnings where ``out`` is silent.
    """
    from polydoc_analytics.query.connect import connect

    if source is None or isinstance(source, Sequence):
        source = source_or_default(source, settings, watched or out)
    with progress(watched or out) as update:
        db = connect(
            one_or_many(source) if isinstance(source, Sequence) else source,
            timezone=settings.timezone,
            date_basis=cast("DateBasis", settings.date_basis),
            since=choice.since,
            until=choice.until,
            last=choice.last,
            period=choice.period,
            account=choice.account or None,
            language=choice.language or None,
            match="named" if choice.allow_empty else "typed",
            as_of=choice.as_of,
            now=opt.parsed_now(choice.now),
            accounts=settings.accounts,
            input_format=reading.input_format,
            assume_utc=reading.assume_utc,
            partial=reading.partial,
            strict=isinstance(reading, opt.StrictReading) and reading.strict,
            quarantine_to=reading.quarantine,
            progress=update,
            **arguments,
        )
    say_counts(out, db.counts, db.rejection, db.snapshot)
    say_passed_over(watched or out, db.passed_over)
    _say_filters(watched or out, choice, db)
    if undated := db.runs_without_date:
        are = noun(undated, "is", "are")
        out.warn(f"{counted(undated, 'run')} without finished_at {are} left out of every figure")
    return db


def _say_filters(out: Output, choice: opt.Choice, db: Database) -> None:
    """Print the accounts and languages that the filters were resolved to, where they were typed otherwise."""
    for typed, name, found in (
        (choice.account, "account", db.filters.accounts),
        (choice.language, "language", db.filters.languages),
    ):
        if typed and set(typed) != set(found):
            out.say(f"{name}: {', '.join(map(on_one_line, found))}")


def opened_lake(uri: str | None, settings: Settings, out: Output, *, must_exist: bool = False) -> Lake:
    """Open the lake that a flag or the settings name; raises UsageError where neither does.

    With ``must_exist`` raises LakeError where there is none, for commands that must never make one.
    """
    from polydoc_analytics.lake.lake import Lake

    uri = uri or settings.lake
    if not uri:
        raise UsageError("which lake? pass --lake LAKE, or set `lake` in polydoc-analytics.toml")
    lake = Lake(uri, notify=out.say)
    if must_exist:
        lake.raise_if_none()
    return lake


def say_counts(out: Output, counts: Counts, rejection: str, snapshot: str | None = None) -> None:
    """Print how rows were accounted for and which were rejected; of a lake, its runs and the load."""
    if snapshot is not None:
        out.say(f"{counted(counts.runs, 'run')} as of {snapshot}")
        return
    parts = [counted(counts.runs, "run"), counted(counts.duplicates, "duplicate")]
    parts += [f"{counts.quarantined:,} quarantined"]
    if counts.conflicts:
        parts.append(f"{counts.conflicts:,} in conflict")
    out.say(f"{counted(counts.read, 'row')} read: {', '.join(parts)}")
    if rejection:
        out.warn(rejection)


def say_passed_over(out: Output, files: Iterable[PassedOver]) -> None:
    """Print the files of a folder that were not read, with the reasons."""
    from polydoc_analytics.loaders.files import passed_over_text

    if text := passed_over_text(files):
        out.warn(text)


def as_of_text(db: Database) -> str:
    """Format the load that a lake's figures are as of, for titles."""
    return "" if db.snapshot is None else f", as of {db.snapshot.partition(' (')[0]}"


def envelope(
    report: str,
    db: Database,
    frame: RowTable | pl.DataFrame | None,
    *,
    truncated: bool = False,
    sections: Mapping[str, RowTable | pl.DataFrame] | None = None,
) -> dict[str, Any]:
    """Build the JSON envelope of a frame, or of several as sections."""
    from polydoc_analytics.cli.json_values import instant_text, json_rows

    since, until = db.interval.since, db.interval.until
    content: dict[str, Any] = {
        "schema_version": 1,
        "report": report,
        "timezone": db.timezone,
        "since": instant_text(since) if since else None,
        "until": instant_text(until) if until else None,
        "date_basis": db.date_basis,
        "snapshot": db.snapshot,
        "filters": _filters(db),
        "counts": dict(db.counts),
        "truncated": truncated,
    }
    if frame is not None:
        content["data"] = json_rows(frame)
    if sections is not None:
        content["sections"] = [{"name": name, "data": json_rows(part)} for name, part in sections.items()]
    return content


def _filters(db: Database) -> dict[str, list[str]]:
    filters = {"account": list(db.filters.accounts), "language": list(db.filters.languages)}
    without = list(db.filters.without_accounts)
    return filters | ({"without_account": without} if without else {})


def print_json(content: Mapping[str, Any]) -> None:
    """Print JSON and nothing else."""
    print_exact(json_escaped(json.dumps(content, ensure_ascii=False, indent=1)) + "\n")


def print_json_rows(content: Mapping[str, Any], frame: pl.DataFrame) -> None:
    """Print an envelope as :func:`print_json` does, with a frame's rows as its data, some rows at a time."""
    from polydoc_analytics.cli.json_values import json_rows

    head, _, end = json.dumps({**content, "data": []}, ensure_ascii=False, indent=1).rpartition("]")
    print_exact(json_escaped(head))
    comma = ""
    for part in frame.iter_slices(_ROWS_AT_A_TIME):
        rows = json.dumps(json_rows(part), ensure_ascii=False, indent=1)[1:-2]
        print_exact(json_escaped(comma + rows.replace("\n", "\n ")))
        comma = ","
    print_exact(("\n ]" if frame.height else "]") + json_escaped(end) + "\n")


def print_plain(frame: pl.DataFrame, out: Output) -> None:
    """Print a frame as CSV or Markdown."""
    from polydoc_analytics.cli.tables import csv_text, markdown_table

    if out.format != "csv":
        print_exact(markdown_table(frame) + "\n")
        return
    print_exact(csv_text(frame[:_ROWS_AT_A_TIME]))
    for part in frame[_ROWS_AT_A_TIME:].iter_slices(_ROWS_AT_A_TIME):
        print_exact(csv_text(part, with_header=False))


def print_frame(frame: RowTable | pl.DataFrame, out: Output, title: str, **arguments: Any) -> None:
    """Print a frame as a terminal table, CSV or Markdown; rows without Polars are for a terminal alone."""
    if out.format == "table":
        out.table(frame, title=title, **arguments)
    else:
        print_plain(cast("pl.DataFrame", frame), out)


def with_short_accounts(table: RowTable | pl.DataFrame, db: Database) -> RowTable:
    """Show accounts of a database in short, see :func:`short_accounts`."""
    return short_accounts(table, db.account_names, db.account_ids)


def short_accounts(
    table: RowTable | pl.DataFrame, names: Mapping[str, str], account_ids: Callable[[], Sequence[str]]
) -> RowTable:
    """Show accounts by their names, or by the shortest beginnings of ids that are unique among the runs.

    The column of names goes; a name that several accounts have is followed by its account's id.
    """
    from polydoc_analytics.query.row_table import RowTable

    table = RowTable.of(table)
    if "account_id" not in table.columns:
        return table
    many = {name for name, owners in Counter(names.values()).items() if owners > 1}
    ids = [account for account in dict.fromkeys(table["account_id"]) if account not in names or names[account] in many]
    short = _beginnings(account_ids()) if any(len(account) > _MIN_BEGINNING for account in ids) else {}
    texts = {account: short.get(account, account) for account in ids}
    texts = {account: f"{names[account]} ({text})" if account in names else text for account, text in texts.items()}
    values = [account and (texts.get(account) or names[account]) for account in table["account_id"]]
    return table.with_column("account_id", "text", values).drop("account_name")


def _beginnings(ids: Sequence[str]) -> dict[str, str]:
    """Find the shortest unique beginning of each id, of at least eight characters, with an ellipsis where it is cut."""
    ordered = sorted(ids)
    found = {}
    for before, each, after in zip(["", *ordered], ordered, [*ordered[1:], ""], strict=False):
        shared = max(_shared(each, before), _shared(each, after))
        length = max(shared + 1, _MIN_BEGINNING)
        found[each] = each if length >= len(each) - 1 else f"{each[:length]}…"
    return found


def _shared(text: str, other: str) -> int:
    """Count the characters with which two texts begin alike."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(text, other, strict=False))
    return sum(1 for _ in alike)


def named(frame: pl.DataFrame, db: Database) -> pl.DataFrame:
    """Put the names of accounts and languages beside their ids and tags."""
    import polars as pl

    for key, name, names in (
        ("account_id", "account_name", db.account_names),
        ("language", "language_name", db.language_names),
    ):
        if key in frame.columns and names:
            values = frame[key].map_elements(lambda value: names.get(value, ""), return_dtype=pl.String)  # noqa: B023
            frame = frame.insert_column(frame.columns.index(key) + 1, values.alias(name))
    return frame
