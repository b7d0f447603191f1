"""Texts of drawings as outlines: where their letters join, what sets drawings would set them over each other."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from polydoc_analytics.reports.charts import palette
from polydoc_analytics.reports.renderers import fonts
from polydoc_analytics.reports.renderers.typesetting import drawn

_TEXT = re.compile(r"<text ([^>]*)>([^<]*)</text>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_SIZE = re.compile(r'<svg viewBox="0 0 ([\d.]+) [^>]*>(.*)</svg>', re.DOTALL)
_COLOUR = re.compile("#(?:[0-9a-fA-F]{3}){1,2}")
_SHARES = {"start": 0.0, "middle": 0.5, "end": 1.0}
_JOINED = "\u0e33\u0eb3"
"""Vowels of Thai and Lao that are drawn as two signs."""
_PAGE = """\
#set page(width: auto, height: auto, margin: 0pt, fill: none)
#set text(font: ({families}), size: {size}pt, weight: {weight}, fill: rgb("{fill}"), top-edge: 1em, bottom-edge: -0.5em)
#read("text.txt")"""


def outlined(svg: str, folders: tuple[str, ...], is_drawn: Callable[[str], bool] | None = None) -> str:
    """Return a drawing with outlines in the place of some texts: of those ``is_drawn`` says, else of joined letters."""
    chosen = is_drawn or has_joined_letters
    if svg.isascii():
        return svg

    def replaced(text: re.Match[str]) -> str:
        content = html.unescape(text[2])
        return _outline(content, dict(_ATTRIBUTE.findall(text[1])), folders) if chosen(content) else text[0]

    return _TEXT.sub(replaced, svg)


def has_joined_letters(text: str) -> bool:
    """Check whether a text has marks above or below its letters, or letters that join."""
    return not text.isascii() and any(
        unicodedata.category(character)[0] == "M"
        or unicodedata.bidirectional(character) == "AL"
        or character in _JOINED
        for character in text
    )


def has_other_letters(text: str) -> bool:
    """Check whether a text has characters that the typeface has not, or marks."""
    return not _typeface().issuperset(text)


def _outline(text: str, look: dict[str, str], folders: tuple[str, ...]) -> str:
    size = float(look.get("font-size", "11px").removesuffix("px"))
    fill = look.get("fill", "")
    colour = fill if _COLOUR.fullmatch(fill) else palette.INK
    width, paths = _paths(text, size, look.get("font-weight", "400"), colour, folders)
    place = f"translate({-_SHARES[look.get('text-anchor', 'start')] * width:.3f},{-size:g})"
    return f'<g transform="{look.get("transform", "")} {place}" opacity="{look.get("opacity", "1")}">{paths}</g>'


@lru_cache(maxsize=512)
def _paths(text: str, size: float, weight: str, fill: str, folders: tuple[str, ...]) -> tuple[float, str]:
    """Set a line of text; return its width and its outlines, in whose coordinates the baseline is ``size`` down."""
    families = ", ".join(f'"{name}"' for name in (fonts.FAMILY, *fonts.families(folders)))
    page = _PAGE.format(families=families, size=size, weight=weight if weight.isdigit() else f'"{weight}"', fill=fill)
    made = drawn(folders, {"main.typ": page.encode(), "text.txt": text.encode()}, "svg").decode()
    size_and_paths = _SIZE.match(made)
    assert size_and_paths is not None
    return float(size_and_paths[1]), size_and_paths[2].replace("xlink:href", "href")


@cache
def _typeface() -> frozenset[str]:
    known = frozenset(map(chr, fonts.characters(fonts.files()[0])))
    return frozenset(character for character in known if unicodedata.category(character)[0] != "M") | {"\n"}
