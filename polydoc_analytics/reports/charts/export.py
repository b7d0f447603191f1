"""Charts by vl-convert, one at a time.

vl-convert waits for a lock of its own while it holds the GIL, so two threads that draw at once can deadlock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from threading import Lock
from typing import Any, TypeVar

from polydoc_analytics.reports.charts import bars
from polydoc_analytics.reports.renderers import fonts

_VEGA_LITE = "6.4"
_ROWS = "t"
"""The default name of a chart's dataset."""
_ONE_AT_A_TIME = Lock()

T = TypeVar("T")


def start() -> None:
    """Start Vega, whose first chart takes a third of a second longer than the next."""
    as_vega({"mark": "point", "data": {"values": []}})


def measure_with(folders: Iterable[str]) -> None:
    """Measure the texts of charts with the fonts of some folders, too."""
    _alone(lambda _: [_with_fonts(folder) for folder in folders])


def as_vega(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification as one of Vega."""
    return _alone(lambda drawer: dict(drawer.vegalite_to_vega(spec, vl_version=_VEGA_LITE)))


def as_svg(spec: Mapping[str, Any]) -> str:
    """Return a chart as SVG, its text measured in the typeface of reports; nothing is loaded from anywhere.

    Its marks have no descriptions: the caption beside it says what it shows.
    """
    return bars.as_svg(spec, lambda one: _drawn(json.dumps(one)))


@lru_cache(maxsize=512)
def _drawn(text: str) -> str:
    spec = json.loads(text)
    quiet = {**spec, "config": {**spec.get("config", {}), "aria": False}}
    data = spec.get("data", {})
    if not isinstance(data.get("values"), list):
        return _alone(lambda drawer: str(drawer.vegalite_to_svg(quiet, vl_version=_VEGA_LITE, allowed_base_urls=[])))
    name = data.get("name", _ROWS)
    made = _compiled(json.dumps({**quiet, "data": {**data, "name": name, "values": []}}))
    filled = [{**one, "values": data["values"]} if one["name"] == name else one for one in made["data"]]
    return _alone(lambda drawer: str(drawer.vega_to_svg({**made, "data": filled}, allowed_base_urls=[])))


def as_png(spec: Mapping[str, Any], scale: float, redrawn: Callable[[str], str] | None = None) -> bytes:
    """Return a chart as PNG, ``scale`` times its size; nothing is loaded from anywhere.

    ``redrawn`` is what makes of its SVG the one that becomes the picture.
    """
    if redrawn is None:
        return _alone(
            lambda drawer: bytes(drawer.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=scale, allowed_base_urls=[]))
        )
    svg = redrawn(as_svg(spec))
    return _alone(lambda drawer: bytes(drawer.svg_to_png(svg, scale=scale)))


def bundle(snippet: str) -> str:
    """Return the script of Vega with a snippet that uses it, as a page embeds it."""
    return _alone(lambda drawer: str(drawer.javascript_bundle(snippet)))


@lru_cache(maxsize=512)
def _compiled(spec: str) -> dict[str, Any]:
    """Return a specification without rows as one of Vega; the statements of many accounts differ in rows alone."""
    return as_vega(json.loads(spec))


def _alone(draw: Callable[[Any], T]) -> T:
    with _ONE_AT_A_TIME:
        return draw(_drawer())


@cache
def _drawer() -> Any:
    import vl_convert

    for folder in (str(fonts.files()[0].parent), *fonts.extra_folders()):
        _with_fonts(folder)
    return vl_convert


@cache
def _with_fonts(folder: str) -> None:
    import vl_convert

    vl_convert.register_font_directory(folder)
