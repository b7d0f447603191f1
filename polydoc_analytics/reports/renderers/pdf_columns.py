"""Widths of columns and heights of rows of a printed table, computed from the typeface's metrics.

Typst finds both by itself, at the cost of setting each cell up to three times over. Where the texts of a column are
known to fit, and those of a row to stand on one line, it is told so and sets them once. That asks for tables without
kerning and ligatures: then a text is as wide as its letters' advances together, and never wider than its cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import repeat
from math import inf
from typing import Any
from unicodedata import east_asian_width

from polydoc_analytics.reports.renderers import fonts

ROOM = 493.2
"""Points between the margins of the page: A4 less 18 mm on either side."""
_ABOVE = 3.0
MAX_GAP = 12.0
_GAP_STEP = 0.25
"""Points that gaps differ by, so that most columns are as wide as those of other documents: see report.typ."""
_LONG = 24
_SIZES = (8.4, 8.0, 7.6, 7.2, 6.7, 6.3)
_SMALL = (6.3, 5.8, 5.4, 5.0)
_LEAST = ROOM / 8
"""Least width, in points, that the columns of long texts have together."""
_MAX_ON_ONE_LINE = 40
_APART = 3.0
"""Points between a word that reaches beyond its cell, such as the last part of an id, and the next column."""
_UNIT = 0.001
"""Allowance above a letter's advance, in ems: Typst's quotation marks are wider than their font says."""


def grid(
    labels: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[bool],
    sums: int,
    max_gap: float = MAX_GAP,
) -> dict[str, Any]:
    """Return the measures, in points, of a table whose last ``sums`` rows are bold.

    They are the ``size`` of its letters and the room ``above`` and below a line; for each column its ``insets``, left
    and right, its share of the room that the others leave, and else its width; for each row its height; and the
    ``width`` of the whole. A width or a height of 0 is for Typst to find. ``fitting`` says of each cell whether its
    text is known to stand on one line, ``rooms`` of each column how wide a word can be that does not touch the next
    column, as far as known. A table is as wide as its texts, so that figures stand beside what they are of, ``max_gap``
    apart at most; only where the texts are too long for the page, columns share what is left.
    """
    size, gap = (6.7, 5.2) if len(labels) > 10 else (7.6, 8.0) if len(labels) > 7 else (8.4, 8.0)
    gaps, shares = len(labels) - 1, _shares(rows, numbers)
    size, labels = _fitting(labels, rows, shares, size, gap * gaps)
    bold = len(rows) - sums
    own = [points(label, size, True) for label in labels]
    for part, is_bold in ((rows[:bold], False), (rows[bold:], True)):
        for at, column in enumerate(zip(*part, strict=True)):
            own[at] = max(own[at], size * _widest(column, is_bold))
    is_fitting = sum(own) + gap * gaps <= ROOM
    if is_fitting and gaps and (gap_in_room := (ROOM - sum(own)) / gaps) > max_gap:
        gap = max_gap
    elif is_fitting and gaps:
        gap = max(gap, gap_in_room // _GAP_STEP * _GAP_STEP)
        own[own.index(max(own))] += ROOM - sum(own) - gap * gaps
    insets = _insets(numbers, gap)
    widths = [width + sum(inset) for width, inset in zip(own, insets, strict=True)]
    shares = [0] * len(labels) if is_fitting else shares
    widths = widths if is_fitting else _shared(widths, shares)
    line = size * _cap_height() + 2 * _ABOVE
    if is_fitting:
        fitting = [[True] * len(labels)] * len(rows)
    else:
        columns = [(width, sum(inset)) for width, inset in zip(widths, insets, strict=True)]
        fitting = [
            [points(cell, size, at >= bold) + inset <= width for cell, (width, inset) in zip(row, columns, strict=True)]
            for at, row in enumerate(rows)
        ]
    return {
        "size": size,
        "above": _ABOVE,
        "insets": insets,
        "shares": shares,
        "widths": [0.0 if share else width for width, share in zip(widths, shares, strict=True)],
        "heights": [line if all(row) else 0.0 for row in fitting],
        "width": ROOM if any(shares) else sum(widths),
        "fitting": fitting,
        "rooms": [
            width - left - min(right, _APART) if width else inf
            for width, (left, right) in zip(widths, insets, strict=True)
        ],
    }


def _fitting(
    labels: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[int], size: float, gaps: float
) -> tuple[float, Sequence[str]]:
    """Choose the greatest size that lets every text of a table stand on one line; very long ones break instead.

    Where a small size would be needed, the heads of the columns break at their blanks: of each the longest word is
    returned, as wide as it has to be. A figure never breaks: where the long texts would have no room beside the
    figures, the size is the greatest that leaves them some.
    """
    words = [max(label.split(), key=lambda word: points(word, 1, True), default="") for label in labels]
    below = [_widest(column, True) for column in zip(*rows, strict=True)]
    widths = {heads: _ems(heads, below or [0.0] * len(labels)) for heads in (tuple(labels), tuple(words))}
    if all(len(cell) <= _MAX_ON_ONE_LINE for row in rows for cell in row):
        for one in _SIZES:
            for heads, ems in widths.items():
                if (heads == tuple(labels) or one <= size) and one * sum(ems) + gaps <= ROOM:
                    return one, heads
    least = _LEAST if any(shares) else 0.0
    for one in (size, *(small for small in _SMALL if small < size)):
        for heads, ems in widths.items():
            taken = sum(width for width, share in zip(ems, shares, strict=True) if not share)
            if one * taken + gaps + least <= ROOM:
                return one, heads
    return size, labels


def _widest(column: Sequence[str], is_bold: bool) -> float:
    """Width of the widest text of a column, in ems."""
    alike = "\0".join(column).translate(_digits(is_bold)).split("\0")
    return max(map(_em_width, set(alike), repeat(is_bold)))


@cache
def _digits(is_bold: bool) -> dict[int, str]:
    """Zeros for the digits that are as wide, for a column has far fewer forms of numbers than numbers."""
    advances = _advances(is_bold)
    return {ord(digit): "0" for digit in "123456789" if advances[digit] == advances["0"]}


def _ems(heads: Sequence[str], below: Sequence[float]) -> list[float]:
    """Widths of columns in ems, of which the texts below their heads are known."""
    return [max(points(head, 1, True), width) for head, width in zip(heads, below, strict=True)]


def _insets(numbers: Sequence[bool], gap: float) -> list[tuple[float, float]]:
    """Compute the padding of each column: on the side that its texts are not aligned to, where possible."""
    left = [0.0, *(gap if before else 0.0 for before in numbers[:-1])]
    right = [0.0 if is_a_number else gap for is_a_number in numbers[:-1]] + [0.0]
    return list(zip(left, right, strict=True))


def _shared(own: Sequence[float], shares: Sequence[int]) -> list[float]:
    """Widths of the columns, some of which share what the others leave; 0 for all where one is unknown or too wide."""
    left = ROOM - sum(width for width, share in zip(own, shares, strict=True) if not share)
    if left < _LEAST:
        return [0.0] * len(shares)
    return [left * share / sum(shares) if share else width for width, share in zip(own, shares, strict=True)]


def _shares(rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> list[int]:
    """Shares of the columns in the remaining width; 0 for short ones, which take the width that they need."""
    longest = [max((len(row[at]) for row in rows), default=0) for at in range(len(numbers))]
    return [
        0 if is_a_number or length <= _LONG else min(length, 2 * _LONG)
        for length, is_a_number in zip(longest, numbers, strict=True)
    ]


def points(text: str, size: float, is_bold: bool) -> float:
    """Width of a text of a size in the typeface; infinite where a character is in no font of a known width.

    Wide characters of East Asia are as wide as they are high in every font that has them.
    """
    return size * _em_width(text, is_bold)


@lru_cache(maxsize=65536)
def _em_width(text: str, is_bold: bool) -> float:
    return sum(map(_advances(is_bold).__getitem__, text))


class _Advances(dict[str, float]):
    """The room that each character takes, in ems."""

    def __missing__(self, character: str) -> float:
        return (1.0 if east_asian_width(character) in "WF" else inf) + _UNIT


@cache
def _advances(is_bold: bool) -> _Advances:
    known = fonts.advances(fonts.files()[int(is_bold)])
    return _Advances({character: advance + _UNIT for character, advance in known.items() if advance})


@cache
def _cap_height() -> float:
    return fonts.cap_height(fonts.files()[0])
