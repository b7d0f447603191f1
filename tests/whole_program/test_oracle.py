"""What the service's own SDK accepts is accepted, what it rejects is rejected, but for the deliberate differences."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import SHARED
from support.repetitions import examples, slow
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.loaders import run_parser as judge
from polydoc_analytics.loaders.executor import run_ordered
from polydoc_analytics.loaders.formats import deep_json, ndjson

ORACLE = SHARED / "oracle"

# Accepted by the SDK and refused here, all towards safety: what the case sets, and the reason that is given.
STRICTER = {
    "0.99999999999999999": "is not an integer",
    "4503599627370497.5": "is not an integer",
    "1e-400": "is not an integer",
    "1.0000000000000001": "is not an integer",
    "1e21": "does not fit a 64-bit integer",
    "1e22": "does not fit a 64-bit integer",
    "1e308": "does not fit a 64-bit integer",
    "18446744073709551615": "does not fit a 64-bit integer",
    "18446744073709551616": "does not fit a 64-bit integer",
    "+02:99": "is not a datetime",
    "+25:00": "is not a datetime",
    "9999-12-31T23:59:59-14:00": "lies outside the years 0001 to 9999",
}


def rejections(block: bytes, block_bytes: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for batches, _ in run_ordered(ndjson.read(io.BytesIO(block), "cases", block_bytes=block_bytes)):
        for batch in batches:
            found |= {row.line: row.reason for row in batch.rejected}
    return found


@pytest.mark.skipif(not ORACLE.exists(), reason="the oracle of the service's SDK is not beside this checkout")
@pytest.mark.parametrize("block_bytes", [slow(1 << 24), 4096, slow(400)])
def test_every_verdict_is_reproduced_but_for_the_deliberate_differences(block_bytes: int) -> None:
    verdicts = list(csv.DictReader((ORACLE / "verdicts.csv").read_text("utf-8").splitlines()))
    rejected = rejections((ORACLE / "cases.ndjson").read_bytes(), block_bytes)
    for case in verdicts:
        reason = rejected.get(int(case["line"]))
        what = case["what"]
        if what == "one space":  # a blank line is not a row
            assert reason is None
        elif stricter := next((STRICTER[text] for text in STRICTER if what.endswith((f"= {text}", f"{text}'"))), None):
            assert case["verdict"] == "ok", case
            assert reason is not None, case
            assert stricter in reason, case
        else:
            assert (reason is None) == (case["verdict"] == "ok"), (case, reason)


@pytest.mark.parametrize(("number", "reason"), [(n, r) for n, r in STRICTER.items() if n[0].isdigit() and "T" not in n])
def test_a_number_that_only_rounding_makes_an_integer_is_refused(number: str, reason: str) -> None:
    with pytest.raises(judge.Refusal, match=reason):
        judge.integer(number)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("1.0", 1),
        ("1e3", 1000),
        ("10e-1", 1),
        ("-0.0", 0),
        ("0e9", 0),
        ("0e99999999999999999999", 0),
        ("-0.0e-99999999999999999999", 0),
        ("100.000", 100),
        ("9007199254740993", 9007199254740993),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775807.0", 2**63 - 1),
    ],
)
def test_an_integer_is_kept_exactly_however_it_is_written(number: str, value: int) -> None:
    assert judge.integer(number) == value


@pytest.mark.parametrize("number", ["1.5", "9223372036854775808", "1e999999999999", "1e-999999999999", "01", "+1", ""])
def test_what_is_no_64_bit_integer_is_refused(number: str) -> None:
    with pytest.raises(judge.Refusal):
        judge.integer(number)


def test_digits_beyond_microseconds_are_cut_off() -> None:
    assert judge.instant("1970-01-01T00:00:00.1234569Z") == 123_456


def test_years_are_judged_in_utc() -> None:
    assert judge.instant("0001-01-01T00:00:00Z") == -62_135_596_800_000_000
    assert judge.instant("0000-12-31T23:30:00-01:00") == -62_135_596_800_000_000 + 30 * 60 * 1_000_000
    for text in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-06-01T00:00:00Z"):
        with pytest.raises(judge.Refusal):
            judge.instant(text)


def test_nesting_of_any_depth_under_a_key_that_is_not_read_does_no_harm(file) -> None:
    line = judge_line(extra="[" * 50_000 + "]" * 50_000)
    assert pda.load(file([line])).counts.runs == 1
    assert pda.load(file([judge_line(extra="[" * 50_000)])).counts.quarantined == 1
    assert pda.load(file([judge_line(extra='{"a":' * 3_000 + "1" + "}" * 3_000)])).counts.runs == 1


def judge_line(extra: str) -> str:
    return json.dumps(wire())[:-1] + f', "extra": {extra}}}'


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "'a'",
        "01",
        "1.",
        "[1,]",
        '{"a":1,}',
        '"\x01"',
        "// x",
        '{"a" 1}',
        '{"a":}',
    ],
)
def test_what_is_not_json_under_a_key_that_is_not_read_makes_the_row_no_run(text: str, file) -> None:
    loaded = pda.load(file([wire("good"), judge_line(text), wire("fine")]))
    assert loaded.runs["id"].to_list() == ["fine", "good"]
    assert loaded.quarantine["line"].to_list() == [2]


def shallow_json(raw: bytes) -> object:
    """The outermost value as Python's own parser has it, with arrays and objects inside emptied; its error is None."""
    try:
        value = json.loads(raw.decode("utf-8", "replace"), parse_float=str, parse_int=str, parse_constant=int)
    except ValueError:
        return ValueError
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {key: type(one)() if isinstance(one, list | dict) else one for key, one in value.items()}
    return value


def deep(raw: bytes) -> object:
    try:
        return deep_json.parse(raw)
    except judge.Refusal:
        return ValueError


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from(["]", "}", '"', "\\", "[{", "\n", "id"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["id", "a", "", "\\", '"}']), inner, max_size=4)
    ),
    max_leaves=25,
)


@examples(2000, 100)
@given(json_values, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\r\n")]), st.data())
def test_the_deep_parser_agrees_with_pythons(value: object, ascii_only: bool, marks: tuple, data) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=marks).encode("utf-8", "surrogatepass")
    assert deep(text) == shallow_json(text)
    assert deep(b" [" + text + b" , " + text + b"]\n") == []
    at = data.draw(st.integers(0, len(text)))
    broken = (
        text[:at] + data.draw(st.sampled_from([b"", *(bytes([c]) for c in b'"{}[],:\\ 01-.e\x01tn')])) + text[at + 1 :]
    )
    for one in (broken, b'{"a": {"b": [[[' + broken + b"]]]}}", b"[[[[" + broken + b",1]]]]"):
        assert (deep(one) is ValueError) == (shallow_json(one) is ValueError)


@pytest.mark.parametrize(
    "broken", [r'"\u"', r'"\u12"', r'"\x"', r'"a\"', "1.", "1.e5", "1e", "1e+", "-", "01", "nul", "[1,]", '{"a":1,}']
)
@pytest.mark.parametrize("around", ["[%s]", "[%s,1]", "[1,%s,2]", "[[%s],1]", '{"a":[%s]}', '[{"a":%s}]'])
def test_the_deep_parser_refuses_what_pythons_does(around: str, broken: str) -> None:
    """Before Python 3.11.5 a possessive repetition that fails half-way goes on behind what it has passed over."""
    text = (around % broken).encode()
    assert shallow_json(text) is ValueError
    assert deep(text) is ValueError


@pytest.mark.parametrize("count", [4095, 4096, 4097, 10_000])
def test_the_deep_parser_passes_over_long_values_in_stretches(count: int) -> None:
    inner = "[" + ", ".join(["[1, [2]]"] * count) + "]"
    members = "{" + ", ".join('"a": {"b": 1}' for _ in range(count)) + "}"
    assert deep(f"[{inner}, {members}, {inner}]".encode()) == []


def test_the_deep_parser_keeps_the_keys_that_it_is_asked_for() -> None:
    text = b'{"x": 1, "id": "a", "deep": ' + b"[" * 5000 + b"]" * 5000 + b', "\\u0069d": "b", "y": [{"id": 1}]}'
    assert deep_json.parse(text, keys={"id", "y"}) == {"id": "b", "y": []}
    assert deep_json.parse(text) == {"x": "1", "id": "b", "deep": [], "y": []}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": ' + b"[" * 400_000 + b"1" + b"]" * 800_000,
        b'{"id": "a", "x": [' + b"1," * 600_000 + b"]}",
        b'{"id": ' + b'{"a":' * 300_000,
        b'{"id": "a", "credits": ' + b"1" * 1_200_000 + b"}",
    ],
)
def test_a_long_row_that_is_no_run_is_one_row_in_quarantine(raw: bytes, file) -> None:
    loaded = pda.load(file([wire("good"), raw, wire("fine")]))
    assert loaded.runs["id"].to_list() == ["fine", "good"]
    assert loaded.quarantine["line"].to_list() == [2]


def test_a_long_row_that_is_a_run_is_one(file) -> None:
    raw = judge_line("[" + '[{"a": [1, "]"]}], ' * 80_000 + "null]").encode()
    assert len(raw) > 1024 * 1024
    assert pda.load(file([raw])).runs["id"].to_list() == ["a"]


def test_an_id_of_bytes_that_are_not_utf8_is_refused_and_other_texts_are_mended(file) -> None:
    good = ndjson_line(wire("x"))
    rows = [
        good.replace(b'"x"', b'"\xff"'),
        good.replace(b'"acme"', b'"\xffb"'),
        good.replace(b'"x"', b'"\xef\xbf\xbd"'),
    ]
    rows.append(good.replace(b'"x"', b'"\\ud800"'))
    rows.append(good.replace(b'"x"', b'"y"').replace(b'"de"', b'"\\udc00e"'))
    loaded = pda.load(file(rows))
    assert loaded.quarantine["line"].to_list() == [1, 4]
    assert sorted(loaded.runs["id"].to_list()) == ["x", "y", "\ufffd"]
    assert "\ufffdb" in loaded.runs["account_id"].to_list()
    assert "\ufffde" in loaded.runs["target_language"].to_list()


def ndjson_line(row: dict) -> bytes:
    return json.dumps(row).encode()


def test_snake_case_wins_where_both_spellings_stand(file) -> None:
    camel = {"id": "c", "accountId": "camel", "createdAt": "2026-01-01T00:00:00Z", "status": "Running"}
    camel |= {"targetLanguage": "fr", "inputFileId": "f", "inputTokens": 7}
    rows = [camel, wire("s", accountId=5, inputTokens=9), wire("n", account_id=None, accountId="x")]
    rows.append(wire("m", input_tokens=..., inputTokens=11))
    loaded = pda.load(file(rows))
    tokens = dict(zip(loaded.runs["id"], loaded.runs["input_tokens"], strict=True))
    assert tokens == {"c": 7, "s": 1000, "m": 11}
    assert loaded.quarantine["reason"].to_list() == ["account_id: is required, but missing or null"]


def test_a_bom_blank_lines_and_crlf_are_no_rows(file) -> None:
    content = b"\xef\xbb\xbf" + b"\r\n".join([ndjson_line(wire("a")), b"", b"  ", ndjson_line(wire("b")), b""])
    loaded = pda.load(file(content))
    assert loaded.counts.read == 2
    assert loaded.counts.runs == 2


def test_two_objects_on_a_line_and_one_over_two_lines_are_no_runs(file) -> None:
    a, b = ndjson_line(wire("a")), ndjson_line(wire("b"))
    split = b.replace(b'"acme",', b'"acme",\n')
    loaded = pda.load(file(a + a + b"\n" + split + b"\n" + ndjson_line(wire("c")) + b"\n"))
    assert loaded.runs["id"].to_list() == ["c"]
    assert loaded.quarantine["line"].to_list() == [1, 2, 3]


def test_a_day_has_no_hour_24() -> None:
    for text in ("2026-01-01T24:00:00Z", "2026-01-01 24:00:00"):
        with pytest.raises(judge.Refusal, match="is not a datetime"):
            judge.instant(text, assume_utc=True, table=True)
