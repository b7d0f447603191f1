"""Tables of names and addresses that the settings name: what is unclear in them is an error, never another's name."""

from __future__ import annotations

from pathlib import Path

import pytest

import polydoc_analytics as pda
from polydoc_analytics.automation.delivery.contacts import contacts
from polydoc_analytics.config.settings import account_names
from polydoc_analytics.query.account_names import names_of
from polydoc_analytics.reports.customers import customers


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return "table.csv"


@pytest.mark.parametrize(
    "text",
    [
        "account_id,name\na,Acme\nb,\n",
        "\ufeffaccount_id;name\r\na;Acme\r\n",
        "\n\naccount_id\tname\n\na\tAcme\n\n",
        " Account_ID , Name \n a , Acme \n",
        "account_id,name,,\na,Acme,,\n,,,\n",
        'name,account_id\n"Acme",a\n"Acme",a\n',
        "account_id,account_name\ra,Acme\r",
    ],
)
def test_names_are_read_from_every_usual_csv(text: str, table: str) -> None:
    Path(table).write_bytes(text.encode())
    assert account_names(table) == {"a": "Acme"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "account_id,name\na,Smith, Jones & Co\n",
            ":2: has more cells than there are columns; put a text with a comma",
        ),
        ("account_id,name\na,Acme\n\n,Beta\n", ":4: has no account_id"),
        ("account_id,name\na,Acme\nb,Beta\na,Other\n", ":4: account a stands in table.csv:2 with something else"),
        ('account_id,name\na,"Acme\nb,Beta\n', ":2: cannot be read as CSV: a quotation mark opens a cell and does not"),
        ('account_id,name\na,"Acme\nb,"Beta"\n', ": cannot be read as CSV: "),
        ('account_id,name\na,"Acme\nb,Beta"\n', ":2: goes on to another line within quotes"),
        ('account_id,name\n"a\nb",A\n"a\nb",B\n', ":4: account a\\nb stands in table.csv:2 with something else"),
        ("account_id,name,name\na,Acme,Other\n", ": its header names the column name twice"),
        ("id,name\na,Acme\n", ": expected the columns account_id and name, found id, name"),
        ("", ": expected the columns account_id and name, found "),
    ],
)
def test_a_name_that_may_be_anothers_is_an_error(text: str, said: str, table: str) -> None:
    Path(table).write_text(text)
    with pytest.raises(pda.SourceError) as caught:
        account_names(table)
    assert str(caught.value).startswith(table)
    assert said in str(caught.value)


def test_a_table_and_a_mapping_have_one_name_an_account() -> None:
    import polars as pl

    frame = pl.DataFrame({"account_id": ["a", "a", "b", None], "name": ["Acme", " Acme", None, "x"]})
    assert names_of(frame) == {"a": "Acme"}
    assert names_of({0: "Zero", 1: 0, "": "x"}) == {"0": "Zero", "1": "0"}
    with pytest.raises(pda.UsageError, match="account a has two names, 'Acme' and 'Other'"):
        names_of(frame.with_columns(name=pl.Series(["Acme", "Other", None, "x"])))


def test_lines_of_customers_may_lack_cells_and_have_line_breaks(table: str) -> None:
    Path(table).write_text('account_id,name,line_2,line_1,language\na,Acme,"2nd\nand 3rd",1st,de\nb,Beta\n')
    assert account_names(table) == {"a": "Acme", "b": "Beta"}
    assert (customers(table)["a"].lines, customers(table)["a"].locale) == (("1st", "2nd", "and 3rd"), "de")
    assert customers(table)["b"].lines == ()


@pytest.mark.parametrize(
    "rows",
    ['a,"a@a.org\nb,b@b.org\n', 'a,"a@a.org\nb,b@b.org"\n', 'a,"a@a.org\nb,"b@b.org"\n', '"a\nb",b@b.org\n'],
)
def test_no_mistaken_quotation_mark_gives_an_account_the_address_of_another(rows: str, table: str) -> None:
    Path(table).write_text(f"account_id,email\n{rows}")
    with pytest.raises(pda.SourceError, match=r"table.csv:\d+: (?:cannot be read as CSV|goes on to another line)"):
        contacts(table)


def test_contacts_are_read_with_semicolons_and_empty_columns_too(table: str) -> None:
    Path(table).write_text("Account_ID;Email;\na;a@a.org;b@a.org\nb;b@b.org;\n")
    assert contacts(table).addresses == {"a": ("a@a.org", "b@a.org"), "b": ("b@b.org",)}
    assert contacts(table).faults == ()
