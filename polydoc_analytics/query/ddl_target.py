"""Where the views' statements are to run, with the languages of a source and the names of accounts in them."""

from __future__ import annotations

from typing import Any

from polydoc_analytics.model.languages import Language, languages
from polydoc_analytics.query.account_names import names_of
from polydoc_analytics.views.ddl import Target


def target(
    *,
    dialect: str,
    table: str,
    timezone: str,
    schema: str | None,
    prefix: str,
    languages: Any,
    accounts: Any,
) -> Target:
    """Read the languages of a source and the names of accounts, and put them with the rest."""
    return Target(dialect, table, timezone, schema, prefix, _of(languages), names_of(accounts))


def _of(source: Any) -> dict[str, Language]:
    if source is None:
        return {}
    from polydoc_analytics.query.connect import connect

    with connect(source) as db:
        texts = db.sql("select distinct target_language from runs order by target_language")
    return languages(texts["target_language"])
