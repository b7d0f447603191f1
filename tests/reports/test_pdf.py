"""Printed tables and charts: what is worked out beforehand is what Typst and Vega find by themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import SAMPLE
from support.repetitions import examples, slow
from support.reports import NOW, built, everything, pdf_text
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.charts import export
from polydoc_analytics.reports.model import Report, Section
from polydoc_analytics.reports.renderers import MissingLetters, fonts, outlines, pdf, render, typesetting
from polydoc_analytics.reports.renderers.outlines import outlined
from polydoc_analytics.reports.renderers.pdf_columns import ROOM, grid, points

LETTERS = sorted(fonts.characters(fonts.files()[0]) & {*range(0x20, 0x250), *range(0x2010, 0x2040), 0x20AC} - {0xAD})
LINE = 8.4 * 0.66 + 6
LISBON = {"period": "2026-10", "timezone": "Europe/Lisbon"}


def widths_by_typst(texts: list[str], is_bold: bool) -> list[float]:
    """How wide Typst sets texts of 10 points, as the template sets those of tables."""
    import typst

    source = f"""#set text(font: "{fonts.FAMILY}", size: 10pt, weight: {600 if is_bold else 400})
#set text(kerning: false, ligatures: false)
#context [#metadata(json(bytes(sys.inputs.texts)).map(it => measure(text(it)).width / 1pt))<widths>]"""
    compiler = typst.Compiler(
        source.encode(),
        font_paths=typesetting._fonts(()),
        ignore_system_fonts=True,
        sys_inputs={"texts": json.dumps(texts)},
    )
    found: list[float] = json.loads(compiler.query("<widths>", field="value", one=True))
    return found


@pytest.mark.parametrize("is_bold", [False, True])
@examples(100, 4)
@given(texts=st.lists(st.text(st.sampled_from(list(map(chr, LETTERS))), min_size=1, max_size=20), min_size=50))
def test_no_text_is_wider_in_print_than_is_worked_out(is_bold: bool, texts: list[str]) -> None:
    texts = [f"x{text}x" for text in [*texts, "AVATAR (j fT Ty. fi ffl 'r, -e- 1,000.00"]]  # spaces at ends are dropped
    for text, width in zip(texts, widths_by_typst(texts, is_bold), strict=True):
        assert width <= points(text, 10, is_bold) + 1e-9, text
        if text.isascii():
            assert width == pytest.approx(points(text, 10, is_bold), rel=0.005), text


def test_rows_of_one_line_get_their_height_and_all_others_are_left_to_typst() -> None:
    rows = [("short", "1"), ("W" * 120, "2"), ("日本語", "3"), ("مرحبا", "4"), ("U+1F600", "5"), ("total", "15")]
    found = grid(("name", "runs"), rows, (False, True), sums=1)
    assert found["heights"] == pytest.approx([LINE, 0, LINE, 0, LINE, LINE])
    assert found["shares"][0] > 0 == found["shares"][1]
    assert found["widths"][1] == pytest.approx(points("runs", 8.4, True))


def test_a_column_is_as_wide_as_its_widest_text() -> None:
    rows = [("e6f9a54d-adb1", "1,111"), ("W1", "9,876.54"), ("1", "0"), ("total 77", "−12.3%")]
    found = grid(("a", "n"), rows, (False, True), sums=1)
    for at, (width, inset) in enumerate(zip(found["widths"], found["insets"], strict=True)):
        texts = [points(row[at], found["size"], row is rows[-1]) for row in rows]
        assert width - sum(inset) == pytest.approx(max(texts))


def test_figures_stay_whole_beside_long_texts_in_smaller_letters() -> None:
    rows = [("x" * 80, *["1.035.044.000.000.000"] * 6)]
    found = grid(("language", *["tokens out"] * 6), rows, (False, *[True] * 6), sums=0)
    assert found["size"] == 6.3
    assert found["fitting"] == [[False, *[True] * 6]]
    assert found["shares"][0] > 0
    assert sum(found["widths"]) <= ROOM - ROOM / 8


def test_columns_that_do_not_fit_on_the_page_are_left_to_typst() -> None:
    found = grid(("a", "b", "c"), [("W" * 24, "9" * 90, "9" * 90)], (False, True, True), sums=0)
    assert found["widths"] == [0, 0, 0]
    assert found["heights"] == [0]
    unknown = grid(("a", "b"), [("م" * 10, "ح" * 10)], (False, False), sums=0)
    assert unknown["widths"] == [0, 0]


@pytest.mark.parametrize("kind", ["overview", slow("languages")])
def test_a_compiled_specification_draws_what_the_specification_draws(kind: str) -> None:
    charts = [chart for section in built(SAMPLE, kind, **LISBON).sections for chart in section.charts]
    for chart in charts:
        if not chart.live:  # the brush of live charts has a number of its own in each drawing
            spec = {**chart.spec, "config": {**chart.spec["config"], "aria": False}}
            directly = export._alone(
                lambda drawer, spec=spec: drawer.vegalite_to_svg(spec, vl_version="6.4", allowed_base_urls=[])
            )
            assert export.as_svg(chart.spec) == directly, chart.name
    assert len(charts) > 3


@pytest.mark.parametrize(("formats", "starts"), [("pdf", 1), ("html,json", 1), ("json,md,xlsx", 0)])
def test_vega_is_started_while_the_views_are_asked_where_a_format_has_its_charts(
    formats: str, starts: int, file, tmp_path: Path, monkeypatch
) -> None:
    started: list[None] = []
    monkeypatch.setattr(export, "start", lambda: started.append(None))
    pda.report(file([wire()]), now=NOW, formats=formats, out=tmp_path)
    assert len(started) == starts


def test_a_chart_with_data_of_its_own_in_each_layer_is_drawn() -> None:
    layer = {"data": {"values": [{"n": 3}]}, "mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}}}
    assert "<svg" in export.as_svg({"layer": [layer]})


def test_a_short_section_stands_on_one_page() -> None:
    import io

    import pypdf

    for kind in ("overview", "quality"):
        content = everything(built(SAMPLE, kind, **LISBON))["pdf"]
        [page] = [
            text
            for text in (one.extract_text() for one in pypdf.PdfReader(io.BytesIO(content)).pages)
            if "What is known" in text
        ]
        assert "finishing time" in page
        assert "output file" in page


@pytest.mark.parametrize("days", [(26, 31), slow(range(22, 32))])
def test_no_page_begins_with_a_total_alone(days: Sequence[int]) -> None:
    import io

    import pypdf

    from polydoc_analytics.reports.renderers import render

    account = "6ee0e0f4-dde6-490a-a281-43896feb4891"
    totals = 0
    for day in days:
        choice = {"account": account, "since": "2026-10-01", "until": f"2026-10-{day}"}
        content = render(built(SAMPLE, "statement", now=NOW, **choice), "pdf")
        for page in pypdf.PdfReader(io.BytesIO(content)).pages:
            *parts, _ = page.extract_text().split("\ntotal")
            totals += len(parts)
            for before in parts:
                assert re.search(r"\d+ Oct 2026|German|French", before), before
    assert totals > len(days)


def test_the_native_chart_over_days_is_not_called_one_by_week(file) -> None:
    import io
    import zipfile

    from polydoc_analytics.reports.renderers import render

    days = [f"2026-{month:02}-03T10:00:00Z" for month in range(1, 7)]
    made = [wire(day, created_at=day, finished_at=day, credits=3) for day in days]
    content = render(built(file(made), "statement", account="acme"), "xlsx")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [chart] = [archive.read(name).decode() for name in archive.namelist() if "/charts/chart" in name]
    assert "Credits by day" in chart
    assert "by week" not in chart


@pytest.mark.parametrize(
    "name", ["日本語の顧客株式会社", "한국어 고객", "日本語の顧客" * 12, "Ünïcödé Ltd", "حساب عربي"]
)
def test_a_text_of_any_script_has_the_width_of_its_cell_or_leaves_it_to_the_typesetter(name: str) -> None:
    labels, numbers = ["account", "language", "runs"], [False, False, True]
    rows = [[name, name[:12], "12"], ["Acme", "German", "1,234"]]
    measures = grid(labels, rows, numbers, 0)
    for row, height in zip(rows, measures["heights"], strict=True):
        for cell, width, inset, share in zip(
            row, measures["widths"], measures["insets"], measures["shares"], strict=True
        ):
            # A row of one line, whose height is known, has only texts that their columns hold.
            if height and width and not share:
                assert points(cell, measures["size"], False) + sum(inset) <= width


def test_days_are_dates_on_the_axis_of_a_workbook(file) -> None:
    import io
    import zipfile

    from polydoc_analytics.reports.renderers import render

    content = render(built(file([wire()]), "statement", account="acme", period="2026-03"), "xlsx")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [chart] = [archive.read(name).decode() for name in archive.namelist() if "/charts/chart" in name]
    assert "<c:dateAx>" in chart
    assert 'formatCode="d mmm yyyy"' in chart


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ({"日", "𓀀"}, "for no font has 日 𓀀; pip install 'polydoc-analytics[fonts]', or name a folder of fonts"),
        ({"ー", "㈱"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"한"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"ع"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"א"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"द"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"ไ"}, "pip install 'polydoc-analytics[fonts]'"),
        ({"𓀀", "😀"}, "nor does the extra [fonts]; name a folder of fonts"),
    ],
)
def test_the_extra_is_advised_where_it_brings_a_character(
    missing: set[str], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "find_spec", lambda _: None)
    assert advice in "\n".join(MissingLetters(missing).lines())


def test_the_extra_is_not_advised_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "find_spec", lambda name: name)
    [line] = MissingLetters({"日"}).lines()
    assert "pip install" not in line


def printed_inputs(report: Report) -> dict[str, Any]:
    """The texts of a report as its PDF is set from them."""
    given: dict[str, Any] = {}

    def set_type(_fonts: Any, _time: int, inputs: Mapping[str, str]) -> bytes:
        given.update(inputs)
        return b""

    render(report, "pdf", set_type=set_type)
    return given


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("Za\u0300\u0301 Übersetzung", ""),
        ("شركة الترجمة العربية المحدودة", "fontpkg_noto_sans_arabic"),
        ("शर्मा हिन्दी अनुवाद", "fontpkg_noto_sans_devanagari"),
        ("บริษัทแปลเอกสารไทย จำกัด", "fontpkg_noto_sans_thai"),
        ("שָׁלוֹם תַּרְגּוּם", "fontpkg_heebo"),
    ],
)
def test_letters_that_join_or_stand_above_each_other_are_outlines_in_charts(file, name: str, script: str) -> None:
    if script:
        pytest.importorskip(script, reason="the extra [fonts] is not installed")
    report = built(file([wire(account_id=name)]))
    # Of a sign that it has set in a text before, Typst knows the code points.
    charts = [replace(chart, sentence="") for one in report.sections for chart in one.charts]
    report = replace(report, sections=(Section("charts", "Charts", charts=tuple(charts)),))
    assert "U+" not in pdf_text(render(report, "pdf"))
    drawings = json.loads(printed_inputs(report)["charts"])
    texts = re.findall("<text [^>]*>([^<]*)", "".join(drawings.values()))
    assert "German" in texts
    assert name not in texts
    assert "<path" in drawings["runs_by_account"]


def test_an_outline_stands_where_the_text_would() -> None:
    name = "e\u0301e\u0301e\u0301"  # as wide as é é é, of which the typeface has the width
    look = 'font-size="20px" font-weight="600" fill="#112233" opacity="0.5"'
    text = f'<text text-anchor="end" transform="translate(90,30)" {look}>{name}</text>'
    made = outlined(f"<svg>{text}</svg>", ())
    [place] = re.findall(r'<g transform="translate\(90,30\) translate\(([-\d.]+),-20\)" opacity="0.5">', made)
    assert float(place) == pytest.approx(-points("ééé", 20, True), abs=0.1)
    assert 'fill="#112233"' in made
    assert 'fill="#1b2733"' in outlined(f'<svg><text fill="black">{name}</text></svg>', ())
    plain = '<svg><text transform="translate(1,2)">Zoë Ω Жук – 5 €</text></svg>'
    assert outlined(plain, ()) == plain


def test_what_typst_cannot_set_in_a_drawing_is_outlined_whatever_it_is(file, monkeypatch) -> None:
    tried: list[list[str]] = []

    def set_type(_fonts: Any, _time: int, inputs: Mapping[str, str]) -> bytes:
        tried.append(re.findall("<text [^>]*>([^<]*)", "".join(json.loads(inputs["charts"]).values())))
        if len(tried) == 1:
            raise pda.PolydocError("PDF/A-2a error: the PDF contains text with missing codepoints")
        return b"%PDF"

    monkeypatch.setattr(outlines, "_typeface", lambda: frozenset(map(chr, range(256))))
    report = built(file([wire(account_id="Жук"), wire("b", account_id="Zoë")]))
    assert render(report, "pdf", set_type=set_type) == b"%PDF"
    assert ["Жук" in texts for texts in tried] == [True, False]
    assert ["Zoë" in texts for texts in tried] == [True, True]


def test_a_word_that_fits_on_a_line_is_not_broken(file) -> None:
    name = "Gesellschaft für Übersetzungsdienstleistungen und Dokumentenverarbeitung"
    brand = {
        "title": "Übersetzungsdienstleistungen",
        "name": "Acme",
        "notice": "Keine Rechnungsstellungsdokumentation.",
    }
    report = built(file([wire()]), "statement", account="acme", accounts={"acme": name}, branding=brand)
    content = json.loads(printed_inputs(report)["data"])
    assert (content["subtitle"], content["head"]["notice"]) == (brand["title"], brand["notice"])
    assert content["title"] == f"Usage statement for {name}"
    # In half the page's width, in bold letters of 9.5 points, the longest word has 170 of 201 points.
    assert content["head"]["receiver"] == [name, "acme"]
    long = built(file([wire(account_id="W" * 60)]), "statement", account="W" * 60)
    assert json.loads(printed_inputs(long)["data"])["title"].count("\u200b") == 14


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("abcdefghij", ["abcd", "efgh", "ij"]),
        ("abcde\u0301fghi", ["abcd", "e\u0301fg", "hi"]),
        ("кофеe\u0301e\u0301xy", ["кофе", "e\u0301e\u0301", "xy"]),
        # After a letter that does not join the next one: alif, dal, ra.
        ("مستخدمونها", ["مستخد", "مونها"]),
        ("بيتكم", ["بيتكم"]),
        # Not before a vowel's sign, nor after the sign that joins two letters.
        ("अंतरराष्ट्रीय", ["अंतर", "राष्ट्री", "य"]),
    ],
)
def test_a_long_word_parts_between_whole_letters_that_do_not_join(word: str, parts: list[str]) -> None:
    broken = pdf._broken(re.fullmatch(".*", word, re.DOTALL))  # type: ignore[arg-type]
    assert broken.split("\u200b") == parts
