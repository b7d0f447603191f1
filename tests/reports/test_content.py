"""Reports say what the views say, in every format, and say what they rest on."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.paths import SAMPLE, with_support
from support.repetitions import slow
from support.reports import (
    NOW,
    as_json,
    built,
    everything,
    figures,
    page_text,
    pdf_text,
    rows,
    section,
    sheets,
    squeezed,
    written,
)
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.model import NUMBERS
from polydoc_analytics.reports.renderers import FORMATS

LISBON = {"period": "2026-10", "timezone": "Europe/Lisbon"}
KINDS = {
    "overview": {},
    "statement": {"account": "6ee0e0f4-dde6-490a-a281-43896feb4891"},
    "languages": {},
    "quality": {},
}


@pytest.mark.parametrize(("days", "view"), [(40, "daily"), (150, "weekly"), (400, "monthly")])
def test_charts_of_accounts_and_languages_hold_the_counts_of_the_views(file, days: int, view: str) -> None:
    start, languages = datetime(2025, 1, 30, 12, tzinfo=UTC), ("de", "fr", "JA", "xx", "es", "it", "ko", "nl", "pl")
    source = file(
        wire(
            f"r{number}",
            account_id=f"account {number**2 % 11}",
            target_language=languages[number % 7 % 5 + number % 5],
            created_at=(start + timedelta(days=number**2 % days)).isoformat(),
            finished_at=None,
            status="Running",
        )
        for number in range(1, 400)
    )
    report = built(source, timezone="America/Lima")
    charts = {chart.name: chart.spec["data"]["values"] for one in report.sections for chart in one.charts}
    with pda.connect(source, timezone="America/Lima") as db:
        label = "coalesce(language_name, language)"  # the text as sent, where it is no language
        trends = db.sql(f"select {label}, period, runs from usage_{view}_by_language").rows()
        pairs = db.sql(f"select account_id, {label}, runs from usage_by_account_language").rows()
    known = {(name, str(period)): runs for name, period, runs in trends}
    drawn = {(row["label"], row["period"]): row["runs"] for row in charts["language_trends"]}
    assert len({name for name, _ in drawn}) == 8
    assert {at: runs for at, runs in drawn.items() if runs} == {
        at: runs for at, runs in known.items() if at[0] in {name for name, _ in drawn}
    }
    counted = {(account, name): runs for account, name, runs in pairs}
    cells = {(row["line"], row["column"]): row["value"] for row in charts["languages_by_account"]}
    assert cells == {at: counted.get(at, 0) for at in cells}
    assert len(cells) == min(8, len({account for account, _ in counted})) * 8


def test_the_overview_holds_the_figures_of_the_views() -> None:
    report = built(SAMPLE, **LISBON)
    with pda.connect(SAMPLE, **LISBON) as db:
        usage = db.view("usage").row(0, named=True)
        by_account = db.view("usage_by_account")
        by_language = db.view("usage_by_language")
        daily = db.view("usage_daily")
    for name, value in figures(report).items():
        assert value == usage[name], name
    for name, key, frame in (
        ("accounts", "account_id", by_account),
        ("languages", "language", by_language),
        ("usage_over_time", "period", daily),
    ):
        expected = {row[key]: row for row in frame.iter_rows(named=True)}
        found = rows(report, name)
        assert {row[key] for row in found} == set(expected)
        for row in found:
            for column in ("runs", "failed_runs", "credits", "input_tokens", "failure_rate", "failure_rate_high"):
                assert row[column] == expected[row[key]][column]


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_the_same_in_every_format(kind: str) -> None:
    report = built(SAMPLE, kind, **LISBON, **KINDS[kind])
    made = everything(report)
    page, pdf, book = page_text(made["html"]), squeezed(pdf_text(made["pdf"])), sheets(made["xlsx"])
    words, data = made["md"].decode(), as_json(made["json"])
    names = [sheet for sheet in book if sheet != "Basis"]
    checked = 0
    for place, part in enumerate(report.sections):
        found = data["sections"][place]
        sheet = book[names[place]]
        assert found["name"] == part.name
        for figure in part.figures:
            text = figure.value.text
            assert text in page
            assert squeezed(text) in pdf
            assert text in words
            assert [one["value"] for one in found["figures"] if one["name"] == figure.name] == [figure.value.number]
            label = f"{figure.label} ({figure.unit})" if figure.unit else figure.label
            [row] = [row for row in sheet if row[0] == label]
            assert row[1] == pytest.approx(figure.value.number, rel=1e-15)
        if part.table is None:
            continue
        columns = part.table.columns
        for at, row in enumerate(part.table.rows):
            is_drawn = at < part.table.shown
            for column, value, cell in zip(columns, row, sheet[at + 1], strict=True):
                if column.kind not in NUMBERS:
                    continue
                text = report.words.text(value, column.kind)
                assert found["data"][at][column.name] == value
                assert cell == "–" if value is None else cell == pytest.approx(value, rel=1e-14)
                if is_drawn and not column.only_data:
                    assert text in page
                    assert text.replace("|", "\\|") in words
                    assert squeezed(text) in pdf
                checked += 1
    assert checked > 40


def test_a_number_in_a_cell_of_the_page_is_the_number_of_that_row() -> None:
    report = built(SAMPLE, **LISBON)
    page = everything(report)["html"].decode()
    part = page.split('id="accounts"')[1].split("</section>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", part.split("<tbody>")[1].split("</tbody>")[0], re.DOTALL)
    table = section(report, "accounts").table
    drawn = [at for at, column in enumerate(table.columns) if not column.only_data]
    for line, row in zip(lines, table.rows, strict=True):
        cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", line)]
        assert cells == [report.words.text(row[at], table.columns[at].kind) for at in drawn]


@pytest.mark.parametrize("count", [60, slow(2000)])
def test_with_the_same_input_and_now_every_format_is_byte_identical(count: int, tmp_path: Path) -> None:
    choices = {**LISBON, "formats": FORMATS, "now": NOW}
    runs = pl.read_ndjson(SAMPLE).tail(count)
    runs.write_ndjson(tmp_path / SAMPLE.name)
    first = written(pda.report(tmp_path / SAMPLE.name, out=tmp_path / "a", **choices))
    assert first == written(pda.report(tmp_path / SAMPLE.name, out=tmp_path / "b", **choices))
    assert set(first) == {f"overview_2026-10.{form}" for form in FORMATS}
    runs.sample(fraction=1, shuffle=True, seed=7).write_ndjson(tmp_path / SAMPLE.name)
    shuffled = written(pda.report(tmp_path / SAMPLE.name, out=tmp_path / "c", **choices | {"formats": "json"}))
    ours, theirs = (one["overview_2026-10.json"].decode() for one in (first, shuffled))
    assert re.sub(r"[0-9a-f]{64}|\"bytes\": \d+", "", ours) == re.sub(r"[0-9a-f]{64}|\"bytes\": \d+", "", theirs)


def test_a_report_names_its_period_zone_basis_files_hashes_and_counts(file, tmp_path: Path) -> None:
    source = Path(file([wire(), wire("b", created_at="2026-10-05T10:00:00Z"), wire()]))
    for path in pda.report(source, formats=FORMATS, out=tmp_path / "out", now=NOW, **LISBON):
        form, content = path.suffix[1:], path.read_bytes()
        text = {"pdf": pdf_text, "html": page_text, "xlsx": lambda one: str(sheets(one)["Basis"])}.get(
            form, lambda one: one.decode()
        )(content)
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        plain = squeezed(text.replace("\\", ""))
        for said in ("1 Oct 2026 to 31 Oct 2026", "Europe/Lisbon", digest, "2 Nov 2026, 09:00", "3 read"):
            assert squeezed(said) in plain, (form, said)
        assert "instantatwhichitwascreated" in plain


def test_rows_quarantined_and_unknown_values_are_said(file) -> None:
    source = file([wire(), wire("b", credits=None), wire("c", status="Done")])
    report = built(source)
    assert ("Rows", "3 read: 2 runs, 0 duplicates, 1 quarantined; 0 runs in conflict") in report.facts
    credits = next(one for one in section(report, "key_figures").figures if one.name == "credits")
    assert (credits.value.number, credits.note) == (3, "unknown for 1 finished run")


def test_unknown_is_a_dash_and_never_zero(file) -> None:
    report = built(file([wire(credits=None, input_tokens=None, output_tokens=None)]))
    texts = {one.name: one.value.text for one in section(report, "key_figures").figures}
    assert texts["credits"] == texts["input_tokens"] == texts["output_tokens"] == "–"
    assert as_json(everything(report)["json"])["sections"][0]["figures"][2]["value"] is None
    assert sheets(everything(report)["xlsx"])["Accounts"][1][7] == "–"


def test_small_samples_are_marked_where_the_interval_is_wider_than_20_points(file) -> None:
    many = [wire(f"m{n}", account_id="many", status="Failed" if n < 50 else "Succeeded") for n in range(500)]
    few = [wire(f"f{n}", account_id="few", status="Failed" if n < 1 else "Succeeded") for n in range(10)]
    report = built(file(many + few))
    marks = {row["account_id"]: row["is_small_sample"] for row in rows(report, "accounts")}
    assert marks == {"many": False, "few": True}
    assert "| few | 10 | 1 | 10.0% | 1.8% | 40.4% | small sample |" in everything(report)["md"].decode()


def test_a_planted_rise_of_failures_is_found_and_said(file) -> None:
    day = {1: "2026-10-07T10:00:00Z", 2: "2026-10-14T10:00:00Z", 3: "2026-10-21T10:00:00Z"}
    source = []
    for week, failed in ((1, 2), (2, 18), (3, 2)):
        for n in range(60):
            status = "Failed" if n < failed else "Succeeded"
            source.append(wire(f"{week}-{n}", created_at=day[week], finished_at=day[week], status=status))
    report = built(file(source), period="2026-10")
    assert section(report, "failures").text == (
        "Failures rose 9-fold in German in the week of 12 Oct 2026: 18 of 60 finished runs (30.0%), against 2 of 60 "
        "finished runs (3.3%) the week before.",
    )


def test_accounts_beyond_the_top_are_summed_up_and_the_sums_stay_whole() -> None:
    with pda.connect(SAMPLE) as db:
        languages = db.view("usage_by_language")
    table = section(built(SAMPLE), "languages").table
    at = [column.name for column in table.columns].index("runs")
    shown = sum(row[at] for row in table.rows[: table.shown])
    assert len(table.rows) == languages.height > table.shown
    assert shown + table.others[at] == table.total[at] == languages["runs"].sum() == 2000


def test_a_reports_formats_and_kinds_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(pda.UsageError, match="unknown format 'pfd'; did you mean pdf"):
        pda.report("no such file", formats="pfd", out=tmp_path)
    with pytest.raises(pda.UsageError, match="unknown kind of report 'overwiew'; did you mean overview"):
        pda.report(SAMPLE, kind="overwiew", out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kind_of_ones_own_comes_by_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib.metadata import EntryPoint, EntryPoints

    from polydoc_analytics.reports import builders

    own = EntryPoint("short", f"{__name__}:short", builders.GROUP)
    monkeypatch.setattr(builders, "entry_points", lambda **wanted: EntryPoints([own]).select(**wanted))
    assert builders.kinds() == (*builders.KINDS, "short")
    [path] = pda.report(SAMPLE, kind="short", formats="md", out=tmp_path, now=NOW)
    assert path.name == "short_all.md"
    assert "2,000 runs" in path.read_text("utf-8")


def short(context):
    from polydoc_analytics.reports.model import Section

    return context.report("short", "In short", [Section("all", "All", (f"{context.text(2000, 'count')} runs",))])


def test_a_file_appears_under_its_name_only_when_it_is_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from polydoc_analytics.reports import write

    def broken(*_: object) -> None:
        assert [path.suffix for path in tmp_path.iterdir()] == [".half"]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "replace", broken)
    with pytest.raises(pda.SourceError, match="No space left on device; choose another folder with --out"):
        pda.report(SAMPLE, formats="md", out=tmp_path, now=NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_report_shows_itself_in_a_notebook() -> None:
    report = built(SAMPLE, **LISBON)
    shown = report._repr_html_()
    assert shown.startswith("<iframe")
    assert "sandbox" in shown
    assert "&lt;title&gt;Usage overview" in shown


def test_charts_are_handed_to_a_notebook_as_altair_charts() -> None:
    import altair

    with pda.connect(SAMPLE, **LISBON) as db:
        usage = db.view("usage_daily")
        chart = pda.charts.usage_over_time(db, every="day").to_dict()
        [values] = chart["datasets"].values() if "datasets" in chart else [chart["data"]["values"]]
        assert [(row["period"], row["runs"]) for row in values] == [
            (str(row["period"]), row["runs"]) for row in usage.iter_rows(named=True)
        ]
        for make in (
            pda.charts.failure_rates,
            pda.charts.durations,
            pda.charts.languages_by_account,
            pda.charts.cumulative_credits,
        ):
            assert isinstance(make(db), altair.TopLevelMixin)
        with pytest.raises(pda.UsageError, match="unknown measure 'credit'; did you mean credits"):
            pda.charts.usage_over_time(db, measure="credit")


def test_the_report_path_imports_neither_altair_nor_pandera(file, tmp_path: Path) -> None:
    import subprocess
    import sys

    pda.export(file([wire()]), tmp_path / "runs")
    code = (
        "import sys, polydoc_analytics as pda\n"
        "from support.reports import everything\n"
        f"with pda.connect({str(tmp_path / 'runs')!r}) as db: dict(everything(pda.build(db)))\n"
        "print([m for m in ('altair', 'pandera', 'matplotlib') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=with_support(), capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("kind", ["overview", "statement", slow("languages"), slow("quality")])
def test_a_report_reads_its_files_without_the_guard_rails_of_queries(
    kind: str, file, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With these every byte of the files comes through Python; what a person types has them."""
    guarded: list[object] = []
    monkeypatch.setattr(
        "polydoc_analytics.query.engines.duckdb.DuckEngine._restrict", lambda engine: guarded.append(engine)
    )
    source = file([wire(), wire("b", account_id=KINDS["statement"]["account"])])
    built(source, kind, period="2026-03", **KINDS[kind])
    assert not guarded
    with pda.connect(source) as db:
        assert db.fetch("select count(*) as runs from runs").equals(db.sql("select count(*) as runs from runs"))
    assert len(guarded) == 1


def test_instants_are_local_in_the_workbook_and_utc_in_json(file) -> None:
    source = file([wire(created_at="2026-10-01T23:30:00Z", finished_at=None, status="Running")])
    made = everything(built(source, timezone="Europe/Lisbon"))
    assert sheets(made["xlsx"])["Running for too long"][1][3] == datetime(2026, 10, 2, 0, 30)
    found = next(s for s in as_json(made["json"])["sections"] if s["name"] == "running_too_long")
    assert found["data"][0]["created_at"] == datetime(2026, 10, 1, 23, 30, tzinfo=UTC).isoformat()[:19] + "Z"
