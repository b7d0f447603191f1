"""The data of statements: each account's rows of the views, read for many accounts at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from polydoc_analytics.errors import SumError
from polydoc_analytics.model.epoch import from_us
from polydoc_analytics.model.periods import Interval
from polydoc_analytics.model.timezones import local, start_of_day, zone
from polydoc_analytics.reports.builders.context import Context, records, texts
from polydoc_analytics.reports.builders.tables import ADDITIVE

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.database import Database

    _Parts = dict[str, pl.DataFrame]

_BATCH_RUNS = 100_000
_TOTALS = (*ADDITIVE, "credits_on_failed_runs")
_OF_RUNS = (
    *("created_at", "id", "language", "status", "credits", "input_tokens", "output_tokens", "duration_s"),
    *("finished_at", "target_language", "input_file_id", "output_file_id"),
)


@dataclass(frozen=True)
class Compared:
    """Totals of an account in another interval, to compare with."""

    interval: Interval
    usage: Mapping[str, Any]


@dataclass(frozen=True)
class AccountData:
    """The data of a statement: one account's rows of the views, and how its files are called.

    ``before`` and ``year`` are the previous period and the year to date, where those are compared. ``extra`` are the
    requests that succeeded more than once.
    """

    account_id: str
    code: str
    slug: str
    usage: Mapping[str, Any]
    days: Sequence[dict[str, Any]] = ()
    languages: Sequence[dict[str, Any]] = ()
    runs: Sequence[dict[str, Any]] = ()
    before: Compared | None = None
    year: Compared | None = None
    extra: Sequence[dict[str, Any]] = ()


def account_data(context: Context, accounts: Sequence[str]) -> Iterator[AccountData]:
    """Yield the data of accounts that have runs, in batches of accounts, to bound memory.

    Raises SumError at the end where a sum of some accounts does not fit; the others have been yielded then.
    """
    counted = context.db.fetch("select account_id, runs from usage_by_account order by account_id")
    wanted = set(accounts)
    batches: list[list[str]] = [[]]
    size = 0
    for account_id, runs in counted.rows():
        if account_id not in wanted:
            continue
        if batches[-1] and size + runs > _BATCH_RUNS:
            batches.append([])
            size = 0
        batches[-1].append(account_id)
        size += runs
    failed: list[tuple[str, SumError]] = []
    # Requests are chains over all of time, which to follow takes long: once for all batches.
    extra: _Parts | None
    try:
        extra = _extra_successes(context, accounts)
    except SumError:
        extra = None
    with _compared(context) as others:
        for batch in filter(None, batches):
            try:
                yield from _batch(context, batch, others, extra)
            except SumError:
                yield from _each(context, batch, others, extra, failed)
    if failed:
        raise SumError(str(failed[0][1]), tuple(account for account, _ in failed))


def data_without_runs(context: Context, accounts: Sequence[str]) -> list[AccountData]:
    """Build the data of accounts without runs in the period: all counts and sums are 0."""
    if not accounts:
        return []
    with_runs = [account for (account,) in context.db.fetch("select account_id from usage_by_account").rows()]
    with context.db.without(with_runs) as rest:
        usage = rest.view("usage").row(0, named=True)
    with _compared(context) as others:
        totals = _totals(others, accounts)
    return [_data(context, account, {**usage, "account_id": account}, totals) for account in accounts]


@contextmanager
def _compared(context: Context) -> Iterator[dict[str, Database]]:
    """Yield the views over the previous period and over the year to date, where there are such."""
    before, year = context.comparison, year_to_date(context)
    intervals = {"before": before.before if before else None, "year": year}
    with ExitStack() as stack:
        yield {name: stack.enter_context(context.db.over(one)) for name, one in intervals.items() if one is not None}


def year_to_date(context: Context) -> Interval | None:
    """Return the interval from the beginning of the year to the end of the period; None where the period is longer."""
    interval = context.db.interval
    if interval.since is None or interval.until is None:
        return None
    tz = zone(interval.timezone)
    year = local(interval.until - timedelta(microseconds=1), tz).year
    since = from_us(start_of_day(date(year, 1, 1), tz))
    return Interval(since, interval.until, interval.timezone) if since <= interval.since else None


def _totals(others: Mapping[str, Database], accounts: Sequence[str]) -> dict[str, dict[str, Compared]]:
    """Read the totals of accounts in other intervals, by name of the interval; 0 where they have no runs there."""
    found: dict[str, dict[str, Compared]] = {}
    for name, db in others.items():
        sql = f"select account_id, {', '.join(_TOTALS)} from usage_by_account where account_id in ({texts(accounts)})"
        usage = {row["account_id"]: row for row in records(db.fetch(sql))}
        nothing = dict.fromkeys(_TOTALS, 0)
        found[name] = {account: Compared(db.interval, usage.get(account, nothing)) for account in accounts}
    return found


def _each(
    context: Context,
    accounts: Sequence[str],
    others: Mapping[str, Database],
    extra: _Parts | None,
    failed: list[tuple[str, SumError]],
) -> Iterator[AccountData]:
    """Yield the data of accounts one by one; those with a sum that does not fit are added to ``failed``."""
    for account in accounts:
        try:
            yield from list(_batch(context, [account], others, extra))
        except SumError as error:
            failed.append((account, error))


def _extra_successes(context: Context, accounts: Sequence[str]) -> _Parts:
    """Read the requests of accounts that succeeded more than once."""
    return _parts(
        context.db.fetch(
            "select account_id, first_created_at as created_at, language, input_file_id, extra_successes, "
            f"credits_on_extra_successes as credits from requests where account_id in ({texts(accounts)}) "
            "and extra_successes > 0 order by first_created_at, first_run_id"
        )
    )


def _batch(
    context: Context, accounts: Sequence[str], others: Mapping[str, Database], extra: _Parts | None
) -> Iterator[AccountData]:
    where = f"where account_id in ({texts(accounts)})"
    select = context.db.fetch
    additive = ", ".join(ADDITIVE)
    usage = {row["account_id"]: row for row in records(select(f"select * from usage_by_account {where}"))}
    days = _parts(
        select(f"select account_id, period, is_partial, {additive} from usage_daily_by_account {where} order by period")
    )
    languages = _parts(
        select(f"select * from usage_by_account_language {where} order by credits desc nulls last, runs desc, language")
    )
    runs = _parts(select(f"select account_id, {', '.join(_OF_RUNS)} from runs {where} order by created_at, id"))
    extra = _extra_successes(context, accounts) if extra is None else extra
    totals = _totals(others, accounts)
    return (
        _data(
            context,
            account,
            usage[account],
            totals,
            records(days[account]),
            records(languages[account]),
            records(runs[account]),
            records(extra[account]) if account in extra else (),
        )
        for account in accounts
    )


def _data(
    context: Context,
    account: str,
    usage: Mapping[str, Any],
    totals: Mapping[str, Mapping[str, Compared]],
    *rows: Sequence[dict[str, Any]],
) -> AccountData:
    before, year = (totals.get(name, {}).get(account) for name in ("before", "year"))
    days, languages, runs, extra = rows or ((), (), (), ())
    return AccountData(
        account, context.code_of(account), context.slug_of(account), usage, days, languages, runs, before, year, extra
    )


def _parts(frame: pl.DataFrame) -> _Parts:
    """Return a frame's rows by account, in their order."""
    parts = frame.partition_by("account_id", as_dict=True, include_key=False)
    return {str(key[0]): part for key, part in parts.items()}
