"""Usual names and old tags of languages, scripts and territories that the Unicode tables lack.

Keys are lower case, with spaces for punctuation. Values are BCP 47 subtags and tags.
"""

from __future__ import annotations

LEGACY_TAGS = {"zh-chs": "zh-Hans", "zh-cht": "zh-Hant"}

LANGUAGE_SYNONYMS = {
    "español de españa": "es-ES",
    "español de latinoamérica": "es-419",
    "español de méxico": "es-MX",
    "farsi": "fa",
    "flemish": "nl-BE",
    "français canadien": "fr-CA",
    "français du canada": "fr-CA",
    "inuktut": "iu",
    "jingpo": "kac",
    "kurdish arabic central": "ckb",
    "kurdish latin northern": "kmr",
    "marwadi": "mwr",
    "meiteilon": "mni",
    "minang": "min",
    "myanmar": "my",
    "nepalbhasa": "new",
    "portuguese all portuguese variants excluding brazilian portuguese": "pt-PT",
    "português brasileiro": "pt-BR",
    "português de portugal": "pt-PT",
    "português do brasil": "pt-BR",
    "português europeu": "pt-PT",
    "q'eqchi'": "kek",
    "queretaro otomi": "otq",
    "qʼeqchiʼ": "kek",
    "romani": "rom",
    "tshiluba": "lua",
}

SCRIPT_SYNONYMS = {
    ("iu", "syllabics"): "Cans",
    ("mn", "traditional"): "Mong",
    ("ms", "jawi"): "Arab",
    ("pa", "shahmukhi"): "Arab",
    ("tlh", "plqad"): "Piqd",
}

TERRITORY_SYNONYMS = {
    "america": "US",
    "brasil": "BR",
    "great britain": "GB",
    "holland": "NL",
    "latam": "419",
    "macau": "MO",
    "mainland china": "CN",
    "prc": "CN",
    "u.k.": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "us": "US",
    "usa": "US",
    "united states of america": "US",
}
