"""The templates of SQL: places are filled, parts repeated, kept or left out."""

from __future__ import annotations

import pytest

from polydoc_analytics.model.sql_template import fill, with_partials


def test_places_are_filled_and_parts_repeated() -> None:
    template = "select\n    {{#keys}}\n    {{key}},\n    {{/keys}}\n    count(*) as runs\nfrom {{facts}}"
    filled = fill(template, {"keys": [{"key": "a"}, {"key": "b"}], "facts": "runs"})
    assert filled == "select\n    a,\n    b,\n    count(*) as runs\nfrom runs"


def test_a_part_stays_or_goes() -> None:
    template = "select 1\n{{#is_grouped}}\ngroup by {{key}}\n{{/is_grouped}}\n"
    assert fill(template, {"is_grouped": True, "key": "a"}) == "select 1\ngroup by a\n"
    assert fill(template, {"is_grouped": False, "key": "a"}) == "select 1\n"
    assert fill(template, {"is_grouped": [], "key": "a"}) == "select 1\n"


def test_a_value_is_not_filled_again_and_a_place_without_one_is_an_error() -> None:
    assert fill("{{text}}", {"text": "{{other}} {x}"}) == "{{other}} {x}"
    with pytest.raises(KeyError, match="facts"):
        fill("from {{facts}}", {})


def test_a_partial_is_the_text_of_another_file() -> None:
    files = {"shared": "rated as (select {{column}})\n"}
    template = with_partials("with\n{{>shared}}\nselect *\nfrom rated", files.__getitem__)
    assert fill(template, {"column": "1"}) == "with\nrated as (select 1)\nselect *\nfrom rated"
    with pytest.raises(KeyError, match="other"):
        with_partials("{{>other}}", files.__getitem__)
