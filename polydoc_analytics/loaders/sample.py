"""Realistic synthetic runs, the same for the same seed: what a translation service of some size would have logged.

Planted in every sample that is large enough: accounts of very different size, quiet weekends and nights, growth,
languages written several ways, a week in which French fails often, clients that try again after a failure, submit a
file twice or come back with it later, runs seen twice, runs still Running, unknown tokens and credits, and runs in the
nights in which Europe's clocks change.

Whatever decides a byte is an integer or exact under IEEE 754: exp(), log() and normal draws differ in their last bit
between processors, so the log-normal quantiles are tables of rounded integers.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from statistics import NormalDist
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from polydoc_analytics.errors import UsageError, refuse_address, translated, unwritable
from polydoc_analytics.loaders.atomic_write import atomic_write
from polydoc_analytics.loaders.fixed_width_text import instants, integers, uuids
from polydoc_analytics.loaders.sample_attempts import (
    QUANTILES,
    RUN,
    SPIKE_LANGUAGE,
    Requests,
    as_many,
    originals,
)
from polydoc_analytics.model.epoch import DAY_US

UNTIL = date(2026, 10, 31)
DAYS = 400
CLOCK_CHANGES = (date(2025, 10, 26), date(2026, 3, 29), date(2026, 10, 25))
"""Sundays on which Europe's clocks change, at 01:00 UTC; some runs were created in the hour before and after."""

_CHUNK_RUNS = 50_000
_MAX_RUNS = 1_000_000_000
_MAX_DAYS = 36_525
_EPOCH = date(1970, 1, 1).toordinal()
_HOUR_US = 3_600_000_000

# Each language: its tag, other ways in which clients write it, its weight, and output tokens for 100 input tokens.
_LANGUAGES: tuple[tuple[str, tuple[str, ...], int, int], ...] = (
    ("de", ("DE", "German", "Deutsch"), 36, 122),
    ("fr", ("FR", "French", "français"), 44, 118),
    ("es", ("Spanish", "español"), 24, 115),
    ("pt-BR", ("pt_br", "PT-br", "Portuguese (Brazil)", "Brazilian Portuguese"), 16, 114),
    ("ja", ("Japanese", "日本語"), 16, 92),
    ("zh-CN", ("zh_CN", "zh-cn"), 12, 78),
    ("zh-Hans", ("Chinese (Simplified)", "Simplified Chinese"), 3, 78),
    ("it", ("IT", "Italian", "italiano"), 12, 116),
    ("nl", ("Dutch", "Nederlands"), 10, 112),
    ("pl", ("Polish", "polski"), 8, 127),
    ("ko", ("Korean", "한국어"), 8, 95),
    ("sv", ("Swedish", "svenska"), 6, 105),
    ("tr", ("Turkish", "Türkçe"), 4, 110),
    ("cs", ("Czech", "čeština"), 4, 120),
    ("uk", ("Ukrainian", "українська"), 4, 124),
    ("da", ("Danish",), 3, 106),
    ("fi", ("Finnish", "suomi"), 3, 113),
    ("ar", ("Arabic", "العربية"), 3, 108),
    ("he", ("iw", "Hebrew"), 2, 98),
    ("en-GB", ("en_gb", "English (United Kingdom)"), 2, 100),
)
_UNKNOWN = ("Klingonish", "house style 7")
_TAGS, _OTHERS, _WEIGHTS, _PER_100 = zip(*_LANGUAGES, strict=True)
_SPELLINGS = [way for tag, others, *_ in _LANGUAGES for way in (tag, *others)] + [*_UNKNOWN]

_BY_WEEKDAY = (100, 106, 108, 102, 90, 24, 18)
_BY_HOUR = (9, 7, 6, 7, 10, 18, 34, 62, 88, 100, 98, 84, 80, 92, 100, 95, 82, 64, 46, 34, 26, 20, 15, 12)

# The keys in their order, each with the bytes of the longest value, quotes included.
_WIDTHS = {"account_id": 38, "created_at": 29, "credits": 4, "finished_at": 29, "id": 38, "input_file_id": 38}
_WIDTHS |= {"input_tokens": 7, "output_file_id": 38, "output_tokens": 7, "status": 11}
_WIDTHS |= {"target_language": 2 + max(len(way.encode()) for way in _SPELLINGS)}

# What breaks a good line, by a hard rule each.
_BREAKS = (
    (rb"^(.{170}).*", rb"\1"),
    (rb'"status":"\w+"', b'"status":"Done"'),
    (rb'"id":"[^"]*",', b""),
    (rb'"credits":\w+', b'"credits":19.5'),
    (rb'("created_at":"[^"]*)Z"', rb'\1"'),
    (rb'("created_at":"\d{4})-\d\d-\d\d', rb"\1-02-30"),
    (rb"^.*", b"2026-10-31 12:00:00 WARN export interrupted, resuming"),
    (rb'"id":"[^"]{8}', b'"id":"\xff\xfe'),
)


@translated()
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

    ``out`` is a path or a binary stream. The same arguments, ``seed`` among them, give the same bytes. The runs were
    created in the ``days`` days (UTC) up to and with ``until``. Clients try again within minutes after two in three
    failures, up to three times; now and then they submit a file twice, or send it again later. ``broken`` further
    lines, each of which breaks a hard rule, are spread among them. ``progress`` is told how many runs are written. A
    file appears under its name only when it is whole; a stream stays open. Raises UsageError for numbers that make no
    sense and for a path that cannot be written to.
    """
    if not (1 <= runs <= _MAX_RUNS and 1 <= days <= min(_MAX_DAYS, until.toordinal()) and broken >= 0 <= seed):
        most = f"at most {_MAX_RUNS:,} runs and {_MAX_DAYS:,} days"
        raise UsageError(f"a sample needs at least one run and one day, {most}, and no negative number")
    refuse_address(out)
    service = _Service(runs, seed, until, days)

    def fill(file: BinaryIO) -> None:
        for start in range(0, runs, _CHUNK_RUNS):
            end = min(start + _CHUNK_RUNS, runs)
            content = service.lines(start, end)
            file.write(_with_broken_lines(content, start, end, runs, broken) if broken else content)
            if progress:
                progress(end)

    if not isinstance(out, str | os.PathLike):
        fill(out)
        return
    with ExitStack() as stack:
        try:
            os.makedirs(os.path.dirname(os.path.realpath(out)), exist_ok=True)
            file = stack.enter_context(atomic_write(out))
        except OSError as error:  # only a failure to open is the caller's mistake
            raise unwritable(out, error) from None
        fill(file)


class _Service:
    """Constants of a sample: accounts, their languages, and when people work."""

    def __init__(self, runs: int, seed: int, until: date, days: int) -> None:
        self.runs, self.seed = runs, seed
        self.end_us = (until.toordinal() - _EPOCH + 1) * DAY_US
        self.start_us = self.end_us - days * DAY_US
        rng = np.random.default_rng([seed, 1 << 31])  # no chunk has this number
        accounts = max(6, round(12 * (runs / 2_000) ** 0.6))
        self.accounts = uuids(rng, accounts)
        taste = np.array(_WEIGHTS) * rng.integers(5, 30, (accounts, len(_TAGS))) ** 2
        size = 10**10 // np.arange(1, accounts + 1)
        # One row for each account, one column for each language, and then cumulated over both.
        self.demand = np.cumsum(size[:, None] * taste // taste.sum(axis=1)[:, None])
        hours = np.arange(days * 24)
        day = until.toordinal() - days + 1 + hours // 24
        rhythm = np.array(_BY_WEEKDAY)[(day - 1) % 7] * np.array(_BY_HOUR)[hours % 24]
        activity = 1 + rhythm * (100 + 300 * hours**2 // len(hours) ** 2) // 1_000
        is_clock_change = np.isin(day, [sunday.toordinal() for sunday in CLOCK_CHANGES]) & (hours % 24 < 2)
        self.activity = np.cumsum(activity + is_clock_change * (activity.sum() // 1_500))
        self.sizes, self.outputs, self.times = map(_lognormal, (1.1, 0.08, 0.55))

    def lines(self, start: int, end: int) -> bytes:
        """Return the lines of the runs from number ``start`` to ``end``."""
        rng = np.random.default_rng([self.seed, start // _CHUNK_RUNS])
        number, count, total = np.arange(start, end), end - start, self.activity[-1]
        hour = np.searchsorted(self.activity, (number * total + rng.integers(0, total, count)) // self.runs, "right")
        submitted = np.sort(self.start_us + hour * _HOUR_US + rng.integers(0, _HOUR_US, count))
        original = originals(rng, submitted)
        demand = np.searchsorted(self.demand, rng.integers(0, self.demand[-1], count), "right")[original]
        account, language = np.divmod(demand, len(_TAGS))
        input_tokens = 3_600 * self.sizes[rng.integers(0, QUANTILES, count)] // 1_000_000
        input_tokens = np.clip(input_tokens * rng.integers(900, 1_100, count) // 1_000, 20, 400_000)[original]
        input_file_id, spelling = uuids(rng, count)[original], _spelled(rng, language)

        is_french = language == _TAGS.index(SPIKE_LANGUAGE)
        requests = Requests(submitted, is_french, input_tokens, self.times, self.end_us)
        runs = as_many(rng, requests.attempts(rng), count)
        if end == self.runs:
            runs["failed"][-1], runs["running"][-1] = False, True
        request, created, finished, failed, running = (runs[name] for name in RUN.names or ())
        input_tokens = input_tokens[request]
        expansion = np.array(_PER_100)[language[request]] * self.outputs[rng.integers(0, QUANTILES, count)]
        output_tokens = 1 + input_tokens * expansion // 100_000_000
        charged = np.maximum(1, -(-(input_tokens + output_tokens) // 1_000))
        charged[failed & (rng.random(count) < 0.8)] = 0
        no_tokens = rng.random(count) < 0.006

        lines = np.repeat(_empty_line(), count)
        lines["account_id"] = self.accounts[account[request]]
        lines["created_at"] = instants(created)
        lines["credits"] = integers(charged, _WIDTHS["credits"])
        lines["credits"][rng.random(count) < 0.006] = b"null"
        lines["finished_at"] = instants(finished)
        lines["id"] = uuids(rng, count)
        lines["input_file_id"] = input_file_id[request]
        lines["input_tokens"] = integers(input_tokens, _WIDTHS["input_tokens"])
        lines["input_tokens"][no_tokens] = b"null"
        lines["output_file_id"] = uuids(rng, count)
        lines["output_file_id"][failed & (rng.random(count) < 0.95)] = b"null"
        lines["output_tokens"] = integers(output_tokens, _WIDTHS["output_tokens"])
        lines["output_tokens"][no_tokens | (failed & (rng.random(count) < 0.4))] = b"null"
        lines["status"] = np.array([b'"Succeeded"', b'"Failed"'])[failed.astype(np.int64)]
        lines["target_language"] = spelling[request]
        _set_running(lines, np.flatnonzero(running))

        # Some runs are seen while Running, and again 1 to 40 lines after they finished; some lines are sent twice.
        seen_running = np.flatnonzero((rng.random(count) < 0.01) & ~running)
        again = np.concatenate((seen_running, np.flatnonzero(rng.random(count) < 0.003)))
        place = np.searchsorted(created, finished[again]) + rng.integers(1, 41, len(again))
        order = np.argsort(np.concatenate((np.arange(count), place)), kind="stable")
        seen_again = lines[again]
        _set_running(lines, seen_running)
        return np.concatenate((lines, seen_again))[order].tobytes().translate(None, b"\0")


def _lognormal(sigma: float) -> NDArray[np.int64]:
    """Return the quantiles of a log-normal distribution with median 1, in whole millionths."""
    zs = (NormalDist(0, sigma).inv_cdf((at + 0.5) / QUANTILES) for at in range(QUANTILES))
    return np.array([round(1_000_000 * math.exp(z)) for z in zs], np.int64)


def _empty_line() -> NDArray[np.void]:
    """Return one line without its values; each field has the width of its longest value, filled up with NULs."""
    fields: list[tuple[str, str, bytes]] = []
    for name, width in _WIDTHS.items():
        key = f'{"," if fields else "{"}"{name}":'.encode()
        fields += [(f"{name}:", f"S{len(key)}", key), (name, f"S{width}", b"")]
    fields.append(("end", "S2", b"}\n"))
    return np.array([tuple(text for *_, text in fields)], dtype=[(name, kind) for name, kind, _ in fields])


def _set_running(lines: NDArray[np.void], at: NDArray[np.int64]) -> None:
    lines["status"][at] = b'"Running"'
    for name in ("credits", "finished_at", "output_file_id", "output_tokens"):
        lines[name][at] = b"null"


def _spelled(rng: np.random.Generator, language: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Write languages as clients do: nine in ten as the plain tag, a few as something that nobody knows."""
    ways, count = np.array([1 + len(others) for others in _OTHERS]), len(language)
    other = rng.integers(0, 1 << 32, count) % (ways[language] - 1) + 1
    chosen = (np.cumsum(ways) - ways)[language] + np.where(rng.random(count) < 0.1, other, 0)
    unknown = len(_SPELLINGS) - 1 - rng.integers(0, len(_UNKNOWN), count)
    texts = np.array([f'"{way}"'.encode() for way in _SPELLINGS])
    return texts.take(np.where(rng.random(count) < 0.002, unknown, chosen))


def _with_broken_lines(content: bytes, start: int, end: int, runs: int, broken: int) -> bytes:
    """Add the broken lines: number n, of ``broken``, falls behind the share (n + 1/2) / ``broken`` of all ``runs``."""
    lines = content.splitlines(keepends=True)
    first, last = (-((runs - 2 * broken * at) // (2 * runs)) for at in (start, end))
    mixed, done = [], 0
    for number in range(first, last):
        at = (2 * number + 1) * runs // (2 * broken) - start
        mixed += [*lines[done : at + 1], re.sub(*_BREAKS[number % len(_BREAKS)], lines[at])]
        done = at + 1
    return b"".join(mixed + lines[done:])
