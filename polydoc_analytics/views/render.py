"""The views' SQL: templates filled with the interval, the date basis and the lists that views repeat a part for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from polydoc_analytics.model.schema import COLUMNS, INTEGERS, MOST_LIKELY_NUMBER, SOFT_RULES, TEXTS
from polydoc_analytics.model.sql_names import quoted
from polydoc_analytics.model.sql_template import Value, fill
from polydoc_analytics.views.view import View

NAME_COLUMNS = {"account_id": "account_name", "language": "language_name"}
"""The columns of names by the key that they are of; a base table of each plural has key and name."""
PLACE = "hash(account_id, input_file_id, language)"
"""The place of a run: a number for account, file and language, which others may have too."""
_CHARGED = "status = 'Succeeded' and credits > 0"
_POWERS = ("tens", "hundreds", "thousands", "ten_thousands", "hundred_thousands", "millions")
_WHOLES = {
    "accounts": "usage_by_account",
    "languages": "usage_by_language",
    "accounts and languages": "usage_by_account_language",
    "days": "usage_daily",
    "weeks": "usage_weekly",
    "months": "usage_monthly",
}
"""The views whose rows sum to the total, by what their rows are."""
_RULES_OF_SEVERAL = ("charged_twice",)
"""The soft rules that are not seen in a row alone."""


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Values to render views with: names of the base views, instants as SQL, and the days of the interval.

    ``history`` has account_id and dated_at of every run before the end of the interval, ``as_of`` is now or that end,
    ``calendar_bounds`` is a SELECT of first_day and last_day, which are at most ``calendar_digits`` digits of days
    apart. ``all_runs`` has every run of the chosen accounts and languages, with its language and dated by its creation;
    ``all_request_facts`` are the requests over these, ``request_facts`` those of the interval. ``kept_places`` is a
    table of the places of several of all runs, where all are in the interval and it is kept.
    """

    facts: str = "run_facts"
    facts_with_language: str = "run_facts_with_language"
    now: str = "current_timestamp"
    first_whole_day: str | None = None
    end_of_whole_days: dict[str, str] | None = None
    history: str = "run_history"
    as_of: str = "current_timestamp"
    since: str | None = None
    calendar_bounds: str = "select min(day) as first_day, max(day) as last_day from run_facts"
    calendar_digits: int = 5
    all_runs: str = "run_facts_with_language"
    all_request_facts: str = "all_request_facts"
    request_facts: str = "request_facts"
    kept_places: str | None = None


def render(view: View, context: RenderContext, *, with_total: bool = False) -> str:
    """Return a view's SQL in DuckDB's dialect; a user's own is what its file says.

    ``with_total`` adds one row over all, whose keys are null, to a view of usage or request_rates.
    """
    if view.file is not None:
        return view.template.strip()
    values = {**_of_view(view, context), **_of_context(context), **_LISTS}
    values["groups"] = f"grouping sets ((), ({values['key_names']}))" if with_total else values["key_names"]
    return "\n".join(line.rstrip() for line in fill(view.template.strip(), values).splitlines() if line.strip())


def repeated_places(context: RenderContext, runs: str, condition: str = "") -> str:
    """Return the SQL of the places that several of some runs have; where they are kept, of several of all runs."""
    if context.kept_places is not None:
        return f"select place from {context.kept_places}"
    return fill(_repeated_places(), {"runs": runs, "is_chosen": bool(condition), "condition": condition})


@cache
def _repeated_places() -> str:
    return (Path(__file__).parent / "base" / "repeated_places.sql").read_text("utf-8").strip()


def _of_view(view: View, context: RenderContext) -> dict[str, Value]:
    status = ("status",) if view.name.startswith("durations") else ()
    definitions = {"period": f"{view.every} as period"}
    names = [(key, name) for key, name in NAME_COLUMNS.items() if key in view.keys]
    return {
        "keys": [{"name": key, "definition": definitions.get(key, key)} for key in view.keys],
        "key_names": ", ".join((*view.keys, *status)),
        "is_grouped": bool(view.keys),
        "names": [{"key": key, "column": name, "table": f"{name}s"} for key, name in names],
        "is_by_period": view.every is not None,
        "is_partial": _is_partial(view.every, context) if view.every else "",
        "facts": context.facts_with_language if view.needs_language else context.facts,
    }


def _of_context(context: RenderContext) -> dict[str, Value]:
    powers = _POWERS[: context.calendar_digits - 1]
    return {
        "facts_with_language": context.facts_with_language,
        "repeated_places": repeated_places(context, context.facts_with_language, _CHARGED),
        "history": context.history,
        "all_runs": context.all_runs,
        "all_request_facts": context.all_request_facts,
        "request_facts": context.request_facts,
        "now": context.now,
        "as_of": context.as_of,
        "count_in_interval": f"count(*) filter (where dated_at >= {context.since})" if context.since else "count(*)",
        "is_new": f"first_run_at >= {context.since}" if context.since else "true",
        "bounds": context.calendar_bounds,
        "powers": [{"power": power, "value": str(10**place)} for place, power in enumerate(powers, start=1)],
    }


def _listed(rows: Iterable[Mapping[str, str]], first: int = 1) -> list[dict[str, str]]:
    """Give the items of a list numbers, and put ``union_all`` before all but the first."""
    return [
        {"place": str(place), "union_all": "union all" if place > first else "", **row}
        for place, row in enumerate(rows, start=first)
    ]


_LISTS: dict[str, Value] = {
    "digits": [{"digit": str(digit)} for digit in range(1, 10)],
    "texts": [{"text": name} for name in TEXTS if name != "status"],
    "integers": [{"integer": name} for name in INTEGERS],
    "most_likely_number": str(MOST_LIKELY_NUMBER),
    "rules": _listed({"rule": rule, "meaning": quoted(meaning)} for rule, meaning in SOFT_RULES.items()),
    "row_rules": [{"rule": rule} for rule in SOFT_RULES if rule not in _RULES_OF_SEVERAL],
    "fields": _listed({"field": column.name} for column in COLUMNS if not column.required),
    # Places 1 and 2 are those of the identities that are no sum over a view.
    "wholes": _listed(({"parts": parts, "view": view} for parts, view in _WHOLES.items()), first=3),
    "measures": _listed(
        {"measure": name} for name in ("runs", "failed_runs", "input_tokens", "output_tokens", "credits")
    ),
}


def _is_partial(every: str, context: RenderContext) -> str:
    sides = []
    if context.first_whole_day is not None:
        sides.append(f"period < date '{context.first_whole_day}'")
    if context.end_of_whole_days is not None:
        sides.append(f"period >= date '{context.end_of_whole_days[every]}'")
    return f"({' or '.join(sides)})" if sides else "false"


def is_unlikely() -> str:
    """Return SQL for whether a run has a number beyond what is likely; null or false where it has none."""
    limit = MOST_LIKELY_NUMBER
    return " or ".join(f"{name} > {limit} or {name} < -{limit}" for name in INTEGERS)
