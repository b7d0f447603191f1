"""The envelope of an array of runs in a JSON document: which array it is, and whether more pages follow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

from polydoc_analytics.errors import SourceError
from polydoc_analytics.loaders import run_parser
from polydoc_analytics.loaders.executor import Work
from polydoc_analytics.loaders.formats import json_pages
from polydoc_analytics.loaders.formats.json_elements import Elements, Piece
from polydoc_analytics.loaders.formats.json_recognition import (
    ERRORS,
    EXPLANATIONS,
    KEYS_OF_A_RUN,
    is_failure,
    required_keys,
)
from polydoc_analytics.loaders.formats.json_text import Text

_MAX_DEPTH = 100
_LOOKED_AT = 100
_MAX_ELEMENT_BYTES = 1024 * 1024
_IN_MEMORY_BYTES = 1024 * 1024
_HELD_BYTES = 256 * 1024
_OF_A_ROW = 2
_MAX_NAMED = 5


class Envelope:
    """An object that is walked through from its {, in search of the one array of runs in it, at any depth.

    After :meth:`read`, ``is_run`` tells that it holds none and is a run itself, which has not been read then. ``signs``
    are those of more pages that were found elsewhere.
    """

    def __init__(
        self, text: Text, elements: Elements, *, is_partial: bool, signs: json_pages.Signs | None = None
    ) -> None:
        self.is_run = False
        self._text = text
        self._elements = elements
        self._is_partial = is_partial
        self._own: dict[str, Any] = {}
        self._nested: dict[str, None] = {}
        self._chosen = ""
        self._rows: list[str] = []
        self._others: list[str] = []
        self._too_long: list[Work] = []
        self._is_empty = False
        self._signs = signs or json_pages.Signs()
        self._error = (len(EXPLANATIONS) + 1, "")

    @property
    def more(self) -> list[json_pages.More]:
        """The signs that this is one page of several, and not the last, or that the pages up to it are not all."""
        return [] if self.is_run else self._signs.more(self._elements.record - 1)

    def read(self) -> Iterator[Work]:
        """Yield the work of reading the array's elements; SourceError where it is unclear which array that is."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, prefix="polydoc-") as held_back:
            for path in self._arrays():
                yield from self._array(path, held_back)
            yield from self._conclude(held_back)

    def _arrays(self) -> Iterator[tuple[str, ...]]:
        """Walk through the object; yield the keys of each array, which is to be taken from behind its [."""
        text = self._text
        keys: list[str] = []
        text.take(b"{", "where the object begins")
        is_open = True
        while True:
            mark = text.mark()
            if mark == b"}":
                text.at += 1
                if not keys:
                    return
                keys.pop()
                is_open = False
                continue
            if not is_open:
                text.take(b",", "behind a value")
            key = text.text()
            text.take(b":", "behind a key")
            path = (*keys, key)
            mark = text.mark()
            is_open = mark == b"{"
            if len(path) == 1:
                self._own[key] = None
                if mark in (b"{", b"["):
                    self._nested[key] = None
            if is_open:
                if len(path) > _MAX_DEPTH:
                    raise SourceError(f"{text.source}: its objects lie more than {_MAX_DEPTH} deep in each other")
                text.at += 1
                keys.append(key)
            elif mark == b"[":
                text.at += 1
                yield path
            else:
                self._note(path, text.scalar())

    def _note(self, path: tuple[str, ...], value: Any) -> None:
        """Take note of a value that is no object and no array."""
        if len(path) == 1:
            self._own[path[0]] = value
        if path[0].lower() in ERRORS:
            self._note_error(path[-1], value)
        self._signs.note(path, value)

    def _note_error(self, key: str, value: Any) -> None:
        """Take note of what an error says; its message explains it better than its code."""
        if value is None or value is False or str(value).strip().lower() in ("", "0", "false", "null", "none"):
            return
        key = key.lower()
        rank = EXPLANATIONS.index(key) if key in EXPLANATIONS else len(EXPLANATIONS)
        self._error = min(self._error, (rank, "" if value is True else str(value)), key=lambda known: known[0])

    def _array(self, path: tuple[str, ...], held_back: IO[bytes]) -> Iterator[Work]:
        """Take an array: yield the work of reading it if it is that of the runs, else hold back what may be rows."""
        elements, name = self._elements, ".".join(path)
        before = elements.record
        pieces = elements.pieces()
        waiting: list[Piece | Work] = []
        looked_at = most_keys = 0
        for piece in pieces:
            waiting.append(piece)
            for value in _parsed(piece, _LOOKED_AT - looked_at, self._text.source):
                looked_at += 1
                most_keys = max(most_keys, required_keys(value) if isinstance(value, dict) else 0)
                self._note_element(path, value)
                if most_keys >= KEYS_OF_A_RUN:
                    break
            if most_keys >= KEYS_OF_A_RUN or looked_at >= _LOOKED_AT:
                break
        if most_keys >= KEYS_OF_A_RUN:
            if self._chosen:
                raise self._several([self._chosen, name])
            self._chosen = name
            self._text.forget()
            yield from map(elements.work, waiting)
            yield from map(elements.work, pieces)
            return
        if not waiting:
            self._is_empty |= not any(word in name.lower() for word in ("error", "warning"))
            return
        (self._rows if most_keys else self._others).append(name)
        is_held_back = most_keys > 0 and len(self._rows) == 1 and not self._chosen
        for part in (waiting, pieces):
            for piece in part:
                if is_held_back and isinstance(piece, Work):
                    self._too_long.append(piece)
                elif is_held_back and not isinstance(piece, Work):
                    held_back.writelines(element + b"\n" for element in piece.elements())
        elements.record = before

    def _note_element(self, path: tuple[str, ...], value: Any) -> None:
        """Take note of an element of an array: an error, or a link to the next page."""
        if path[0].lower() in ERRORS:
            for key, said in value.items() if isinstance(value, dict) else [(path[-1], value)]:
                self._note_error(key, said if isinstance(said, str) else "")
        if not isinstance(value, dict) or required_keys(value) < KEYS_OF_A_RUN:
            self._signs.note_link(path, value)

    def _conclude(self, held_back: IO[bytes]) -> Iterator[Work]:
        """Decide what the object is, now that all of it is known; what was held back may be its rows."""
        source, error = self._text.source, self._said_error()
        if self._chosen:
            if error is not None and not self._is_partial:
                raise SourceError(
                    f"{source}: holds an error beside its runs{error}, so some may be missing; "
                    "fetch it again, or take it as it is with --partial"
                )
            return
        keys = required_keys(self._own)
        if required_keys(self._nested) >= KEYS_OF_A_RUN:
            raise SourceError(
                f"{source}: holds columns, one key each; expected an array of runs, as pandas writes it with "
                'orient="records"'
            )
        if keys >= KEYS_OF_A_RUN:
            self.is_run = True
        elif error is not None:
            raise SourceError(f"{source}: is an error, not runs{error}")
        elif len(self._rows) > 1 or (not self._rows and len(self._others) > 1 and keys < _OF_A_ROW):
            raise self._several(self._rows or self._others)
        elif self._rows:
            yield from self._held_back(held_back)
        elif keys >= _OF_A_ROW or (keys and self._text.is_beyond_memory):
            self.is_run = True
        elif self._others:
            raise SourceError(
                f"{source}: the array {run_parser.show(self._others[0])} holds no runs; expected an array of runs, "
                'or an object with one, such as {"data": [...]}'
            )
        elif not self._is_empty:
            said = next((self._own[key] for key in EXPLANATIONS if isinstance(self._own.get(key), str)), None)
            if said is not None:
                raise SourceError(f"{source}: is an error, not runs: {run_parser.show(said)}")
            named = ", ".join(list(self._own)[:_MAX_NAMED])
            raise SourceError(
                f"{source}: holds no array of runs; it has {run_parser.show(named) if named else 'no keys at all'}, "
                'expected an array of runs, or an object with one, such as {"data": [...]}'
            )

    def _said_error(self) -> str | None:
        """Extract the error message of the object; None where it has none."""
        rank, said = self._error
        if rank <= len(EXPLANATIONS):
            return f": {run_parser.show(said)}" if said else ""
        if not is_failure(self._own):
            return None
        said = next((self._own[key] for key in EXPLANATIONS if isinstance(self._own.get(key), str)), "")
        return f": {run_parser.show(said)}" if said else ""

    def _several(self, names: list[str]) -> SourceError:
        shown = run_parser.show(", ".join(names[:_MAX_NAMED]))
        return SourceError(
            f"{self._text.source}: holds more than one array that may be that of the runs: {shown}; save the array of "
            "runs as a file of its own"
        )

    def _held_back(self, lines: IO[bytes]) -> Iterator[Work]:
        lines.seek(0)
        while some := lines.readlines(_HELD_BYTES):
            self._elements.record += len(some)
            yield self._elements.work(Piece(b"".join(some)[:-1], self._elements.record - len(some), len(some)))
        yield from self._too_long


def _parsed(piece: Piece | Work, max_elements: int, source: str) -> Iterator[Any]:
    """Yield the first elements of a piece, parsed; None for one that is too long to look at, or no JSON."""
    if isinstance(piece, Work):
        yield None
        return
    for element in islice(piece.elements(), max_elements):
        value = None
        if not element:
            raise SourceError(f"{source}: not JSON: a comma in the array has nothing before or behind it")
        if len(element) <= _MAX_ELEMENT_BYTES:
            try:
                value = run_parser.parse(element)
            except run_parser.Refusal:
                value = None
        yield value
