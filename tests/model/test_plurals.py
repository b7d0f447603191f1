"""Counts in words, and an error in one line."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import polydoc_analytics
from polydoc_analytics.errors import first_line
from polydoc_analytics.model.plurals import counted, duration


def test_one_is_one_and_all_else_is_many() -> None:
    assert [counted(count, "run") for count in (0, 1, 2, 1204)] == ["0 runs", "1 run", "2 runs", "1,204 runs"]
    assert [counted(count, "row is", "rows are") for count in (1, 2)] == ["1 row is", "2 rows are"]


def test_an_error_is_told_by_its_first_line_and_its_cause() -> None:
    assert first_line(ValueError("  no such\nfile\n")) == "no such"
    assert first_line(ValueError("\nno such")) == "no such"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError('No x!\nDid you mean "y"?')) == 'No x! Did you mean "y"?'
    assert first_line(OSError("cannot\n  \x1b[31m↳\x1b[0m a\n ↳ disk full")) == "cannot: disk full"
    assert first_line(ValueError("x" * 400), 300) == "x" * 300


def test_no_message_puts_a_counted_thing_into_a_fixed_plural() -> None:
    """A length or count in braces before a plural is a message that says "1 runs" one day."""
    things = "runs|rows|files|loads|jobs|alerts|accounts|duplicates|documents|tries|conflicts|reasons"
    fixed = re.compile(rf"\{{(?:len\([^{{}}]*\)|[^{{}}]*:,)\}} (?:{things})\b")
    package = Path(polydoc_analytics.__file__).parent
    # Limits and assertions name numbers that are never one.
    known = ("_MAX_RUNS:,} runs", "{expected:,} runs")
    found = [
        f"{path.name}: {match}"
        for path in package.rglob("*.py")
        for match in fixed.findall(path.read_text("utf-8"))
        if not any(one in match for one in known)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=1), "a day"),
        (timedelta(hours=24), "a day"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(hours=1), "an hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(minutes=1), "a minute"),
        (timedelta(weeks=2), "14 days"),
        (timedelta(days=1200), "1,200 days"),
        (timedelta(seconds=30), "30 seconds"),
    ],
)
def test_a_length_of_time_in_words(length: timedelta, words: str) -> None:
    assert duration(length) == words
