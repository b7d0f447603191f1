"""Names of files that are made of the data: of two texts never the same, on any disk."""

from __future__ import annotations

import string
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.reports import NOW
from support.runs import wire

import polydoc_analytics as pda
from polydoc_analytics.reports.filenames import file_name

SAFE = set(string.ascii_lowercase + string.digits + "-_")


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(alphabet=st.sampled_from("aAbB-_ ./ÄäİıſK"), max_size=6), unique=True, max_size=40))
@example(["ABC", "abc", "Abc", "a/b", "a-b", "a b", "a.b"])
@example(["", " ", "-", ".", ".."])
@example(["x" * 64, "x" * 65, "x" * 66, "X" * 64])
@example(["\ud800", "?", "\ud801"])
def test_two_texts_never_share_a_name_whatever_the_disk_makes_of_case(texts: list[str]) -> None:
    names = [file_name(text) for text in texts]
    assert len({name.casefold() for name in names}) == len(texts)
    assert all(name and set(name) <= SAFE and len(name) <= 77 for name in names)


def test_the_name_of_a_hashed_text_is_no_other_texts_name() -> None:
    hashed = file_name("ABC")
    assert file_name(hashed) != hashed
    assert file_name("6ee0e0f4-dde6-490a-a281-43896feb4891") == "6ee0e0f4-dde6-490a-a281-43896feb4891"


def test_names_of_windows_devices_are_no_names() -> None:
    for device in ("con", "nul", "aux", "prn", "com1", "lpt9", "CON"):
        assert file_name(device) != device
        assert file_name(device).startswith(f"{device.lower()}_")
    assert file_name("console") == "console"


def test_an_account_called_all_does_not_get_what_is_of_all() -> None:
    assert file_name("all").startswith("all_")


def test_statements_of_accounts_that_differ_in_case_alone_are_files_apart(file, tmp_path: Path) -> None:
    ids = ["ABC", "abc", "Abc", "con", "a b", "a/b"]
    source = file([wire(str(n), account_id=one, credits=n) for n, one in enumerate(ids)])
    paths = pda.report(source, kind="statement", all_accounts=True, formats="json", out=tmp_path / "out", now=NOW)
    assert len({path.name.lower() for path in paths}) == len(ids) + 1
    assert all(f'"{one}"' in path.read_text("utf-8") for one, path in zip(sorted(ids), paths[1:], strict=True))
