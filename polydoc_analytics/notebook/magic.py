"""The magics %polydoc and %%polydoc, a thin layer over ``connect`` and ``Database``."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from IPython.core.magic import Magics, line_cell_magic, magics_class

from polydoc_analytics.errors import UsageError, nearest
from polydoc_analytics.model.plurals import counted, noun
from polydoc_analytics.reports.charts.charts import FORMS
from polydoc_analytics.safe_text import on_one_line

COMMANDS = ("connect", "views", "describe")
CONNECT_OPTIONS = (
    "--timezone",
    "--period",
    "--since",
    "--until",
    "--last",
    "--account",
    "--language",
    "--date-basis",
    "--now",
    "--as-of",
    "--views",
    "--input-format",
    "--assume-utc",
    "--strict",
)
CELL_OPTIONS = ("-o", "--chart", "--x", "--y", "--color")
_SWITCHES = ("--assume-utc", "--strict")
_MANY = ("--account", "--language")


@magics_class
class PolydocMagics(Magics):
    """The magics of one shell, and the Database that they ask."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._names: dict[str, Any] = shell.user_ns
        self._own: list[Any] = []
        self.db: Any = None

    @line_cell_magic
    def polydoc(self, line: str, cell: str | None = None) -> Any:
        """Connect to a source, look at its views, ask them.

        %polydoc connect SOURCE [-o NAME] [--timezone Europe/Lisbon] [--period 2026-10] …
            Connect to a file, folder, glob or lake, or to a variable that holds a table, a Lake or a Database.
            The flags are the arguments of polydoc_analytics.connect; NAME is the variable that gets the Database.
        %polydoc views
            Return the dictionary of views: view, title and grain.
        %polydoc describe VIEW
            Return the columns of a view: column, type and meaning.
        %%polydoc [-o NAME] [--chart bar|line|area|point [--x COLUMN] [--y COLUMN] [--color COLUMN]]
            Run the cell, one SELECT over the views. Returns a Polars frame, which NAME gets as well, or its chart.
        """
        if cell is not None:
            return self._ask(line, cell)
        command, _, rest = line.strip().partition(" ")
        if not command:
            print(self.__class__.polydoc.__doc__)
            return None
        if command == "connect":
            return self._connect(rest)
        if command == "views":
            return self._connected().views()
        if command == "describe":
            return self._connected().describe(rest.strip() or "usage")
        raise UsageError(f"unknown command '{command}'{nearest(command, COMMANDS)}; expected {', '.join(COMMANDS)}")

    def _connect(self, line: str) -> None:
        from polydoc_analytics.query.connect import connect
        from polydoc_analytics.query.database import Database

        parser = _Parser("%polydoc connect")
        parser.add_argument("source", metavar="SOURCE")
        parser.add_argument("-o", dest="name", metavar="NAME")
        for option in CONNECT_OPTIONS:
            action = "store_true" if option in _SWITCHES else "append" if option in _MANY else "store"
            parser.add_argument(option, action=action)
        chosen = vars(parser.parse_args(_words(line)))
        source, name = chosen.pop("source"), _checked(chosen.pop("name"))
        source = self._names.get(source, source) if source.isidentifier() else source
        arguments = {option: value for option, value in chosen.items() if value not in (None, False)}
        if "as_of" in arguments and arguments["as_of"].isdigit():
            arguments["as_of"] = int(arguments["as_of"])
        if isinstance(source, Database):
            if arguments:
                raise UsageError("a Database has its interval and zone already; leave the flags out")
            made = source
        else:
            made = connect(source, match="typed", **arguments)
            self._own.append(made)
        self._leave()
        self.db = made
        if name:
            self._names[name] = self.db
        print(_summary(self.db))

    def _ask(self, line: str, cell: str) -> Any:
        parser = _Parser("%%polydoc")
        parser.add_argument("-o", dest="name", metavar="NAME")
        parser.add_argument("--chart", metavar="|".join(FORMS))
        for option in ("--x", "--y", "--color"):
            parser.add_argument(option, metavar="COLUMN")
        chosen = parser.parse_args(_words(line))
        name = _checked(chosen.name)
        frame = self._connected().sql(cell)
        if name:
            self._names[name] = frame
        if chosen.chart is None:
            if chosen.x or chosen.y or chosen.color:
                raise UsageError(f"--x, --y and --color are of a chart; add --chart {'|'.join(FORMS)}")
            return frame
        from polydoc_analytics.reports.charts.charts import chart

        return chart(frame, chosen.chart, x=chosen.x, y=chosen.y, color=chosen.color)

    def _leave(self) -> None:
        """Close the Database that was connected before, where it was made here and no variable has it."""
        if self.db in self._own and not any(value is self.db for value in self._names.values()):
            self._own.remove(self.db)
            self.db.close()

    def _connected(self) -> Any:
        if self.db is None:
            raise UsageError("not connected; first: %polydoc connect SOURCE")
        return self.db


class _Parser(argparse.ArgumentParser):
    """A parser that raises UsageError, with the magic's name in front."""

    def __init__(self, magic: str) -> None:
        super().__init__(prog=magic, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; %polydoc alone lists the commands")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line.strip()}: {error}; close the quotation mark") from None


def _checked(name: str | None) -> str | None:
    if name is not None and not name.isidentifier():
        raise UsageError(f"-o {name}: expected the name of a variable")
    return name


def _summary(db: Any) -> str:
    """Summarise a Database in one line: how rows are accounted for, what is chosen of them, and the zone."""
    counts = db.counts
    runs = counted(counts.runs, "run")
    if db.snapshot:
        parts = [f"{runs} as of {db.snapshot}"]
    else:
        lost = f"{counted(counts.duplicates, 'duplicate')}, {counts.quarantined:,} quarantined"
        parts = [f"{counted(counts.read, 'row')} read: {runs}, {lost}"]
    if undated := db.runs_without_date:
        parts.append(f"{counted(undated, 'run')} without finished_at left out")
    for kind, chosen in (("account", db.filters.accounts), ("language", db.filters.languages)):
        parts += [f"{noun(len(chosen), kind)} {', '.join(map(on_one_line, chosen))}"] if chosen else []
    return "; ".join(filter(None, [*parts, db.interval.text, db.timezone]))
