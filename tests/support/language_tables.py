"""The tables of `polydoc_analytics/model/language_names/`, made from the package language_data: `just languages`."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from langcodes.data_dicts import LANGUAGE_REPLACEMENTS
from language_data.name_data import CODE_TO_NAMES
from language_data.names import load_trie
from language_data.population_data import LANGUAGE_SPEAKING_POPULATION
from language_data.registry_parser import parse_registry
from language_data.util import data_filename

from polydoc_analytics.model.language_synonyms import LANGUAGE_SYNONYMS
from polydoc_analytics.model.language_tables import FOLDER, PLAIN, TABLES
from polydoc_analytics.model.languages import by_rules, frequent_key

_SCRIPTS = (
    "zh-Hans",
    "zh-Hant",
    "zh-Hans-CN",
    "zh-Hans-SG",
    "zh-Hant-TW",
    "zh-Hant-HK",
    "sr-Latn",
    "sr-Cyrl",
    "es-419",
)


def _names(naming: str, category: str) -> dict[str, str]:
    trie = load_trie(data_filename(f"trie/{naming}/name_to_{category}.marisa"))
    return {name: trie[name][0].decode("utf-8") for name in trie}


def tables() -> dict[str, Mapping[str, str]]:
    """Every table by its name."""
    registry = list(parse_registry())
    languages = [row for row in registry if row["Type"] == "language"]
    extended = [row for row in registry if row["Type"] == "extlang"]
    regions = [row for row in registry if row["Type"] == "region" and "Deprecated" not in row]
    made: dict[str, Mapping[str, str]] = {
        f"{naming}_{category}": _names(naming, category)
        for naming in ("en", "und")
        for category in ("language", "script", "territory")
    }
    made["english_names"] = {code: names["en"] for code, names in CODE_TO_NAMES.items() if "en" in names}
    made["own_names"] = {code: names[code] for code, names in CODE_TO_NAMES.items() if code in names}
    made["prefixes"] = {row["Subtag"]: row["Prefix"][0] for row in extended}
    made["macrolanguages"] = {row["Subtag"]: row["Macrolanguage"] for row in languages if "Macrolanguage" in row}
    made["regions"] = {row["Subtag"]: "" for row in regions if "Private use" not in row["Description"]}
    made["spoken"] = {tag: "" for tag, people in LANGUAGE_SPEAKING_POPULATION.items() if people}
    made["frequent"] = _frequent(made)
    assert tuple(made) == TABLES
    return made


def _frequent(made: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Tag and English name of the languages with a code of two letters: by codes, names, and those of their regions."""
    two = [code for code in made["english_names"] if len(code) == 2 and code.islower()]
    three = [code for code in LANGUAGE_REPLACEMENTS if len(code) == 3 and len(by_rules(code).tag) == 2]
    regional = [tag for tag in made["spoken"] if tag[2:3] == "-"]
    tags = [*two, *three, *regional, *_SCRIPTS]
    named = [by_rules(tag).name for tag in tags]
    named += [name for name, tag in made["en_language"].items() if len(tag.partition("-")[0]) == 2]
    named += [f"{script} Chinese" for script in ("Simplified", "Traditional")]
    texts = [*tags, *named, *(made["own_names"].get(code, code) for code in two), *LANGUAGE_SYNONYMS]
    found = {frequent_key(text): by_rules(text) for text in texts}
    return {key: f"{one.tag} {one.name}" for key, one in found.items() if one.known}


def main() -> None:
    """Write the tables."""
    FOLDER.mkdir(exist_ok=True)
    for name, table in tables().items():
        text = "".join(f"{key}\t{value}\n" for key, value in sorted(table.items())).encode()
        if name in PLAIN:
            (FOLDER / f"{name}.tsv").write_bytes(text)
        else:
            (FOLDER / f"{name}.tsv.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main()
