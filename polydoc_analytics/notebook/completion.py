"""Completion of view and column names in %%polydoc cells and ``db.view("…")``, and of what %polydoc takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from polydoc_analytics.model.periods import PERIOD_WORDS
from polydoc_analytics.notebook.magic import CELL_OPTIONS, COMMANDS, CONNECT_OPTIONS
from polydoc_analytics.reports.charts.charts import FORMS
from polydoc_analytics.views import View, catalog

_IN_CALL = re.compile(r"\.(?:view|describe)\(\s*['\"]\w*$")
_AFTER_FROM = re.compile(r"\b(?:from|join)\s+\w*$", re.IGNORECASE)
_TYPED = re.compile(r"[\w-]*$")
_MARK = "_is_polydoc_matcher"


def add(shell: Any, magics: Any) -> None:
    """Add completion of the magics' names to a shell."""

    @context_matcher()  # type: ignore[untyped-decorator,unused-ignore]
    def polydoc_matcher(context: CompletionContext) -> SimpleMatcherResult:
        views = catalog() if magics.db is None else magics.db.catalog
        found = candidates(context.full_text, context.cursor_line, context.cursor_position, views)
        # IPython puts a completion in place of its token, which may begin with an alias or a quotation mark.
        typed = _TYPED.search(context.token)
        word = typed.group() if typed else ""
        before = context.token.removesuffix(word)
        names = [name for name in found if name.lower().startswith(word.lower())]
        completions = [SimpleCompletion(before + name, type="polydoc") for name in names]
        return {"completions": completions, "suppress": bool(completions)}

    setattr(polydoc_matcher, _MARK, True)
    shell.Completer.custom_matchers.insert(0, polydoc_matcher)


def remove(shell: Any) -> None:
    """Remove the completion."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [matcher for matcher in matchers if not hasattr(matcher, _MARK)]


def candidates(cell: str, line: int, position: int, views: Mapping[str, View]) -> list[str]:
    """List the completions at a place of a cell, not yet narrowed by the typed text; empty in other cells."""
    lines = cell.split("\n")
    before = lines[line][:position]
    if _IN_CALL.search(before):
        return list(views)
    if cell.lstrip().startswith("%%polydoc"):
        if lines[line].startswith("%%polydoc"):
            return list(FORMS) if re.search(r"--chart\s+\w*$", before) else list(CELL_OPTIONS)
        return [*([] if _AFTER_FROM.search(before) else _columns(cell, views)), *views]
    magic = re.search(r"%polydoc\s+(.*)$", before)
    return _of_line(magic.group(1), views) if magic else []


def _of_line(typed: str, views: Mapping[str, View]) -> list[str]:
    words = typed.split(" ")
    if len(words) == 1:
        return list(COMMANDS)
    if words[0] == "describe":
        return list(views)
    if words[0] != "connect":
        return []
    if words[-2] == "--period":
        return list(PERIOD_WORDS)
    return [*CONNECT_OPTIONS, "-o"] if words[-1].startswith("-") else []


def _columns(cell: str, views: Mapping[str, View]) -> list[str]:
    """List the columns of the views that a cell names, or of all where it names none yet."""
    named = [view for view in views.values() if re.search(rf"\b{view.name}\b", cell)]
    return list(dict.fromkeys(column for view in named or views.values() for column in view.columns))
