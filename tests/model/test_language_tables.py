"""The tables of names of languages: as the package has them that they are made from; tags are named as by langcodes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import pytest

from polydoc_analytics.model.language_tables import TABLES, KeyedTable, name_key, table
from polydoc_analytics.model.languages import by_rules, language


@cache
def made_tables() -> dict[str, Mapping[str, str]]:
    """The tables, computed at first use: every process of the tests imports this file."""
    from support.language_tables import tables

    return tables()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_it_was_made_from(name: str) -> None:
    """`just languages` writes them anew."""
    assert table(name).as_dict() == made_tables()[name]


@pytest.mark.parametrize("name", TABLES)
def test_a_key_is_found_whether_it_is_searched_for_or_looked_up(name: str) -> None:
    made = made_tables()[name]
    keys = [*list(made)[:: len(made) // 40 + 1], *list(made)[-2:], "no such", "", "\n", "a\tb", "\ud800"]
    searched, looked_up = KeyedTable("\n".join(map("\t".join, made.items())).encode()), table(name)
    for _ in range(100):
        looked_up.get("no such")
    for key in keys:
        assert (searched.get(key), key in searched) == (made.get(key), key in made)
        assert (looked_up.get(key), key in looked_up) == (made.get(key), key in made)


def test_keys_are_those_of_the_tables() -> None:
    from language_data.name_data import CODE_TO_NAMES
    from language_data.names import normalize_name

    names = [name for names in CODE_TO_NAMES.values() for name in names.values()]
    assert len(names) > 170_000
    assert [name for name in names if name_key(name) != normalize_name(name)] == []


def test_tags_have_the_names_that_langcodes_displays() -> None:
    """Each language, script and region that has a code; and languages with scripts and regions, known and made up."""
    import langcodes
    from language_data.name_data import CODE_TO_NAMES

    languages = [code for code in CODE_TO_NAMES if len(code) in (2, 3) and code.islower()]
    scripts = [code for code in CODE_TO_NAMES if len(code) == 4]
    regions = [code for code in CODE_TO_NAMES if code.isdigit() or code.isupper()]
    tags = [*languages, *(f"sr-{script}" for script in scripts), *(f"de-{region}" for region in regions)]
    tags += [
        f"{languages[at * 7 % len(languages)]}-{scripts[at % len(scripts)]}-{regions[at]}" for at in range(len(regions))
    ]
    known = {found.tag: found.name for found in map(language, tags) if found.known}
    assert len(known) > 8_000
    assert known == {tag: langcodes.Language.get(tag).display_name() for tag in known}


def test_a_frequent_text_is_recognised_as_by_the_rules_however_it_is_written() -> None:
    keys = list(made_tables()["frequent"])
    texts = [*keys, *map(str.upper, keys), *map(str.title, keys), *(key.replace("-", "_") for key in keys)]
    assert len(texts) > 10_000
    assert [text for text in texts if language(text) != by_rules(text)] == []


def test_what_is_sent_often_is_recognised_without_langcodes() -> None:
    texts = [
        "de",
        "pt_BR",
        "PT-br",
        "German",
        "Brazilian Portuguese",
        "Chinese (Simplified)",
        "français",
        "deu",
        "house style 7",
    ]
    code = f"""if True:
        import sys
        from polydoc_analytics.model.languages import languages
        print(*(found.tag for found in languages({texts!r}).values()), "langcodes" in sys.modules, sep="|")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.strip() == "de|pt-BR|pt-BR|de|pt-BR|zh-Hans|fr|de|house style 7|False"
