"""The log of a service on standard error: a line for each event, with its time and level."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from polydoc_analytics.cli.output import Output
from polydoc_analytics.safe_text import on_one_line

LOG_FORMATS = ("text", "json")


@dataclass(frozen=True)
class LogOutput(Output):
    """The output of a command that runs for long: notices are logged as INFO, warnings as WARNING, errors as ERROR."""

    log_format: str = "text"

    def say(self, text: str) -> None:
        """Log a notice."""
        if not self.quiet:
            self._log("INFO", text)

    def warn(self, text: str) -> None:
        """Log a warning."""
        if not self.quiet:
            self._log("WARNING", text)

    def error(self, text: str) -> None:
        """Log an error."""
        self._log("ERROR", text)

    def _log(self, level: str, text: str) -> None:
        time, message = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", on_one_line(text)
        if self.log_format == "json":
            line = json.dumps({"time": time, "level": level, "message": message}, ensure_ascii=False)
        else:
            line = f"{time} {level} {message}"
        print(line, file=sys.stderr, flush=True)
