"""The work of ``Database.outlook``: forecasting where a period in progress ends, in all or account by account."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.comparison import comparison
from polydoc_analytics.model.periods import Interval, interval
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.query.decomposition import MEASURES
from polydoc_analytics.query.forecast import HISTORY_DAYS, Forecast, forecast
from polydoc_analytics.query.options import names_given
from polydoc_analytics.query.outlook import TOO_LITTLE_HISTORY, UNKNOWN, Ending, Outlook
from polydoc_analytics.query.period_views import PeriodViews
from polydoc_analytics.safe_text import on_one_line

METHOD = (
    "Each day ahead is expected to bring the mean of the same weekday over the last eight whole weeks; the 80 % "
    "interval is that of the rule's own errors at all earlier days (rolling origin, Tashman 2000)."
)
_DAY = timedelta(days=1)


def outlook(
    db: PeriodViews,
    *,
    period: str | None = None,
    measure: str = "credits",
    by: str | None = None,
    budgets: Mapping[str, float] | None = None,
) -> Outlook:
    """Work out the outlook of a period in progress; ``budgets`` are by account, and go by account."""
    if measure not in MEASURES:
        raise UsageError(f"unknown measure '{measure}'{nearest(measure, MEASURES)}; expected {', '.join(MEASURES)}")
    if by not in (None, "account"):
        raise UsageError(f"unknown key '{by}'{nearest(by or '', ('account',))}; expected account")
    if budgets is not None and measure != "credits":
        raise UsageError("a budget is of credits; leave the measure out, or the budget")
    by = "account" if budgets is not None else by
    over = _in_progress(db, period)
    first, last = _days(over)
    today = local(db.now, zone(db.timezone)).date()
    view, key = ("usage_daily_by_account", "account_id") if by else ("usage_daily", "null")
    with db.over(Interval(None, db.now, db.timezone)) as whole:
        rows = whole.fetch(f"select {key} as account_id, period, {measure} as amount from {view}").rows()
    series: dict[str | None, dict[date, int | None]] = {} if by else {None: {}}
    for account_id, day, amount in rows:
        series.setdefault(account_id, {})[day] = amount
    for account_id in budgets or ():
        series.setdefault(account_id, {})
    begin = min((day for days in series.values() for day in days), default=today)
    before = _before(over, begin)
    endings = [
        _ending(one, days, first, last, today, before, (budgets or {}).get(one or ""))
        for one, days in sorted(series.items(), key=lambda item: item[0] or "")
    ]
    return Outlook(measure, over, db.now, by, (today - begin).days, tuple(filter(_says_something, endings)))


def has_outlook(db: PeriodViews) -> bool:
    """Check whether the interval of a database is a period in progress that begins and ends with local days."""
    over = db.interval
    if over.since is None or over.until is None or not over.since <= db.now < over.until:
        return False
    return _whole_days(over) is not None


def read_budgets(path: str | os.PathLike[str]) -> dict[str, float]:
    """Read budgets by account from a CSV file with the columns account_id and credits.

    Raises UsageError where it has other columns, or a budget is no number from 0, SourceError where it cannot be read
    as a CSV with one row an account.
    """
    from polydoc_analytics.config.csv_file import rows_by_account

    columns, rows = rows_by_account(os.fspath(path))
    if not {"account_id", "credits"} <= set(columns):
        raise UsageError(f"{path}: expected the columns account_id and credits, found {', '.join(columns)}")
    return {account_id: _budget(row.cells["credits"], account_id, f"{row.where}: ") for account_id, row in rows.items()}


def checked_budgets(budgets: Mapping[str, float]) -> dict[str, float]:
    """Return budgets by account as numbers; raises UsageError where one is no number from 0."""
    accounts = names_given("budget", budgets)
    return {account_id: _budget(budgets[account_id], account_id) for account_id in accounts}


def _budget(given: str | float, account_id: str, where: str = "budget: ") -> float:
    import math

    try:
        budget = float(given)
    except (TypeError, ValueError, OverflowError):
        budget = math.nan
    if not 0 <= budget < math.inf:
        raise UsageError(f"{where}expected the credits of account {on_one_line(account_id)}, a number from 0")
    return budget


def _in_progress(db: PeriodViews, period: str | None) -> Interval:
    has_bounds = db.interval.since is not None and db.interval.until is not None
    if period is not None or not has_bounds:
        over = interval(period=period or "this-month", timezone=db.timezone, now=db.now)
    else:
        over = db.interval
    assert over.since is not None
    assert over.until is not None
    if not over.since <= db.now < over.until:
        raise UsageError("the period is not in progress; an outlook is of one such as this-month")
    return over


def _days(over: Interval) -> tuple[date, date]:
    """Return the first and the last local day of a period; raises UsageError where it cuts days."""
    days = _whole_days(over)
    if days is None:
        raise UsageError("an outlook is of whole local days; give a period such as this-month")
    return days


def _whole_days(over: Interval) -> tuple[date, date] | None:
    assert over.since is not None
    assert over.until is not None
    tz = zone(over.timezone)
    first = local(over.since, tz).date()
    last = local(over.until - timedelta(microseconds=1), tz).date()
    return (first, last) if interval(since=first, until=last, timezone=over.timezone) == over else None


def _before(over: Interval, begin: date) -> tuple[date, date] | None:
    """Return the first and last day of the period before; None where the source begins after its first days."""
    assert over.until is not None
    found = comparison(over, over.until)
    if found is None:
        return None
    first, last = _days(found.before)
    return (first, last) if begin <= first + _DAY else None


def _ending(
    account_id: str | None,
    days: Mapping[date, int | None],
    first: date,
    last: date,
    today: date,
    before: tuple[date, date] | None,
    budget: float | None,
) -> Ending:
    begin = min(days, default=today)
    past = [days.get(day, 0) for day in _from_to(begin, today - _DAY)]
    spent = {day: days.get(day, 0) for day in _from_to(first, today)}
    earlier = None if before is None else _sum(days, *before)
    so_far = _sum(days, first, today)
    ahead = forecast(past, (last - today).days + 1)
    status = None if ahead is not None else TOO_LITTLE_HISTORY if len(past) < HISTORY_DAYS else UNKNOWN
    if so_far is None:
        ahead, status = None, UNKNOWN
    if ahead is None or so_far is None:
        used_up = _used_up(budget, {day: float(value or 0) for day, value in spent.items()})
        return Ending(account_id, so_far, None, None, None, earlier, budget, used_up, status)
    today_so_far = days.get(today) or 0
    bottom = None if any(value is not None and value < 0 for value in days.values()) else so_far
    expected = {day: float(value or 0) for day, value in spent.items()}
    for day, value in zip(_from_to(today, last), ahead.days, strict=True):
        # What today has brought already is a fact, also where it is more than such a day brings.
        expected[day] = value if day > today else max(value, today_so_far)
    whole = sum(expected.values())
    low, high = _bounds(ahead, so_far - today_so_far, bottom, whole)
    return Ending(account_id, so_far, whole, low, high, earlier, budget, _used_up(budget, expected), None)


def _bounds(ahead: Forecast, gone: float, bottom: float | None, whole: float) -> tuple[float | None, float | None]:
    """Return the bounds of the end, not below what there is already, and around what is expected.

    ``gone`` is what came before today.
    """
    if ahead.low is None or ahead.high is None:
        return None, None
    low, high = min(gone + ahead.low, whole), max(gone + ahead.high, whole)
    return low if bottom is None else max(low, bottom), high


def _used_up(budget: float | None, days: Mapping[date, float]) -> date | None:
    if budget is None:
        return None
    used = 0.0
    for day, value in days.items():
        used += value
        if used >= budget:
            return day
    return None


def _sum(days: Mapping[date, int | None], first: date, last: date) -> int | None:
    """Sum the known values of days; None where there are runs and none is known, 0 without runs."""
    amounts = [days[day] for day in _from_to(first, last) if day in days]
    known = [value for value in amounts if value is not None]
    return None if amounts and not known else sum(known)


def _says_something(ending: Ending) -> bool:
    is_idle = not ending.so_far and not ending.expected and not ending.before and ending.budget is None
    return ending.account_id is None or not is_idle


def _from_to(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=at) for at in range((last - first).days + 1))
