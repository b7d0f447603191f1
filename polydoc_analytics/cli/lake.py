"""The commands of a lake: its history and quarantine, compaction, erasure and repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import command, group
from polydoc_analytics.cli.shared import opened_lake, print_frame, print_json, short_accounts
from polydoc_analytics.errors import UsageError
from polydoc_analytics.model.plurals import counted, noun

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.config.settings import Settings
    from polydoc_analytics.lake.lake import Lake
    from polydoc_analytics.query.row_table import RowTable

lake_app = group("lake", "Look at a lake, keep it, and find the way back.")

_MAX_RUNS = 20
Run = Annotated[bool, typer.Option("--run", help="Do it; without this flag only print what would be done.")]


@command(lake_app)
def history(
    *,
    where: opt.LakeChoice,
    printing: opt.Printing,
    top: opt.Top = None,
) -> None:
    """List the loads, the newest first: what each brought, and what was known as of it (--as-of NUMBER).

    Example: polydoc-analytics lake history --lake lake

    Example: polydoc-analytics lake history --top 5 --json
    """
    out = output_of(printing)
    settings = opt.configured(where.config)
    out = replace(out, timezone=settings.timezone)
    target = opened_lake(where.lake, settings, out)
    loads = target.loads().sort("number", descending=True)
    loads = loads.head(top) if top else loads
    if out.format == "json":
        _print_rows("lake history", target, loads)
        return
    frame = _with_joined_languages(loads) if printing.csv else _for_people(loads)
    print_frame(frame, out, f"Loads of {target.place.shown}, times in {settings.timezone}")


@command(lake_app)
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A load (12), day (its end) or instant.")],
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="Another one; by default the newest load.", show_default=False)
    ] = None,
    *,
    where: opt.LakeChoice,
    printing: opt.Printing,
    timezone: opt.Timezone = None,
    top: opt.Top = None,
) -> None:
    """Show what changed between two states of the lake: figures by account and language, and which runs.

    JSON has both as sections, figures and runs; CSV has the figures alone.

    Example: polydoc-analytics lake diff 1 2 --lake lake

    Example: polydoc-analytics lake diff 2026-10-01 --json
    """
    out = output_of(printing)
    settings = opt.configured(where.config, timezone)
    target = opened_lake(where.lake, settings, out, must_exist=True)
    found = target.diff(before, after, settings.timezone)
    figures, runs = ((frame.head(top) if top else frame) for frame in (found.figures, found.runs))
    if out.format == "json":
        from polydoc_analytics.cli.json_values import json_rows

        head = {"schema_version": 1, "report": "lake diff", "lake": target.place.shown}
        is_truncated = (figures.height, runs.height) != (found.figures.height, found.runs.height)
        sections = [{"name": name, "data": json_rows(part)} for name, part in (("figures", figures), ("runs", runs))]
        states = {"before": found.before, "after": found.after, "truncated": is_truncated}
        print_json(head | states | {"sections": sections})
        return
    if out.format == "csv":
        out.say("runs are left out of CSV; --json has them")
        print_frame(figures, out, "")
        return
    shown = _account_names(target, settings) if out.format == "table" else lambda frame: frame
    print_frame(shown(figures), out, f"Changed figures from {_load_text(found.before)} to {_load_text(found.after)}")
    print()
    rows = runs if top else runs.head(_MAX_RUNS)
    print_frame(shown(rows), out, f"{counted(found.runs.height, 'run')} behind them", more="--json")
    if more := found.runs.height - rows.height:
        out.say(f"{counted(more, 'more run')}; --top N or --json have them")


def _account_names(lake: Lake, settings: Settings) -> Callable[[pl.DataFrame], RowTable | pl.DataFrame]:
    """Build what shows the accounts of a frame as other tables do: by name, or the beginning of the id."""
    from polydoc_analytics.config.settings import account_names

    names = {**lake.account_names(), **account_names(settings.accounts)}
    return lambda frame: short_accounts(frame, names, lambda: sorted({*lake.accounts(), *frame["account_id"]}))


def _load_text(snapshot: str) -> str:
    """Shorten a snapshot to the number of its load."""
    return snapshot.partition(" (")[0]


@command(lake_app)
def quarantine(
    *,
    where: opt.LakeChoice,
    printing: opt.Printing,
    file: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write the rows as NDJSON, to mend and ingest.")
    ] = None,
) -> None:
    """Show the rows that the loads rejected, or write them to a file that can be mended and ingested.

    Example: polydoc-analytics lake quarantine --lake lake

    Example: polydoc-analytics lake quarantine --out rejected.ndjson
    """
    from polydoc_analytics.ingest.quarantine import write_rejected

    out = output_of(printing)
    target = opened_lake(where.lake, opt.configured(where.config), out)
    rows = target.quarantine()
    if file is not None:
        if out.format != "table":
            raise UsageError(f"--out writes NDJSON, and --{out.format} prints; give one of them")
        write_rejected(file, rows.drop("load").iter_rows(named=True))
        out.say(f"{file}: {counted(rows.height, 'row')}")
    elif out.format == "json":
        _print_rows("lake quarantine", target, rows)
    else:
        numbers = target.loads().select("load", "number")
        numbered = rows.join(numbers, on="load", how="left", maintain_order="left")
        columns = numbered.select("source", "line", "reason", load="number")
        print_frame(columns, out, f"Quarantine of {target.place.shown}")


@command(lake_app)
def compact(
    *,
    where: opt.LakeChoice,
    printing: opt.Noticing,
    run: Run = False,
    retention: Annotated[
        int, typer.Option("--retention", metavar="DAYS", help="Keep files that older snapshots need for so many days.")
    ] = 7,
) -> None:
    """Put small files together, sorted by created_at, and remove what no snapshot needs. No figure changes.

    Example: polydoc-analytics lake compact --lake lake

    Example: polydoc-analytics lake compact --run --retention 30
    """
    out = output_of(printing)
    target = opened_lake(where.lake, opt.configured(where.config), out)
    plan = target.compact(retention) if run else target.plan_compaction(retention)
    verb = "" if run else "would be "
    for name, files in plan.small.items():
        if files:
            print(f"{name}: {counted(len(files), 'small file')} {verb}put together")
    if plan.left_over:
        left_over = counted(len(plan.left_over), "file")
        print(f"{left_over} {verb}removed; no snapshot of the last {retention} days needs what goes")
    if not plan.is_needed:
        print("nothing to do")
    elif not run:
        out.say("nothing was changed; add --run to do it")


@command(lake_app)
def erase(
    *,
    where: opt.LakeChoice,
    printing: opt.Noticing,
    account: Annotated[str, typer.Option("--account", metavar="ID", help="The account id.", show_default=False)],
    run: Run = False,
    keep_documents: Annotated[
        bool, typer.Option("--keep-documents", help="Keep the documents that schedules made for this account alone.")
    ] = False,
) -> None:
    """Remove an account everywhere in the lake's folder, and refuse its rows from then on.

    Its runs, history, quarantined rows, names of files, old files and what schedules remember of it go; the ledger
    records that it was done. `lake readmit` lets the account in again.

    Example: polydoc-analytics lake erase --account acme --lake lake

    Example: polydoc-analytics lake erase --account acme --run
    """
    from polydoc_analytics.automation.schedule.jobs import documents_of
    from polydoc_analytics.query.connect import connect

    out = output_of(printing)
    target = opened_lake(where.lake, opt.configured(where.config), out)
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


@command(lake_app)
def readmit(
    *,
    where: opt.LakeChoice,
    printing: opt.Noticing,
    account: Annotated[str, typer.Option("--account", metavar="ID", help="The account id.", show_default=False)],
) -> None:
    """Let an erased account in again: from the next load on its rows are no longer refused. `doctor` lists them.

    Example: polydoc-analytics lake readmit --account acme --lake lake

    Example: polydoc-analytics lake readmit --account acme
    """
    out = output_of(printing)
    row = opened_lake(where.lake, opt.configured(where.config), out).readmit(account)
    if row is None:
        print("this account is not refused")
    else:
        print(f"load {row.number}: rows of this account are let in again; load its sources to bring them back")


@command(lake_app)
def repair(
    *,
    where: opt.LakeChoice,
    printing: opt.Noticing,
    run: Run = False,
) -> None:
    """Go back from damage to what is whole, and say what was lost. Damaged log entries are put aside, not deleted.

    Example: polydoc-analytics lake repair --lake lake

    Example: polydoc-analytics lake repair --run
    """
    out = output_of(printing)
    target = opened_lake(where.lake, opt.configured(where.config), out)
    damage = target.repair() if run else target.damage()
    for name in (*damage.entries, *damage.files):
        print(f"damaged: {name}")
    if not damage.is_needed:
        print("nothing is damaged")
        return
    good = f"load {damage.good.number}" if damage.good else "the empty lake"
    print(f"{'went' if run else 'would go'} back to {good}")
    for name, rows in damage.gone.items():
        print(f"{'taken' if run else 'to be taken'} out with their files: {counted(rows, 'row')} of {name}")
    for name, rows in damage.taken.items():
        print(f"{'taken' if run else 'to be taken'} in from files of another writer: {counted(rows, 'row')} of {name}")
    for load in damage.forgotten:
        print(f"no longer known: what load {load} did; its runs stay; if it erased accounts, erase them again")
    for row in reversed(damage.lost):
        print(f"to be loaded again: {row.source} (load {row.number}, {row.committed_at:%Y-%m-%d %H:%M} UTC)")
    if not run:
        out.say("nothing was changed; add --run to do it")


def _with_joined_languages(loads: pl.DataFrame) -> pl.DataFrame:
    """Join the languages of each load into one text, because CSV has no lists."""
    import polars as pl

    return loads.with_columns(pl.col("languages").list.join(", "))


def _for_people(loads: pl.DataFrame) -> pl.DataFrame:
    """Arrange the ledger for a table, with what each load brought or did first."""
    import polars as pl

    return loads.select(
        load="number",
        committed="committed_at",
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
    from polydoc_analytics.cli.json_values import json_rows

    print_json({"schema_version": 1, "report": report, "lake": lake.place.shown, "data": json_rows(frame)})
