"""A view as the catalog has it: documented, its SQL not rendered yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name, title, grain, columns with their meanings, and its SQL with places left to fill.

    ``keys`` are the columns that name and order its rows, ``every`` is day, week or month where it has a period.
    ``file`` is that of a user's own view, whose SQL is plain.
    """

    name: str
    title: str
    grain: str
    columns: dict[str, str]
    template: str
    keys: tuple[str, ...] = ()
    every: str | None = None
    file: str | None = None

    @property
    def described(self) -> str:
        """Its title and grain, in two sentences."""
        return f"{self.title} Grain: {self.grain}."

    @property
    def ordered_by(self) -> tuple[str, ...]:
        """The columns that rows are ordered by: the keys, and the status where a row is of one."""
        return (*self.keys, "status") if self.name.startswith("durations") else self.keys

    @property
    def needs_language(self) -> bool:
        """Check whether the view looks at languages."""
        return "language" in self.keys
