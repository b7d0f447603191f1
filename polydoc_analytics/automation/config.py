"""``plans()``: the reports, alerts and deliveries of the settings, after what they name was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from polydoc_analytics.config.settings import Settings, SettingsError, problem_text
from polydoc_analytics.config.tables import AnyAlert, AnyTarget, Change, Limit, Report, Schedule
from polydoc_analytics.errors import PolydocError, UsageError, nearest
from polydoc_analytics.model.timezones import local, zone
from polydoc_analytics.views.custom import catalog_with

if TYPE_CHECKING:
    from polydoc_analytics.views import View

OUTLOOKS = ("outlook", "outlook_by_account")
"""Names that a limit may give as its view to watch the expected end of the local month."""
_NOT_MEASURES = ("account_id", "account_name", "language", "language_name", "period", "is_partial")


@dataclass(frozen=True, slots=True)
class Plans:
    """All that the settings ask for, by name; what the tables refer to exists. ``logo`` is the file of the branding."""

    schedule: Schedule
    reports: Mapping[str, Report]
    alerts: Mapping[str, AnyAlert]
    targets: Mapping[str, AnyTarget]
    logo: Path | None = None

    def report(self, name: str) -> Report:
        """Return a report by name; raises UsageError with the nearest one where there is none."""
        if name not in self.reports:
            known = ", ".join(self.reports) or "none is configured; add a table [[reports]]"
            raise UsageError(f"unknown report '{name}'{nearest(name, self.reports)}; expected {known}")
        return self.reports[name]


def plans(settings: Settings) -> Plans:
    """Build the plans of the settings; raises SettingsError for a report, view or measure that does not exist."""
    made, problems = checked_plans(settings)
    if problems:
        raise SettingsError(problems)
    return made


def checked_plans(settings: Settings) -> tuple[Plans, list[str]]:
    """Build the plans of the settings, and list the mistakes that the file alone does not show."""
    problems: list[str] = []

    def attempt(section: str, name: str, key: str, check: Callable[[], object]) -> None:
        try:
            check()
        except PolydocError as error:
            text = f"[[{section}]] {name}: {error}" if name else str(error)
            names = [table.get("name") for table in settings.content.get(section, ()) if name]
            location = (section, names.index(name), key) if name else (key,)
            problems.append(problem_text(settings.file, location, text))

    reports = {}
    for report in settings.reports:
        reports[report.name] = report.model_copy(update={"timezone": report.timezone or settings.timezone})
        attempt("reports", report.name, "kind", lambda kind=report.kind: _builder(kind))  # type: ignore[misc]
    if any(report.timezone is None for report in settings.reports):
        try:
            zone(settings.timezone)
        except PolydocError as error:  # of a flag or the environment: that of the file was checked with it
            problems.append(str(error))
    views: Mapping[str, View] = {}
    if settings.alerts or settings.views:
        attempt("", "", "views", lambda: views.update(catalog_with(settings.views)))  # type: ignore[attr-defined]
    for alert in settings.alerts if views else ():
        if isinstance(alert, Limit | Change):
            attempt("alerts", alert.name, "view", lambda alert=alert: _check_measure(alert, views))  # type: ignore[misc]
    made = Plans(
        settings.schedule or Schedule(),
        reports,
        {alert.name: alert for alert in settings.alerts},
        settings.delivery,
        settings.folder / settings.branding["logo"] if settings.branding.get("logo") else None,
    )
    return made, problems


def _builder(kind: str) -> None:
    from polydoc_analytics.reports.builders import builder

    builder(kind)


def _check_measure(alert: Limit | Change, views: Mapping[str, View]) -> None:
    from polydoc_analytics.query.decomposition import MEASURES

    if isinstance(alert, Limit) and alert.view in OUTLOOKS:
        if alert.above is None:
            raise UsageError(f"the view {alert.view} is watched for what is above a budget; give above")
        measures = list(MEASURES)
    else:
        measures = _measures(alert.kind, alert.view, views)
    if alert.measure not in measures:
        hint = nearest(alert.measure, measures)
        raise UsageError(f"unknown measure '{alert.measure}'{hint}; expected {', '.join(measures)}")
    if isinstance(alert, Limit) and alert.view not in OUTLOOKS and views[alert.view].file is None:
        limit = alert.above if alert.above is not None else alert.below
        if "_rate" in alert.measure and not (limit is not None and 0 <= limit <= 1):
            raise UsageError(f"{alert.measure} is a share from 0 to 1, of which 0.2 is 20 %; it is never {limit:g}")


def _measures(kind: str, name: str, views: Mapping[str, View]) -> list[str]:
    """List the measures that an alert may watch in a view: of usage or requests, or a custom one over the same keys."""
    from polydoc_analytics.views import view

    context = view(name, views)
    columns = [column for column in context.columns if column not in _NOT_MEASURES]
    if context.file is not None:
        is_fit = kind == "limit" and "runs" in columns and "period" not in context.columns
        if not {"failed_runs", "succeeded_runs", "failure_rate_low", "failure_rate_high"} <= set(columns):
            columns = [column for column in columns if column != "failure_rate"]  # it cannot be told from chance
    else:
        families = ("usage", "request_rates") if kind == "limit" else ("usage",)
        is_fit = name.startswith(families) and (kind == "limit" or context.every == "day")
    if not is_fit:
        expected = "a usage or request_rates view, outlook, or one of your own that has runs and no period"
        expected = "a usage_daily view" if kind == "change" else expected
        raise UsageError(f"the view {name} cannot be watched so; expected {expected}")
    return columns


def as_day(instant: datetime, timezone: str) -> date:
    """Return the local day of an instant."""
    return local(instant, zone(timezone)).date()
