"""Accounts against languages as a heat map."""

from __future__ import annotations

from collections.abc import Mapping

from polydoc_analytics.reports.builders.context import Context
from polydoc_analytics.reports.charts import category_charts
from polydoc_analytics.reports.charts.labels import IN_CHARTS
from polydoc_analytics.reports.model import Chart

_IN_COLUMNS = 24


def heat_charts(
    context: Context, runs: Mapping[tuple[str, str], int], accounts: list[str], languages: list[str]
) -> list[Chart]:
    """Return a heat map of runs over some accounts and languages; nothing where there are fewer than two of either."""
    if len(accounts) < 2 or len(languages) < 2:
        return []
    lines = {account: context.labels.account(account, IN_CHARTS) for account in accounts}
    columns = {language: context.labels.language(language, _IN_COLUMNS) for language in languages}
    grid = {(a, b): runs.get((a, b), 0) for a in accounts for b in languages}
    cells = [
        {"line": lines[a], "column": columns[b], "value": count, "text": context.text(count, "count")}
        for (a, b), count in grid.items()
    ]
    (account, language), most = max(grid.items(), key=lambda cell: cell[1])
    about = f"The busiest pair is {lines[account]} into {columns[language]}, with {context.counted(most, 'run')}."
    spec = category_charts.heat_map(cells, columns=list(columns.values()), lines=list(lines.values()), label="runs")
    return [Chart("languages_by_account", "Runs by account and language", about, spec)]
