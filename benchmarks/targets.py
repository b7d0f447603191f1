"""The targets: what was set, what it was before, and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from figures import Parts, figure, growth, median, named, of_size, sizes, table

ONE, TEN, HUNDRED = 10**6, 10**7, 10**8


@dataclass(frozen=True)
class Target:
    """A line of the table; ``before`` is the figure of the version in which the target was set."""

    title: str
    limit: float
    unit: str
    before: str
    measured: Callable[[Parts], float | None]
    is_least: bool = False

    def row(self, parts: Parts) -> list[str]:
        value = self.measured(parts)
        limit = f"at {'least' if self.is_least else 'most'} {self.limit:g} {self.unit}"
        if value is None:
            return [self.title, limit, self.before, "not measured", ""]
        holds = value >= self.limit if self.is_least else value <= self.limit
        return [self.title, limit, self.before, figure(value), "yes" if holds else "**no**"]


def lines(parts: Parts) -> str:
    """The table of all targets."""
    head = ["target", "limit", "before", "now", "holds"]
    return table(head, [target.row(parts) for target in TARGETS])


def _seconds(part: str, beginning: str) -> Callable[[Parts], float | None]:
    def measured(parts: Parts) -> float | None:
        row = named(parts, part, beginning)
        return row and row["ours_s"]

    return measured


def _ratio(part: str, beginning: str) -> Callable[[Parts], float | None]:
    def measured(parts: Parts) -> float | None:
        row = named(parts, part, beginning)
        return row and row["ours_s"] / row["theirs_s"]

    return measured


def _minutes(part: str, beginning: str) -> Callable[[Parts], float | None]:
    def measured(parts: Parts) -> float | None:
        seconds = _seconds(part, beginning)(parts)
        return seconds and seconds / 60

    return measured


def _stored(runs: int, against: str) -> Callable[[Parts], float | None]:
    """Ours over another one's seconds until the runs are stored."""

    def measured(parts: Parts) -> float | None:
        ours, theirs = of_size(parts, runs, "ours"), of_size(parts, runs, against)
        return median(ours, "stored_s") / median(theirs, "stored_s") if ours and theirs else None

    return measured


def _faster(against: str) -> Callable[[Parts], float | None]:
    """How many times faster a run of a million is stored; of fewer by who is not tried with a million."""

    def measured(parts: Parts) -> float | None:
        ours = of_size(parts, ONE, "ours")
        runs = max((runs for runs in sizes(parts) if runs <= ONE and of_size(parts, runs, against)), default=None)
        theirs = of_size(parts, runs, against) if runs else None
        if not ours or not theirs or not runs:
            return None
        return median(theirs, "stored_s") / runs / (median(ours, "stored_s") / ONE)

    return measured


def _megabytes(part: str) -> Callable[[Parts], float | None]:
    def measured(parts: Parts) -> float | None:
        row = named(parts, "installs", part)
        return row and row["megabytes"]

    return measured


def _view(name: str, columns: str, runs: int = TEN) -> Callable[[Parts], float | None]:
    """A view over SQL by hand; the slowest of those whose names begin so."""

    def measured(parts: Parts) -> float | None:
        rows = sizes(parts, "views").get(runs, {"rows": []})["rows"]
        chosen = [row["ratio"] for row in rows if row["columns"] == columns and row["name"].startswith(name)]
        return max(chosen, default=None)

    return measured


def _peak(parts: Parts) -> float | None:
    row = of_size(parts, TEN, "ours")
    return row and row["peak_mib"]


TARGETS = (
    Target("plain install", 560, "MiB", "998", _megabytes("plain")),
    Target("install with all that the README's page uses", 998, "MiB", "998", _megabytes("all")),
    Target("`--help`", 0.1, "CPU s", "0.09", _seconds("small", "polydoc-analytics --help")),
    Target(
        "`usage` of the sample, over importing duckdb, polars, pyarrow",
        1.6,
        "×",
        "2.5",
        _ratio("small", "usage of the"),
    ),
    Target("`usage` of an export, over the same", 1.2, "×", "2.5", _ratio("small", "usage of its export")),
    Target("`usage` of a lake, over the same", 1.2, "×", "2.5", _ratio("small", "usage of its lake")),
    Target(
        "export of 100 k runs, over pandas + pandera with Arrow types", 0.9, "×", "1.45", _stored(10**5, "pandas-arrow")
    ),
    Target("1 M runs to checked Parquet, over the floor", 1.35, "×", "1.52", _stored(ONE, "floor")),
    Target("10 M runs to checked Parquet, over the floor", 1.2, "×", "1.38", _stored(TEN, "floor")),
    Target("100 M runs to checked Parquet, over the floor", 1.4, "×", "1.58", _stored(HUNDRED, "floor")),
    Target(
        "1 M runs on one core, over the floor",
        1.3,
        "×",
        "–",
        _ratio("cores", "1,000,000 runs to checked Parquet on one"),
    ),
    Target("peak memory of 10 M runs", 1024, "MiB", "868", _peak),
    Target("memory from 1 M to 100 M, a run", 16, "bytes", "13.3", lambda parts: growth(parts, ONE, HUNDRED, "ours")),
    Target("a run of 1 M stored, faster than pandas + pandera, its defaults", 6, "×", "6.11", _faster("pandas"), True),
    Target("a run of 1 M stored, faster than dlt, rows, its defaults", 100, "×", "119", _faster("dlt"), True),
    Target("the slowest usage view of 10 M runs, all columns, over SQL", 0.7, "×", "0.46", _view("usage", "all")),
    Target("the slowest usage view of 10 M runs, counts and sums, over SQL", 1.15, "×", "1.01", _view("usage", "sums")),
    Target(
        "`usage_by_language` of 10 M runs, counts and sums, over SQL",
        1.05,
        "×",
        "1.01",
        _view("usage_by_language", "sums"),
    ),
    Target("`coverage` of 10 M runs, over SQL", 1.05, "×", "1.30", _view("coverage", "all")),
    Target("`data_quality` of 10 M runs", 2.0, "CPU s", "4.7", _seconds("processor", "data_quality")),
    Target(
        "`request_rates` of 10 M runs, over `usage_by_account_language`",
        4,
        "×",
        "–",
        _ratio("processor", "request_rates"),
    ),
    Target("`explain` of the sample's lake", 1.0, "s", "–", _seconds("answers", "explain of the")),
    Target("`outlook` of the sample's lake", 1.0, "s", "–", _seconds("answers", "outlook of the")),
    Target("`request_rates` of the sample's lake", 1.0, "s", "–", _seconds("answers", "requests of the")),
    Target("`explain` of 10 M runs", 6, "s", "–", _seconds("answers", "explain of 10")),
    Target("`outlook` of 10 M runs", 6, "s", "–", _seconds("answers", "outlook of 10")),
    Target("`request_rates` of 10 M runs", 6, "s", "–", _seconds("answers", "requests of 10")),
    Target("overview of the sample, five formats", 2.4, "s", "3.8", _seconds("reports", "overview of the")),
    Target("overview of 10 M runs, five formats", 8, "s", "10.7", _seconds("reports", "overview of 10")),
    Target("1,000 statements of 87 runs as PDF", 40, "s", "–", _seconds("reports", "1,000 statements of 87")),
    Target("1,000 statements of 146 runs as PDF", 40, "s", "55.7", _seconds("reports", "1,000 statements of 146")),
    Target("the tests, as the README runs them", 4, "minutes", "7.5", _minutes("tests", "the tests")),
)
