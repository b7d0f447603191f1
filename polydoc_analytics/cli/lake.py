"""The commands over a lake: load into it, look at it, keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.root import app
from polydoc_analytics.cli.shared import one_or_many, print_json, print_plain, say_passed_over
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.plurals import counted, noun

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.config.settings import Settings
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.lake.load import LoadResult

lake_app = typer.Typer(
    help="Look at a lake, keep it, and find the way back.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(lake_app, name="lake")

LakeUri = Annotated[
    str | None,
    typer.Option("--lake", metavar="LAKE", help="The lake's folder or URI; default: `lake` of the settings."),
]
Run = Annotated[bool, typer.Option("--run", help="Do it; without this flag only what would be done is said.")]


@app.command()
def ingest(
    source: opt.Source,
    lake: LakeUri = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="The source is the authority: its runs replace what is stored.")
    ] = False,
    input_format: opt.InputFormat = None,
    assume_utc: opt.AssumeUtc = False,
    partial: opt.Partial = False,
    strict: opt.Strict = False,
    quarantine: opt.Quarantine = None,
    engine: Annotated[
        str, typer.Option("--engine", help="duckdb, or spark for folders that `export` wrote, of any size.")
    ] = "duckdb",
    remote: opt.Remote = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Load a source into the lake: all of it, or nothing where it fails. Loading twice changes nothing.

    Example: polydoc-analytics ingest exports/ --lake lake
    """
    out = opt.output(json, False, False, quiet, no_color)
    found = opt.configured(config)
    target = opened_lake(lake, found, out)
    with opt.progress(out) as update:
        result = target.ingest(
            one_or_many(source),
            correct=correct,
            input_format=input_format,
            assume_utc=assume_utc,
            partial=partial,
            strict=strict,
            quarantine_to=quarantine,
            progress=update,
            engine=engine,
            remote=remote or (found.remote if engine == "spark" else None),
        )
    report_load(out, target, result, "ingest")


@lake_app.command()
def history(
    lake: LakeUri = None,
    top: opt.Top = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    markdown: opt.Markdown = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """List the loads, the newest first: what each brought, and what was known as of it (--as-of NUMBER)."""
    out = opt.output(json, csv, markdown, False, no_color)
    target = opened_lake(lake, opt.configured(config), out)
    loads = target.loads().sort("number", descending=True)
    shown = loads.head(top) if top else loads
    if out.format == "json":
        _print_rows("lake history", target, shown)
        return
    frame = _with_text_alone(shown) if csv else _for_people(shown)
    _print_frame(frame, out, f"Loads of {target.place.shown}, times in UTC")


@lake_app.command()
def quarantine(
    lake: LakeUri = None,
    to: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write the rows as NDJSON, to mend and ingest.")
    ] = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    markdown: opt.Markdown = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Show the rows that the loads rejected, or write them to a file that can be mended and ingested."""
    from polydoc_analytics.ingest.quarantine import write_rejected

    out = opt.output(json, csv, markdown, False, no_color)
    target = opened_lake(lake, opt.configured(config), out)
    rows = target.quarantine()
    if to is not None:
        write_rejected(to, rows.drop("load").iter_rows(named=True))
        out.say(f"{to}: {counted(rows.height, 'row')}")
    elif out.format == "json":
        _print_rows("lake quarantine", target, rows)
    else:
        numbers = target.loads().select("load", "number")
        shown = rows.join(numbers, on="load", how="left", maintain_order="left")
        _print_frame(
            shown.select("source", "line", "reason", load="number"), out, f"Quarantine of {target.place.shown}"
        )


@lake_app.command()
def compact(
    lake: LakeUri = None,
    run: Run = False,
    retention: Annotated[
        int, typer.Option("--retention", metavar="DAYS", help="Keep files that older snapshots need for so many days.")
    ] = 7,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Put small files together, sorted by created_at, and remove what no snapshot needs. No figure changes."""
    out = opt.output(False, False, False, False, no_color)
    target = opened_lake(lake, opt.configured(config), out)
    done = target.compact(retention) if run else target.upkeep(retention)
    verb = "" if run else "would be "
    for name, files in done.small.items():
        if files:
            print(f"{name}: {counted(len(files), 'small file')} {verb}put together")
    if done.left_over:
        left_over = counted(len(done.left_over), "file")
        print(f"{left_over} {verb}removed; no snapshot of the last {retention} days needs what goes")
    if not done.is_needed:
        print("nothing to do")
    elif not run:
        out.say("nothing was changed; add --run to do it")


@lake_app.command()
def erase(
    account: Annotated[str, typer.Option("--account", help="The account id.", show_default=False)],
    lake: LakeUri = None,
    run: Run = False,
    keep_documents: Annotated[
        bool, typer.Option("--keep-documents", help="Keep the documents that schedules made for this account alone.")
    ] = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Remove an account everywhere in the lake's folder, and refuse its rows from then on.

    Its runs, history, quarantined rows, names of files, old files and what schedules remember of it go; the ledger
    records that it was done. `lake readmit` lets the account in again.
    """
    from polydoc_analytics.automation.schedule.jobs import documents_of
    from polydoc_analytics.query.database import connect

    out = opt.output(False, False, False, False, no_color)
    target = opened_lake(lake, opt.configured(config), out)
    if not run:
        with connect(target, account=account) as db:
            runs = db.view("usage")["runs"][0]
        print(f"runs of this account that would be erased, with their history and quarantined rows: {runs:,}")
        out.say("nothing was changed; add --run to do it, for good")
        return
    documents = documents_of(target, account) if target.exists else []
    row = target.erase(account, keep_documents=keep_documents)
    print("the lake holds nothing of this account" if row is None else f"load {row.number}: {row.detail}")
    if documents and not keep_documents:
        print(f"{counted(len(documents), 'document')} of this account {noun(len(documents), 'was', 'were')} removed")
    elif documents:
        out.warn(
            f"{counted(len(documents), 'document')} of this account {noun(len(documents), 'is', 'are')} kept, as "
            "evidence of what was sent; remove what must go too: "
            f"{', '.join(documents[:5])}{' …' if documents[5:] else ''}"
        )


@lake_app.command()
def readmit(
    account: Annotated[str, typer.Option("--account", help="The account id.", show_default=False)],
    lake: LakeUri = None,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Let an erased account in again: from the next load on its rows are no longer refused. `doctor` lists them."""
    out = opt.output(False, False, False, False, no_color)
    row = opened_lake(lake, opt.configured(config), out).readmit(account)
    if row is None:
        print("this account is not refused")
    else:
        print(f"load {row.number}: rows of this account are let in again; load its sources to bring them back")


@lake_app.command()
def repair(
    lake: LakeUri = None,
    run: Run = False,
    config: opt.Config = None,
    no_color: opt.NoColor = False,
) -> None:
    """Go back from damage to what is whole, and say what was lost. Damaged log entries are put aside, not deleted."""
    out = opt.output(False, False, False, False, no_color)
    target = opened_lake(lake, opt.configured(config), out)
    found = target.repair() if run else target.damage()
    for name in (*found.entries, *found.files):
        print(f"damaged: {name}")
    if not found.is_needed:
        print("nothing is damaged")
        return
    good = f"load {found.good.number}" if found.good else "the empty lake"
    print(f"{'went' if run else 'would go'} back to {good}")
    for name, rows in found.gone.items():
        print(f"{'taken' if run else 'to be taken'} out with their files: {counted(rows, 'row')} of {name}")
    for name, rows in found.taken.items():
        print(f"{'taken' if run else 'to be taken'} in from files of another writer: {counted(rows, 'row')} of {name}")
    for row in reversed(found.lost):
        print(f"to be loaded again: {row.source} (load {row.number}, {row.committed_at:%Y-%m-%d %H:%M} UTC)")
    if not run:
        out.say("nothing was changed; add --run to do it")


@app.command()
def doctor(
    lake: LakeUri = None,
    json: opt.Json = False,
    config: opt.Config = None,
    now: opt.Now = None,
    no_color: opt.NoColor = False,
) -> int:
    """Say what the lake holds, how it and its sources are, what is in doubt, and what to do. Exits with 1 on damage."""
    import polars as pl

    from polydoc_analytics.cli.tables import json_value, terminal_table, two_columns
    from polydoc_analytics.lake.doctor import examine

    out = opt.output(json, False, False, False, no_color)
    settings = opt.configured(config)
    found = examine(opened_lake(lake, settings, out), settings.sources, opt.parsed_now(now))
    if out.format == "json":
        findings = [{"level": one.level, "what": one.what, "do": one.do} for one in found.findings]
        parts = [{"name": name, "data": json_value(rows)} for name, rows in found.sections.items()]
        sections = [{"name": "lake", "data": [found.figures]}, {"name": "findings", "data": findings}, *parts]
        print_json({"schema_version": 1, "report": "doctor", "sections": sections})
        return 0 if found.is_whole else 1
    figures = {name.replace("_", " "): value for name, value in found.figures.items()}
    tables = [two_columns("What the lake holds", figures, out.width)]
    for name, rows in found.sections.items():
        if rows:
            frame = pl.DataFrame(rows, infer_schema_length=None)
            tables.append(terminal_table(frame, title=name.replace("_", " ").capitalize(), width=out.width))
    print("\n\n".join(tables) + "\n")
    marks = {"good": "ok   ", "doubt": "look ", "bad": "BAD  "}
    for finding in found.findings:
        print(f"{marks[finding.level]} {finding.what}" + (f"\n      → {finding.do}" if finding.do else ""))
    return 0 if found.is_whole else 1


def opened_lake(uri: str | None, settings: Settings, out: opt.Output, *, must_exist: bool = False) -> Lake:
    """Open the lake that a flag or the settings name; raises UsageError where neither does.

    With ``must_exist`` raises LakeError where there is none, for commands that must never make one.
    """
    from polydoc_analytics.lake.lake import Lake

    uri = uri or settings.lake
    if not uri:
        raise UsageError("which lake? pass --lake LAKE, or set `lake` in polydoc-analytics.toml")
    lake = Lake(uri, talk=out.say)
    if must_exist:
        lake.raise_if_none()
    return lake


def report_load(out: opt.Output, lake: Lake, result: LoadResult, report: str) -> None:
    """Say how a load accounts for its rows."""
    if out.format == "json":
        head = {"schema_version": 1, "report": report, "lake": lake.place.shown, "snapshot": result.snapshot}
        named = {"load": result.load, "number": result.number}
        print_json(head | {"counts": dict(result), "data": [named | dict(result)]})
    names = ["inserted", "updated", "unchanged", "duplicates", "quarantined"]
    names += ["erased"] if result.erased else []
    parts = (f"{result[name]:,} {noun(result[name], 'duplicate') if name == 'duplicates' else name}" for name in names)
    text = f"{counted(result.read, 'row')} read: {', '.join(parts)}"
    out.say(text + (f", {result.conflicts:,} in conflict" if result.conflicts else ""))
    if result.rejection:
        out.warn(result.rejection)
    say_passed_over(out, result.passed_over)
    done = (
        f"load {result.number} is on the disk"
        if result.number
        else f"nothing changed, the lake is at {result.snapshot}"
    )
    out.say(f"{lake.place.shown}: {done}")


def _with_text_alone(loads: pl.DataFrame) -> pl.DataFrame:
    """Return the ledger with its languages, a list, as one text, for CSV knows no lists."""
    import polars as pl

    return loads.with_columns(pl.col("languages").list.join(", "))


def _for_people(loads: pl.DataFrame) -> pl.DataFrame:
    """Arrange the ledger for a table: what each load brought, or what else was done, first."""
    import polars as pl

    return loads.select(
        load="number",
        committed=pl.col("committed_at").dt.strftime("%Y-%m-%d %H:%M"),
        kind="kind",
        source=pl.coalesce("detail", "source"),
        runs="runs",
        read="read",
        inserted="inserted",
        updated="updated",
        quarantined="quarantined",
        conflicts="conflicts",
        unchanged="unchanged",
        duplicates="duplicates",
    )


def _print_rows(report: str, lake: Lake, frame: pl.DataFrame) -> None:
    from polydoc_analytics.cli.tables import json_rows

    print_json({"schema_version": 1, "report": report, "lake": lake.place.shown, "data": json_rows(frame)})


def _print_frame(frame: pl.DataFrame, out: opt.Output, title: str) -> None:
    from polydoc_analytics.cli.tables import terminal_table

    if out.format == "table":
        print(terminal_table(frame, title=title, width=out.width))
    else:
        print_plain(frame, out)
