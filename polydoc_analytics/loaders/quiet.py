"""What the HTTP client and the retries log, held back: whole URLs with their queries, and headers of answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_SILENT = logging.NullHandler()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the HTTP client's records of this thread; other threads' requests are logged as ever."""
    thread = threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    # Where no logging is set up, records of retries would reach stderr without a word of what is meant.
    logging.getLogger("stamina").addHandler(_SILENT)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(is_of_others)
    try:
        yield
    finally:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(is_of_others)
