"""When a report is due: a cron expression in a time zone, and the period that an instant stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from polydoc_analytics.errors import UsageError, has_extra
from polydoc_analytics.model.lengths import DAYS
from polydoc_analytics.model.periods import PERIOD_WORDS, Interval, interval
from polydoc_analytics.model.timezones import zone

PRESETS = {
    "daily": "0 7 * * *",
    "weekly": "0 7 * * 1",
    "monthly": "0 7 1 * *",
    "quarterly": "0 7 1 1,4,7,10 *",
    "yearly": "0 7 1 1 *",
}
_FORMS = "expected minute, hour, day of month, month and weekday, such as '0 7 * * 1', or daily, weekly, monthly"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression and its zone, read as Debian's cron does.

    What is due at a fixed time that a clock skips is due when it has been set; what it would show twice, once.
    """

    text: str
    timezone: str

    @classmethod
    def parsed(cls, text: str, timezone: str) -> Cron:
        """Parse a cron expression or one of PRESETS; raises UsageError for any other text and for one that never comes.

        The expression is checked, the time zone is not.
        """
        expression = PRESETS.get(text, text)
        if len(expression.split()) != 5:
            raise UsageError(f"schedule '{text}' is no cron expression; {_FORMS}")
        if not has_extra("schedule"):  # the other settings of the file can be used all the same
            return cls(expression, timezone)
        from cronsim import CronSim, CronSimError

        try:
            if next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)), None) is None:
                raise UsageError(f"schedule '{text}' never comes; {_FORMS}")
        except CronSimError as error:
            raise UsageError(f"schedule '{text}': {str(error).lower()}; {_FORMS}") from None
        return cls(expression, timezone)

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the instants after one at which it is due, in UTC, in order."""
        from cronsim import CronSim

        last = instant
        for tick in CronSim(self.text, instant.astimezone(zone(self.timezone))):
            # In the hour that a clock shows twice, a fixed time is found before the instant that was given.
            if (due := tick.astimezone(UTC)) > last:
                last = due
                yield due

    def between(self, after: datetime, until: datetime) -> list[datetime]:
        """Return the instants after one and up to another, in UTC, in order."""
        return list(takewhile(lambda due: due <= until, self.after(after)))


def period_of(text: str, due: datetime, timezone: str) -> tuple[str, Interval]:
    """Return the period that a report of an instant is over: its name (2026-10, 2026-W44, …) and its interval."""
    local = due.astimezone(zone(timezone)).date()
    if match := DAYS.fullmatch(text):
        first, last = local - timedelta(days=int(match.group(1))), local - timedelta(days=1)
        return f"{first}_{last}", interval(since=first, until=last, timezone=timezone)
    found = interval(period=text, timezone=timezone, now=due)
    return name_of(text, found), found


def name_of(text: str, period: Interval) -> str:
    """Return the name of a calendar period: 2026-10-31, 2026-W44, 2026-10, 2026-Q4 or 2026."""
    first = period.first_whole_day
    assert first is not None
    if text.endswith("week"):
        year, week, _ = first.isocalendar()
        return f"{year:04}-W{week:02}"
    if text.endswith("month"):
        return f"{first:%Y-%m}"
    if text.endswith("quarter"):
        return f"{first:%Y}-Q{(first.month + 2) // 3}"
    return f"{first:%Y}" if text.endswith("year") else str(first)


def name_as_stored(text: str, timezone: str, now: datetime) -> str:
    """Return the name that :func:`period_of` gives a period that is named by a word (last-week), or in lower case."""
    word = text.lower()
    return name_of(word, interval(period=word, timezone=timezone, now=now)) if word in PERIOD_WORDS else text.upper()


def interval_named(name: str, timezone: str) -> Interval:
    """Return the interval of a period by the name that :func:`period_of` gives."""
    if match := re.fullmatch(r"(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)", name):
        return interval(since=match.group(1), until=match.group(2), timezone=timezone)
    return interval(period=name, timezone=timezone)
