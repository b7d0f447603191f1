"""How the views look at runs: which of them count, in which time zone, dated by what, and who answers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

from polydoc_analytics import views as catalog
from polydoc_analytics.config.choices import DATE_BASES, DateBasis
from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.lake.engines import is_spark
from polydoc_analytics.model.periods import Interval, instant_of, interval
from polydoc_analytics.query.account_names import names_of

Match = Literal["exact", "named", "typed"]
MATCHES = ("exact", "named", "typed")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which accounts and languages the views are confined to; empty means all. Some accounts may be left out.

    ``match`` is exact for ids and tags as they are, named where they may be names, typed where an account may also be
    the unique beginning of an id and a filter that matches no run is an error.
    """

    accounts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    without_accounts: tuple[str, ...] = ()
    match: Match = "exact"


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How the views look at runs. ``remote`` is the cluster's address, checked, or None where DuckDB answers.

    ``account_names`` are those that were given, by account id.
    """

    interval: Interval
    filters: Filters = Filters()
    date_basis: DateBasis = "created"
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    views: Mapping[str, catalog.View] = field(default_factory=catalog.catalog)
    remote: str | None = None
    account_names: Mapping[str, str] = field(default_factory=dict)


def view_options(
    *,
    timezone: str,
    since: str | date | datetime | None,
    until: str | date | datetime | None,
    last: str | None,
    period: str | None,
    account: str | Iterable[str] | None,
    language: str | Iterable[str] | None,
    match: Match,
    date_basis: DateBasis,
    now: str | datetime | None,
    views: str | os.PathLike[str] | None,
    accounts: Any,
    engine: str,
    remote: str | None,
) -> ViewOptions:
    """Check the arguments of :func:`polydoc_analytics.connect`; raises UsageError where one means nothing."""
    if date_basis not in DATE_BASES:
        hint = nearest(date_basis, DATE_BASES)
        raise UsageError(f"unknown date basis '{date_basis}'{hint}; expected {' or '.join(DATE_BASES)}")
    if match not in MATCHES:
        raise UsageError(f"unknown match '{match}'{nearest(match, MATCHES)}; expected {', '.join(MATCHES)}")
    known = _catalog(views)
    now = instant_of(now)
    chosen = interval(since=since, until=until, last=last, period=period, timezone=timezone, now=now)
    if is_spark(engine):
        from polydoc_analytics.lake.spark.session import checked

        remote = checked(remote)
    elif remote is not None:
        raise UsageError("a remote goes with engine spark; name that too, or leave the remote out")
    filters = Filters(_filter("account", account), _filter("language", language), match=match)
    return ViewOptions(chosen, filters, date_basis, now, known, remote, names_of(accounts))


def _filter(what: str, given: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the names that a filter chooses, none where there is no filter; raises UsageError where it is empty."""
    if given is None:
        return ()
    names = names_given(what, given)
    if not names:
        raise UsageError(f"{what}: an empty list chooses none; leave it out for all {what}s")
    return names


def names_given(what: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name, or several, as a tuple; raises UsageError for what is no text."""
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"{what}: expected a text, or several, not {type(name).__name__}")
    return names


def _catalog(folder: str | os.PathLike[str] | None) -> Mapping[str, catalog.View]:
    """List the package's views and those of a folder, where one is given."""
    if folder is None:
        return catalog.catalog()
    from polydoc_analytics.views.custom import catalog_with

    return catalog_with(folder)
