"""The command ``explain``: what moved a figure between two periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polydoc_analytics.cli import completion
from polydoc_analytics.cli import options as opt
from polydoc_analytics.cli.output import Output, output_of
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

    from polydoc_analytics.query.database import Database
    from polydoc_analytics.query.explanation import Explanation

_MAX_ROWS = 20
_PERIOD = "The period to explain: last-month, this-month, 2026-10, 2026-W45, …"


@command()
def explain(
    source: opt.Source = None,
    *,
    selection: opt.Selection,
    reading: opt.StrictReading,
    answering: opt.Answering,
    printing: opt.Printing,
    measure: opt.Measure = "credits",
    period: Annotated[
        str, opt.flag(TIME, "--period", "PERIOD", _PERIOD, autocompletion=completion.periods)
    ] = "last-month",
    against: Annotated[
        str | None,
        opt.flag(
            TIME,
            "--against",
            "PERIOD",
            "The period to compare with; by default the one before.",
            autocompletion=completion.periods,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="KEY",
            help="account or language: each one's share of the causes.",
            autocompletion=completion.among("account", "language"),
        ),
    ] = None,
    top: opt.Top = None,
) -> None:
    """Explain what moved credits, runs or tokens since the period before; the causes sum to the difference.

    volume is the number of runs, mix who had them and in which languages, size the tokens of a run, rate the credits
    of a token. A period in progress is compared with the same days of the one before.

    Example: polydoc-analytics explain exports/ --period last-month --by account

    Example: polydoc-analytics explain exports/ --measure runs --period 2026-10 --against 2026-09 --json
    """
    from polydoc_analytics.query.explain import check_measure

    out = output_of(printing)
    check_measure(measure)
    if by is not None:
        opt.one_of("key", by, ("account", "language"))
    settings = opt.configured(
        reading.config, selection.timezone, selection.date_basis, None, answering.engine, answering.remote
    )
    choice = opt.Choice(**vars(selection), period=period)
    with connected(source, out, settings, choice=choice, reading=reading, **settings.cluster) as db:
        found = db.explain(measure=measure, against=against)
        if out.format == "json":
            _print_json(db, found)
            return
        frame = _frame(found, by)
        if out.format == "csv":
            print_plain(frame if top is None else frame.head(top), out)
            return
        _print_tables(db, found, frame, by, top, out)


def _frame(explanation: Explanation, by: str | None) -> pl.DataFrame:
    """Select the effects, or those of each account or language, the greatest differences first."""
    import polars as pl

    if by is None:
        return explanation.effects
    frame = explanation.by_account if by == "account" else explanation.by_language
    greatest = pl.col("difference").abs()
    return frame.sort(greatest, frame.columns[0], descending=[True, False], nulls_last=True)


def _print_json(db: Database, explanation: Explanation) -> None:
    from polydoc_analytics.cli.json_values import instant_text

    def side(which: Any) -> dict[str, Any]:
        over = which.interval
        return {
            "since": instant_text(over.since),
            "until": instant_text(over.until),
            "total": which.total,
            "runs": which.runs,
            "unknown_runs": which.unknown_runs,
        }

    names = ("effects", "by_account", "by_language", "cells")
    content = envelope("explain", db, None, sections={name: getattr(explanation, name) for name in names})
    more = {
        "measure": explanation.measure,
        "before": side(explanation.before),
        "now": side(explanation.now),
        "difference": explanation.difference,
        "whole_effects": explanation.whole_effects,
        "sentence": explanation.sentence,
    }
    print_json(
        {
            **{name: value for name, value in content.items() if name != "sections"},
            **more,
            "sections": content["sections"],
        }
    )


def _print_tables(
    db: Database,
    explanation: Explanation,
    frame: pl.DataFrame,
    by: str | None,
    top: int | None,
    out: Output,
) -> None:
    import polars as pl

    print(explanation.sentence)
    print()
    title = f"What moved {explanation.measure.replace('_', ' ')}{as_of_text(db)}"
    if by is None:
        whole = explanation.whole_effects
        values = [whole.get(effect) for effect in frame["effect"]]
        shown = pl.DataFrame({"effect": frame["effect"], "difference": pl.Series(values, dtype=pl.Int64)})
        last = [{"effect": "total", "difference": explanation.difference}]
    else:
        title += f", by {by}"
        shown, last = named(_rounded(frame), db), [_total(explanation, frame)]
        shown = shown.head(top or _MAX_ROWS)
    if out.format == "markdown":
        print_plain(shown, out)
        return
    out.table(with_short_accounts(shown, db), title=title, keys=shown.columns[:1], last=last)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Show each row's effects as whole numbers that sum to its difference."""
    import polars as pl

    from polydoc_analytics.query.decomposition import whole

    names = frame.columns[4:]
    rows = []
    for row in frame.iter_rows(named=True):
        effects = [row[name] for name in names]
        known = row["difference"] is not None and None not in effects
        values = whole(effects, row["difference"]) if known else [None] * len(names)
        rows.append({**row, **dict(zip(names, values, strict=True))})
    return pl.DataFrame(rows, schema={**frame.schema, **dict.fromkeys(names, pl.Int64)})


def _total(explanation: Explanation, frame: pl.DataFrame) -> dict[str, Any]:
    sums = {"before": explanation.before.total, "now": explanation.now.total, "difference": explanation.difference}
    return {frame.columns[0]: "total", **sums, **explanation.whole_effects}
