"""%polydoc and %%polydoc, in a shell in this process."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from support.paths import SAMPLE
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.notebook import completion, display
from polydoc_analytics.views import catalog


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ipython")


@pytest.fixture
def shell(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(home))
    monkeypatch.setattr("IPython.core.history.HistoryAccessor.enabled", False)
    shell = InteractiveShell.instance(user_ns={"sample": str(SAMPLE)})
    shell.colors = "nocolor"
    shell.extension_manager.load_extension("polydoc_analytics")
    yield shell
    shell.extension_manager.unload_extension("polydoc_analytics")
    InteractiveShell.clear_instance()
    atexit.unregister(shell.atexit_operations)  # which would collect garbage for each shell when all tests are over


@pytest.fixture(scope="module")
def db() -> Iterator[pda.Database]:
    with pda.connect(str(SAMPLE), timezone="Europe/Lisbon") as db:
        yield db


@pytest.fixture
def connected(shell: InteractiveShell, db: pda.Database) -> InteractiveShell:
    shell.user_ns["db"] = db
    run(shell, "%polydoc connect db")
    return shell


def run(shell: InteractiveShell, cell: str) -> Any:
    result = shell.run_cell(cell)
    assert result.success, result.error_in_exec or result.error_before_exec
    return result.result


def completed(shell: InteractiveShell, cell: str) -> list[str]:
    """What completion offers at the end of a cell."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(cell, len(cell))]


def test_connect_says_on_one_line_how_the_rows_are_accounted_for(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shell, "%polydoc connect {sample} -o db --timezone Europe/Lisbon --period 2026-10")
    assert capsys.readouterr().out == (
        "2,027 rows read: 2,000 runs, 27 duplicates, 0 quarantined; from 2026-10-01 to 2026-10-31; Europe/Lisbon\n"
    )
    assert shell.user_ns["db"].view("usage")["runs"].to_list() == [301]


def test_connect_says_which_runs_are_chosen_and_which_are_left_out(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.user_ns["rows"] = [
        wire("a", account_id="acme-1", target_language="French"),
        wire("b", account_id="acme-1", target_language="fr", status="Running", finished_at=None),
        wire("c", account_id="zeta", status="Running", finished_at=None),
    ]
    run(shell, "%polydoc connect rows --account acme --language French --date-basis finished")
    assert capsys.readouterr().out == (
        "3 rows read: 3 runs, 0 duplicates, 0 quarantined; 1 run without finished_at left out; account acme-1; "
        "language fr; UTC\n"
    )


def test_connect_takes_what_a_variable_holds(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.user_ns["rows"] = pda.load(str(SAMPLE)).runs.head(3)
    run(shell, "%polydoc connect rows")
    assert "3 rows read: 3 runs" in capsys.readouterr().out
    with pda.connect(str(SAMPLE)) as shell.user_ns["open"]:
        run(shell, "%polydoc connect open")
        assert run(shell, "%%polydoc\nselect runs from usage")["runs"].to_list() == [2000]


def test_connecting_again_closes_what_no_variable_has(shell: InteractiveShell, tmp_path: Path) -> None:
    magics = shell.find_line_magic("polydoc").__self__
    run(shell, "%polydoc connect {sample} -o kept")
    kept = magics.db
    run(shell, "%polydoc connect {sample}")
    lost = magics.db
    run(shell, "%polydoc connect {sample}")
    assert kept.view("usage").height == 1
    with pytest.raises(pda.QueryError, match="closed"):
        lost.view("usage")
    magics.db.close()
    kept.close()


def test_every_flag_of_connect_reaches_it(shell: InteractiveShell, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(pl.DataFrame([wire()]))
    lake.ingest(pl.DataFrame([wire("b", account_id="other")]))
    shell.user_ns["lake"] = lake
    flags = "--account acme --language de --since 2026-03-01 --until 2026-03-31 --date-basis finished --as-of 1"
    run(shell, f"%polydoc connect lake -o db {flags} --now 2026-04-01T00:00:00Z")
    db = shell.user_ns["db"]
    assert db.filters == type(db.filters)(("acme",), ("de",))
    assert (db.date_basis, db.now.isoformat(), db.snapshot[:6]) == ("finished", "2026-04-01T00:00:00+00:00", "load 1")
    assert db.view("usage")["runs"].to_list() == [1]


def test_a_cell_of_sql_is_a_polars_frame_and_goes_to_a_name(connected: InteractiveShell) -> None:
    frame = run(
        connected, "%%polydoc -o found\nselect language, runs from usage_by_language\norder by runs desc limit 1"
    )
    assert frame.rows() == [("fr", 454)]
    assert connected.user_ns["found"] is frame


def test_views_and_describe_are_those_of_the_database(connected: InteractiveShell) -> None:
    db = connected.user_ns["db"]
    assert run(connected, "%polydoc views").equals(db.views())
    assert run(connected, "%polydoc describe usage_daily").equals(db.describe("usage_daily"))


def test_polydoc_alone_says_what_there_is(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%polydoc")
    out = capsys.readouterr().out
    assert all(word in out for word in ("%polydoc connect SOURCE", "%polydoc views", "%%polydoc [-o NAME]"))


@pytest.mark.parametrize(
    ("sql", "options", "axes"),
    [
        ("select period, credits from usage_monthly", "bar", {"x": "period", "y": "credits"}),
        ("select runs, failure_rate, period from usage_weekly", "line --y failure_rate", {"x": "period"}),
        ("select language, runs from usage_by_language", "bar", {"y": "language", "x": "runs"}),
        (
            "select total_tokens, duration_s from runs order by id limit 100",
            "point",
            {"x": "total_tokens", "y": "duration_s"},
        ),
        (
            "select period, language, runs from usage_monthly_by_language where language in ('de', 'fr')",
            "area",
            {"x": "period", "y": "runs", "color": "language"},
        ),
        ("select account_id, runs, credits from usage_by_account", "bar --x credits --y runs", {"x": "credits"}),
    ],
)
def test_a_chart_finds_its_axes(connected: InteractiveShell, sql: str, options: str, axes: dict[str, str]) -> None:
    spec = run(connected, f"%%polydoc -o rows --chart {options}\n{sql}").to_dict()
    assert {axis: spec["encoding"][axis]["field"] for axis in axes} == axes
    assert len(spec["data"]["values"]) == connected.user_ns["rows"].height


def test_bars_over_months_end_where_the_next_month_begins(connected: InteractiveShell) -> None:
    spec = run(connected, "%%polydoc --chart bar\nselect period, runs from usage_monthly where period >= '2026-09-01'")
    assert [(row["period"], row["end of the bar"]) for row in spec.to_dict()["data"]["values"]] == [
        ("2026-09-01", "2026-10-01"),
        ("2026-10-01", "2026-11-01"),
    ]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%polydoc\nselect runs from usage", "UsageError: not connected; first: %polydoc connect SOURCE"),
        ("%polydoc connect", "UsageError: %polydoc connect: the following arguments are required: SOURCE; "),
        ("%polydoc conect x", "UsageError: unknown command 'conect'; did you mean connect?; expected connect, views"),
        ("%polydoc connect missing.ndjson", "SourceError: missing.ndjson: "),
        ("%polydoc connect {sample} --now soon", "UsageError: now 'soon' is no instant; expected one such as"),
        ("%polydoc connect '{sample}", "closing quot"),
        ("%polydoc connect {sample} -o 2", "UsageError: -o 2: expected the name of a variable"),
    ],
)
def test_a_mistake_is_one_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, message: str
) -> None:
    assert_one_line(shell, capsys, cell, message)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%polydoc\nselect langage from usage_by_language", 'in FROM clause! Candidate bindings: "language"'),
        ("%%polydoc\nselect 1 from usag", 'Catalog Error: Table with name usag does not exist! Did you mean "usage"?'),
        ("%%polydoc\nselec 1", 'QueryError: Parser Error: syntax error at or near "selec"'),
        ("%%polydoc\ndrop view usage", "QueryError: expected exactly one SELECT statement"),
        ("%polydoc describe usag", "UsageError: unknown view 'usag'; did you mean usage?"),
        ("%%polydoc --chart pie\nselect 1 as a, 2 as b", "UsageError: unknown chart 'pie'"),
        ("%%polydoc --chart bar\nselect 'a' as a", "UsageError: a chart needs a column of numbers"),
        ("%%polydoc --chart bar --y rnus\nselect language, runs from usage_by_language", "did you mean runs?"),
        ("%%polydoc --chart bar --y language\nselect language, runs from usage_by_language", "'language' is not; "),
        ("%%polydoc --chart bar\nselect id, credits from runs", "UsageError: the result has 2,000 rows"),
        ("%%polydoc --chart line --color id\nselect created_at, credits, id from runs", "2,000 values of id"),
        ("%%polydoc --x runs\nselect runs from usage", "UsageError: --x, --y and --color are of a chart"),
        ("%polydoc connect db --period 2026-10", "UsageError: a Database has its interval and zone already"),
        ("db.sql('select nothing from usage')", 'QueryError: Binder Error: Referenced column "nothing"'),
    ],
)
def test_a_mistake_in_a_query_is_one_line(
    connected: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, message: str
) -> None:
    assert_one_line(connected, capsys, cell, message)


def assert_one_line(shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, message: str) -> None:
    capsys.readouterr()
    assert not shell.run_cell(cell).success
    captured = capsys.readouterr()
    text = (captured.out + captured.err).strip()
    assert message in text
    assert text.count("\n") == 0


def test_names_of_views_and_columns_are_completed(shell: InteractiveShell) -> None:
    assert completed(shell, "%%polydoc\nselect runs from usage_mo")[:2] == ["usage_monthly", "usage_monthly_by_account"]
    counts = ["failed_attempts", "failed_requests", "failed_runs"]
    rates = ["failure_rate", "failure_rate_high", "failure_rate_low"]
    assert sorted(completed(shell, "%%polydoc\nselect fail")) == [*counts, *rates]
    assert "u.failure_rate" in completed(shell, "%%polydoc\nselect 1 from usage_by_language as u where u.fail")


def test_columns_are_those_of_the_views_that_the_cell_names() -> None:
    cell = "%%polydoc\nselect \nfrom coverage"
    assert completion.candidates(cell, 1, 7, catalog())[:4] == ["field", "known_runs", "unknown_runs", "known_share"]


def test_what_the_line_takes_is_completed(shell: InteractiveShell) -> None:
    assert completed(shell, "%polydoc conn") == ["connect"]
    assert completed(shell, "%polydoc describe data_q") == ["data_quality"]
    assert completed(shell, "%polydoc connect x --tim") == ["--timezone"]
    assert completed(shell, "%polydoc connect x --period last-m") == ["last-month"]
    assert completed(shell, "%%polydoc --chart li") == ["line"]
    assert completed(shell, "db.view('usage_by_acc") == ["usage_by_account", "usage_by_account_language"]


def test_a_view_of_ones_own_is_asked_and_completed(shell: InteractiveShell, tmp_path: Path) -> None:
    text = "-- Languages that fail.\n-- grain: one language\n-- language: BCP 47 tag\n-- lost: failed runs\n"
    (tmp_path / "failing.sql").write_text(f"{text}select language, failed_runs as lost from usage_by_language\n")
    shell.user_ns["folder"] = str(tmp_path)
    run(shell, "%polydoc connect {sample} --views {folder}")
    assert run(shell, "%%polydoc\nselect sum(lost)::int as lost from failing")["lost"].to_list() == [89]
    assert completed(shell, "%%polydoc\nselect 1 from fail") == ["failing"]
    assert completed(shell, "%%polydoc\nselect l.lo from failing as l where l.lo") == ["l.lost"]


def test_completion_leaves_other_cells_alone() -> None:
    assert completion.candidates("usage_by = 1\nusa", 1, 3, catalog()) == []


def test_a_frame_is_a_table_without_colours_of_its_own(connected: InteractiveShell) -> None:
    frame = pl.DataFrame(
        {"n": [1234, None], "rate": [0.04567, None], "text": ["<b>", "x"], "is_partial": [True, False]}
    )
    html = connected.display_formatter.format(frame)[0]["text/html"]
    assert all(cell in html for cell in (">1,234<", ">0.046<", ">–<", ">&lt;b&gt;<", ">yes<", ">no<"))
    lists = connected.display_formatter.format(pl.DataFrame({"languages": [["de", "fr"]]}))[0]["text/html"]
    assert "[&#x27;de&#x27;, &#x27;fr&#x27;]" in lists
    assert "color" not in html.replace("no colours", "")


def test_a_long_frame_says_how_many_rows_are_not_shown() -> None:
    html = display.html_table(pl.DataFrame({"n": range(2000)}))
    assert html.count("<tr>") == 1 + 25
    assert "1,975 more rows" in html
    assert "no rows" in display.html_table(pl.DataFrame({"n": []}))


def test_a_chart_needs_no_network_to_be_seen(connected: InteractiveShell) -> None:
    chart = run(connected, "%%polydoc --chart bar\nselect language, runs from usage_by_language")
    data, _ = connected.display_formatter.format(chart)
    assert data["image/svg+xml"].startswith("<svg")
    assert data[display.VEGA_LITE]["encoding"]["x"]["field"] == "runs"
    assert "text/html" not in data


def test_loading_twice_and_unloading_leaves_nothing_behind(shell: InteractiveShell) -> None:
    before = len(shell.Completer.custom_matchers)
    shell.extension_manager.reload_extension("polydoc_analytics")
    assert len(shell.Completer.custom_matchers) == before
    pda.unload_ipython_extension(shell)
    assert len(shell.Completer.custom_matchers) == before - 1
    assert shell.find_magic("polydoc") is None
    assert "more rows" not in shell.display_formatter.format(pl.DataFrame({"n": range(2000)}))[0]["text/html"]


def test_the_package_does_without_ipython() -> None:
    import subprocess
    import sys

    code = (
        "import sys, polydoc_analytics as p; p.connect, p.load_ipython_extension; assert 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "statement",
    [
        "copy runs to 'written.csv'",
        "select 1; copy runs to 'written.csv'",
        "explain analyze copy runs to 'written.csv'",
        "attach 'written.db'",
        "with gone as (delete from runs returning *) select * from gone",
        "select * from query('copy (select 1) to ''written.csv''')",
        "select * from read_csv('/etc/passwd')",
    ],
)
def test_a_cell_only_reads_the_views(
    connected: InteractiveShell, tmp_path: Path, monkeypatch, capsys, statement
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not connected.run_cell(f"%%polydoc\n{statement}").success
    assert "QueryError: expected exactly one SELECT statement" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
