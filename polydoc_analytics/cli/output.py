"""How commands print: tables, notices and progress, as wide and as coloured as the terminal has it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polydoc_analytics.cli.options import JsonPrinting, Noticing, Printing
from polydoc_analytics.cli.terminal import unguarded, write_styled
from polydoc_analytics.errors import UsageError
from polydoc_analytics.safe_text import on_one_line

if TYPE_CHECKING:
    import polars as pl

    from polydoc_analytics.query.row_table import RowTable

_MIN_WIDTH, _UNLIMITED = 24, 1_000_000


@dataclass(frozen=True)
class Output:
    """How a command prints: its format, whether it is quiet, colours, how wide the terminal is, and the local zone."""

    format: str
    quiet: bool
    color: bool
    width: int = field(default=0)
    timezone: str = "UTC"

    def say(self, text: str) -> None:
        """Print a notice on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def warn(self, text: str) -> None:
        """Print a warning on standard error, in colour where that is a terminal."""
        if not self.quiet:
            write_styled(sys.stderr, text, "warning" if self.color else "")
            sys.stderr.write("\n")

    def error(self, text: str) -> None:
        """Print on standard error what went wrong beside other work, however quiet the command is to be."""
        write_styled(sys.stderr, "error:", "error" if self.color else "")
        sys.stderr.write(f" {on_one_line(text)}\n")

    def write(self, text: str, style: str) -> None:
        """Write a text to standard output, in colour where that is a terminal."""
        write_styled(sys.stdout, text, style if self.color else "")

    def table(self, frame: RowTable | pl.DataFrame, **arguments: Any) -> None:
        """Print a frame as a terminal table, see :func:`polydoc_analytics.cli.tables.table_lines`."""
        from polydoc_analytics.cli.tables import table_lines

        for line in table_lines(frame, width=self.width, timezone=self.timezone, **arguments):
            for text, style in line:
                self.write(text, style)
            sys.stdout.write("\n")


def output_of(flags: Printing | JsonPrinting | Noticing) -> Output:
    """Build the output that a command's flags ask for; raises UsageError where two formats are asked for."""
    formats = [name for name in ("json", "csv", "markdown") if getattr(flags, name, False)]
    if len(formats) > 1:
        raise UsageError(f"--{' and --'.join(formats)} contradict each other; give one of them")
    is_plain = flags.no_color or os.environ.get("NO_COLOR")
    return Output(formats[0] if formats else "table", flags.quiet, not is_plain, width())


def width() -> int:
    """Look up the columns that a table may have: COLUMNS, the terminal's, or any number where there is none."""
    import shutil

    if not os.environ.get("COLUMNS") and not sys.stdout.isatty():
        return _UNLIMITED
    return max(shutil.get_terminal_size((120, 24)).columns, _MIN_WIDTH)


@contextmanager
def progress(out: Output) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a callback for bytes done and bytes in all, which draws a bar on a terminal once work takes long."""
    if out.quiet or not sys.stderr.isatty():
        yield None
        return
    began = time.monotonic()
    bar: Any = None

    def update(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            if time.monotonic() - began < 0.7:
                return
            bar = _bar()
            bar.start()
            bar.add_task("reading", total=total or None)
        bar.update(bar.task_ids[0], completed=done)

    try:
        yield update
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress("{task.description}", *columns, console=Console(file=unguarded(sys.stderr)), transient=True)
