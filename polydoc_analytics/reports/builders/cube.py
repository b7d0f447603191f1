"""The cube that a page filters: additive measures by day, account and language, no larger than a page can carry."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.reports.builders.context import Context
from polydoc_analytics.reports.builders.time_series import after
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Cube

if TYPE_CHECKING:
    import polars as pl

_MAX_CELLS = 45_000
IN_CUBE = 20
"""How many accounts and languages a cube has at most, beside their others."""
_LARGEST_EXACT = 2**53
_SUMS = ("credits", "input_tokens", "output_tokens")
OTHERS = "others"
_STEPS = {"day": "1d", "week": "1w", "month": "1mo"}
MEASURES = (
    "runs",
    "succeeded",
    "failed",
    "credits",
    "credits_known",
    "input_tokens",
    "input_known",
    "output_tokens",
    "output_known",
)


def cube(context: Context, frame: pl.DataFrame, accounts: list[str], languages: list[str]) -> Cube | None:
    """Return the cube of some cells, which are those of the accounts and languages; None where there are no runs.

    Where it is too large for a page, days become weeks or months and fewer accounts are kept. None, too, where a sum
    is beyond 2**53, the limit of exact integers in JavaScript.
    """
    if not frame.height or any(int(frame[name].abs().sum()) > _LARGEST_EXACT for name in _SUMS):
        return None
    kept = len(accounts[:IN_CUBE])
    for every, max_accounts in (("day", 20), ("day", 10), ("week", 20), ("week", 10), ("month", 20), ("month", 10)):
        coarse = _coarser(frame, every, min(max_accounts, kept), kept)
        if coarse.height <= _MAX_CELLS:
            break
    return _as_cube(context, coarse, every, accounts[: min(max_accounts, kept)], len(accounts), languages)


def cells(context: Context, accounts: list[str], languages: list[str]) -> pl.DataFrame:
    """Return sums by day and by places of account and language in their lists, which have the greatest first.

    Those beyond the twentieth are summed up, in the place behind it.
    """
    accounts, languages = accounts[:IN_CUBE], languages[:IN_CUBE]
    return context.db.fetch(f"""
        select
            day,
            coalesce(accounts.place, {len(accounts)}) as account,
            coalesce(tongues.place, {len(languages)}) as language,
            count(*) as runs,
            count(*) filter (where status = 'Succeeded') as succeeded,
            count(*) filter (where status = 'Failed') as failed,
            cast(coalesce(sum(credits), 0) as bigint) as credits,
            count(credits) as credits_known,
            cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
            count(input_tokens) as input_known,
            cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
            count(output_tokens) as output_known
        from run_facts_with_language as facts
        left join {_places(accounts)} as accounts (name, place) on facts.account_id = accounts.name
        left join {_places(languages)} as tongues (name, place) on facts.language = tongues.name
        group by 1, 2, 3
        order by 1, 2, 3""")


def _places(names: list[str]) -> str:
    """Return SQL for a table of names and their places."""
    rows = ", ".join(f"({quoted(name)}, {place})" for place, name in enumerate(names))
    return f"(values {rows or '(null, null)'})"


def _coarser(frame: pl.DataFrame, every: str, max_accounts: int, kept: int) -> pl.DataFrame:
    import polars as pl

    if every == "day" and max_accounts == kept:
        return frame
    keys = [
        pl.col("day").dt.truncate(_STEPS[every]),
        pl.when(pl.col("account") < max_accounts).then("account").otherwise(max_accounts).alias("account"),
        "language",
    ]
    return frame.group_by(keys).agg(pl.col(MEASURES).sum()).sort("day", "account", "language")


def runs_of_pairs(frame: pl.DataFrame, accounts: list[str], languages: list[str]) -> dict[tuple[str, str], int]:
    """Sum up the runs of each pair of the first accounts and languages of some cells."""
    import polars as pl

    both = frame.filter(pl.col("account") < len(accounts), pl.col("language") < len(languages))
    rows = both.group_by("account", "language").agg(pl.col("runs").sum()).rows()
    return {(accounts[account], languages[language]): runs for account, language, runs in rows}


def runs_of_languages(frame: pl.DataFrame, languages: list[str], every: str) -> list[dict[str, Any]]:
    """Sum up the runs of each period and of the first languages of some cells: period, language and runs."""
    import polars as pl

    keys = [pl.col("day").dt.truncate(_STEPS[every]).alias("period"), "language"]
    summed = frame.filter(pl.col("language") < len(languages)).group_by(keys).agg(pl.col("runs").sum())
    return [{**row, "language": languages[row["language"]]} for row in summed.sort("period", "language").to_dicts()]


def _as_cube(
    context: Context, frame: pl.DataFrame, every: str, accounts: list[str], all_accounts: int, languages: list[str]
) -> Cube:
    periods = sorted(set(frame["day"].to_list()))
    place = {period: at for at, period in enumerate(periods)}
    columns = {"period": tuple(place[day] for day in frame["day"].to_list())}
    columns |= {name: tuple(frame[name].to_list()) for name in ("account", "language", *MEASURES)}
    names = [context.labels.account(account, IN_CHARTS) for account in accounts]
    if all_accounts > len(accounts):
        names.append(f"{OTHERS} ({all_accounts - len(accounts):,})")
    has_others = ["account"] if all_accounts > len(accounts) else []
    tongues = [context.labels.language(language, IN_CHARTS) for language in languages[:IN_CUBE]]
    if len(languages) > IN_CUBE:
        tongues.append(f"{OTHERS} ({len(languages) - IN_CUBE:,})")
        has_others.append("language")
    first, last = _days(context, periods[0], after(periods[-1], every) - timedelta(days=1))
    price = context.branding.price_per_credit if context.branding.currency else None
    return Cube(every, first, last, tuple(periods), tuple(names), tuple(tongues), columns, tuple(has_others), price)


def _days(context: Context, first: date, last: date) -> tuple[date, date]:
    """First and last local day of the period; those with runs where it is open."""
    interval, tz = context.db.interval, zone(context.db.timezone)
    if interval.since is not None:
        first = local(interval.since, tz).date()
    if interval.until is not None:
        last = local(interval.until - timedelta(microseconds=1), tz).date()
    return first, max(first, last)
