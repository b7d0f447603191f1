"""CSV files that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from polydoc_analytics.errors import SourceError, not_utf8

if TYPE_CHECKING:
    import csv


@contextmanager
def csv_rows(path: str) -> Iterator[csv.DictReader[str]]:
    """Open a CSV for its rows by column; raises SourceError where it cannot be read or is not UTF-8."""
    import csv

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield csv.DictReader(file)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from None
    except csv.Error as error:
        raise SourceError(f"{path}: cannot be read as CSV: {error}") from None
