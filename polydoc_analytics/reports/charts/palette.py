"""The palette of charts, and its replacement by a brand's colours or by CSS variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def branded(spec: Mapping[str, Any], accent: str, warm: str) -> Any:
    """Put a brand's colours into a specification."""
    return replaced(spec, {ACCENT: accent, WARM: warm})


def replaced(part: Any, by: Mapping[str, str]) -> Any:
    """Replace strings in a specification, but not in its data."""
    if isinstance(part, Mapping):
        return {key: value if key == "values" else replaced(value, by) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [replaced(value, by) for value in part]
    return by.get(part, part) if isinstance(part, str) else part


def for_the_dark(colour: str, least: float = 4.5) -> str:
    """Lighten a colour until it has enough contrast on a dark page."""
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for step in range(21):
        light = "#" + "".join(f"{round(part + (255 - part) * step / 20):02x}" for part in parts)
        if contrast(light, DARK_PAPER) >= least:
            return light
    return PAPER


def contrast(colour: str, other: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    light, dark = sorted((_luminance(colour), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
