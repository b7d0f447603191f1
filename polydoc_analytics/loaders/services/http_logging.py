"""Filters that keep URLs with queries and headers of answers out of the HTTP client's and retries' logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_SILENT = logging.NullHandler()
_CHANGING = threading.Lock()


@contextmanager
def mute_http_logging() -> Iterator[None]:
    """Mute the HTTP client's log records from this thread; requests of other threads are logged as ever."""
    thread = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    # Where no logging is set up, records of retries would reach stderr without a word of what is meant.
    logging.getLogger("stamina").addHandler(_SILENT)
    for name in _LOGGERS:
        _replace_filters(name, lambda filters: [*filters, is_of_others])
    try:
        yield
    finally:
        for name in _LOGGERS:
            _replace_filters(name, lambda filters: [kept for kept in filters if kept is not is_of_others])


def _replace_filters(name: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change a logger's filters as a whole: another thread that goes through them must miss none."""
    logger = logging.getLogger(name)
    with _CHANGING:
        logger.filters = change(list(logger.filters))
