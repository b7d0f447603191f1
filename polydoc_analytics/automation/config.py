"""``plans()``: the tables of the settings as typed values, after every name in them was found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from polydoc_analytics.automation.config_fields import ALERT, DELIVERY, PERIODS, PRESETS, REPORT, SCHEDULE
from polydoc_analytics.automation.cron import Cron
from polydoc_analytics.config.fields import NAME, checked, is_address
from polydoc_analytics.config.settings import Settings
from polydoc_analytics.errors import PolydocError, UsageError, nearest
from polydoc_analytics.ingest.connectors import sources
from polydoc_analytics.model.timezones import zone
from polydoc_analytics.views.custom import catalog_with

if TYPE_CHECKING:
    from polydoc_analytics.views import View

_DAYS = re.compile(r"([1-9]\d{0,2})d", re.ASCII)


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """``[schedule]``: what is done around the jobs, and how often they are tried."""

    sync: tuple[str, ...]
    alerts: bool
    attempts: int
    back_off: timedelta
    tell: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportPlan:
    """One of ``[[reports]]``; see the keys of ``plan.tables``."""

    name: str
    kind: str
    cron: Cron
    timezone: str
    period: str
    formats: tuple[str, ...]
    accounts: tuple[str, ...]
    per_account: bool
    output: str | None
    deliver: tuple[str, ...]
    start: date | None
    catch_up: int
    needs: tuple[str, ...]
    wait: timedelta
    incomplete: str


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """``[delivery.NAME]``: a kind of delivery and its values by key."""

    name: str
    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """One of ``[[alerts]]``: a kind of rule and its values by key."""

    name: str
    kind: str
    deliver: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plans:
    """All that the settings ask for; names are unique, and what they point to is there."""

    schedule: SchedulePlan
    reports: Mapping[str, ReportPlan]
    alerts: Mapping[str, AlertPlan]
    targets: Mapping[str, TargetPlan]

    def report(self, name: str) -> ReportPlan:
        """Return a report by name; raises UsageError with the nearest one where there is none."""
        if name not in self.reports:
            known = ", ".join(self.reports) or "none is configured; add a table [[reports]]"
            raise UsageError(f"unknown report '{name}'{nearest(name, self.reports)}; expected {known}")
        return self.reports[name]


def plans(settings: Settings) -> Plans:
    """Parse the plans of the settings; raises UsageError, with the valid choices, for an invalid value."""
    found, errors = examined(settings)
    if errors:
        raise errors[0]
    return found


def examined(settings: Settings) -> tuple[Plans, list[PolydocError]]:
    """Parse the valid plans of the settings, and collect the error of each invalid one."""
    errors: list[PolydocError] = []

    def attempt(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except PolydocError as error:
            errors.append(error)

    known: dict[str, Any] = {}
    for name, table in settings.sources.items():
        known |= attempt(partial(sources, replace(settings, sources={name: table}))) or {}
    made = {name: attempt(partial(_target, name, table, settings)) for name, table in settings.delivery.items()}
    targets = {name: one for name, one in made.items() if one}
    schedule = attempt(lambda: SchedulePlan(**checked("[schedule]", settings.schedule, SCHEDULE)))
    reports = [attempt(partial(_report, table, settings)) for table in settings.reports]
    views = attempt(partial(catalog_with, settings.views)) if settings.alerts else None
    alerts = [attempt(partial(_alert, table, views)) for table in settings.alerts] if views is not None else []
    found = Plans(
        schedule or SchedulePlan(**checked("[schedule]", {}, SCHEDULE)),
        attempt(partial(_by_name, "reports", filter(None, reports))) or {},
        attempt(partial(_by_name, "alerts", filter(None, alerts))) or {},
        targets,
    )
    for check in _references(found, settings.sources, settings.delivery):
        attempt(check)
    return found, errors


def _references(found: Plans, known: Iterable[str], named: Iterable[str]) -> Iterator[Callable[[], None]]:
    """Yield a check of each name that one table has of another."""
    schedule, targets = found.schedule, found.targets
    yield partial(_known, "[schedule]", "sync", schedule.sync, known, "source")
    yield partial(_known, "[schedule]", "tell", schedule.tell, named, "delivery")
    for one in found.reports.values():
        where = f"[[reports]] {one.name}"
        yield partial(_known, where, "needs", one.needs, known, "source")
        yield partial(_known, where, "deliver", one.deliver, named, "delivery")
        yield partial(_receivers, one, targets)
    for alert in found.alerts.values():
        where = f"[[alerts]] {alert.name}"
        yield partial(_known, where, "deliver", alert.deliver, named, "delivery")
        yield partial(_known, where, "sources", alert.values.get("sources") or (), known, "source")
        yield partial(_hear, where, alert.deliver, targets)
    yield partial(_hear, "[schedule]", schedule.tell, targets)


def _by_name(what: str, made: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in made:
        if one.name in found:
            raise UsageError(f"[[{what}]]: the name '{one.name}' stands there twice; give each its own")
        found[one.name] = one
    return found


def _known(where: str, key: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            expected = ", ".join(known) or f"none is configured; add a table [{what}s.{name}]".replace("ys.", "y.")
            raise UsageError(f"{where}: {key}: unknown {what} '{name}'{nearest(name, known)}; expected {expected}")


def _receivers(one: ReportPlan, targets: Mapping[str, TargetPlan]) -> None:
    for target in (targets[name] for name in one.deliver if name in targets):
        if target.kind == "email" and not (target.values["contacts"] if one.per_account else target.values["to"]):
            need = "contacts, to whom statements go" if one.per_account else "to, who gets reports"
            raise UsageError(f"[[reports]] {one.name}: [delivery.{target.name}] has no {need}")


def _hear(where: str, names: Iterable[str], targets: Mapping[str, TargetPlan]) -> None:
    for name in names:
        if name in targets and targets[name].kind == "email" and not targets[name].values["to"]:
            raise UsageError(f"{where}: [delivery.{name}] has no to, who hears of it")


def _target(name: str, table: Any, settings: Settings) -> TargetPlan:
    where = f"[delivery.{name}]"
    if not NAME.fullmatch(name):
        raise UsageError(f"{where}: a name has letters, digits, - and _ alone, 63 at most")
    kind, rest = _kind(where, table, DELIVERY, None)
    values = checked(where, rest, DELIVERY[kind])
    for key in ("path", "contacts", "ca_file"):
        if values.get(key):
            values[key] = settings.path(values[key])
    if kind == "store" and "://" not in values["uri"]:
        raise UsageError(f"{where}: uri '{values['uri']}' is no URI; expected one such as s3://bucket/reports")
    if kind == "email":
        if bool(values["user"]) != bool(values["password_env"]):
            raise UsageError(f"{where}: user and password_env go together; give both or neither")
        if values["user"] and values["security"] == "none":
            raise UsageError(f'{where}: a password needs a safe connection; give security = "starttls" or "tls"')
        for address in (values["from"], *values["to"]):
            if not is_address(address):
                raise UsageError(f"{where}: '{address}' is no address; expected one such as ops@example.com")
    return TargetPlan(name, kind, values)


def _kind(where: str, table: Any, kinds: Mapping[str, Any], default: str | None) -> tuple[str, dict[str, Any]]:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where} must be a table")
    kind = table.get("kind", default)
    if kind not in kinds:
        raise UsageError(f"{where}: unknown kind '{kind}'{nearest(str(kind), kinds)}; expected {', '.join(kinds)}")
    return kind, {key: value for key, value in table.items() if key != "kind"}


def _report(table: Any, settings: Settings) -> ReportPlan:
    from polydoc_analytics.reports.builders import builder

    where = f"[[reports]] {table.get('name', '')}".rstrip() if isinstance(table, Mapping) else "[[reports]]"
    values = checked(where, table, REPORT)
    timezone = values["timezone"] or settings.timezone
    zone(timezone)
    text = values.pop("schedule")
    cron = Cron.parsed(where, PRESETS.get(text, text), timezone)
    if values["period"] not in PERIODS and not _DAYS.fullmatch(values["period"]):
        hint = nearest(values["period"], PERIODS)
        raise UsageError(f"{where}: unknown period '{values['period']}'{hint}; expected {', '.join(PERIODS)}, or 7d")
    try:
        builder(values["kind"])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    if values["kind"] == "statement" and not values["per_account"] and len(values["accounts"]) != 1:
        raise UsageError(f"{where}: a statement is of one account; give per_account = true, or one of accounts")
    if values["per_account"] and values["kind"] != "statement":
        raise UsageError(f'{where}: per_account makes statements; give kind = "statement"')
    if values["start"]:
        try:
            values["start"] = date.fromisoformat(values["start"])
        except ValueError:
            raise UsageError(f"{where}: start '{values['start']}' is no day; expected one such as 2026-11-01") from None
    if values["output"]:
        values["output"] = settings.path(values["output"])
    if not values["output"] and not values["deliver"]:
        raise UsageError(f"{where}: goes nowhere; give output, a folder, or deliver, names of [delivery.NAME]")
    return ReportPlan(**{**values, "cron": cron, "timezone": timezone})


def _alert(table: Any, views: Mapping[str, View]) -> AlertPlan:
    where = f"[[alerts]] {table.get('name', '')}".rstrip() if isinstance(table, Mapping) else "[[alerts]]"
    kind, rest = _kind(where, table, ALERT, "limit")
    values = checked(where, rest, ALERT[kind])
    sides = {"limit": ("above", "below"), "change": ("rises", "falls")}.get(kind, ())
    if sides and sum(values[side] is not None for side in sides) != 1:
        raise UsageError(f"{where}: give {sides[0]} or {sides[1]}, one of them")
    if "view" in values:
        measures = _measures(where, kind, values["view"], views)
        if values["measure"] not in measures:
            hint = nearest(values["measure"], measures)
            raise UsageError(f"{where}: unknown measure '{values['measure']}'{hint}; expected {', '.join(measures)}")
    if kind == "limit" and not _DAYS.fullmatch(values["window"]):
        raise UsageError(f"{where}: window '{values['window']}' is no number of days; expected one such as 7d")
    deliver = values.pop("deliver")
    return AlertPlan(values.pop("name"), kind, deliver, values)


_NOT_MEASURES = ("account_id", "account_name", "language", "language_name", "period", "is_partial")


def _measures(where: str, kind: str, name: str, views: Mapping[str, View]) -> list[str]:
    """List the measures that an alert may watch in a view: a usage view, or a custom one over the same keys."""
    from polydoc_analytics.views import view

    try:
        found = view(name, views)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    columns = [one for one in found.columns if one not in _NOT_MEASURES]
    if found.file is not None:
        can_be = kind == "limit" and "runs" in columns and "period" not in found.columns
        if not {"failed_runs", "succeeded_runs", "failure_rate_low", "failure_rate_high"} <= set(columns):
            columns = [one for one in columns if one != "failure_rate"]  # it cannot be told from chance
    else:
        can_be = name.startswith("usage") and (kind == "limit" or found.every == "day")
    if not can_be:
        expected = "a usage view, or one of your own that has runs and no period"
        expected = "a usage_daily view" if kind == "change" else expected
        raise UsageError(f"{where}: the view {name} cannot be watched so; expected {expected}")
    return columns


def day_count(text: str) -> int | None:
    """Return the days of a text such as 7d; None where it is none."""
    match = _DAYS.fullmatch(text)
    return int(match.group(1)) if match else None


def as_day(instant: datetime, timezone: str) -> date:
    """Return the local day of an instant."""
    return instant.astimezone(zone(timezone)).date()
