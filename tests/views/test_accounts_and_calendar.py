"""Names beside ids in the views, and the views `accounts` and `calendar`, on rows that are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics import views

ROWS = [
    wire("a1", account_id="acme", created_at="2026-08-15T10:00:00Z", finished_at="2026-08-15T10:00:10Z"),
    wire("a2", account_id="acme", created_at="2026-10-03T10:00:00Z", finished_at="2026-10-03T10:00:10Z"),
    wire(
        "z1",
        account_id="zeta",
        created_at="2026-10-30T12:00:00Z",
        finished_at="2026-10-30T12:00:10Z",
        target_language="Elvish of old",
    ),
    wire("o1", account_id="old", created_at="2026-07-01T00:00:00Z", finished_at="2026-07-01T00:00:10Z"),
    wire("n1", account_id="later", created_at="2026-11-02T00:00:00Z", finished_at="2026-11-02T00:00:10Z"),
]
NOW = datetime(2026, 11, 5, tzinfo=UTC)


@pytest.fixture
def source(file: Callable[..., Path]) -> Path:
    return file(ROWS)


@pytest.fixture(scope="module")
def named() -> Iterator[pda.Database]:
    with pda.connect(ROWS, accounts={"acme": "Acme Ltd"}, now=NOW) as db:
        yield db


@pytest.mark.parametrize("name", [name for name, view in views.catalog().items() if "account_name" in view.columns])
def test_every_view_by_account_names_it_after_the_keys(name: str, named: pda.Database) -> None:
    frame = named.view(name)
    names = dict(frame.select("account_id", "account_name").iter_rows())
    assert names == {"acme": "Acme Ltd", "zeta": None, "old": None, "later": None}
    # In requests each name stands right after its id; elsewhere names come after all keys.
    after = 1 if name == "requests" else len(views.view(name).ordered_by)
    assert frame.columns[after] == "account_name"


def test_every_view_with_an_id_has_its_name_and_no_other_has() -> None:
    for name, view in views.catalog().items():
        if name != "runs":
            assert ("account_id" in view.columns) == ("account_name" in view.columns), name
        assert ("language" in view.columns) == ("language_name" in view.columns), name


def test_a_language_that_is_not_recognised_has_no_name_and_keeps_its_runs(source: Path) -> None:
    with pda.connect(source, now=NOW) as db:
        for name in ("usage_by_language", "durations_by_language", "runs"):
            found = dict(db.view(name).select("language", "language_name").unique().iter_rows())
            assert found == {"de": "German", "Elvish of old": None}, name
        assert db.view("usage_by_language")["runs"].sum() == 5


def names(tmp_path: Path) -> dict[str, Any]:
    columns = {"account_id": ["acme", "zeta", "old"], "name": ["Acme Ltd", " ", None]}
    path = tmp_path / "accounts.csv"
    path.write_text("account_id,account_name\nacme,Acme Ltd\nzeta,\n")
    return {
        "csv": path,
        "text": str(path),
        "polars": pl.DataFrame(columns),
        "lazy": pl.LazyFrame(columns),
        "arrow": pa.table({"account_name": columns["name"], "account_id": columns["account_id"]}),
        "pandas": pl.DataFrame(columns).to_pandas(),
        "mapping": {"acme": "Acme Ltd", "zeta": ""},
    }


@pytest.mark.parametrize("kind", ["csv", "text", "polars", "lazy", "arrow", "pandas", "mapping"])
def test_names_come_from_a_file_a_table_or_a_mapping(kind: str, source: Path, tmp_path: Path) -> None:
    with pda.connect(source, accounts=names(tmp_path)[kind], now=NOW) as db:
        assert db.account_names == {"acme": "Acme Ltd"}
        assert db.sql("select account_name from usage_by_account where account_id = 'acme'").item() == "Acme Ltd"
        with db.over(pda.interval(period="2026-10", now=NOW)) as october:
            assert october.view("usage_by_account")["account_name"].to_list() == ["Acme Ltd", None]


def test_names_that_are_none_are_refused_with_what_is_expected(source: Path) -> None:
    with pytest.raises(pda.UsageError, match="expected the columns account_id and name, found id, name"):
        pda.connect(source, accounts=pl.DataFrame({"id": ["a"], "name": ["b"]}))
    with pytest.raises(pda.UsageError, match="a CSV, a table or a mapping of names by account id, not int"):
        pda.connect(source, accounts=7)


def test_names_given_come_before_those_of_the_lake(source: Path, tmp_path: Path) -> None:
    lake = pda.Lake(tmp_path / "lake")
    lake.ingest(source)
    lake.name_accounts({"acme": "From the lake", "zeta": "Zeta"})
    with pda.connect(lake, accounts={"acme": "Given"}, now=NOW) as db:
        found = dict(db.view("accounts").select("account_id", "account_name").iter_rows())
    assert found == {"acme": "Given", "later": None, "old": None, "zeta": "Zeta"}


def test_accounts_say_who_is_new_and_who_has_gone(source: Path) -> None:
    with pda.connect(source, period="2026-10", timezone="Europe/Lisbon", now=NOW) as db:
        rows = {row["account_id"]: row for row in db.view("accounts").iter_rows(named=True)}
    assert {name: (row["runs"], row["is_new"]) for name, row in rows.items()} == {
        "acme": (1, False),
        "zeta": (1, True),
        "old": (0, False),
    }
    # The interval ends at midnight after 31 October, local time, which is UTC then.
    assert rows["zeta"]["days_since_last_run"] == 1  # 36 hours
    assert rows["old"]["days_since_last_run"] == 123  # 30 + 31 + 31 + 30 + 1 days, no hour
    assert rows["acme"]["first_run_at"] == datetime(2026, 8, 15, 10, tzinfo=UTC)
    assert rows["acme"]["last_run_at"] == datetime(2026, 10, 3, 10, tzinfo=UTC)


def test_accounts_keep_to_the_date_basis_and_to_now(source: Path) -> None:
    with pda.connect(source, date_basis="finished", now="2026-11-02T12:00:00Z") as db:
        later = db.sql("select * from accounts where account_id = 'later'").row(0, named=True)
    assert later["first_run_at"] == datetime(2026, 11, 2, 0, 0, 10, tzinfo=UTC)
    assert (later["runs"], later["is_new"], later["days_since_last_run"]) == (1, True, 0)


def test_the_calendar_has_every_day_of_the_interval(source: Path) -> None:
    with pda.connect(source, period="2026-02", now=NOW) as db:
        days = db.view("calendar")
    assert days["day"].to_list() == [date(2026, 2, day) for day in range(1, 29)]
    assert days.row(0) == (date(2026, 2, 1), date(2026, 1, 26), date(2026, 2, 1), 7)
    assert days.row(1) == (date(2026, 2, 2), date(2026, 2, 2), date(2026, 2, 1), 1)


def test_a_month_without_runs_is_a_row_when_it_is_joined(source: Path) -> None:
    with pda.connect(source, now=NOW) as db:
        found = db.sql(
            "select calendar.month, count(runs.id) as runs from calendar left join runs on runs.day = calendar.day"
            " group by calendar.month order by calendar.month"
        )
        assert db.view("calendar").height == 125  # 31 + 31 + 30 + 31 + 2
    months = [date(2026, month, 1) for month in (7, 8, 9, 10, 11)]
    assert found.rows() == list(zip(months, [1, 1, 0, 2, 1], strict=True))


def test_the_calendar_goes_by_the_zone_and_is_empty_without_runs_and_bounds(
    source: Path, file: Callable[..., Path]
) -> None:
    with pda.connect(source, since="2026-11-01", timezone="Pacific/Kiritimati", now=NOW) as db:
        assert db.view("calendar")["day"].to_list() == [date(2026, 11, 1), date(2026, 11, 2)]
    with pda.connect(pl.DataFrame(schema=pda.load(source).runs.schema), now=NOW) as db:
        assert db.view("calendar").height == 0


@pytest.mark.parametrize(
    ("choice", "first", "last"),
    [
        ({"account": "acme"}, date(2026, 8, 15), date(2026, 10, 3)),
        ({"account": "acme", "since": "2026-09-01"}, date(2026, 9, 1), date(2026, 10, 3)),
        ({"account": "acme", "until": "2026-09-01"}, date(2026, 8, 15), date(2026, 9, 1)),
        ({"account": "acme", "since": "2026-11-01"}, None, None),
        ({"account": "acme", "period": "2026-02"}, date(2026, 2, 1), date(2026, 2, 28)),
        ({"language": ["de", "Elvish of old"], "since": "2026-11-01"}, date(2026, 11, 1), date(2026, 11, 2)),
        ({"language": "Elvish of old"}, date(2026, 10, 30), date(2026, 10, 30)),
        ({"account": "ghost"}, None, None),
    ],
    ids=str,
)
def test_the_calendar_goes_to_the_first_and_the_last_run_of_the_chosen_accounts_and_languages(
    choice: dict[str, Any], first: date | None, last: date | None, source: Path
) -> None:
    with pda.connect(source, now=NOW, **choice) as db:
        days = db.view("calendar")["day"].to_list()
    assert (min(days, default=None), max(days, default=None)) == (first, last)
    assert len(days) == ((last - first).days + 1 if first and last else 0)


def test_the_calendar_spans_the_years_that_there_are(file: Callable[..., Path]) -> None:
    far = [
        wire("far", created_at="9999-12-30T00:00:00Z", finished_at=None, status="Running"),
        wire("old", created_at="0001-01-02T00:00:00Z", finished_at=None, status="Running"),
    ]
    with pda.connect(file(far), now=NOW) as db:
        span = db.sql("select min(day) as low, max(day) as high, count(distinct day) as days from calendar")
    assert span.row(0) == (date(1, 1, 2), date(9999, 12, 30), (date(9999, 12, 30) - date(1, 1, 2)).days + 1)
