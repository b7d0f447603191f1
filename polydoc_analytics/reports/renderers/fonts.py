"""The typeface of reports, Source Sans Pro (SIL Open Font License), and the characters that fonts have."""

from __future__ import annotations

import base64
import io
import os
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polydoc_analytics.errors import SourceError
from polydoc_analytics.reports.renderers.kept import kept

FAMILY = "Source Sans Pro"
WEIGHTS = {400: "SourceSansPro-Regular.ttf", 600: "SourceSansPro-Semibold.ttf"}
EXTRA = {
    "cvttf_NotoSansCJK_Regular": "Chinese, Japanese, Korean",
    "fontpkg_noto_sans_arabic": "Arabic",
    "fontpkg_heebo": "Hebrew",
    "fontpkg_noto_sans_devanagari": "Devanagari",
    "fontpkg_noto_sans_thai": "Thai",
}
"""The packages of the extra ``[fonts]``, and the scripts that each has."""
_SCRIPTS = {"CJK", "IDEOGRAPHIC", "IDEOGRAPH", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"}
_SCRIPTS |= {"ARABIC", "HEBREW", "DEVANAGARI", "THAI"}
_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_IN_PAGES = (*range(0x20, 0x180), *range(0x2010, 0x2040), 0x20AC, 0x2191, 0x2193, 0x2212)
_FEATURES = ["kern", "mark", "tnum", "lnum"]


def files() -> list[Path]:
    """Return the files of the typeface, in the weights that reports use."""
    import font_source_sans_pro

    folder = Path(font_source_sans_pro.__file__).parent / "files"
    return [folder / name for name in WEIGHTS.values()]


@cache
def for_pages() -> tuple[tuple[int, str], ...]:
    """Weights and WOFF files as base64, Latin letters only; the reader's own fonts draw the others."""
    packages, recipe = ("font-source-sans-pro", "fonttools"), f"{_IN_PAGES} {_FEATURES}"
    return tuple(
        (weight, kept(f"font-{weight}", packages, recipe, partial(_subset, file)))
        for weight, file in zip(WEIGHTS, files(), strict=True)
    )


def _subset(file: Path) -> str:
    from fontTools import subset

    options = subset.Options()
    options.flavor = "woff"
    options.layout_features = _FEATURES
    options.notdef_outline = True
    content = io.BytesIO()
    with subset.load_font(str(file), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=_IN_PAGES)
        subsetter.subset(font)
        subset.save_font(font, content, options)
    return base64.b64encode(content.getvalue()).decode()


def print_files(folders: Iterable[str]) -> list[Path]:
    """Return the font files for print: the typeface, those in some folders, those of the extra ``[fonts]``."""
    given = [
        Path(root, name)
        for folder in folders
        for root, _, names in sorted(os.walk(folder))
        for name in sorted(names)
        if name.lower().endswith(_SUFFIXES) and not name.startswith(".")  # such as the ._ files of a Mac
    ]
    return [*files(), *given, *_of_the_extra()]


def extra_folders() -> tuple[str, ...]:
    """Return the folders of the fonts of the extra ``[fonts]``; none where it is not installed."""
    return tuple(dict.fromkeys(str(file.parent) for file in _of_the_extra()))


def _of_the_extra() -> list[Path]:
    found = (find_spec(name) for name in EXTRA)
    folders = [Path(spec.origin).parent for spec in found if spec is not None and spec.origin]
    return [file for folder in folders for file in sorted(folder.rglob("*.?tf"))]


def is_in_the_extra(character: str) -> bool:
    """Check whether a character is of a script that the extra ``[fonts]``, not installed here, has."""
    is_of_a_script = not _SCRIPTS.isdisjoint(unicodedata.name(character, "").split())
    return is_of_a_script and any(find_spec(name) is None for name in EXTRA)


@cache
def characters(file: Path) -> frozenset[int]:
    """Return the code points that a font file can draw."""
    with _opened(file) as fonts:
        return frozenset(code for font in fonts for code in font.getBestCmap())


def advances(file: Path) -> dict[str, float]:
    """Advance width of each character of a font, in ems."""
    with _opened(file) as [font]:
        metrics, em = font["hmtx"], font["head"].unitsPerEm
        return {chr(code): metrics[glyph][0] / em for code, glyph in font.getBestCmap().items()}


def cap_height(file: Path) -> float:
    """Return the height of a font's capitals, in ems."""
    with _opened(file) as [font]:
        return float(font["OS/2"].sCapHeight / font["head"].unitsPerEm)


@cache
def families(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the families of the fonts beside the typeface, in order of preference."""
    names: dict[str, None] = {}
    for file in print_files(folders)[len(WEIGHTS) :]:
        with _opened(file) as fonts:
            names |= {str(font["name"].getBestFamilyName() or ""): None for font in fonts}
    return tuple(name for name in names if name)


@contextmanager
def _opened(file: Path) -> Iterator[list[Any]]:
    """Open the fonts of a file, which may be a collection; raises SourceError where it has none that can be read."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    is_collection = file.suffix.lower() in (".ttc", ".otc")
    try:
        with file.open("rb") as content, (TTCollection if is_collection else TTFont)(content, lazy=True) as opened:
            yield list(opened.fonts) if is_collection else [opened]
    except (TTLibError, KeyError, AssertionError, struct.error):
        raise SourceError(f"{file}: is no font that can be read; take it out of the folder of fonts") from None
