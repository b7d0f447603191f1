"""A short summary of an object, as text and as HTML, for notebooks and the interpreter."""

from __future__ import annotations

from collections.abc import Mapping

_CELL = "text-align:left;padding:.15em .75em;white-space:nowrap"


class Summarised:
    """Something whose ``_summary`` says in a few named lines what it is."""

    __slots__ = ()

    def _summary(self) -> Mapping[str, str]:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Write the summary on one line."""
        return f"<{type(self).__name__}: {'; '.join(f'{name} {text}' for name, text in self._summary().items())}>"

    def _repr_html_(self) -> str:
        """Write the summary as a small table in the colours of the notebook's theme."""
        return summary_html(type(self).__name__, self._summary())


def summary_html(title: str, summary: Mapping[str, str]) -> str:
    """Write named lines as a small HTML table under a title."""
    from html import escape

    rows = "\n".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(text)}</td></tr>'
        for name, text in summary.items()
    )
    return f"<table>\n<caption>{escape(title)}</caption>\n{rows}\n</table>"
