"""The command ``outlook``: where a period in progress is likely to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import completion
from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import output_of
from polydoc_analytics.cli.root import TIME, command
from polydoc_analytics.cli.shared import (
    as_of_text,
    connected,
    envelope,
    named,
    print_json,
    print_plain,
    with_short_accounts,
)

if TYPE_CHECKING:
    import polars as pl

_MAX_ROWS = 20
_PERIOD = "A period in progress: this-month, this-week, this-quarter, 2026-11, …"


@command()
def outlook(
    source: opt.Source = None,
    *,
    selection: opt.Selection,
    reading: opt.StrictReading,
    answering: opt.Answering,
    printing: opt.Printing,
    measure: opt.Measure = "credits",
    period: Annotated[
        str, opt.flag(TIME, "--period", "PERIOD", _PERIOD, autocompletion=completion.periods)
    ] = "this-month",
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="KEY",
            help="account: where each account will end.",
            autocompletion=completion.among("account"),
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="FILE", help="CSV of account_id,credits: when each will be used up."),
    ] = None,
    top: opt.Top = None,
) -> None:
    """Forecast where credits, runs or tokens end this month: so far, expected, an 80 % interval, the month before.

    Each day ahead is expected to bring the mean of the same weekday over the last eight whole weeks; the interval is
    that of the rule's own errors in the past. With less than eight weeks of history there is no number.

    Example: polydoc-analytics outlook exports/ --by account --budget budgets.csv

    Example: polydoc-analytics outlook lake --measure runs --json
    """
    out = output_of(printing)
    if by is not None:
        opt.one_of("key", by, ("account",))
    settings = opt.configured(
        reading.config, selection.timezone, selection.date_basis, None, answering.engine, answering.remote
    )
    choice = opt.Choice(**vars(selection))
    with connected(source, out, settings, choice=choice, reading=reading, **settings.cluster) as db:
        found = db.outlook(period=period, measure=measure, by=by, budget=budget)
        frame = found.frame
        if found.by is not None:
            frame = frame.sort("expected", "so_far", "account_id", descending=[True, True, False], nulls_last=True)
        shown = frame if top is None else frame.head(top)
        if out.format == "json":
            content = envelope("outlook", db, shown, truncated=shown.height < frame.height)
            print_json({**_head(found), **{key: value for key, value in content.items() if key not in _head(found)}})
            return
        if out.format == "csv":
            print_plain(shown, out)
            return
        print(found.sentence)
        print()
        shown = named(_whole(shown if top or found.by is None else shown.head(_MAX_ROWS)), db)
        if out.format == "markdown":
            print_plain(shown, out)
            return
        title = f"Outlook of {found.measure.replace('_', ' ')}{as_of_text(db)}"
        keys = shown.columns[:1] if found.by else ()
        out.table(with_short_accounts(shown, db), title=title, keys=keys)


def _head(forecast: Any) -> dict[str, Any]:
    """Return the envelope's part on an outlook: its period in place of the connection's, measure and sentence."""
    from polydoc_analytics.cli.json_values import instant_text

    return {
        "schema_version": 1,
        "report": "outlook",
        "timezone": forecast.interval.timezone,
        "since": instant_text(forecast.interval.since),
        "until": instant_text(forecast.interval.until),
        "now": instant_text(forecast.now),
        "measure": forecast.measure,
        "history_days": forecast.history_days,
        "sentence": forecast.sentence,
    }


def _whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Round figures to whole numbers, and leave out the columns of a budget where there is none."""
    import polars as pl

    names = [name for name in ("expected", "low", "high", "budget") if name in frame.columns]
    frame = frame.with_columns(pl.col(name).round().cast(pl.Int64) for name in names)
    frame = frame.with_columns((100 * pl.col("change")).alias("change %")).drop("change")
    empty = [name for name in ("budget", "used_up_on", "status") if frame[name].null_count() == frame.height]
    return frame.drop(empty)
