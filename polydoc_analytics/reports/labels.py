"""Labels of charts: short, drawable, and no two alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from polydoc_analytics.wording import shown

MOST = 40


def distinct(names: Iterable[str]) -> list[str]:
    """Return names as labels; of those that would look alike each further one is numbered."""
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        label = shown(name, MOST)
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return labels
