"""Colours of charts: those of a specification replaced by a brand's, or by the page's own variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polydoc_analytics.reports.branding import contrast
from polydoc_analytics.reports.model import Theme

INK = "#1b2733"
MUTED = "#566573"
GRID = "#dfe5ea"
PAPER = "#ffffff"
ACCENT = "#1f5fa8"
WARM = "#c2410c"
DARK_PAPER = "#12181f"
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    ACCENT: "var(--accent)",
    WARM: "var(--warm)",
}


def branded(spec: Mapping[str, Any], look: Theme) -> Any:
    """Return a specification in a brand's colours."""
    return replaced(spec, {ACCENT: look.accent, WARM: look.warm})


def replaced(part: Any, by: Mapping[str, str]) -> Any:
    """Return a specification with some texts replaced, its data left alone."""
    if isinstance(part, Mapping):
        return {key: value if key == "values" else replaced(value, by) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [replaced(value, by) for value in part]
    return by.get(part, part) if isinstance(part, str) else part


def for_the_dark(colour: str, least: float = 4.5) -> str:
    """Return a colour made lighter until it can be seen on a dark page."""
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for step in range(21):
        light = "#" + "".join(f"{round(part + (255 - part) * step / 20):02x}" for part in parts)
        if contrast(light, DARK_PAPER) >= least:
            return light
    return PAPER
