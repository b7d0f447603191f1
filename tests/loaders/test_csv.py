"""CSV: one grammar, whichever way a record is read, against a slow reader that goes from one character to the next."""

from __future__ import annotations

import gzip
import io
import itertools
import random
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple, cast

import polars as pl
import pytest
from support.paths import SHARED
from support.repetitions import often, slow

import polydoc_analytics as pda
from polydoc_analytics.cli import run
from polydoc_analytics.loaders.executor import run_ordered
from polydoc_analytics.loaders.formats import csv
from polydoc_analytics.loaders.validation import validate_together

KEYS = ("id", "account_id", "created_at", "status", "target_language", "input_file_id", "note")
AT = "2026-03-02T10:00:00Z"
NEVER_CLOSED = "never closed"


class Slow(NamedTuple):
    """A record as the slow reader finds it: its fields (None: unquoted and empty), the line behind it, and marks.

    ``has_tail``: text follows the mark that closes a field begun on an earlier line. ``is_strict``: no mark is text.
    """

    fields: list[str | None]
    next_line: int
    has_tail: bool
    is_strict: bool


def split_lines(text: str) -> list[str]:
    lines, at = [], 0
    while at < len(text):
        end = at
        while end < len(text) and text[end] not in "\r\n":
            end += 1
        end += 2 if text[end : end + 2] == "\r\n" else 1
        lines.append(text[at:end])
        at = end
    return lines


def record_at(lines: list[str], first: int, delimiter: str) -> Slow | None:
    """The record that begins on a line, by the grammar alone; None where a field never closes."""
    fields: list[str | None] = []
    number, text, at = first, lines[first].lstrip("\ufeff"), 0
    has_tail, is_strict = False, True
    while True:
        value, is_quoted = "", text[at : at + 1] == '"'
        if is_quoted:
            began = number
            at += 1
            while True:
                if at == len(text):
                    number += 1
                    if number == len(lines):
                        return None
                    text, at = lines[number], 0
                elif text[at : at + 2] == '""':
                    value += '"'
                    at += 2
                elif text[at] == '"':
                    at += 1
                    break
                else:
                    value += text[at]
                    at += 1
            if began < number and at < len(text) and text[at] not in delimiter + "\r\n":
                has_tail = True
        while at < len(text) and text[at] not in delimiter + "\r\n":
            is_strict &= text[at] != '"'
            value += text[at]
            at += 1
        fields.append(value if value or is_quoted else None)
        if text[at : at + 1] != delimiter:
            return Slow(fields, number + 1, has_tail, is_strict)
        at += 1


def slow_records(text: str, count: int, delimiter: str = ",") -> list[tuple[int, Any]]:
    """The line of each record, counted from 1, and its fields; how many they are where they are not ``count``."""
    lines = split_lines(text)
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(lines):
        bare = lines[at].rstrip("\r\n").lstrip("\ufeff")
        if not bare.strip(delimiter) or not bare.strip(" \t"):
            at += 1
            continue
        record = record_at(lines, at, delimiter)
        if record is not None and record.next_line > at + 1:
            inner = [record_at([lines[n]], 0, delimiter) for n in range(at + 1, record.next_line)]
            holds_one = any(one is not None and one.is_strict and len(one.fields) == count for one in inner)
            if holds_one and (record.has_tail or len(record.fields) != count):
                record = None
        if record is None:
            found.append((at + 1, NEVER_CLOSED))
            at += 1
        else:
            found.append((at + 1, record.fields if len(record.fields) == count else len(record.fields)))
            at = record.next_line
    return found


def expected(text: str, delimiter: str = ",") -> tuple[list[tuple[Any, ...]], list[int]]:
    """The runs of a file as tuples, and the lines that are quarantined."""
    [(_, header), *records] = slow_records(text, len(KEYS), delimiter)
    assert header == list(KEYS)
    runs, bad = [], []
    for line, fields in records:
        row = dict(zip(KEYS, fields, strict=True)) if isinstance(fields, list) else {}
        is_run = row and None not in [row[key] for key in KEYS[:-1]]
        if is_run and row["created_at"] == AT and row["status"] in ("Running", "Failed"):
            runs.append(tuple(row[key] for key in ("id", "account_id", "status", "target_language", "input_file_id")))
        else:
            bad.append(line)
    return sorted(runs), bad


def loaded(content: bytes, block_bytes: int = 1 << 20) -> tuple[list[tuple[Any, ...]], list[int]]:
    work = csv.read(cast("BinaryIO", io.BytesIO(content)), "x", block_bytes=block_bytes)
    batches = [batch for many, _ in run_ordered(work) for batch in many]
    if batches:
        validate_together(batches)
    keys = ("id", "account_id", "status", "target_language", "input_file_id")
    runs = [tuple(run[key] for key in keys) for batch in batches for run in batch.runs.to_pylist()]
    rejected = sorted(row.line for batch in batches for row in batch.rejected)
    assert sum(batch.read for batch in batches) == len(runs) + len(rejected)
    return sorted(runs), rejected


TEXTS = (
    'acme', '"acme"', '5" disk', '"say ""hi"""', '""', '', '"a,b"', '"a\nb"', '"a\r\n\r\nb,c"', '"a"b', '"a"b"c',
    '"', '"open', 'x"', '""x', '"""', '""""', "é", "\ufeffx", " ", '"a\rb"', "' '", '"\n"', '"a\n"tail', "NULLX",
)  # fmt: skip


def made(rng: random.Random) -> str:
    """A file whose rows are good, short, long, blank, or hold marks where they should not."""
    ends = rng.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
    strange = rng.choice([0, 0.02, 0.2, 0.6])
    rows = [",".join(KEYS)]
    for number in range(rng.randint(0, 14)):
        row = [f"r{number}", "acme", AT, rng.choice(["Running", "Failed"]), "de", f"f{number}", "note"]
        if rng.random() < 0.3:
            row = [f'"{value}"' for value in row]
        for place in range(len(row)):
            if rng.random() < strange:
                row[place] = rng.choice(TEXTS)
        kind = rng.random()
        if kind < 0.1 * strange * 5:
            row = rng.choice(
                [row[:-1], row[:2], [*row, "more"], [""], [""] * 7, [""] * 9, ["  "], ["\ufeff" + row[0], *row[1:]]]
            )
        rows.append(",".join(row))
    text = "".join(row + rng.choice(ends) for row in rows)
    if rng.random() < 0.2:
        text = rng.choice(ends) + "\ufeff" + text
    return text.rstrip("\r\n") if rng.random() < 0.3 else text


def fuzzed(seed: int, files: int) -> None:
    rng = random.Random(seed)
    for _ in range(files):
        text = made(rng)
        wanted = expected(text)
        for block_bytes in (1 << 20, rng.choice([1, 2, 7, 64, 200])):
            assert loaded(text.encode(), block_bytes) == wanted, (text, block_bytes)


def test_any_file_is_read_as_one_character_after_the_other_says() -> None:
    fuzzed(1, often(60, 20))


def test_blocks_of_very_many_lines_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "_MAX_LINES_AT_ONCE", 2)
    fuzzed(3, often(40, 12))


@pytest.mark.slow
def test_many_files_are_read_as_one_character_after_the_other_says() -> None:
    fuzzed(2, 10_000)


HEADER = ",".join(KEYS)


def row(id: str, language: str = "de", note: str = "") -> str:  # noqa: A002 - the column's name
    return f"{id},acme,{AT},Running,{language},f,{note}"


@pytest.mark.parametrize(
    ("name", "read", "ids", "bad"),
    [
        ("cr_only", 4, ["r0", "r1", "r2", "r3"], []),
        ("stray_quote", 9, [f"r{n}" for n in range(8)], [10]),
        ("stray_quote_alone_ok", 8, [f"r{n}" for n in range(8)], []),
        ("midquote", 3, ["r1", "r2", "r3"], []),
        ("midquote_blank", 3, ["r1", "r2", "r3"], []),
        ("bom", 1, ["r1"], []),
    ],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
def test_the_cases_of_csv_are_read_right(name: str, read: int, ids: list[str], bad: list[int], capsys) -> None:
    path = str(SHARED / "cases" / f"{name}.csv")
    found = pda.load(path)
    assert (found.counts.read, found.runs["id"].sort().to_list()) == (read, ids)
    assert found.quarantine["line"].to_list() == bad
    assert run(["usage", path, "--json"]) == 0
    assert f'"read": {read}' in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ['"account\n_id"', '"account_id'])
def test_a_header_that_goes_on_to_the_next_line_is_one_line_of_error(end: str, name: str, file) -> None:
    content = end.join([HEADER.replace("account_id", name), row("a"), ""])
    with pytest.raises(pda.SourceError, match="opens a quotation mark that is not closed on the line") as caught:
        pda.load(file(content.encode(), "runs.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "\v", "\f", "\x85", "\u2028", "\u2029", "\x1e"])
def test_rows_on_the_line_of_the_header_are_an_error_and_not_no_rows(end: str, file) -> None:
    content = end.join([HEADER, row("a"), row("b")]) if end else f"{HEADER}{row('a')}\n{row('b')}\n"
    for name, some in (("runs.csv", content), ("runs.tsv", content.replace(",", "\t")), ("one.csv", HEADER + row("a"))):
        with pytest.raises(pda.SourceError, match="so a row stands on the same line; end each line") as caught:
            pda.load(file(some.encode(), name))
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", ["\n\r\n\n", f"{row('a')}\n{row('b')}\n", "\ufeff\n", ",,,\n"])
def test_a_file_without_a_header_is_an_error(content: str, file) -> None:
    with pytest.raises(pda.SourceError, match=r"has no (header|column)"):
        pda.load(file(content.encode(), "runs.csv"))


def test_a_mark_that_never_closes_costs_its_own_line_alone(file) -> None:
    rows = [row(f"r{n}") for n in range(1000)]
    rows[300] = row("r300", language='"open')
    found = pda.load(file("\n".join([HEADER, *rows]).encode(), "runs.csv"))
    assert (found.counts.read, found.counts.runs, found.quarantine["line"].to_list()) == (1000, 999, [302])
    assert found.quarantine["raw"].to_list() == [rows[300]]


def test_a_mark_that_a_later_row_closes_costs_its_own_line_alone(file) -> None:
    rows = [row(f"r{n}", language='"de"' if n == 20 else "de") for n in range(40)]
    rows[3] = row("r3", language='"open')  # 3 to 20 would be one record with the right number of fields
    rows[30] = row("r30", note='"open')
    found = pda.load(file("\n".join([HEADER, *rows]).encode(), "runs.csv"))
    assert (found.counts.read, found.counts.runs, found.quarantine["line"].to_list()) == (40, 38, [5, 32])


def test_a_field_of_many_lines_is_one_row_over_any_block() -> None:
    text = "\n".join([HEADER, row("a", language='"' + "x\ny, z\n" * 50 + '"'), row("b"), ""])
    for block_bytes in (10, 100, 1000):
        runs, bad = loaded(text.encode(), block_bytes)
        assert [run[0] for run in runs] == ["a", "b"]
        assert runs[0][3] == "x\ny, z\n" * 50
        assert bad == []


@pytest.mark.parametrize("block_bytes", [5_000, 100_000, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_longer_than_the_longest_is_quarantined_with_its_beginning(
    block_bytes: int, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYDOC_ANALYTICS_LONGEST_ROW", "64 KiB")
    bare = len(row("a"))
    rows = [
        row("a", note="x" * (65_536 - bare)),
        row("b", note="x" * (65_537 - bare)),
        row("c", language='"' + "y" * 300_000 + '"'),
        row("d", language='"' + "y" * 300_000),
        row("e"),
    ]
    content = "".join(one + end for one in [HEADER, *rows]).encode()
    runs, bad = loaded(content, block_bytes)
    assert ([run[0] for run in runs], bad) == (["a", "e"], [3, 4, 5])


def test_marks_that_open_everywhere_cost_time_linear_in_the_bytes() -> None:
    """Were each looked at to its end, these would take billions of steps."""
    line = 'a","b\n'
    for text in (HEADER + "\n" + line * 40_000 + row("a"), HEADER + '\n"' + line * 3 + "x,y\n" * 100_000):
        lines = text.count("\n") + (not text.endswith("\n")) - 1
        runs, bad = loaded(text.encode())
        assert 0 < len(runs) + len(bad) <= lines


def test_rows_of_delimiters_alone_are_blank_lines(file) -> None:
    content = "\r\n".join([HEADER, ",,,,,,", row("a"), ",,,,,,", ",,", " ", row("b"), ",,,,,,", ""])
    found = pda.load(file(content.encode(), "runs.csv"))
    assert (found.counts.read, found.counts.runs) == (2, 2)
    bad = pda.load(file(content.replace(row("b"), "b,,,,,,").encode(), "runs.csv"))
    assert (bad.counts.read, bad.quarantine["line"].to_list()) == (2, [7])


def test_a_bom_may_stand_behind_blank_lines_and_where_files_were_put_together(file) -> None:
    content = "\n\n\ufeff" + "\n".join([HEADER, "", "\ufeff" + row("a"), "\ufeff", row("b")])
    found = pda.load(file(content.encode(), "runs.csv"))
    assert (found.counts.read, found.runs["id"].to_list()) == (2, ["a", "b"])


@pytest.mark.parametrize("swapped", [("id", "account_id"), ("created_at", "status"), ("note", "input_file_id")])
@pytest.mark.parametrize("many", [1, 3000])
def test_a_second_header_in_another_order_is_an_error_for_what_is_behind_it(swapped: Any, many: int, file) -> None:
    names = HEADER.split(",")
    other = [dict(zip(swapped, swapped[::-1], strict=True)).get(name, name) for name in names]
    rows = "\n".join(row(f"r{number}") for number in range(many))
    for again in (",".join(other), ",".join(other).upper()):
        with pytest.raises(pda.SourceError, match=rf"runs.csv:{many + 2}: is another header, with its columns in ano"):
            pda.load(file(f"{HEADER}\n{rows}\n{again}\n{row('b')}\n".encode(), "runs.csv"))
    same = pda.load(file(f"{HEADER}\n{rows}\n{HEADER}\n{row('b')}\n".encode(), "runs.csv"))
    assert (same.counts.runs, same.quarantine["line"].to_list()) == (many + 1, [many + 2])


def test_headers_may_be_in_upper_case_and_snake_case_wins(file) -> None:
    content = HEADER.upper() + "\n" + row("a") + "\n"
    assert pda.load(file(content.encode(), "runs.csv")).runs["id"].to_list() == ["a"]
    content = HEADER.replace("note", "ID") + "\n" + row("a", note="other") + "\n"
    assert pda.load(file(content.encode(), "runs.csv")).runs["id"].to_list() == ["a"]
    with pytest.raises(pda.SourceError, match="names the column ID twice"):
        pda.load(file(content.upper().encode(), "runs.csv"))


def test_a_row_of_quarantine_that_was_made_blank_is_still_a_row(file, tmp_path) -> None:
    out = tmp_path / "bad.ndjson"
    pda.load(file(f"{HEADER}\n{row('a')}\nb,c\n".encode(), "runs.csv"), quarantine_to=out)
    out.write_text(out.read_text().replace('"raw": "b,c"', '"raw": ",,"'))
    again = pda.load(str(out))
    assert (again.counts.read, again.quarantine["reason"].to_list()) == (1, ["is blank"])


RUN = "id,account_id,created_at,finished_at,status,target_language,credits,input_tokens,input_file_id,output_file_id"


@pytest.mark.parametrize("word", ["NULL", "\\N"])
def test_null_as_databases_write_it_is_null(word: str, file) -> None:
    content = f"""{RUN}
a,acme,{AT},{word},Running,de,{word},5,f,{word}
b,acme,{AT},{AT},Failed,"{word}",7,{word},f,out
{word},acme,{AT},,Running,de,,,f,out
d,acme,{AT},,Running,{word},,,f,out
"""
    found = pda.load(file(content.encode(), "runs.csv"))
    first, second = found.runs.sort("id").iter_rows(named=True)
    assert [first[key] for key in ("finished_at", "credits", "input_tokens", "output_file_id")] == [None, None, 5, None]
    assert [second[key] for key in ("target_language", "input_tokens", "output_file_id")] == [word, None, "out"]
    assert found.quarantine["line"].to_list() == [4, 5]
    assert found.quarantine["reason"].to_list() == [
        "id: is required, but missing or null",
        "target_language: is required, but missing or null",
    ]


def test_null_beside_empty_fields_of_one_column_is_text_there_alone(file) -> None:
    rows = [f"a,acme,{AT},NULL,Running,de,NULL,,f,NULL", f"b,acme,{AT},,Running,de,,5,f,", ",,,,,,,,,"]
    found = pda.load(file("\n".join([RUN, *rows]).encode(), "runs.csv"))
    assert found.runs.sort("id").select("output_file_id", "credits", "finished_at").rows() == [
        ("NULL", None, None),
        (None, None, None),
    ]
    blank = pda.load(file("\n".join([RUN, rows[0], rows[2]]).encode(), "runs.csv"))
    assert blank.runs["output_file_id"].to_list() == [None]


def null_rows(word: str, *, last: str, size: int = 1_500_000) -> str:
    """A word for null in the first row, and another way of writing null only in the last, far behind it."""
    middle = f"{{}},acme,{AT},{AT},Failed,de,1,1,f,{'x' * 100}"
    rows = [middle.format(number) for number in range(size // 160)]
    return "\n".join(
        [RUN, f"first,acme,{AT},{AT},Failed,de,1,1,f,{word}", *rows, f"last,acme,{AT},{AT},Failed,de,1,1,f,{last}"]
    )


@pytest.mark.parametrize(
    ("word", "size", "end", "suffix"),
    [
        # Each end of lines with and without a last one, in a small file, and some in a large one, with words by turns.
        (word, size, end, suffix)
        if (at + (size > 0)) % (4 if size else 2) == word_at
        else slow(word, size, end, suffix)
        for word_at, word in enumerate(["NULL", "\\N"])
        for size in (0, 1_500_000)
        for at, (end, suffix) in enumerate(itertools.product(["\n", "\r", "\r\n"], ["", "\n"]))
    ],
)
def test_all_of_a_file_decides_whether_a_word_for_null_is_text(word, size, end, suffix, file) -> None:
    for last, wanted in (("", word), ("out", None), ('""', None)):
        text = (null_rows(word, last=last, size=size) + suffix).replace("\n", end)
        runs = pda.load(file(text.encode(), "runs.csv")).runs
        assert runs.height == size // 160 + 2
        assert runs.filter(pl.col("id") == "first")["output_file_id"].to_list() == [wanted], last


def test_a_word_for_null_far_behind_empty_fields_is_text_there_too(file) -> None:
    rows = null_rows("", last="NULL").replace(",f,NULL", ",f,NULL\nquoted," + f'acme,{AT},{AT},Failed,de,1,1,f,"NULL"')
    for name, packed in (("runs.csv", rows.encode()), ("runs.csv.gz", gzip.compress(rows.encode()))):
        runs = pda.load(file(packed, name)).runs
        found = dict(runs.filter(pl.col("id").is_in(["first", "last", "quoted"])).select("id", "output_file_id").rows())
        assert found == {"first": None, "last": "NULL", "quoted": "NULL"}


def test_a_stream_decides_with_what_was_seen_of_it() -> None:
    def language_of(text: str, first: str) -> list[str | None]:
        work = csv.read(cast("BinaryIO", io.BytesIO(text.encode())), "x", block_bytes=200_000)
        runs = [run for batches, _ in run_ordered(work) for batch in batches for run in batch.runs.to_pylist()]
        return [run["output_file_id"] for run in runs if run["id"] == first]

    assert language_of(null_rows("NULL", last="", size=0), "first") == ["NULL"]
    assert language_of(null_rows("", last="NULL"), "last") == ["NULL"]
    assert language_of(null_rows("NULL", last=""), "first") == [None]


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-10-01 08:00:00 UTC", 0),
        ("2026-10-01 08:00:00.5 UTC", 500_000),
        ("2026-10-01 08:00:00.123456 UTC", 123_456),
        ("2026-10-01 08:00:00.123456789 UTC", 123_456),
    ],
)
@pytest.mark.parametrize("beside", ["2026-10-01T08:00:00Z", "2026-02-30 08:00:00 UTC", "2026-10-01 08:00:00+00 UTC"])
def test_times_as_bigquery_writes_them_are_read(text: str, microseconds: int, beside: str, file) -> None:
    content = "\n".join([HEADER, row("a").replace(AT, text), row("b").replace(AT, beside)])
    found = pda.load(file(content.encode(), "runs.csv"))
    assert found.runs.filter(pl.col("id") == "a")["created_at"][0] == datetime(
        2026, 10, 1, 8, 0, 0, microseconds, tzinfo=UTC
    )
    assert found.counts.runs == (2 if beside.endswith("Z") else 1)
