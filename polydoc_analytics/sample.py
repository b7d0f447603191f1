"""Realistic synthetic runs, the same for the same seed: what a translation service of some size would have logged.

Planted in every sample: accounts of very different size, quiet weekends and nights, growth, languages written several
ways, a week in which French fails often, runs seen twice, runs still Running, unknown tokens and credits, files that
were charged twice, and the days on which Europe's clocks change.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, BinaryIO

from polydoc_analytics.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
    Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
    Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
    Octets = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

UNTIL = date(2026, 10, 31)
DAYS = 250
SPIKE_LANGUAGE = "fr"
SPIKE_FIRST_DAY = date(2026, 10, 12)
SPIKE_LAST_DAY = date(2026, 10, 18)
SPIKE_FAILURE_RATE = 0.5
FAILURE_RATE = 0.03

_CHUNK_RUNS = 100_000
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_SLOTS = 64

# Each language: its tag, other ways in which clients write it, its share, and output tokens for each input token.
_LANGUAGES: tuple[tuple[str, tuple[str, ...], float, float], ...] = (
    ("de", ("German", "Deutsch", "DE"), 18, 1.22),
    ("fr", ("French", "français", "Français"), 24, 1.18),
    ("es", ("Spanish", "español"), 12, 1.15),
    ("ja", ("Japanese", "日本語"), 8, 0.92),
    ("pt-BR", ("pt_br", "Portuguese (Brazil)", "Brazilian Portuguese"), 8, 1.14),
    ("zh-CN", ("zh_CN", "Chinese (China)"), 7, 0.78),
    ("it", ("Italian", "italiano"), 6, 1.16),
    ("nl", ("Dutch", "NL"), 5, 1.12),
    ("pl", ("Polish",), 4, 1.27),
    ("ko", ("Korean", "한국어"), 4, 0.95),
    ("sv", ("Swedish",), 3, 1.05),
    ("tr", ("Turkish",), 2, 1.1),
    ("cs", ("Czech",), 2, 1.2),
    ("uk", ("Ukrainian",), 2, 1.24),
    ("da", ("Danish",), 1, 1.06),
    ("fi", ("Finnish",), 1, 1.13),
    ("ar", ("Arabic",), 1, 1.08),
    ("he", ("iw", "Hebrew"), 0.5, 0.98),
    ("zh-Hant", ("Chinese (Traditional)",), 0.5, 0.8),
)
_UNKNOWN_LANGUAGE = "house style 7"
_WEEKDAYS = (1.0, 1.06, 1.08, 1.02, 0.9, 0.24, 0.18)


def write_sample(
    out: str | os.PathLike[str] | BinaryIO,
    *,
    runs: int,
    seed: int = 0,
    broken: int = 0,
    until: date = UNTIL,
    days: int = DAYS,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write ``runs`` runs, some of them seen twice, as NDJSON in wire form, in about the order of their creation.

    They were created in the ``days`` days up to and with ``until`` (UTC). ``broken`` lines that break a hard rule are
    spread among them. A file appears under its name when it is whole. Raises UsageError for numbers that make no sense.
    """
    if runs < 1 or broken < 0 or days < 1 or seed < 0:
        raise UsageError("a sample needs at least one run and one day; seed and broken lines cannot be negative")
    if not isinstance(out, str | os.PathLike):
        _write(out, runs, seed, broken, until, days, progress)
        return
    half = f"{os.fspath(out)}.half"
    try:
        with open(half, "wb") as file:
            _write(file, runs, seed, broken, until, days, progress)
        os.replace(half, out)
    finally:
        if os.path.exists(half):
            os.unlink(half)


def _write(
    file: BinaryIO,
    runs: int,
    seed: int,
    broken: int,
    until: date,
    days: int,
    progress: Callable[[int], None] | None,
) -> None:
    world = _World(runs, seed, until, days)
    for start in range(0, runs, _CHUNK_RUNS):
        end = min(start + _CHUNK_RUNS, runs)
        content = world.chunk(start, end)
        # The n-th broken line stands behind the share n + 1/2 of the runs.
        first, last = (math.ceil(at * broken / runs - 0.5) for at in (start, end))
        if last > first:
            content = _with_broken_lines(content, first, last)
        file.write(content)
        if progress:
            progress(end)


class _World:
    """What stays the same over all runs of a sample: accounts, their languages, and when people work."""

    def __init__(self, runs: int, seed: int, until: date, days: int) -> None:
        import numpy as np

        self.runs = runs
        self.seed = seed
        self.end_us = (until.toordinal() - date(1970, 1, 1).toordinal() + 1) * _DAY_US
        self.start_us = self.end_us - days * _DAY_US
        rng = np.random.default_rng([seed, 1 << 32])
        accounts = max(6, round(12 * (runs / 2_000) ** 0.6))
        self.accounts = _uuids(rng, accounts)
        self.account_share = np.cumsum(1 / np.arange(1, accounts + 1) ** 1.15)
        self.account_share /= self.account_share[-1]
        shares = np.array([share for _, _, share, _ in _LANGUAGES])
        taste = np.exp(1.2 * rng.standard_normal((accounts, len(_LANGUAGES)))) * shares
        cumulated = np.cumsum(taste, axis=1) / taste.sum(axis=1)[:, None]
        slots = (np.arange(_SLOTS) + 0.5) / _SLOTS
        self.slots = np.stack([np.searchsorted(row, slots) for row in cumulated])
        hours = np.arange(days * 24)
        day = self.start_us // _DAY_US + hours // 24
        rhythm = np.array(_WEEKDAYS)[(day + 3) % 7] * (0.12 + np.exp(-(((hours % 24 - 12.5) / 4) ** 2)))
        self.hours = np.concatenate(([0.0], np.cumsum(rhythm * (1 + 1.5 * hours / len(hours)))))
        self.hours /= self.hours[-1]

    def chunk(self, start: int, end: int) -> bytes:
        """Return the lines of the runs from number ``start`` to ``end``."""
        import numpy as np
        import polars as pl

        rng = np.random.default_rng([self.seed, start // _CHUNK_RUNS])
        count = end - start
        place = (np.arange(start, end) + rng.random(count)) / self.runs
        created = self.start_us + (np.interp(place, self.hours, np.arange(len(self.hours))) * _HOUR_US).astype(np.int64)
        account = np.searchsorted(self.account_share, rng.random(count))
        language = self.slots[account, rng.integers(0, _SLOTS, count)]
        files = _uuids(rng, count)
        twice = np.flatnonzero(rng.random(count) < 0.0015)
        twice = twice[twice > 0]
        account[twice], language[twice] = account[twice - 1], language[twice - 1]
        files = files.take(_with(np.arange(count), twice, twice - 1))
        text = _texts(rng, language)
        input_tokens = np.clip(np.exp(8.2 + 1.1 * rng.standard_normal(count)), 20, 400_000).astype(np.int64)
        ratio = np.array([ratio for *_, ratio in _LANGUAGES])[language]
        output_tokens = (input_tokens * ratio * np.exp(0.08 * rng.standard_normal(count))).astype(np.int64) + 1
        duration = (6e6 * (input_tokens / 4_000) ** 0.55 * np.exp(0.55 * rng.standard_normal(count))).astype(np.int64)

        is_spike = self._is_spike(created, language)
        failed = rng.random(count) < np.where(is_spike, SPIKE_FAILURE_RATE, FAILURE_RATE)
        failed[twice] = failed[twice - 1] = False
        duration = np.where(failed, duration // 3, duration) + 150_000
        finished = created + duration
        running = (finished > self.end_us) | (rng.random(count) < 0.003)
        running[twice] = running[twice - 1] = False
        charged = np.maximum(1, -(-(input_tokens + output_tokens) // 1_000))
        charged = np.where(failed & (rng.random(count) < 0.8), 0, charged)
        no_credits = running | (rng.random(count) < 0.005)
        no_credits[twice] = no_credits[twice - 1] = False
        no_tokens = ~running & (rng.random(count) < 0.008)
        no_output = running | no_tokens | (failed & (rng.random(count) < 0.6))
        status = np.where(running, 0, np.where(failed, 2, 1))

        frame = pl.DataFrame(
            {
                "account_id": pl.Series(self.accounts.take(account)),
                "created_at": pl.Series(_instants(created)),
                "credits": pl.Series(charged).set(pl.Series(no_credits), None),
                "finished_at": pl.Series(_instants(finished)).set(pl.Series(running), None),
                "id": pl.Series(_uuids(rng, count)),
                "input_file_id": pl.Series(files),
                "input_tokens": pl.Series(input_tokens).set(pl.Series(no_tokens), None),
                "output_file_id": pl.Series(_uuids(rng, count)).set(pl.Series(running | failed), None),
                "output_tokens": pl.Series(output_tokens).set(pl.Series(no_output), None),
                "status": pl.Series(["Running", "Succeeded", "Failed"]).gather(status),
                "target_language": text,
                "seen_at": pl.Series(np.where(running, created, finished)),
            }
        )
        # A run that was seen while Running is seen again when it has finished; some lines are sent twice.
        seen_before = frame.filter(pl.Series(~running & (rng.random(count) < 0.01))).with_columns(
            pl.lit(None).alias("credits"),
            pl.lit(None).alias("finished_at"),
            pl.lit(None).alias("output_file_id"),
            pl.lit(None).alias("output_tokens"),
            pl.lit("Running").alias("status"),
            pl.col("seen_at") - 60_000_000 * 60,
        )
        sent_twice = frame.filter(pl.Series(rng.random(count) < 0.003)).with_columns(pl.col("seen_at") + 90_000_000)
        return _lines(
            pl.concat([frame, seen_before.cast(frame.schema), sent_twice]).sort("seen_at", maintain_order=True)
        )

    def _is_spike(self, created: Ints, language: Ints) -> Mask:
        tags = [tag for tag, *_ in _LANGUAGES]
        day = created // _DAY_US + date(1970, 1, 1).toordinal()
        in_week = (day >= SPIKE_FIRST_DAY.toordinal()) & (day <= SPIKE_LAST_DAY.toordinal())
        mask: Mask = in_week & (language == tags.index(SPIKE_LANGUAGE))
        return mask


def _with(values: Ints, at: Ints, new: Ints) -> Ints:
    values = values.copy()
    values[at] = new
    return values


def _texts(rng: np.random.Generator, language: Ints) -> pl.Series:
    """Write languages as clients do: nine in ten as a plain tag, a few that nobody knows."""
    import numpy as np
    import polars as pl

    spellings = [[tag, *others] for tag, others, *_ in _LANGUAGES]
    first = np.cumsum([0, *(len(ways) for ways in spellings)])
    ways = np.array([len(ways) for ways in spellings])[language]
    other = 1 + (rng.random(len(language)) * (ways - 1)).astype(np.int64)
    chosen = first[language] + np.where(rng.random(len(language)) < 0.1, np.minimum(other, ways - 1), 0)
    chosen = np.where(rng.random(len(language)) < 0.002, first[-1], chosen)
    return pl.Series([way for ways in spellings for way in ways] + [_UNKNOWN_LANGUAGE]).gather(chosen)


def _uuids(rng: np.random.Generator, count: int) -> pa.Array:
    """Return random UUIDs (version 4) as texts."""
    import numpy as np

    octets = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((count, 36), ord("-"), np.uint8)
    places = [at for at in range(36) if at not in (8, 13, 18, 23)]
    text[:, places[0::2]] = digits[octets >> 4]
    text[:, places[1::2]] = digits[octets & 15]
    return _fixed_width(text)


def _instants(us: Ints) -> pa.Array:
    """Return instants in µs since 1970 UTC as texts such as 2026-10-31T12:00:00.000000Z."""
    import numpy as np

    text = np.empty((len(us), 27), np.uint8)
    text[:] = np.frombuffer(b"0000-00-00T00:00:00.000000Z", np.uint8)
    months = us.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    day = us // _DAY_US - months.view("datetime64[M]").astype("datetime64[D]").astype(np.int64) + 1
    second, fraction = us % _DAY_US // 1_000_000, us % 1_000_000
    parts: list[tuple[int, int, Ints]] = [
        (0, 4, 1970 + months // 12),
        (5, 2, months % 12 + 1),
        (8, 2, day),
        (11, 2, second // 3600),
        (14, 2, second // 60 % 60),
        (17, 2, second % 60),
        (20, 6, fraction),
    ]
    for start, width, value in parts:
        for place in range(width):
            text[:, start + place] = ord("0") + value // 10 ** (width - 1 - place) % 10
    return _fixed_width(text)


def _fixed_width(text: Octets) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    offsets = np.arange(len(text) + 1, dtype=np.int64) * text.shape[1]
    return pa.LargeStringArray.from_buffers(len(text), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


def _lines(frame: pl.DataFrame) -> bytes:
    """Write rows in wire form; no text in a sample needs an escape."""
    import polars as pl

    quoted = {"credits": "", "input_tokens": "", "output_tokens": ""}
    parts: list[pl.Expr] = []
    for at, name in enumerate(column for column in frame.columns if column != "seen_at"):
        mark = quoted.get(name, '"')
        value = pl.concat_str(pl.lit(mark), pl.col(name).cast(pl.String), pl.lit(mark)).fill_null("null")
        parts += [pl.lit(f'{"," if at else "{"}"{name}":'), value]
    lines = frame.select(pl.concat_str(*parts, pl.lit("}")).alias("line"))
    return lines.write_csv(include_header=False, quote_style="never").encode()


def _with_broken_lines(content: bytes, first: int, last: int) -> bytes:
    """Spread the broken lines number ``first`` to ``last`` among some lines."""
    lines = content.splitlines(keepends=True)
    step = len(lines) / (last - first)
    for number in range(last - 1, first - 1, -1):
        at = int((number - first + 0.5) * step)
        lines.insert(at + 1, _broken(lines[at], number))
    return b"".join(lines)


def _broken(line: bytes, number: int) -> bytes:
    """Return a line that breaks a hard rule, made from a good one."""
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: line[: len(line) // 2] + b"\n",
        lambda: re.sub(rb'"status":"\w+"', b'"status":"Done"', line),
        lambda: re.sub(rb'"id":"[^"]*",', b"", line),
        lambda: re.sub(rb'"credits":\w+', b'"credits":19.5', line),
        lambda: re.sub(rb'("created_at":"[^"]*)Z"', rb'\1"', line),
        lambda: re.sub(rb'("created_at":"\d{4})-\d\d-\d\d', rb"\1-02-30", line),
        lambda: b"2026-10-31 12:00:00 WARN export interrupted, resuming\n",
        lambda: re.sub(rb'"id":"[^"]{8}', b'"id":"\xff\xfe', line),
    )
    return kinds[number % len(kinds)]()
