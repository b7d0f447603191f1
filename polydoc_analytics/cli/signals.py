"""Signals that end the program: it ends as by an error, so that temporary files are removed."""

from __future__ import annotations

import signal
import sys
from types import FrameType

SIGNALS = 128
"""Exit codes above it are those of signals."""
_PAUSE_S = 0.002


def end_in_order() -> None:
    """End by SIGTERM, SIGHUP and Ctrl-C as by an error, but not in the midst of Python's own work of importing.

    An import that is broken off there can leave the lock on imports taken; a thread that imports too would wait for it
    for ever, and the program for that thread.
    """
    for name, before in (
        ("SIGTERM", signal.SIG_DFL),
        ("SIGHUP", signal.SIG_DFL),
        ("SIGINT", signal.default_int_handler),
    ):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is before:  # nohup ignores one
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    frame = _below_handlers(frame)
    is_importing = frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
    if hasattr(signal, "setitimer"):
        if is_importing:
            signal.signal(signal.SIGALRM, lambda _, later: _end(number, later))
            # Again and again, for a call that waits does not see an alarm that comes just before it.
            signal.setitimer(signal.ITIMER_REAL, _PAUSE_S, _PAUSE_S)
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    sys.exit(SIGNALS + number)


def _below_handlers(frame: FrameType | None) -> FrameType | None:
    """Return the frame that the program was in: an alarm can come while its handler, or what that calls, is at work."""
    found = frame
    while frame is not None:
        if frame.f_code.co_filename == __file__:
            found = frame.f_back
        frame = frame.f_back
    return found
